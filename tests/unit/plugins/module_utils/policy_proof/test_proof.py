# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the prover leaves open, and what it says."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import read_document
from ansible_collections.leastpriv.iam.plugins.module_utils.policy_proof.proof import UNKNOWN, Verdict, prove

OWN, OTHER = "111111111111", "222222222222"
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}


def a_document(*statements: Any, version: str = "2012-10-17") -> dict[str, Any]:
    return read_document({"Version": version, "Statement": list(statements)})


def a_trust(principal: Any, key: str = "Principal") -> dict[str, Any]:
    return a_document({"Effect": "Allow", key: principal, "Action": "sts:AssumeRole"})


def compare(old: dict[str, Any], new: dict[str, Any], account_id: str = OWN) -> Verdict:
    return prove([old], [new], account_id)


def with_condition(*conditions: dict[str, Any]) -> list[dict[str, Any]]:
    return [a_document({**READ, "Condition": condition}) for condition in conditions]


CANNOT_BE_TOLD = {
    "a colon that a wildcard inside an ARN may not match": (
        a_document({**READ, "Resource": "arn:aws:logs:*:1:group*stream"}),
        a_document({**READ, "Resource": "arn:aws:logs:*:1:group:stream"}),
    ),
    "a variable that may make the old statement invalid": (
        a_document({**READ, "Resource": ["arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/shared/*"]}),
        a_document({**READ, "Resource": "arn:aws:s3:::b/shared/*"}),
    ),
    "an operator that is not known": with_condition({"Sounds": {"k": ["a", "b"]}}, {"Sounds": {"k": "a"}}),
    "a date that is a number": with_condition(
        {"DateLessThan": {"aws:CurrentTime": "2024-01-01"}}, {"DateLessThan": {"aws:CurrentTime": "1700000000"}}
    ),
    "an address with bits of a host": with_condition(
        {"IpAddress": {"aws:SourceIp": "10.0.0.1/8"}}, {"IpAddress": {"aws:SourceIp": "10.1.0.0/16"}}
    ),
    "letters beyond ASCII": with_condition(
        {"StringEqualsIgnoreCase": {"aws:PrincipalTag/x": "STRASSE"}},
        {"StringEquals": {"aws:PrincipalTag/x": "straße"}},
    ),
    "principals that are left out": (
        a_trust({"AWS": OTHER}, "NotPrincipal"),
        a_trust({"AWS": [OTHER, OWN]}, "NotPrincipal"),
    ),
    "a role that needs no permission any more": (
        a_trust({"AWS": OWN}),
        a_trust({"AWS": f"arn:aws:iam::{OWN}:role/app"}),
    ),
    "every service, if anyone includes them": (a_trust("*"), a_trust({"Service": "ec2.amazonaws.com"})),
}


@pytest.mark.parametrize("case", CANNOT_BE_TOLD)
def test_what_is_doubtful_is_not_narrower(case):
    found = compare(*CANNOT_BE_TOLD[case])
    assert (found.outcome, found.request) == (UNKNOWN, None)
    assert found.why.startswith("cannot be proven: it is not certain that ")


def test_the_account_decides_whether_a_role_takes_the_place_of_its_account():
    old, new = a_trust({"AWS": OTHER}), a_trust({"AWS": f"arn:aws:iam::{OTHER}:role/app"})
    assert [compare(old, new, account).is_narrower for account in (OWN, OTHER, "")] == [True, False, False]


def test_principals_that_are_left_out_may_stay_as_they_are():
    assert compare(
        a_trust({"AWS": [OTHER, OWN]}, "NotPrincipal"), a_trust({"AWS": [OWN, OTHER]}, "NotPrincipal")
    ).is_narrower


ODD = {
    "an element that IAM does not know": ({**READ, "Ressource": "*"}, "'Ressource'"),
    "no effect": ({"Action": "*", "Resource": "*"}, "Effect is None"),
    "an effect in other letters": ({**READ, "Effect": "allow"}, "Effect is 'allow'"),
    "an operator without keys": ({**READ, "Condition": {"Bool": {}}}, "an operator without keys"),
    "a key without values": ({**READ, "Condition": {"Bool": {"k": []}}}, "a key without values"),
    "a key twice": ({**READ, "Condition": {"Bool": {"k": "true", "K": "false"}}}, "names a key twice"),
    "resources and principals": ({**READ, "Principal": "*"}, "a trust policy names principals and no resources"),
    "principals of an unknown kind": ({"Effect": "Allow", "Principal": {"X": "a"}, "Action": "*"}, "principals"),
    "no principal": ({"Effect": "Allow", "Principal": {"AWS": []}, "Action": "*"}, "it names no principal"),
    "a principal that is not a text": ({"Effect": "Allow", "Principal": {"AWS": [{}]}, "Action": "*"}, "is not a text"),
    "a statement that is not an object": ("Allow", "object"),
    "an action that is none": ({**READ, "Action": "GetObject"}, "'GetObject'"),
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("place", ["old", "new"])
def test_a_document_that_cannot_be_compared_is_named(case, place):
    statement, why = ODD[case]
    documents = {"old": a_document(READ), "new": a_document(READ), place: a_document(statement)}
    found = compare(documents["old"], documents["new"])
    assert found.outcome == UNKNOWN
    assert found.why.startswith(f"cannot be proven: the {place} document: ")
    assert why in found.why


def test_a_trust_policy_is_not_compared_with_another_kind():
    assert "cannot be compared" in compare(a_trust("*"), a_document(READ)).why
    mixed = a_document(READ, {"Effect": "Allow", "Principal": "*", "Action": "*"})
    assert "some do not" in compare(mixed, mixed).why


def test_words_of_the_old_version_of_the_language_are_not_variables():
    home = {**READ, "Resource": "arn:aws:s3:::b/${aws:username}/*"}
    assert not compare(a_document(home), a_document(home, version="2008-10-17")).is_narrower
    assert not compare(a_document(home, version="2008-10-17"), a_document(home)).is_narrower
    assert compare(a_document(home, version="2008-10-17"), a_document(home, version="2008-10-17")).is_narrower


def test_numbers_and_booleans_are_what_they_are_as_texts():
    old, new = with_condition(
        {"Bool": {"k": "true"}, "NumericEquals": {"n": 5}}, {"Bool": {"k": True}, "NumericEquals": {"n": "5"}}
    )
    assert compare(old, new).is_narrower


def test_a_large_pair_takes_no_enormous_time(at_most):
    actions = [f"s3:A{number}" for number in range(300)]
    old = a_document(
        *({**READ, "Action": [action], "Resource": f"arn:aws:s3:::b{number}*"} for number, action in enumerate(actions))
    )
    new = a_document({**READ, "Action": actions, "Resource": [f"arn:aws:s3:::b{number}" for number in range(300)]})
    with at_most(10):
        assert not compare(old, new).is_narrower


def test_the_counterexample_is_said_in_words():
    wider = a_document({**READ, "Action": ["s3:GetObject", "s3:DeleteObject"]})
    assert (
        compare(a_document(READ), wider).why == "allows s3:DeleteObject on arn:aws:s3:::b/*, which the old one did not"
    )
    role = f"arn:aws:iam::{OTHER}:role/app"
    assert compare(a_trust({"AWS": OTHER}), a_trust({"AWS": [role, "333333333333"]})).why == (
        "allows sts:AssumeRole for arn:aws:iam::333333333333:role/example, which the old one did not"
    )
    assert compare(*with_condition({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {})).why == (
        "allows s3:GetObject on arn:aws:s3:::b/*, which the old one did not"
    )
    deny = {**READ, "Effect": "Deny"}
    assert compare(a_document(READ, deny), a_document(READ)).why == (
        "does not deny s3:GetObject on arn:aws:s3:::b/*, which the old one did"
    )
