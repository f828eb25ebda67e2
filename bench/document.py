# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts generated parts into pages of docs/, between their markers."""

from __future__ import annotations

from stack import ROOT

DOCS = ROOT / "docs"


def write_part(name: str, command: str, text: str, page: str = "performance.md") -> None:
    """Replace what stands between the markers of the part `name` of a page; raises ValueError where it has none."""
    document = DOCS / page
    begin, end = f"<!-- {name}: written by `{command}` -->", f"<!-- end of {name} -->"
    before, found, rest = document.read_text().partition(begin)
    _old, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{document} has no part between {begin} and {end}")
    document.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
