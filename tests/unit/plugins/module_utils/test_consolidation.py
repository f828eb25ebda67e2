# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.consolidation import can_consolidate, consolidated_step
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
    assert sids(step) == ["I1n1", "I1n2"]


def test_statements_of_other_alerts_stay_and_its_own_are_replaced():
    first = consolidated_step(vendor_steps("I-1"), "I-1", None)
    second = consolidated_step(vendor_steps("I-2"), "I-2", json.loads(first["parameters"]["PolicyDocument"]))
    live = json.loads(second["parameters"]["PolicyDocument"])
    again = consolidated_step(vendor_steps("I-1", action="sqs:*"), "I-1", live)
    assert sorted(sids(again)) == ["I1n1", "I2n1"]
    assert "sqs:*" in again["parameters"]["PolicyDocument"]


def test_an_allow_that_somebody_put_there_is_not_kept():
    live = {"Version": "2012-10-17", "Statement": [{"Sid": "x", "Effect": "Allow", "Action": "*", "Resource": "*"}]}
    assert sids(consolidated_step(vendor_steps(), "I-1", live)) == ["I1n1"]


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
