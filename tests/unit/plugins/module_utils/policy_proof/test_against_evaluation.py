# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The prover against IAM's evaluation logic: random pairs of documents, and every request of a small world."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from random import Random
from typing import Any

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import read_document
from ansible_collections.leastpriv.iam.plugins.module_utils.policy_proof.proof import NARROWER, WIDER, prove
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from iam_evaluation import WORLDS, Asked, World, allows, denies
from scale import scaled

PAIRS = scaled(2000, 50000)
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


def a_value(kind: str) -> st.SearchStrategy[Any]:
    return st.lists(st.sampled_from(VALUES[kind]), min_size=1, max_size=3, unique_by=str)


@st.composite
def a_condition(draw: st.DrawFn) -> dict[str, Any]:
    condition: dict[str, Any] = {}
    for _number in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from(["String", "String", "String", *VALUES]))
        operator = kind + draw(st.sampled_from(OPERATORS[kind]))
        if kind == "Ip":
            operator = draw(st.sampled_from(["IpAddress", "NotIpAddress"]))
        if kind != "Null":
            operator = draw(st.sampled_from(["", "", "", "ForAllValues:", "ForAnyValue:"])) + operator
            operator += draw(st.sampled_from(["", "", "IfExists"]))
        key = {"Null": "t:String"}.get(kind, f"t:{kind}")
        condition.setdefault(operator, {})[draw(st.sampled_from([key, key.upper()])) if kind == "Ip" else key] = draw(
            a_value(kind)
        )
    return condition


def some(values: list[str]) -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))


@st.composite
def a_statement(draw: st.DrawFn, is_trust: bool) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))}
    if is_trust:
        statement["Principal"] = draw(st.sampled_from(PRINCIPALS))
        statement["Action"] = draw(some(["sts:AssumeRole", "sts:*", "sts:TagSession"]))
    else:
        statement[draw(st.sampled_from(["Action", "Action", "Action", "NotAction"]))] = draw(some(ACTIONS))
        statement[draw(st.sampled_from(["Resource", "Resource", "Resource", "NotResource"]))] = draw(some(RESOURCES))
    condition = draw(a_condition())
    return {**statement, **({"Condition": condition} if condition else {})}


@st.composite
def a_document(draw: st.DrawFn, is_trust: bool) -> dict[str, Any]:
    version = draw(st.sampled_from(["2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17"]))
    return {"Version": version, "Statement": draw(st.lists(a_statement(is_trust), min_size=1, max_size=3))}


@st.composite
def a_change_of(draw: st.DrawFn, document: dict[str, Any], is_trust: bool) -> dict[str, Any]:
    """A document that differs from another one in something: many of these are narrower, and some just are not."""
    changed = {**document, "Statement": [dict(one) for one in document["Statement"]]}
    statement = draw(st.sampled_from(changed["Statement"]))
    other = draw(a_statement(is_trust))
    for key in draw(st.lists(st.sampled_from(sorted(set(statement) & set(other))), max_size=2)):
        statement[key] = other[key]
    if "Condition" in other and draw(st.booleans()):
        statement["Condition"] = {**statement.get("Condition", {}), **other["Condition"]}
    if draw(st.booleans()):
        changed["Statement"].append(other)
    if draw(st.booleans()):
        changed["Version"] = draw(st.sampled_from(["2012-10-17", "2008-10-17"]))
    return changed


@st.composite
def a_pair(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    is_trust = draw(st.sampled_from([False, False, True]))
    old = draw(a_document(is_trust))
    new = draw(st.one_of(a_change_of(old, is_trust), a_change_of(old, is_trust), a_document(is_trust)))
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


COUNTED = {"pairs": 0, "narrower": 0, "wider": 0, "unknown": 0}


@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=PAIRS,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(a_pair())
def test_never_narrower_where_a_request_is_allowed_by_the_new_and_not_by_the_old(pair):
    old, new = pair
    verdict = prove([read_document(old)], [read_document(new)], OWN)
    COUNTED["pairs"] += 1
    COUNTED[verdict.outcome] += 1
    if verdict.outcome == NARROWER:
        assert violations(old, new, requests_about(old, new)) == []
    if verdict.outcome == WIDER:
        one = verdict.request
        assert violations(old, new, [Asked(one.action, one.resource, one.principal, one.context)])


def test_the_pairs_are_of_every_kind():
    assert all(COUNTED[kind] > COUNTED["pairs"] / 20 for kind in ("narrower", "wider", "unknown"))
