# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines on the terminal of this process: as wide as it is, in the colours that Ansible is set to."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import Any

from ansible import constants as C
from ansible.utils import color
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import Line, Span, plain

COLORS = {"good": C.COLOR_OK, "bad": C.COLOR_ERROR, "caution": C.COLOR_CHANGED}
BOLD = "\x1b[1m{}\x1b[0m"
# A log has no width: most are read in a window of this one.
LOG = (100, 24)
NARROWEST, WIDEST = 40, 200


def columns() -> int:
    """The width to fit text to: of `COLUMNS` where that is set, of the terminal, or of a log."""
    return min(max(shutil.get_terminal_size(LOG).columns, NARROWEST), WIDEST)


def show(display: Any, lines: Iterable[Line]) -> None:
    """Print lines; `display` is Ansible's. A log file gets them without colours."""
    for line in lines:
        display.display("".join(map(painted, line)), screen_only=True)
        display.display(plain(line), log_only=True)


def painted(span: Span) -> str:
    """The text in its colour, unless `NO_COLOR`, `ANSIBLE_NOCOLOR` or the lack of a terminal leaves colours out."""
    if not span.style or not color.ANSIBLE_COLOR:
        return span.text
    return BOLD.format(span.text) if span.style == "strong" else color.stringc(span.text, COLORS[span.style])
