# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wildcard patterns: whether one matches everything that another one matches, or nothing of it. Pure.

A pattern is read into a tuple of symbols: single characters, the wildcards below, and policy variables as they are
written. AWS's documents do not settle whether a `*` inside an ARN also matches a colon. Here it never does where it
has to match more, unless it ends the pattern. So a containment is proven in either case.
"""

from __future__ import annotations

import re
from functools import lru_cache

Symbols = tuple[str, ...]

ANY_CHARACTER = "?"
CHARACTER = "?:"
ANY_TEXT = "*"
TEXT = "*:"
RUNS = (ANY_TEXT, TEXT)
EVERYTHING: Symbols = (ANY_TEXT,)
# The wildcards that stay within a part of an ARN.
WITHIN_PART = {ANY_CHARACTER: CHARACTER, ANY_TEXT: TEXT}
PIECES_AND_VARIABLES = re.compile(r"\$\{[^}]*\}?|.", re.DOTALL)
VARIABLE = re.compile(r"\$\{[^}]*\}?")
VARIABLE_BETWEEN = re.compile(r"(\$\{[^}]*\}?)")


def literal(text: str, has_variables: bool = False) -> Symbols:
    """The pattern that matches a text and nothing else; `*` and `?` in it are characters like any other."""
    if has_variables and "${" in text:
        pieces = VARIABLE_BETWEEN.split(text)
        return tuple(
            symbol for number, piece in enumerate(pieces) for symbol in ([piece] if number % 2 else literal(piece))
        )
    return tuple(f"={character}" if character in "*?" else character for character in text)


@lru_cache(maxsize=4096)
def read_pattern(text: str, has_variables: bool = False, is_arn: bool = False) -> Symbols:
    """Read a pattern.

    :param has_variables: `${...}` is a policy variable, as in the version 2012-10-17 of the policy language.
    :param is_arn: whether a colon separates parts.
    """
    symbols = PIECES_AND_VARIABLES.findall(text) if has_variables and "${" in text else list(text)
    if is_arn:
        last = symbols[-1:]
        symbols = [WITHIN_PART.get(symbol, symbol) for symbol in symbols]
        if last == [ANY_TEXT]:
            symbols[-1] = ANY_TEXT
    return tuple(symbols)


def contains(wide: Symbols, narrow: Symbols) -> bool:
    """Whether a pattern certainly matches every text that another one matches."""
    if wide in (narrow, EVERYTHING):
        return True
    place, run, taken_by_run, number = 0, -1, 0, 0
    while number < len(narrow):
        if place < len(wide) and wide[place] in RUNS:
            run, taken_by_run, place = place, number, place + 1
        elif place < len(wide) and _takes(wide[place], narrow[number]):
            place, number = place + 1, number + 1
        elif run >= 0 and _takes(wide[run], narrow[taken_by_run]):
            # The last run takes one symbol more, and what is behind it is tried again.
            taken_by_run += 1
            place, number = run + 1, taken_by_run
        else:
            return False
    return all(symbol in RUNS for symbol in wide[place:])


def _takes(wide: str, narrow: str) -> bool:
    if wide in (narrow, ANY_TEXT):
        return True
    if wide == TEXT:
        return narrow not in (":", ANY_TEXT) and not is_variable(narrow)
    is_one = (len(narrow) == 1 and narrow not in RUNS) or narrow[0] == "=" or narrow == CHARACTER
    if wide == CHARACTER:
        return is_one and narrow not in (":", ANY_CHARACTER)
    return wide == ANY_CHARACTER and is_one


def is_variable(symbol: str) -> bool:
    """Whether a symbol is a policy variable."""
    return symbol.startswith("${")


def variables_in(text: str) -> frozenset[str]:
    """The policy variables of a text, as they are written."""
    return frozenset(VARIABLE.findall(text)) if "${" in text else frozenset()


def is_disjoint(one: Symbols, other: Symbols) -> bool:
    """Whether two patterns certainly match no text in common, letter case aside."""
    waiting, seen = [(0, 0)], {(0, 0)}
    while waiting:
        first, second = waiting.pop()
        if (first, second) == (len(one), len(other)):
            return False
        for step in _common_steps(one[first : first + 1], other[second : second + 1]):
            place = first + step[0], second + step[1]
            if place not in seen:
                seen.add(place)
                waiting.append(place)
    return True


def _common_steps(first: Symbols, second: Symbols) -> list[tuple[int, int]]:
    """How far two patterns can go on together from the symbols they have reached, `()` at their ends."""
    is_open = [bool(symbol) and (symbol[0] in RUNS or is_variable(symbol[0])) for symbol in (first, second)]
    steps = [(1, 0)] * is_open[0] + [(0, 1)] * is_open[1]
    if first and second and not any(is_open) and _can_be_same(first[0], second[0]):
        steps.append((1, 1))
    return steps + [(0, 1)] * bool(is_open[0] and second) + [(1, 0)] * bool(is_open[1] and first)


def _can_be_same(first: str, second: str) -> bool:
    wild = (ANY_CHARACTER, CHARACTER)
    return first in wild or second in wild or first.lower() == second.lower()
