# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for a terminal: made harmless, measured and fitted to its columns."""

from __future__ import annotations

import unicodedata


def printable(text):
    """The text with control characters escaped, so that an alert cannot steer the terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text))


def cells(text: str) -> int:
    """How many columns of a terminal the text takes (Unicode Standard Annex #11)."""
    return sum(map(_cells, text))


def _cells(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("F", "W") else 1


def cut(text: str, width: int) -> str:
    """The text in at most this many columns, with an ellipsis where something was left out."""
    if cells(text) <= width:
        return text
    kept = ""
    for char in text:
        if cells(kept + char) > width - 1:
            break
        kept += char
    return kept + "…" * (width > 0)


def pad(text: str, width: int) -> str:
    """The text in exactly this many columns."""
    shown = cut(text, width)
    return shown + " " * (width - cells(shown))
