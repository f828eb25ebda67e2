# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of policy documents, and whether several of them together match all that one matches. Pure.

Source: "IAM JSON policy elements reference" in the IAM User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from ..policies.document import VERSIONS, PolicyDocumentError, as_iam_reads, check_grammar, statements
from .conditions import Test, follows, read_tests
from .patterns import EVERYTHING, Symbols, contains, is_disjoint, is_variable, literal, read_pattern, variables_in

PRINCIPALS = ("Principal", "NotPrincipal")
PRINCIPAL_KINDS = ("AWS", "CanonicalUser", "Federated", "Service")
ROOT = re.compile(r"AWS:(?:arn:[^:]+:iam::)?(\d{12})(?::root)?", re.ASCII)
ACCOUNT_OF = re.compile(r"AWS:arn:[^:]+:(?:iam|sts)::(\d{12}):.+", re.ASCII | re.DOTALL)
# Whether "*" also means AWS services is not documented, so it is not the same as {"AWS": "*"}.
ANYONE = "*"
ANY_AWS = "AWS:*"


@dataclass(frozen=True)
class Values:
    """What a statement names of one kind, or with `Not...` all but that.

    :ivar texts: as they are written; principals with their kind, as `Service:ec2.amazonaws.com`.
    :ivar patterns: the same, read; actions in lower case.
    """

    texts: tuple[str, ...]
    patterns: tuple[Symbols, ...]
    is_excluded: bool = False

    def pieces(self) -> list[Values]:
        """The same as several, where it can be split."""
        if self.is_excluded:
            return [self]
        return [Values((text,), (pattern,)) for text, pattern in zip(self.texts, self.patterns, strict=True)]


ALL = Values(("*",), (EVERYTHING,))
# The principals of an identity-based policy are those that have it.
OWNERS = Values(("",), (literal(""),))


@dataclass(frozen=True)
class Statement:
    """A statement as IAM reads it.

    An identity-based one has the principals `OWNERS`, a trust policy's the resources `ALL`.
    """

    effect: str
    actions: Values
    resources: Values
    principals: Values
    tests: tuple[Test, ...]
    variables: frozenset[str]


def read_statements(document: dict[str, Any]) -> list[Statement]:
    """Read an identity-based policy or a role's trust policy.

    :param document: as `policy_document.read_document` returns it.
    :raises PolicyDocumentError: IAM would not take it, or it cannot be compared.
    """
    found = statements(document)
    named = [_names_principals(one) for one in found]
    if any(named) and not all(named):
        raise PolicyDocumentError("some of its statements name principals and some do not")
    check_grammar({**document, "Statement": [_as_identity_based(one) for one in found]} if all(named) else document)
    has_variables = document.get("Version") == VERSIONS[0]
    return [_read(one, has_variables) for one in found]


def _names_principals(statement: Any) -> bool:
    return isinstance(statement, dict) and any(key in statement for key in PRINCIPALS)


def _as_identity_based(statement: dict[str, Any]) -> dict[str, Any]:
    """A trust policy's statement has principals where an identity-based one has resources; all else is the same."""
    if "Resource" in statement or "NotResource" in statement or all(key in statement for key in PRINCIPALS):
        raise PolicyDocumentError("a trust policy names principals and no resources")
    return {**{key: value for key, value in statement.items() if key not in PRINCIPALS}, "Resource": "*"}


def _read(statement: dict[str, Any], has_variables: bool) -> Statement:
    condition = as_iam_reads(statement).get("Condition") or {}
    if any(not block for block in condition.values()):
        raise PolicyDocumentError("a condition has an operator without keys")
    tests = tuple(read_tests(condition, has_variables))
    if any(not test.values for test in tests):
        raise PolicyDocumentError("a condition has a key without values")
    if any(test.key != test.key.lower() for test in tests):
        raise PolicyDocumentError("a condition names a key twice, in different letter case")
    is_trust = _names_principals(statement)
    resources = ALL if is_trust else _read_values(statement, "Resource", has_variables=has_variables, is_arn=True)
    texts = [*resources.texts, *(value for test in tests for value in test.values)] if has_variables else []
    return Statement(
        statement["Effect"],
        _read_actions(statement),
        resources,
        _read_principals(statement) if is_trust else OWNERS,
        tests,
        frozenset().union(*map(variables_in, texts)),
    )


def _read_actions(statement: dict[str, Any]) -> Values:
    found = _read_values(statement, "Action")
    texts = tuple("*" if text == "*:*" else text for text in found.texts)
    return Values(texts, tuple(read_pattern(text.lower()) for text in texts), found.is_excluded)


def _read_values(statement: dict[str, Any], noun: str, **how: bool) -> Values:
    is_excluded = noun not in statement
    found = statement[f"Not{noun}" if is_excluded else noun]
    texts = tuple(dict.fromkeys(found if isinstance(found, list) else [found]))
    return Values(texts, tuple(read_pattern(text, **how) for text in texts), is_excluded)


def _read_principals(statement: dict[str, Any]) -> Values:
    is_excluded = "Principal" not in statement
    found = statement[PRINCIPALS[is_excluded]]
    if found == ANYONE:
        return Values((ANYONE,), (EVERYTHING,), is_excluded)
    if not isinstance(found, dict) or not found or not set(found) <= set(PRINCIPAL_KINDS):
        raise PolicyDocumentError(f"its principals are not among the kinds {', '.join(PRINCIPAL_KINDS)}")
    texts = []
    for kind, values in found.items():
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, str) or not value:
                raise PolicyDocumentError("a principal is not a text")
            texts.append(_principal(kind, value))
    if not texts:
        raise PolicyDocumentError("it names no principal")
    unique = tuple(dict.fromkeys(texts))
    return Values(unique, tuple(map(literal, unique)), is_excluded)


def _principal(kind: str, value: str) -> str:
    """One text for a principal: an account's id and the ARN of its root are the same."""
    text = f"{kind}:{value}"
    root = ROOT.fullmatch(text)
    return f"AWS:{root[1]}" if root else text


def uncovered(statement: Statement, others: Sequence[Statement], account_id: str = "") -> Iterator[Statement]:
    """The parts of a statement, by action, resource and principal, that no other statement certainly covers.

    :param others: statements; each matches requests alone.
    :param account_id: the account that owns the policies, or empty if it is not known.
    """
    able = [one for one in others if _can_cover(one, statement)]
    actions = _by_cover(statement.actions, [_are_patterns_within(one.actions) for one in able])
    resources = _by_cover(statement.resources, [_are_patterns_within(one.resources) for one in able])
    principals = _by_cover(statement.principals, [_are_principals_within(one, account_id) for one in able])
    for chosen in product(actions.items(), resources.items(), principals.items()):
        (by_action, action), (by_resource, resource), (by_principal, principal) = chosen
        if not by_action & by_resource & by_principal:
            yield replace(statement, actions=action, resources=resource, principals=principal)


def _can_cover(wide: Statement, narrow: Statement) -> bool:
    """Whether the conditions let a statement match whenever another one does.

    A variable that IAM cannot resolve may make a whole statement invalid, so the wider one may have no other variables.
    """
    return wide.variables <= narrow.variables and all(
        any(follows(test, other) for other in narrow.tests) for test in wide.tests
    )


def _by_cover(values: Values, checks: list[Callable[[Values], bool]]) -> dict[int, Values]:
    """For each set of statements that cover a part of the values, as a bit mask: such a part."""
    found: dict[int, Values] = {}
    for piece in values.pieces():
        found.setdefault(sum(1 << number for number, covers in enumerate(checks) if covers(piece)), piece)
    return found


def _are_patterns_within(wide: Values) -> Callable[[Values], bool]:
    def check(narrow: Values) -> bool:
        if wide.is_excluded and narrow.is_excluded:
            return all(_is_excluded_by(pattern, narrow.patterns) for pattern in wide.patterns)
        if wide.is_excluded:
            return all(is_disjoint(pattern, narrow.patterns[0]) for pattern in wide.patterns)
        if narrow.is_excluded:
            return EVERYTHING in wide.patterns
        return any(contains(pattern, narrow.patterns[0]) for pattern in wide.patterns)

    return check


def _is_excluded_by(pattern: Symbols, patterns: tuple[Symbols, ...]) -> bool:
    if pattern in patterns:
        return True
    return not any(map(is_variable, pattern)) and any(contains(one, pattern) for one in patterns)


def _are_principals_within(wide: Statement, account_id: str) -> Callable[[Values], bool]:
    def check(narrow: Values) -> bool:
        named = wide.principals
        if named.is_excluded or narrow.is_excluded:
            return named.is_excluded and narrow.is_excluded and set(named.texts) == set(narrow.texts)
        return any(_is_principal_within(narrow.texts[0], text, wide.effect, account_id) for text in named.texts)

    return check


def _is_principal_within(narrow: str, wide: str, effect: str, account_id: str) -> bool:
    if narrow == wide or (wide in (ANYONE, ANY_AWS) and narrow.startswith("AWS:")):
        return True
    # In its own account, an ARN in a trust policy needs no permission of the principal; the account's root does.
    owner = ACCOUNT_OF.fullmatch(narrow)
    return effect == "Allow" and owner is not None and wide == f"AWS:{owner[1]}" and account_id not in ("", owner[1])
