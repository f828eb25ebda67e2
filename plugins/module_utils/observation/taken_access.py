# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which actions a step takes away, by the documents that it puts into force and those that it takes out of force.

In doubt it takes an action away: resources and conditions of a Deny do not count, nor other policies of the principal
that allow the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..account.overlay import AccountOverlay
from ..policies.document import PolicyDocumentError
from ..policy_proof.patterns import contains, is_disjoint, literal, read_pattern
from ..policy_proof.statements import Statement, Values, read_statements, uncovered

Document = dict[str, Any]
Written = Mapping[tuple[Any, ...], tuple[Any, Any]]
# What the facts of a principal are, beside its policies.
WITH_BOUNDARY = ("user", "role")


@dataclass
class TakenAccess:
    """What is taken away from the principals of one step.

    :ivar denied: Deny statements that come into force.
    :ivar lost: Allow statements that go out of force, each with the Allow statements that take their place.
    :ivar bounds: the Allow statements of each boundary that comes into force.
    """

    denied: list[Statement] = field(default_factory=list)
    lost: list[tuple[Statement, list[Statement]]] = field(default_factory=list)
    bounds: list[list[Statement]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.denied or self.lost or self.bounds)

    def takes(self, action: str) -> bool:
        """Whether an action is taken away, at least in part: `s3:DeleteBucket`."""
        one = Values((action,), (literal(action.lower()),))
        return (
            any(_matches(statement.actions, action) for statement in self.denied)
            or any(
                _matches(statement.actions, action) and _is_uncovered(replace(statement, actions=one), after)
                for statement, after in self.lost
            )
            or any(not any(_matches(one.actions, action) for one in allowed) for allowed in self.bounds)
        )

    def takes_others(self, service: str, known: Collection[str]) -> bool:
        """Whether an action of a service may be taken away that is not among the known ones (lower case)."""
        every = read_pattern(f"{service.lower()}:*")
        pieces = [piece for statement in self.denied for piece in statement.actions.pieces()]
        pieces += [
            piece
            for statement, after in self.lost
            for piece in statement.actions.pieces()
            if _is_uncovered(replace(statement, actions=piece), after)
        ]
        return any(_reaches(piece, every, known) for piece in pieces) or any(
            not any(_has_all(one.actions, every) for one in allowed) for allowed in self.bounds
        )


def _matches(actions: Values, action: str) -> bool:
    wanted = literal(action.lower())
    return any(contains(pattern, wanted) for pattern in actions.patterns) != actions.is_excluded


def _is_uncovered(statement: Statement, after: list[Statement]) -> bool:
    return any(True for _part in uncovered(statement, after))


def _reaches(piece: Values, every: tuple[str, ...], known: Collection[str]) -> bool:
    if piece.is_excluded:
        return not any(contains(pattern, every) for pattern in piece.patterns)
    (text,), (pattern,) = piece.texts, piece.patterns
    return not is_disjoint(pattern, every) and text.lower() not in known


def _has_all(actions: Values, every: tuple[str, ...]) -> bool:
    if actions.is_excluded:
        return all(is_disjoint(pattern, every) for pattern in actions.patterns)
    return any(contains(pattern, every) for pattern in actions.patterns)


def taken_access(before: AccountOverlay, after: AccountOverlay, written: Written) -> TakenAccess:
    """What a step of a script takes away.

    :param before: the `AccountOverlay` before the step.
    :param after: the one behind it.
    :param written: the facts that the step writes, see `AccountOverlay.written`.
    :raises PolicyDocumentError: for a document that cannot be read.
    """
    taken = TakenAccess()
    for key, (_former, value) in written.items():
        found = before.fact(*key)
        if key[0] in WITH_BOUNDARY:
            _bound(taken, after, found, value)
        else:
            _replace(taken, *_documents(before, after, key, found, value))
    return taken


def _documents(
    before: AccountOverlay, after: AccountOverlay, key: tuple[Any, ...], found: Any, value: Any
) -> tuple[list[Document], list[Document]]:
    """The documents that a written fact takes out of force, and those that it puts into force or leaves in place."""
    if key[0] in ("inline", "policy_document"):
        return [one for one in (found,) if one], [one for one in (value,) if one]
    if key[0] == "attached":
        gone, new = _difference(found, value)
        kept = after.swapped_in.get((key[1], key[2]), {}) if gone else {}
        return [_read(before, arn) for arn in gone], [*(_read(after, arn) for arn in new), *kept.values()]
    if key[0] == "groups_of":
        gone, new = _difference(found, value)
        left, joined = ([one for group in groups for one in _of_group(before, group)] for groups in (gone, new))
        return left, joined
    return [], []


def _difference(found: Any, value: Any) -> tuple[list[str], list[str]]:
    old, new = found or [], value or []
    return [one for one in old if one not in new], [one for one in new if one not in old]


def _read(overlay: AccountOverlay, arn: str) -> Document:
    document = overlay.fact("policy_document", arn)
    if document is None:
        raise PolicyDocumentError(f"the policy {arn} cannot be read")
    found: Document = document
    return found


def _of_group(overlay: AccountOverlay, group: str) -> Iterator[Document]:
    for name in overlay.fact("inline_names", "group", group) or []:
        yield overlay.fact("inline", "group", group, name)
    for arn in overlay.fact("attached", "group", group) or []:
        yield _read(overlay, arn)


def _replace(taken: TakenAccess, gone: list[Document], new: list[Document]) -> None:
    old, now = _statements(gone), _statements(new)
    allowed = [one for one in now if one.effect == "Allow"]
    taken.denied += [one for one in now if one.effect == "Deny" and one not in old]
    taken.lost += [(one, allowed) for one in old if one.effect == "Allow"]


def _bound(taken: TakenAccess, overlay: AccountOverlay, found: Any, value: Any) -> None:
    boundary = (value or {}).get("boundary")
    if not boundary or boundary == (found or {}).get("boundary"):
        return
    statements = _statements([_read(overlay, boundary)])
    taken.bounds.append([one for one in statements if one.effect == "Allow"])
    taken.denied += [one for one in statements if one.effect == "Deny"]


def _statements(documents: Iterable[Document]) -> list[Statement]:
    return [one for document in documents for one in read_statements(document)]
