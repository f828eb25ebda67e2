# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not allowed any more where documents take the place of others: for people, not for a decision. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..errors import listed
from .patterns import Symbols, contains, is_disjoint
from .proof import Document
from .statements import OWNERS, Statement, Values, read_statements, uncovered

MAX_SHOWN = 20
ACTION = re.compile(r"([a-zA-Z0-9-]+):(.+)", re.DOTALL)


def lost_access(replaced: Sequence[Document], new: Sequence[Document]) -> dict[str, list[str]]:
    """What documents do not allow any more that those before them did.

    :param replaced: readable documents, as is `new`.
    :returns: service -> its actions, those that stay allowed in part with how; what is about all services under "".
    """
    before, after = ([one for document in of for one in _allowing(document)] for of in (replaced, new))
    lost = dict.fromkeys(text for one in before for text in _lost(one, after))
    services: dict[str, list[str]] = {}
    for text in lost:
        named = ACTION.fullmatch(text)
        services.setdefault(named[1] if named else "", []).append(named[2] if named else text)
    return services


def describe_lost_access(whose: str, services: Mapping[str, list[str]]) -> str:
    """Say it in a sentence.

    :param whose: whose access it is: `user bob`.
    :param services: what `lost_access` returned, not empty.
    """
    named = {service: listed(found, MAX_SHOWN) for service, found in services.items()}
    shown = "; ".join(": ".join(filter(None, pair)) for pair in named.items())
    return f"{whose[0].upper()}{whose[1:]} loses access to {shown}."


def _allowing(document: Document) -> list[Statement]:
    return [one for one in read_statements(document) if one.effect == "Allow"]


def _lost(statement: Statement, after: list[Statement]) -> Iterator[str]:
    if statement.principals != OWNERS:
        for piece in statement.principals.pieces():
            part = replace(statement, principals=piece)
            if any(True for _part in uncovered(part, after)):
                yield from (
                    f"{action} for {'all but ' * piece.is_excluded}{who}"
                    for action in statement.actions.texts
                    for who in piece.texts
                )
        return
    for piece in statement.actions.pieces():
        part = replace(statement, actions=piece)
        if any(True for _part in uncovered(part, after)):
            yield _in_words(piece, after)


def _in_words(actions: Values, after: list[Statement]) -> str:
    if actions.is_excluded:
        return f"everything but {', '.join(actions.texts)}, in part"
    (text,), (pattern,) = actions.texts, actions.patterns
    kept = [kept for one in after for kept in _kept(pattern, one.actions)]
    if not kept:
        return text
    if any(
        not one.actions.is_excluded and any(contains(found, pattern) for found in one.actions.patterns) for one in after
    ):
        return f"{text} (on fewer resources or under more conditions)"
    return f"{text} (still allowed: {listed(list(dict.fromkeys(kept)), MAX_SHOWN)})"


def _kept(pattern: Symbols, actions: Values) -> list[str]:
    """The actions that stay allowed, at least in part, of those that match a pattern."""
    if actions.is_excluded:
        return [f"everything but {', '.join(actions.texts)}"]
    named = zip(actions.texts, actions.patterns, strict=True)
    return [text for text, found in named if not is_disjoint(pattern, found)]
