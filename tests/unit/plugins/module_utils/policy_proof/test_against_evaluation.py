# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The prover against IAM's evaluation logic: random pairs of documents, and every request of a small world."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product
from math import prod
from random import Random
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import read_document
from ansible_collections.leastpriv.iam.plugins.module_utils.policy_proof.proof import NARROWER, UNKNOWN, WIDER, prove
from iam_evaluation import WORLDS, Asked, World, allows, denies
from scale import scaled

PAIRS = scaled(800, 50000)
MAX_ASKED = 80
OWN, OTHER = "111111111111", "222222222222"
ACTIONS = [
    "s3:GetObject",
    "S3:getobject",
    "s3:Get*",
    "s3:*Object",
    "s3:?etObject",
    "s3:*",
    "iam:PassRole",
    "iam:*",
    "*",
]
RESOURCES = [
    "*",
    "arn:aws:s3:::b",
    "arn:aws:s3:::b*",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b/x",
    "arn:aws:s3:::B/x",
    "arn:aws:s3:::?/x",
    "arn:aws:s3:::*/x",
    "arn:aws:s3:*:b/x",
    "arn:*:b/x",
    "arn:aws:s3:::b/${aws:username}",
    "arn:aws:s3:::b/${aws:username}/*",
    "arn:aws:s3:::b/${aws:PrincipalTag/team}/*",
]
PRINCIPALS: list[Any] = [
    "*",
    {"AWS": "*"},
    {"AWS": OWN},
    {"AWS": f"arn:aws:iam::{OTHER}:root"},
    {"AWS": [f"arn:aws:iam::{OTHER}:role/a", f"arn:aws:iam::{OWN}:role/a"]},
    {"AWS": f"arn:aws:iam::{OTHER}:role/a"},
    {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]},
    {"Service": "ec2.amazonaws.com", "AWS": OTHER},
    {"Federated": f"arn:aws:iam::{OWN}:saml-provider/p"},
]
TEXTS = ["a", "ab", "a*", "*b", "?b", "A", "${aws:username}", "a${aws:username}"]
ARNS = ["arn:aws:iam::1:role/a", "arn:aws:iam::*:role/*", "arn:aws:iam::1:role/*", "arn:aws:*:*:*:*", "arn:aws:iam::1*"]
VALUES = {
    "String": TEXTS,
    "Arn": ARNS,
    "Ip": ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "2001:db8::/32"],
    "Numeric": ["5", "5.0", "7", 7],
    "Date": ["2024-01-01", "2024-01-01T00:00:00Z", "2024-06-01T00:00:00+02:00"],
    "Bool": ["true", "false", True],
    "Null": ["true", "false"],
}
OPERATORS = {
    "String": ["Equals", "NotEquals", "EqualsIgnoreCase", "NotEqualsIgnoreCase", "Like", "NotLike"],
    "Arn": ["Equals", "Like", "NotEquals", "NotLike"],
    "Numeric": ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"],
    "Date": ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"],
    "Ip": [""],
    "Bool": [""],
    "Null": [""],
}


def some(chance: Random, values: list[Any], most: int = 3) -> list[Any]:
    """One to `most` of the values."""
    return chance.sample(values, chance.randint(1, min(most, len(values))))


def a_condition(chance: Random) -> dict[str, Any]:
    condition: dict[str, Any] = {}
    for _number in range(chance.randint(0, 2)):
        kind = chance.choice(["String", "String", "String", *VALUES])
        operator = kind + chance.choice(OPERATORS[kind])
        if kind == "Ip":
            operator = chance.choice(["IpAddress", "NotIpAddress"])
        if kind != "Null":
            operator = chance.choice(["", "", "", "ForAllValues:", "ForAnyValue:"]) + operator
            operator += chance.choice(["", "", "IfExists"])
        key = {"Null": "t:String"}.get(kind, f"t:{kind}")
        key = chance.choice([key, key.upper()]) if kind == "Ip" else key
        condition.setdefault(operator, {})[key] = some(chance, VALUES[kind])
    return condition


def one_or_some(chance: Random, values: list[Any]) -> Any:
    return chance.choice(values) if chance.random() < 0.5 else some(chance, values)


def a_statement(chance: Random, is_trust: bool) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": chance.choice(["Allow", "Allow", "Allow", "Deny"])}
    if is_trust:
        statement["Principal"] = chance.choice(PRINCIPALS)
        statement["Action"] = one_or_some(chance, ["sts:AssumeRole", "sts:*", "sts:TagSession"])
    else:
        statement[chance.choice(["Action", "Action", "Action", "NotAction"])] = one_or_some(chance, ACTIONS)
        statement[chance.choice(["Resource", "Resource", "Resource", "NotResource"])] = one_or_some(chance, RESOURCES)
    condition = a_condition(chance)
    return {**statement, **({"Condition": condition} if condition else {})}


def a_document(chance: Random, is_trust: bool) -> dict[str, Any]:
    version = chance.choice(["2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17"])
    return {"Version": version, "Statement": [a_statement(chance, is_trust) for _ in range(chance.randint(1, 3))]}


def a_change_of(chance: Random, document: dict[str, Any], is_trust: bool) -> dict[str, Any]:
    """A document that differs from another one in something: many of these are narrower, and some just are not."""
    changed = {**document, "Statement": [dict(one) for one in document["Statement"]]}
    statement = chance.choice(changed["Statement"])
    other = a_statement(chance, is_trust)
    common = sorted(set(statement) & set(other))
    for key in chance.sample(common, chance.randint(0, min(2, len(common)))):
        statement[key] = other[key]
    if "Condition" in other and chance.random() < 0.5:
        statement["Condition"] = {**statement.get("Condition", {}), **other["Condition"]}
    if chance.random() < 0.5:
        changed["Statement"].append(other)
    if chance.random() < 0.5:
        changed["Version"] = chance.choice(["2012-10-17", "2008-10-17"])
    return changed


def a_pair(chance: Random) -> tuple[dict[str, Any], dict[str, Any]]:
    is_trust = chance.random() < 1 / 3
    old = a_document(chance, is_trust)
    new = a_document(chance, is_trust) if chance.random() < 1 / 3 else a_change_of(chance, old, is_trust)
    return old, new


ASKED_ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:GetObjectAcl", "iam:PassRole", "iam:GetUser"]
ASKED_RESOURCES = [
    "arn:aws:s3:::b",
    "arn:aws:s3:::bb",
    "arn:aws:s3:::b/x",
    "arn:aws:s3:::B/x",
    "arn:aws:s3:::c/x",
    "arn:aws:s3:::b/ann",
    "arn:aws:s3:::b/ann/x",
    "arn:aws:s3:::b/x:b/x",
    "arn:aws:s3:::b/${aws:username}",
    "arn:aws:iam::1:user/ann",
]
ASKED_PRINCIPALS = [
    f"AWS:arn:aws:iam::{OWN}:role/a",
    f"AWS:arn:aws:iam::{OTHER}:role/a",
    f"AWS:arn:aws:iam::{OTHER}:role/b",
    "AWS:arn:aws:iam::333333333333:role/a",
    "Service:ec2.amazonaws.com",
    "Service:lambda.amazonaws.com",
    f"Federated:arn:aws:iam::{OWN}:saml-provider/p",
]
ASKED_VALUES = {
    "t:string": [
        (),
        ("a",),
        ("ab",),
        ("AB",),
        ("b",),
        ("ann",),
        ("aann",),
        ("a", "b"),
        ("a", "ab"),
        ("${aws:username}",),
    ],
    "t:arn": [(), ("arn:aws:iam::1:role/a",), ("arn:aws:iam::2:role/b",), ("arn:aws:s3:::b",)],
    "t:ip": [(), ("10.1.2.3",), ("10.1.9.9",), ("10.9.9.9",), ("9.9.9.9",), ("2001:db8::1",)],
    "t:numeric": [(), ("4",), ("5",), ("6",), ("7",), ("8",), ("5", "8")],
    "t:date": [(), ("2023-12-31T23:59:59Z",), ("2024-01-01T00:00:00Z",), ("2024-05-31T22:00:00Z",), ("2025-01-01",)],
    "t:bool": [(), ("true",), ("false",)],
}
ASKED_VARIABLES = {"aws:username": [(), ("ann",)], "aws:principaltag/team": [(), ("ann",), ("red", "blue")]}


def requests_about(*documents: dict[str, Any]) -> list[Asked]:
    """Requests of the small world that can matter to these documents: all, or as many as time allows."""
    words = str(documents).lower()
    keys = {key: values for key, values in {**ASKED_VALUES, **ASKED_VARIABLES}.items() if key in words}
    is_trust = "Principal" in documents[0]["Statement"][0]
    kinds = [
        [("sts:AssumeRole", ""), ("sts:TagSession", "")] if is_trust else list(product(ASKED_ACTIONS, ASKED_RESOURCES)),
        ASKED_PRINCIPALS if is_trust else [""],
        [True, False] if is_trust else [True],
        *keys.values(),
    ]
    total = prod(map(len, kinds))
    numbers = range(total) if total <= MAX_ASKED else Random(words).sample(range(total), MAX_ASKED)
    return [_asked([*keys], [*_chosen(kinds, number)]) for number in numbers]


def _chosen(kinds: list[list[Any]], number: int) -> Iterator[Any]:
    for values in kinds:
        number, place = divmod(number, len(values))
        yield values[place]


def _asked(keys: list[str], chosen: list[Any]) -> Asked:
    (action, resource), principal, is_permitted, *values = chosen
    context = {key: found for key, found in zip(keys, values, strict=True) if found}
    return Asked(action, resource, principal, context, is_permitted)


def violations(old: dict[str, Any], new: dict[str, Any], asked: list[Asked]) -> list[tuple[Asked, Any]]:
    """The requests that the new document allows and the old one does not, or that it denies no longer."""
    is_trust = "Principal" in old["Statement"][0]
    has_variables = "${" in str((old, new))
    worlds = {
        World(not is_trust and one.crosses, has_variables and one.voids, is_trust and one.anyone) for one in WORLDS
    }
    return [
        (one, world)
        for one in asked
        for world in worlds
        if (allows([new], one, world, OWN) and not allows([old], one, world, OWN))
        or (denies([old], one, world, OWN) and not denies([new], one, world, OWN))
    ]


def test_never_narrower_where_a_request_is_allowed_by_the_new_and_not_by_the_old():
    """The number of the pair that fails is a local variable of this test: it makes the same pair again."""
    counted: Counter[str] = Counter()
    for number in range(PAIRS):
        old, new = a_pair(Random(number))
        verdict = prove([read_document(old)], [read_document(new)], OWN)
        counted[verdict.outcome] += 1
        if verdict.outcome == NARROWER:
            assert violations(old, new, requests_about(old, new)) == [], number
        if verdict.outcome == WIDER:
            one = verdict.request
            assert violations(old, new, [Asked(one.action, one.resource, one.principal, one.context)]), number
    assert all(counted[kind] > PAIRS / 20 for kind in (NARROWER, WIDER, UNKNOWN)), counted
