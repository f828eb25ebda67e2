# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step changes, as lines for people: before and after, policy documents unfolded. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import (
    PolicyDocumentError,
    pretty,
    read_document,
)

SAME, ADDED, REMOVED, SKIPPED = " ", "+", "-", "…"
# Unchanged lines that are shown on either side of a change.
CONTEXT = 3
# The matcher is quadratic at its worst: beyond this, everything is shown as replaced.
MAX_LINES = 1000


# The order in which people write policy documents; everything else follows by name, so that equal parts compare equal.
WRITTEN_FIRST = ("Version", "Id", "Statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction")


@dataclass(frozen=True)
class Line:
    """One line; sign is SAME, ADDED, REMOVED, or SKIPPED, whose text has the number of lines left out."""

    sign: str
    text: str


def difference(before: Any, after: Any) -> list[Line]:
    """Compare two parts of an account line by line.

    :param before: JSON value; None or empty when nothing is there.
    :param after: the same after the step.
    :returns: list of `Line`; two equal values are all SAME.
    """
    old, new = _lines(before), _lines(after)
    if old == new:
        return [Line(SAME, line) for line in new]
    if max(len(old), len(new)) > MAX_LINES:
        return [*_signed(REMOVED, old), *_signed(ADDED, new)]
    compared = _without_commas(before, old), _without_commas(after, new)
    opcodes = SequenceMatcher(None, *compared, False).get_opcodes()
    return [line for opcode in opcodes for line in _part(opcode, old, new)]


def _without_commas(value: Any, lines: list[str]) -> list[str]:
    """An entry that gets a neighbour, and a comma with it, is the same entry."""
    return lines if isinstance(value, str) else [line.rstrip(",") for line in lines]


def readable(value: Any) -> str:
    """A JSON value as indented text, the policy documents inside of it unfolded; a text stays as it is."""
    unfolded = _unfolded(value)
    # Indenting is ten times slower, and a single value has nothing to indent.
    indent = 2 if isinstance(unfolded, (dict, list)) else None
    return unfolded if isinstance(unfolded, str) else json.dumps(unfolded, indent=indent, ensure_ascii=False)


def _lines(value: Any) -> list[str]:
    return readable(value).split("\n") if value else []


def _part(opcode: tuple[str, int, int, int, int], old: list[str], new: list[str]) -> list[Line]:
    tag, old_start, old_end, new_start, new_end = opcode
    if tag != "equal":
        return [*_signed(REMOVED, old[old_start:old_end]), *_signed(ADDED, new[new_start:new_end])]
    lines = new[new_start:new_end]
    head = CONTEXT if new_start else 0
    tail = CONTEXT if new_end < len(new) else 0
    left_out = len(lines) - head - tail
    if left_out <= 1:
        return _signed(SAME, lines)
    skipped = Line(SKIPPED, f"{left_out} unchanged lines")
    return [*_signed(SAME, lines[:head]), skipped, *_signed(SAME, lines[len(lines) - tail :])]


def _signed(sign: str, lines: list[str]) -> list[Line]:
    return [Line(sign, line) for line in lines]


def _unfolded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unfolded(value[key]) for key in sorted(value, key=_rank)}
    if isinstance(value, list):
        return [_unfolded(inner) for inner in value]
    document = _document(value) if isinstance(value, str) else value
    return _unfolded(document) if isinstance(document, dict) else document


def _rank(key: str) -> tuple[int, str]:
    return (WRITTEN_FIRST.index(key), "") if key in WRITTEN_FIRST else (len(WRITTEN_FIRST), key)


def _document(text: str) -> Any:
    """A policy document as data; a text that IAM would not read in one way only stays text."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        return json.loads(pretty(read_document(text)))
    except (PolicyDocumentError, RecursionError):
        return text
