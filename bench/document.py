# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts generated parts into docs/performance.md, between their markers."""

from __future__ import annotations

from stack import ROOT

DOCS = ROOT / "docs"
DOCUMENT = DOCS / "performance.md"


def write_part(name: str, command: str, text: str) -> None:
    """Replace what stands between the markers of the part `name`; raises ValueError where it has none."""
    begin, end = f"<!-- {name}: written by `{command}` -->", f"<!-- end of {name} -->"
    before, found, rest = DOCUMENT.read_text().partition(begin)
    _old, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{DOCUMENT} has no part between {begin} and {end}")
    DOCUMENT.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
