# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether policy documents that take the place of others allow nothing more and deny no less. Pure, no I/O.

The proof is one-sided. What cannot be proven counts as wider, whatever the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..policies.document import PolicyDocumentError
from .counterexample import requests_for
from .requests import Request, is_allowed, is_denied
from .statements import OWNERS, Statement, Values, read_statements, uncovered

NARROWER = "narrower"
WIDER = "wider"
UNKNOWN = "unknown"
MAX_TRIED_PARTS = 4
MAX_LENGTH = 300

Document = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What is known about documents that take the place of others.

    :ivar outcome: `narrower` is proven; `wider` has a counterexample; `unknown` is neither.
    :ivar why: for people, as a clause: what the new documents allow and the old ones did not. Empty if narrower.
    :ivar request: the counterexample of `wider`, or None.
    :ivar denies_enough: of `unknown`, whether only what is allowed cannot be proven.
    """

    outcome: str
    why: str = ""
    request: Request | None = None
    denies_enough: bool = False

    @property
    def is_narrower(self) -> bool:
        return self.outcome == NARROWER


def prove(replaced: Sequence[Document], new: Sequence[Document], account_id: str = "") -> Verdict:
    """Compare documents with those that take their place, for the same principals.

    :param replaced: policy documents as `read_document` returns them; identity-based or trust policies, not both.
    :param new: the documents that replace them.
    :param account_id: the account that owns them, or empty. The root of another account covers its principals.
    :returns: `Verdict`: narrower if every request that the new ones allow was allowed by the old ones, and every
        request that the old ones denied is denied by the new ones.
    """
    try:
        before, after = _read(replaced, "old"), _read(new, "new")
    except PolicyDocumentError as error:
        return Verdict(UNKNOWN, f"cannot be proven: {error}")
    if len({statement.principals == OWNERS for statement in [*before, *after]}) > 1:
        return Verdict(UNKNOWN, "cannot be proven: a trust policy and an identity-based policy cannot be compared")
    return _compare(before, after, account_id)


def _read(documents: Sequence[Document], which: str) -> list[Statement]:
    found = []
    for document in documents:
        try:
            found += read_statements(document)
        except PolicyDocumentError as error:
            raise PolicyDocumentError(f"the {which} document: {error}") from error
    return found


def _compare(before: list[Statement], after: list[Statement], account_id: str) -> Verdict:
    old_denials, new_denials = _of(before, "Deny"), _of(after, "Deny")
    able = [*_of(before, "Allow"), *new_denials]
    wider = [part for one in _of(after, "Allow") for part in uncovered(one, able, account_id)]
    lost = [part for one in old_denials for part in uncovered(one, new_denials)]
    if not wider and not lost:
        return Verdict(NARROWER)
    request = _first_allowed(wider, before, after)
    if request:
        return Verdict(WIDER, f"allows {shortened(in_words(request))}, which the old one did not", request)
    request = _first_not_denied(lost, before, after)
    if request:
        return Verdict(WIDER, f"does not deny {shortened(in_words(request))}, which the old one did", request)
    part, verb = (wider[0], "allowed") if wider else (lost[0], "still denied")
    was = "was " if wider else "is "
    why = f"cannot be proven: it is not certain that {shortened(_part_in_words(part))} {was}{verb}"
    return Verdict(UNKNOWN, why, denies_enough=not lost)


def _of(statements: list[Statement], effect: str) -> list[Statement]:
    return [one for one in statements if one.effect == effect]


def _first_allowed(parts: list[Statement], before: list[Statement], after: list[Statement]) -> Request | None:
    candidates = _candidates(parts, [*before, *_of(after, "Deny")])
    return next((one for one in candidates if is_allowed(after, one) and is_allowed(before, one) is False), None)


def _first_not_denied(parts: list[Statement], before: list[Statement], after: list[Statement]) -> Request | None:
    candidates = _candidates(parts, _of(after, "Deny"))
    return next((one for one in candidates if is_denied(before, one) and is_denied(after, one) is False), None)


def _candidates(parts: list[Statement], others: list[Statement]) -> Iterator[Request]:
    for part in parts[:MAX_TRIED_PARTS]:
        yield from requests_for(part, others)


def in_words(request: Request) -> str:
    """A request, for people."""
    about = [request.action]
    if request.principal:
        about.append(f"for {request.principal.partition(':')[2]}")
    else:
        about.append(f"on {request.resource}")
    context = " and ".join(f"{key} {', '.join(values)}" for key, values in request.context.items())
    return " ".join([*about, *([f"with {context}"] if context else [])])


def _part_in_words(part: Statement) -> str:
    named = [_values_in_words(part.actions, "action")]
    if part.principals != OWNERS:
        named.append(f"for {_values_in_words(part.principals, 'principal')}")
    else:
        named.append(f"on {_values_in_words(part.resources, 'resource')}")
    return " ".join([*named, *(["under its conditions"] if part.tests else [])])


def shortened(text: str) -> str:
    """A text for a sentence, shortened if it is long."""
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"


def _values_in_words(values: Values, noun: str) -> str:
    texts = ", ".join(values.texts)
    return f"every {noun} but {texts}" if values.is_excluded else texts
