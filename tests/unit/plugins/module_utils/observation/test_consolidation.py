# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.consolidation import (
    POLICY_NAME,
    can_consolidate,
    consolidated_step,
    own_sid,
    unconsolidated_step,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import check_grammar
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.translation import translate
from stack.alerts import deny_document, deny_script

ACCOUNT = "123456789012"


def steps_of(script):
    translated = translate(script, ACCOUNT)
    assert translated["disposition"] is None, translated["reason"]
    return translated["steps"]


def vendor_steps(alert_id="I-1", kind="user", chunks=1, action="s3:*"):
    return steps_of(deny_script(kind, "bob", ACCOUNT, alert_id, chunks=chunks, document=deny_document([action])))


def sids(step):
    return [statement["Sid"] for statement in json.loads(step["parameters"]["PolicyDocument"])["Statement"]]


@pytest.mark.parametrize("kind", ["user", "role", "group"])
def test_a_vendor_s_script_becomes_one_inline_policy(kind):
    steps = vendor_steps(kind=kind, chunks=2)
    assert can_consolidate(steps)
    step = consolidated_step(steps, "I-1", None)
    assert (step["operation"], step["module"]) == (f"Put{kind.capitalize()}Policy", "amazon.aws.iam_policy")
    assert step["args"]["iam_name"] == "bob"
    assert sids(step) == [f"{own_sid('I-1')}n1", f"{own_sid('I-1')}n2"]


def test_statements_of_other_alerts_stay_and_its_own_are_replaced():
    first = consolidated_step(vendor_steps("I-1"), "I-1", None)
    second = consolidated_step(vendor_steps("I-2"), "I-2", json.loads(first["parameters"]["PolicyDocument"]))
    live = json.loads(second["parameters"]["PolicyDocument"])
    again = consolidated_step(vendor_steps("I-1", action="sqs:*"), "I-1", live)
    assert sorted(sids(again)) == [f"{own_sid('I-1')}n1", f"{own_sid('I-2')}n1"]
    assert "sqs:*" in again["parameters"]["PolicyDocument"]


def test_an_allow_that_somebody_put_there_is_not_kept():
    live = {"Version": "2012-10-17", "Statement": [{"Sid": "x", "Effect": "Allow", "Action": "*", "Resource": "*"}]}
    assert sids(consolidated_step(vendor_steps(), "I-1", live)) == [f"{own_sid('I-1')}n1"]


def document_of(step):
    return json.loads(step["parameters"]["PolicyDocument"])


# Ids that are one text without their dashes, or whose numbers run together.
ALIKE = [("I-12", "I-1-2"), ("I-1", "I1"), ("I-1n", "I-1"), ("", "-"), ("ä", "ö"), ("x" * 99, "x" * 98)]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_no_alert_takes_another_s_statements_for_its_own(one, other):
    first = document_of(consolidated_step(vendor_steps(action="s3:*"), one, None))
    both = document_of(consolidated_step(vendor_steps(action="sqs:*"), other, first))
    check_grammar(both)
    assert [statement["Action"] for statement in both["Statement"]] == [["s3:*"], ["sqs:*"]]
    undone, was, mine = unconsolidated_step(undoing(other, both), both)
    assert was == mine == both["Statement"][1:]
    assert document_of(undone)["Statement"] == first["Statement"]


def undoing(alert_id, document):
    applied = {
        "alert_id": alert_id,
        "operation": "PutUserPolicy",
        "parameters": {"UserName": "bob", "PolicyName": POLICY_NAME},
        "after": {"document": json.dumps(document)},
    }
    return {"undoes": applied}


def earlier(sid="I12n1", action="s3:*"):
    """A policy that version 1.0 put, and an alert's statement in it."""
    statement = {"Sid": sid, "Effect": "Deny", "Action": [action], "Resource": ["*"]}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_what_an_earlier_version_put_is_found_to_be_there_already():
    assert document_of(consolidated_step(vendor_steps(), "I-12", earlier())) == earlier()


def test_what_an_earlier_version_put_for_another_alert_stays():
    both = document_of(consolidated_step(vendor_steps(action="sqs:*"), "I-12", earlier()))
    assert [statement["Sid"] for statement in both["Statement"]] == ["I12n1", f"{own_sid('I-12')}n1"]


def test_what_an_earlier_version_put_is_undone():
    live = document_of(consolidated_step(vendor_steps(action="sqs:*"), "I-3", earlier()))
    undone, was, mine = unconsolidated_step(undoing("I-12", earlier()), live)
    assert was == mine == earlier()["Statement"]
    assert document_of(undone)["Statement"] == live["Statement"][1:]


POLICY = f"arn:aws:iam::{ACCOUNT}:policy/p"
OTHERS = {
    "it attaches what it did not create": f"aws iam attach-user-policy --user-name bob --policy-arn {POLICY}",
    "it does something else as well": deny_script("user", "bob", ACCOUNT, "I-1")
    + " && aws iam delete-login-profile --user-name bob",
    "it is about two principals": deny_script("user", "bob", ACCOUNT, "I-1")
    + " && "
    + deny_script("user", "eve", ACCOUNT, "I-2"),
}


@pytest.mark.parametrize("script", OTHERS.values(), ids=OTHERS)
def test_other_scripts_are_left_as_they_are(script):
    assert not can_consolidate(steps_of(script))
