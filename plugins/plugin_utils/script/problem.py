# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The problems of a script: their places, and their description with the source line and a caret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import redact
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.terminal_text import cells

MAX_COLUMNS = 100  # of a long source line, around the place
MAX_SHOWN = 20  # problems that are described one by one


@dataclass(frozen=True)
class Problem:
    """A part of a script that prevents its application.

    Neither message nor hint contains an option's value: values are shown only in the redacted source line.

    :ivar kind: `unsupported`, `refused` or `not_aws`.
    :ivar offset: its place in the script's text, in characters, as is `length`.
    :ivar hint: what was expected, or what to do.
    """

    kind: str
    message: str
    offset: int
    length: int = 1
    hint: str | None = None


def unsupported(message: str, start: int, end: int, hint: str | None = None) -> Problem:
    """A problem of kind `unsupported` from start to end."""
    return Problem("unsupported", message, start, max(1, end - start), hint)


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """The line and the column, both from 1, of a place in a text whose lines end with newlines."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def describe(text: str, problems: Iterable[Problem]) -> str:
    """Describe problems, each with line, column, the source line with its secrets masked, and a caret.

    :param text: the whole script that the problems' offsets count in.
    :returns: several lines; empty without problems.
    """
    masked = redact(text)
    ordered = sorted(problems, key=lambda problem: problem.offset)
    described = ["\n".join(_describe(masked, problem)) for problem in ordered[:MAX_SHOWN]]
    if len(ordered) > MAX_SHOWN:
        described.append(f"and {len(ordered) - MAX_SHOWN} more problems after these")
    return "\n".join(described)


def _describe(masked: str, problem: Problem) -> Iterator[str]:
    line, column = line_and_column(masked, problem.offset)
    yield f"line {line}, column {column}: {visible(redact(problem.message))}"
    shown, before, marked = _window(masked, problem)
    if shown:
        yield f"  | {shown}"
        yield f"  | {' ' * before}{'^' * marked}"
    if problem.hint:
        yield f"  hint: {visible(problem.hint)}"


def _window(masked: str, problem: Problem) -> tuple[str, int, int]:
    """The visible part of the source line, the width before the caret, and the caret's own width."""
    start = masked.rfind("\n", 0, problem.offset) + 1
    end = masked.find("\n", start)
    end = len(masked) if end < 0 else end
    left = max(start, min(problem.offset - MAX_COLUMNS // 2, end - MAX_COLUMNS))
    right = min(end, left + MAX_COLUMNS)
    stop = max(problem.offset + 1, min(problem.offset + problem.length, right))
    lead, tail = "…" if left > start else "", "…" if right < end else ""
    before = lead + visible(masked[left : problem.offset])
    marked = visible(masked[problem.offset : stop])
    shown = (before + marked + visible(masked[stop:right])).rstrip() + tail
    return shown, cells(before), max(1, cells(marked))


def visible(text: str) -> str:
    """The text, each character in its own column: spaces for white space, question marks for control characters."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in text)
