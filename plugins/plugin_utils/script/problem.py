# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a script, where, and how it is told to a person."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import redact

WINDOW = 100  # columns of a long source line that are shown around the place
SHOWN = 20  # problems that are described one by one


@dataclass(frozen=True)
class Problem:
    """One thing in a script that keeps it from being applied.

    kind is C(unsupported), C(refused) or C(not_aws). offset and length are characters of the script's text. hint says
    what was expected or what to do. Neither message nor hint ever holds an option's value: values are shown through
    the redacted source line only.
    """

    kind: str
    message: str
    offset: int
    length: int = 1
    hint: str | None = None


def unsupported(message: str, start: int, end: int, hint: str | None = None) -> Problem:
    """A problem of kind C(unsupported) that reaches from start to end."""
    return Problem("unsupported", message, start, max(1, end - start), hint)


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """The line and the column, both from 1, of a place in a text whose lines end with newlines."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def describe(text: str, problems: Iterable[Problem]) -> str:
    """Tell a person about problems: each with line, column, the source line with its secrets masked, and a caret.

    :param text: the whole script that the problems' offsets count in.
    :returns: several lines; no problems give an empty text.
    """
    masked = redact(text)
    ordered = sorted(problems, key=lambda problem: problem.offset)
    told = ["\n".join(_tell(masked, problem)) for problem in ordered[:SHOWN]]
    if len(ordered) > SHOWN:
        told.append(f"and {len(ordered) - SHOWN} more problems after these")
    return "\n".join(told)


def _tell(masked: str, problem: Problem) -> Iterator[str]:
    line, column = line_and_column(masked, problem.offset)
    yield f"line {line}, column {column}: {printable(redact(problem.message))}"
    shown, before, marked = _window(masked, problem)
    if shown:
        yield f"  | {shown}"
        yield f"  | {' ' * before}{'^' * marked}"
    if problem.hint:
        yield f"  hint: {printable(problem.hint)}"


def _window(masked: str, problem: Problem) -> tuple[str, int, int]:
    """The visible part of the source line, the width before the caret, and the caret's own width."""
    start = masked.rfind("\n", 0, problem.offset) + 1
    end = masked.find("\n", start)
    end = len(masked) if end < 0 else end
    left = max(start, min(problem.offset - WINDOW // 2, end - WINDOW))
    right = min(end, left + WINDOW)
    stop = max(problem.offset + 1, min(problem.offset + problem.length, right))
    lead, tail = "…" if left > start else "", "…" if right < end else ""
    before = lead + printable(masked[left : problem.offset])
    marked = printable(masked[problem.offset : stop])
    shown = (before + marked + printable(masked[stop:right])).rstrip() + tail
    return shown, _width(before), max(1, _width(marked))


def printable(text: str) -> str:
    """A text for a terminal: blanks for white space, question marks for what a terminal might obey."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in text)


def _width(text: str) -> int:
    """Columns of a terminal: wide characters take two, combining marks none (Unicode annex 11)."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
