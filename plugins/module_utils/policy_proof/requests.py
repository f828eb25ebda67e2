# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to AWS, and whether statements match it: what a counterexample is checked with. Pure.

Every answer is True, False, or None where it is not certain. No proof rests on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from .conditions import ARN_PARTS, Test, is_address_within, read_date, read_network, read_number
from .patterns import ANY_CHARACTER, ANY_TEXT, CHARACTER, TEXT, Symbols, contains, is_variable, literal, read_pattern
from .statements import ACCOUNT_OF, ANY_AWS, ANYONE, ROOT, Statement, Values

Context = dict[str, tuple[str, ...]]
# A wildcard that may not match a colon for a proof may do so in a request.
MATCHING_COLONS = {TEXT: ANY_TEXT, CHARACTER: ANY_CHARACTER}
ESCAPES = {"${*}": "*", "${?}": "?", "${$}": "$"}


@dataclass(frozen=True)
class Request:
    """A request.

    :ivar action: `s3:DeleteObject`, in any letter case.
    :ivar principal: who asks, as `AWS:arn:...` or `Service:...`; empty where only the policy's own principal can.
    :ivar context: condition key in lower case -> its values; a key that is missing is not in it.
    """

    action: str
    resource: str
    principal: str = ""
    context: Context = field(default_factory=dict)


def is_allowed(statements: Sequence[Statement], request: Request) -> bool | None:
    """Whether documents with these statements allow a request: one allows it and none denies it."""
    return _all([_is_matched(statements, "Allow", request), _not(is_denied(statements, request))])


def is_denied(statements: Sequence[Statement], request: Request) -> bool | None:
    """Whether one of the statements denies a request."""
    return _is_matched(statements, "Deny", request)


def _is_matched(statements: Sequence[Statement], effect: str, request: Request) -> bool | None:
    return _any(matches(one, request) for one in statements if one.effect == effect)


def matches(statement: Statement, request: Request) -> bool | None:
    """Whether a statement is about a request."""
    return _all(
        [
            _names(statement.actions, request.action.lower(), request.context),
            _names(statement.resources, request.resource, request.context),
            _names_principal(statement.principals, request.principal),
            *(holds(test, request.context) for test in statement.tests),
        ]
    )


def _all(answers: Iterable[bool | None]) -> bool | None:
    found = set(answers)
    return False if False in found else None if None in found else True


def _any(answers: Iterable[bool | None]) -> bool | None:
    return _not(_all(_not(answer) for answer in answers))


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _names(values: Values, text: str, context: Context) -> bool | None:
    found = _any(_matches_pattern(pattern, text, context) for pattern in values.patterns)
    return _not(found) if values.is_excluded else found


def _matches_pattern(pattern: Symbols, text: str, context: Context) -> bool | None:
    if not any(map(is_variable, pattern)):
        return _matches_text(pattern, text)
    resolved = [*_resolved(pattern, context)]
    return None if None in resolved else _matches_text(tuple(filter(None, resolved)), text)


@lru_cache(maxsize=4096)
def _matches_text(pattern: Symbols, text: str) -> bool:
    return contains(tuple(MATCHING_COLONS.get(symbol, symbol) for symbol in pattern), literal(text))


def _resolved(pattern: Symbols, context: Context) -> Iterator[str | None]:
    for symbol in pattern:
        if not is_variable(symbol):
            yield symbol
            continue
        values = (ESCAPES[symbol],) if symbol in ESCAPES else context.get(symbol[2:-1].lower(), ())
        yield from literal(values[0]) if len(values) == 1 else (None,)


def _names_principal(values: Values, principal: str) -> bool | None:
    if values.is_excluded:
        return None
    return _any(_is_principal(text, principal) for text in values.texts)


def _is_principal(named: str, principal: str) -> bool | None:
    if named == ANYONE:
        return True if principal.startswith("AWS:") else None
    owner, account = ACCOUNT_OF.fullmatch(principal), ROOT.fullmatch(named)
    is_in_account = owner is not None and account is not None and owner[1] == account[1]
    return named == principal or (named == ANY_AWS and principal.startswith("AWS:")) or is_in_account


def holds(test: Test, context: Context) -> bool | None:
    """Whether a request with this context passes a condition's test."""
    values = context.get(test.key, ())
    if test.operator == "Null" and not test.quantifier:
        return any((value == "true") != bool(values) for value in test.values)
    if not values:
        return test.holds_without_key or test.quantifier == "ForAllValues"
    answers = [_holds_for(test, value, context) for value in values]
    if test.quantifier:
        return _all(answers) if test.quantifier == "ForAllValues" else _any(answers)
    return answers[0] if len(answers) == 1 else None


def _holds_for(test: Test, value: str, context: Context) -> bool | None:
    compare = COMPARE.get(test.positive)
    if compare is None:
        return None
    answer = _any(_compare(compare, value, wanted, test.has_variables, context) for wanted in test.values)
    return _not(answer) if test.is_negated else answer


def _compare(
    compare: Callable[[str, str], bool | None], value: str, wanted: str, has_variables: bool, context: Context
) -> bool | None:
    if not (has_variables and "${" in wanted):
        return compare(value, wanted)
    if compare not in (_is_like, _is_same):
        return None
    pattern = read_pattern(wanted, True) if compare is _is_like else literal(wanted, True)
    return _matches_pattern(pattern, value, context)


def _is_same(value: str, wanted: str) -> bool:
    return value == wanted


def _is_same_letters(value: str, wanted: str) -> bool | None:
    return value.lower() == wanted.lower() if (value + wanted).isascii() else None


def _is_like(value: str, wanted: str) -> bool:
    return contains(read_pattern(wanted), literal(value))


def _is_arn_like(value: str, wanted: str) -> bool | None:
    parts = [text.split(":", ARN_PARTS - 1) for text in (value, wanted)]
    if any(len(found) != ARN_PARTS for found in parts):
        return None
    return all(_is_like(*pair) for pair in zip(*parts, strict=True))


def _is_address_in(value: str, wanted: str) -> bool | None:
    return None if read_network(wanted) is None else is_address_within(value, wanted)


def _ordered(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Callable[[str, str], bool | None]:
    def compared(value: str, wanted: str) -> bool | None:
        found = read(value), read(wanted)
        return None if None in found else bool(compare(*found))

    return compared


ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda one, other: one == other,
    "LessThan": lambda one, other: one < other,
    "LessThanEquals": lambda one, other: one <= other,
    "GreaterThan": lambda one, other: one > other,
    "GreaterThanEquals": lambda one, other: one >= other,
}
COMPARE: dict[str, Callable[[str, str], bool | None]] = {
    "StringEquals": _is_same,
    "StringEqualsIgnoreCase": _is_same_letters,
    "StringLike": _is_like,
    "ArnLike": _is_arn_like,
    "Bool": lambda value, wanted: value == wanted.lower(),
    "IpAddress": _is_address_in,
    **{f"Numeric{name}": _ordered(read_number, order) for name, order in ORDERS.items()},
    **{f"Date{name}": _ordered(read_date, order) for name, order in ORDERS.items()},
}
