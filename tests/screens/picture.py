# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A golden screen as the README's picture of a terminal, an SVG: `make screens` draws it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import cells

from . import FOLDER, golden, untagged

PICTURE = FOLDER.parents[2] / "docs" / "images" / "terminal.svg"
SCREEN, COLUMNS = "sample-80", 80
COMMAND = "$ ansible-playbook remediate.yml --check"
# Of a cell, in pixels, and the room around all of them.
WIDTH, HEIGHT, MARGIN = 8.4, 19, 16
# The terminal's own colours would be the reader's; these are readable on the dark ground.
COLOURS = {"red": "#ff8f85", "green": "#7fcf9b", "brown": "#f0b75e"}
PART = re.compile(r"<(bold|red|green|brown)>(.*?)</\1>|([^<]+|<)")


def picture() -> str:
    """The text of the SVG."""
    rows = [f"<bold>{COMMAND}</bold>", "", *golden(SCREEN).read_text().split("\n")[:-1]]
    width, height = round(COLUMNS * WIDTH + 2 * MARGIN), len(rows) * HEIGHT + 2 * MARGIN
    title = (
        "A terminal after a review: one alert needs attention, two are planned; below, the command that applies them"
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-labelledby="t">\n<title id="t">{title}</title>\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="#141619"/>\n'
        '<g fill="#e6e7e9" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" '
        'font-size="14">\n'
    )
    return head + "".join(_drawn(rows)) + "</g>\n</svg>\n"


def _drawn(rows: list[str]) -> Iterator[str]:
    for number, row in enumerate(rows):
        text = untagged(row)
        indent = len(text) - len(text.lstrip())
        if text:
            x, y = MARGIN + indent * WIDTH, MARGIN + number * HEIGHT + 14
            # As wide as its cells, whatever the font.
            fitted = f'textLength="{cells(text.lstrip()) * WIDTH:.1f}" lengthAdjust="spacingAndGlyphs"'
            spans = "".join(map(_span, PART.finditer(row.lstrip())))
            yield f'<text x="{x:.1f}" y="{y}" {fitted}>{spans}</text>\n'


def _span(found: re.Match[str]) -> str:
    style, text, plain = found.groups()
    # Browsers would make one blank of many.
    shown = escape(text or plain).replace(" ", "\N{NO-BREAK SPACE}")
    if not style:
        return shown
    look = 'font-weight="bold"' if style == "bold" else f'fill="{COLOURS[style]}"'
    return f"<tspan {look}>{shown}</tspan>"
