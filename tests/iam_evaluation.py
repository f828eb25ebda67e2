# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM's evaluation logic for one request, by brute force: what the prover of the collection is tried against.

Written from "Policy evaluation logic", "IAM JSON policy elements" and "Multivalued context keys" in the IAM User Guide,
and with nothing of the collection. Where AWS's documents leave a question open, it is evaluated either way (World).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from itertools import product
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True)
class World:
    """One way to read what AWS's documents leave open.

    :ivar crosses: a wildcard in the middle of an ARN matches colons.
    :ivar voids: a variable without a value makes its statement invalid; otherwise its value matches nothing.
    :ivar anyone: the principal `*` includes AWS services and federated users.
    """

    crosses: bool = True
    voids: bool = True
    anyone: bool = True


WORLDS = [World(*flags) for flags in product((True, False), repeat=3)]


@dataclass
class Asked:
    """A request.

    :ivar principal: kind and value, as `AWS:arn:...`; empty for identity-based policies.
    :ivar context: condition key in lower case -> values.
    :ivar is_permitted: for a trust policy, that the principal's own policies allow it to assume the role.
    """

    action: str
    resource: str
    principal: str = ""
    context: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_permitted: bool = True


class VoidStatement(Exception):
    """A variable has no value."""


def allows(documents: list[Document], asked: Asked, world: World, account_id: str = "") -> bool:
    return _matched(documents, "Allow", asked, world, account_id) and not denies(documents, asked, world, account_id)


def denies(documents: list[Document], asked: Asked, world: World, account_id: str = "") -> bool:
    return _matched(documents, "Deny", asked, world, account_id)


def _matched(documents: list[Document], effect: str, asked: Asked, world: World, account_id: str) -> bool:
    for document in documents:
        found = document["Statement"]
        for statement in found if isinstance(found, list) else [found]:
            has_variables = document.get("Version") == "2012-10-17"
            if statement["Effect"] == effect and _applies(statement, asked, world, has_variables, account_id):
                return True
    return False


def _applies(statement: dict[str, Any], asked: Asked, world: World, has_variables: bool, account_id: str) -> bool:
    try:
        # Each is evaluated whatever the others say, since any of them can make the statement invalid.
        return all(
            [
                _action(statement, asked),
                _resource(statement, asked, world, has_variables),
                _principal(statement, asked, world, account_id),
                *_conditions(statement, asked, world, has_variables),
            ]
        )
    except VoidStatement:
        return False


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _action(statement: dict[str, Any], asked: Asked) -> bool:
    if "NotAction" in statement:
        return not _has_action(statement["NotAction"], asked)
    return _has_action(statement["Action"], asked)


def _has_action(patterns: Any, asked: Asked) -> bool:
    return any(
        _glob(one, asked.action, {}, flags=re.IGNORECASE)
        for one in ["*" if p == "*:*" else p for p in _listed(patterns)]
    )


def _resource(statement: dict[str, Any], asked: Asked, world: World, has_variables: bool) -> bool:
    if "Resource" not in statement and "NotResource" not in statement:
        return True
    patterns = _listed(statement.get("Resource", statement.get("NotResource")))
    found = [_arn(one, asked, world, has_variables) for one in patterns]
    return any(found) if "Resource" in statement else not any(found)


def _arn(pattern: str, asked: Asked, world: World, has_variables: bool) -> bool:
    values = _values_of(pattern, asked, world) if has_variables else {}
    if values is None:
        return False
    return _glob(pattern, asked.resource, values, crosses=world.crosses)


def _values_of(pattern: str, asked: Asked, world: World) -> dict[str, str] | None:
    values = {}
    for name in re.findall(r"\$\{([^}]*)\}", pattern):
        found = (name,) if name in ("*", "?", "$") else asked.context.get(name.lower(), ())
        if len(found) != 1:
            if world.voids:
                raise VoidStatement
            return None
        values[name] = found[0]
    return values


def _glob(pattern: str, text: str, variables: dict[str, str], crosses: bool = True, flags: int = 0) -> bool:
    """Match a pattern; a `*` at the end of it or of a part goes on beyond colons in every world."""
    return _expression(pattern, tuple(variables.items()), crosses, flags).fullmatch(text) is not None


@cache
def _expression(pattern: str, variables: tuple[tuple[str, str], ...], crosses: bool, flags: int) -> re.Pattern[str]:
    expression, place = "", 0
    while place < len(pattern):
        variable = re.match(r"\$\{([^}]*)\}", pattern[place:])
        if variable and variable[1] in dict(variables):
            expression += re.escape(dict(variables)[variable[1]])
            place += variable.end()
            continue
        char, place = pattern[place], place + 1
        far = crosses or pattern[place : place + 1] in ("", ":")
        expression += {"*": ".*" if far else "[^:]*", "?": "." if crosses else "[^:]"}.get(char, re.escape(char))
    return re.compile(expression, flags | re.DOTALL)


def _principal(statement: dict[str, Any], asked: Asked, world: World, account_id: str) -> bool:
    if "Principal" not in statement and "NotPrincipal" not in statement:
        return True
    named = statement.get("Principal", statement.get("NotPrincipal"))
    pairs = (
        [("AWS", "*"), *([("any", "*")] if world.anyone else [])]
        if named == "*"
        else [(kind, value) for kind, values in named.items() for value in _listed(values)]
    )
    found = any(_is_principal(kind, value, asked, world, account_id, statement["Effect"]) for kind, value in pairs)
    return found if "Principal" in statement else not found


def _is_principal(kind: str, value: str, asked: Asked, world: World, account_id: str, effect: str) -> bool:
    asked_kind, _, asked_value = asked.principal.partition(":")
    parts = asked_value.split(":")
    owner = parts[4] if len(parts) > 5 else ""
    root = re.fullmatch(r"(?:arn:aws:iam::)?(\d{12})(?::root)?", value)
    if kind == "any":
        return True
    if kind != asked_kind:
        return False
    needs_permission = effect == "Allow" and kind == "AWS" and owner != account_id
    if value in ("*", asked_value) or (root and asked_value == root[1]):
        return asked.is_permitted or not needs_permission
    return bool(root) and owner == root[1] and (asked.is_permitted or effect == "Deny")


def _conditions(statement: dict[str, Any], asked: Asked, world: World, has_variables: bool) -> Iterator[bool]:
    for name, block in statement.get("Condition", {}).items():
        for key, values in block.items():
            texts = [str(one).lower() if isinstance(one, bool) else str(one) for one in _listed(values)]
            yield _condition(name, asked.context.get(key.lower(), ()), texts, asked, world, has_variables)


def _condition(
    name: str, found: tuple[str, ...], wanted: list[str], asked: Asked, world: World, has_variables: bool
) -> bool:
    quantifier, _, operator = name.rpartition(":")
    if_exists = operator.endswith("IfExists")
    operator = operator.removesuffix("IfExists")
    negated = "Not" in operator
    operator = operator.replace("Not", "")
    if operator.startswith("String") and has_variables:
        for other in wanted:
            _values_of(other, asked, world)
    if operator == "Null":
        return any((one == "true") == (not found) for one in wanted)

    def one(value: str) -> bool:
        return any(_compared(operator, value, other, asked, world, has_variables) for other in wanted) != negated

    if not found:
        return if_exists or quantifier == "ForAllValues" or (negated and not quantifier)
    answers = [one(value) for value in found]
    return all(answers) if quantifier == "ForAllValues" else any(answers)


def _compared(operator: str, value: str, other: str, asked: Asked, world: World, has_variables: bool) -> bool:
    if operator.startswith("String"):
        return _strings(operator, value, other, asked, world, has_variables)
    if operator.startswith("Arn"):
        mine, theirs = value.split(":", 5), other.split(":", 5)
        return len(mine) == len(theirs) == 6 and all(_glob(b, a, {}) for a, b in zip(mine, theirs, strict=True))
    if operator == "Bool":
        return value.lower() == other.lower()
    if operator == "IpAddress":
        address, network = ipaddress.ip_network(value), ipaddress.ip_network(other, strict=False)
        return address.version == network.version and address.network_address in network
    return _ordered(operator, *map(_number_or_time, (value, other)))


def _strings(operator: str, value: str, other: str, asked: Asked, world: World, has_variables: bool) -> bool:
    variables = _values_of(other, asked, world) if has_variables else {}
    if variables is None:
        return False
    if operator == "StringLike":
        return _glob(other, value, variables)
    for name, text in variables.items():
        other = other.replace("${" + name + "}", text)
    return value == other if operator == "StringEquals" else value.lower() == other.lower()


def _number_or_time(text: str) -> float:
    if re.fullmatch(r"-?[0-9.]+", text):
        return float(text)
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()


def _ordered(operator: str, value: float, other: float) -> bool:
    return {
        "Equals": value == other,
        "LessThan": value < other,
        "LessThanEquals": value <= other,
        "GreaterThan": value > other,
        "GreaterThanEquals": value >= other,
    }[operator.removeprefix("Numeric").removeprefix("Date")]
