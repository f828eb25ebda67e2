# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters that word processors and chat programs use instead of quotes, hyphens and blanks. Pure."""

from __future__ import annotations

import unicodedata

# As parts of a regular expression's character class.
QUOTES = r"\u00ab\u00b4\u00bb\u2018-\u201f\u2032-\u2037\u2039\u203a\u301d-\u301f\uff02\uff07"
DASHES = r"\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
INVISIBLE = r"\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"


def name_character(char: str) -> str:
    """A character for people: `U+201C (left double quotation mark)`."""
    return f"U+{ord(char):04X} ({unicodedata.name(char, 'without a name').lower()})"


def first_odd(text: str) -> str | None:
    """The first character of a text that is outside of ASCII and no letter or digit; None where there is none."""
    return next((char for char in text if ord(char) > 127 and not char.isalnum()), None)
