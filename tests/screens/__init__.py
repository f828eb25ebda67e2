# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a terminal shows of a summary: scenes, drawn by a terminal emulator, and the golden screens to compare with.

`make screens` writes the golden screens. In tests/fixtures/screens each is a text, with its colours as tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import pyte
import pytest
from ansible.utils import color
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import Line
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.terminal import show

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "screens"
PAGE = FOLDER.parents[2] / "docs" / "terminal.md"
# A comment that names a screen, and the block of code below it.
SAMPLE = re.compile(r"(?<=<!-- screen: )([a-z0-9-]+)( -->\n```\n)(.*?)(?=```)", re.DOTALL)
WIDTHS = (60, 80, 150)
# As if a terminal had room for everything that was ever printed: nothing scrolls away.
PAPER = 400
TAG = re.compile("</?(bold|red|green|brown)>")


class Paper:
    """In the place of Ansible's display: keeps what it is to print."""

    def __init__(self) -> None:
        self.printed = ""
        self.logged = ""

    def display(self, text: str, screen_only: bool = False, log_only: bool = False) -> None:
        self.printed += "" if log_only else f"{text}\r\n"
        self.logged += "" if screen_only else f"{text}\n"


def print_in(lines: Iterable[Line], is_coloured: bool) -> Paper:
    """Print the lines as the callbacks do."""
    paper = Paper()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(color, "ANSIBLE_COLOR", is_coloured)
        show(paper, lines)
    return paper


def screen(printed: str, columns: int) -> list[str]:
    """The rows of a terminal of so many columns after this was printed, with tags for bold and coloured text."""
    emulated = pyte.Screen(columns, PAPER)
    pyte.Stream(emulated).feed(printed)
    return [_row([emulated.buffer[number][column] for column in range(columns)]) for number in range(emulated.cursor.y)]


def _row(cells: list[pyte.screens.Char]) -> str:
    tagged = ""
    for style, run in groupby(cells, key=lambda cell: cell.fg if cell.fg != "default" else "bold" * cell.bold):
        text = "".join(cell.data for cell in run)
        tagged += f"<{style}>{text}</{style}>" if style else text
    return tagged.rstrip()


def untagged(row: str) -> str:
    return TAG.sub("", row).rstrip()


def with_screens(text: str) -> str:
    """A document with the screens that it names, without colours."""
    return SAMPLE.sub(lambda found: found[1] + found[2] + TAG.sub("", golden(found[1]).read_text()), text)


def golden(name: str) -> Path:
    return FOLDER / f"{name}.txt"
