# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions: whether one is certainly met whenever another one is. Pure.

Source: "IAM JSON policy elements: Condition operators" and "Conditions with multiple context keys or values".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from ..iso_time import read_time
from .patterns import contains, literal, read_pattern, variables_in

OPERATOR = re.compile(r"(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?")
# They hold where their counterpart does not, and where the key is missing.
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}
SAME_AS = {"ArnEquals": "ArnLike", "ArnNotEquals": "ArnNotLike"}
DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,10})?", re.ASCII)
ARN_PARTS = 6


@dataclass(frozen=True)
class Test:
    """One operator on one key of a Condition.

    :ivar quantifier: `ForAllValues`, `ForAnyValue` or empty.
    :ivar operator: the operator without quantifier and `IfExists`; `ArnEquals` is read as `ArnLike`.
    :ivar key: in lower case.
    :ivar values: its values as texts; one that matches is enough.
    :ivar has_variables: `${...}` in them is a policy variable.
    """

    __test__ = False  # for pytest

    quantifier: str
    operator: str
    if_exists: bool
    key: str
    values: tuple[str, ...]
    has_variables: bool

    @property
    def is_negated(self) -> bool:
        return self.operator in NEGATED

    @property
    def positive(self) -> str:
        """The operator, or what it negates."""
        return NEGATED.get(self.operator, self.operator)

    @property
    def holds_without_key(self) -> bool:
        return self.if_exists or (self.is_negated and not self.quantifier)


def read_tests(condition: dict[str, dict[str, Any]], has_variables: bool) -> Iterator[Test]:
    """Read a Condition, whose keys are in lower case; all of its tests have to hold."""
    for name, block in condition.items():
        quantifier, operator, if_exists = _read_operator(name)
        for key, values in block.items():
            texts = tuple(sorted({_text(value) for value in (values if isinstance(values, list) else [values])}))
            yield Test(quantifier, operator, if_exists, key, texts, has_variables)


def _read_operator(name: str) -> tuple[str, str, bool]:
    found = OPERATOR.fullmatch(name)
    if not found:
        return "", name, False
    return found[1] or "", SAME_AS.get(found[2], found[2]), bool(found[3])


def _text(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def follows(wide: Test, narrow: Test) -> bool:
    """Whether a test certainly passes for every request for which another one does."""
    if wide == narrow:
        return True
    if (wide.key, wide.quantifier, wide.is_negated) != (narrow.key, narrow.quantifier, narrow.is_negated):
        return False
    if (narrow.holds_without_key and not wide.holds_without_key) or not _have_same_variables(wide, narrow):
        return False
    if wide.is_negated:
        return all(
            any(_is_within(value, wide, other, narrow) for other in narrow.values) for value in wide.values
        ) and _shares_variables(wide, narrow)
    return all(any(_is_within(value, narrow, other, wide) for other in wide.values) for value in narrow.values)


def _have_same_variables(wide: Test, narrow: Test) -> bool:
    """In 2008-10-17 a policy variable is a text like any other, so the same words mean something else."""
    texts = wide.values + narrow.values
    return wide.has_variables == narrow.has_variables or not any("${" in text for text in texts)


def _shares_variables(wide: Test, narrow: Test) -> bool:
    return all(value in narrow.values for value in wide.values if variables_in(value))


def _is_within(value: str, test: Test, other: str, other_test: Test) -> bool:
    """Whether all that a value of one test matches is matched by a value of another one, negation aside."""
    operators = test.positive, other_test.positive
    if operators[0] == operators[1] and value == other:
        return operators[0] in EXACT or operators in WITHIN
    compare = WITHIN.get(operators)
    return compare is not None and compare(value, other, test.has_variables)


def _is_text_within(value: str, other: str, has_variables: bool) -> bool:
    return contains(read_pattern(other, has_variables), literal(value, has_variables))


def _is_pattern_within(value: str, other: str, has_variables: bool) -> bool:
    return contains(read_pattern(other, has_variables), read_pattern(value, has_variables))


def _is_same_letters(value: str, other: str, has_variables: bool) -> bool:
    is_plain = value.isascii() and other.isascii() and "${" not in value + other
    return is_plain and value.lower() == other.lower()


def _is_arn_within(value: str, other: str, has_variables: bool) -> bool:
    parts = [text.split(":", ARN_PARTS - 1) for text in (value, other)]
    if "${" in value + other or any(len(found) != ARN_PARTS for found in parts):
        return False
    return all(
        contains(read_pattern(wide, is_arn=True), read_pattern(narrow, is_arn=True))
        for narrow, wide in zip(*parts, strict=True)
    )


def is_address_within(value: str, other: str, has_variables: bool = False) -> bool:
    """Whether an address or a network lies in another one."""
    networks = read_network(value), read_network(other)
    if networks[0] is None or networks[1] is None or networks[0].version != networks[1].version:
        return False
    return networks[0].subnet_of(networks[1])  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def read_network(text: str) -> IPv4Network | IPv6Network | None:
    """An address or a network, or None."""
    try:
        return ip_network(text)
    except ValueError:
        return None


def read_number(text: str) -> Any:
    """A number, or None."""
    return Decimal(text) if NUMBER.fullmatch(text) else None


def read_date(text: str) -> Any:
    """A time, or None: IAM takes a number for the seconds since 1970, which is left out here."""
    try:
        return read_time(text) if DATE.fullmatch(text) else None
    except ValueError:
        return None


def _in_order(read: Callable[[str], Any], is_less: bool) -> Callable[[str, str, bool], bool]:
    def compare(value: str, other: str, has_variables: bool) -> bool:
        found = read(value), read(other)
        if None in found:
            return False
        return bool(found[0] <= found[1] if is_less else found[0] >= found[1])

    return compare


def _orders() -> Iterator[tuple[tuple[str, str], Callable[[str, str, bool], bool]]]:
    for kind, read in (("Numeric", read_number), ("Date", read_date)):
        for side in ("LessThan", "GreaterThan"):
            strict, inclusive = f"{kind}{side}", f"{kind}{side}Equals"
            for pair in ((strict, strict), (strict, inclusive), (inclusive, inclusive)):
                yield pair, _in_order(read, side == "LessThan")


# Their values mean the same only where they are the same.
EXACT = ("StringEquals", "NumericEquals", "DateEquals", "Bool", "BinaryEquals", "Null")
# The value of the first operator matches no more than the value of the second.
WITHIN: dict[tuple[str, str], Callable[[str, str, bool], bool]] = {
    ("StringEquals", "StringLike"): _is_text_within,
    ("StringEquals", "StringEqualsIgnoreCase"): _is_same_letters,
    ("StringEqualsIgnoreCase", "StringEqualsIgnoreCase"): _is_same_letters,
    ("StringLike", "StringLike"): _is_pattern_within,
    ("ArnLike", "ArnLike"): _is_arn_within,
    ("IpAddress", "IpAddress"): is_address_within,
    **dict(_orders()),
}
