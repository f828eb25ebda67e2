# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.iam_account import IamAccount
from ansible_collections.leastpriv.iam.plugins.module_utils.reviewed import changes_since, fingerprint
from stack.furnishing import furnish

BEFORE = {"attached_policies": ["p"]}
USER = {"arn": "arn:aws:iam::1:user/a", "path": "/", "boundary": None, "tags": {"a": "b"}}
FACTS = {("user", "a"): USER, ("attached", "user", "a"): ["p", "q"], ("policy_entities", "p"): [("user", "a")]}


@pytest.mark.parametrize(
    ("before", "changes", "is_same"),
    [
        (BEFORE, {}, True),
        (BEFORE, {("attached", "user", "a"): ["q", "p"]}, True),
        (BEFORE, {("user", "a"): {**USER, "tags": {}}}, True),
        (BEFORE, {("policy_names",): {"other": ["x"]}}, True),
        ({"attached_policies": []}, {}, False),
        (BEFORE, {("attached", "user", "a"): ["p"]}, False),
        (BEFORE, {("user", "a"): {**USER, "boundary": "x"}}, False),
        (BEFORE, {("user", "a"): None}, False),
        (BEFORE, {("policy_entities", "p"): [("user", "a"), ("role", "b")]}, False),
    ],
)
def test_a_fingerprint_tells_states_apart_that_matter(before, changes, is_same):
    assert (fingerprint(before, {**FACTS, **changes}) == fingerprint(BEFORE, FACTS)) == is_same


def test_a_fingerprint_does_not_depend_on_how_the_account_was_read(stack):
    client = stack.client("iam", "payments")
    furnish(client, stack.account_id("payments"))
    piecemeal, at_once = IamAccount(client), IamAccount(client)
    at_once.preload()
    keys = list(at_once._facts)
    assert {key[0] for key in keys} >= {"user", "role", "group", "attached", "inline", "groups_of", "policy_document"}
    for key in keys:
        assert fingerprint({}, {key: piecemeal.fact(*key)}) == fingerprint({}, {key: at_once.fact(*key)}), key


def step(**changes):
    same = {"index": 1, "operation": "AttachUserPolicy", "target": "a", "module": "m", "args": {}, "fingerprint": "f"}
    return {**same, "status": "needed", "before": BEFORE, **changes}


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ([step()], []),
        ([step(), step()], ["it had 1 steps and has 2"]),
        ([step(args={"x": 1})], ["step 1, attach-user-policy a: it would be applied in another way"]),
        ([step(fingerprint="g", status="unchanged")], ["step 1, attach-user-policy a: it is true by now"]),
        (
            [step(fingerprint="g", before={}, status="unchanged")],
            ['step 1, attach-user-policy a: there was {"attached_policies": ["p"]}, there is nothing'],
        ),
    ],
)
def test_what_has_changed_is_told_to_a_person(now, told):
    assert changes_since([step()], now) == told


def test_what_else_has_changed_is_at_least_not_passed_over():
    (told,) = changes_since([step()], [step(fingerprint="g")])
    assert told == "step 1, attach-user-policy a: something else that it depends on is not what it was"


def test_what_was_true_and_is_not_any_more_is_told():
    (told,) = changes_since([step(status="unchanged")], [step(fingerprint="g")])
    assert told.endswith("it was true, and is not any more")
