# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Deny statements another document keeps in force for certain. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..policies.document import PolicyDocumentError, as_iam_reads, statements
from .statements import read_statements, uncovered


def lost_denials(before: Mapping[str, Any], after: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The Deny statements of a document that another one in its place does not keep in force for certain.

    :param before: a policy document; its Effect counts as a Deny in doubt.
    :param after: the one that takes its place, or None where there is none.
    :returns: list of statements.
    """
    after = after or {}
    kept = [one for statement in _denials(after) if statement["Effect"] == "Deny" for one in _read(after, statement)]
    return [lost for lost in _denials(before) if not _is_kept(_read(before, lost), kept)]


def _denials(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = [as_iam_reads(one) for one in statements(document) if isinstance(one, dict)]
    return [one for one in found if str(one.get("Effect")).lower() != "allow"]


def _read(document: Mapping[str, Any], statement: dict[str, Any]) -> list[Any]:
    """A statement as a list of one, or `[]` where it cannot be compared."""
    try:
        return read_statements({**document, "Statement": [{**statement, "Effect": "Deny"}]})
    except PolicyDocumentError:
        return []


def _is_kept(lost: list[Any], kept: list[Any]) -> bool:
    return bool(lost) and not any(True for _part in uncovered(lost[0], kept))
