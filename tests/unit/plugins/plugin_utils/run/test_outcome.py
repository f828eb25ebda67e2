# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.outcome import outcomes, outcomes_of_all, why_it_gave_up

ALERT = {"message_id": "m", "alert_id": "I-1", "disposition": None, "reason": None, "steps": [{}, {}]}


def observed(*statuses, disposition=None, reason=None):
    steps = [
        {"message_id": "m", "index": index, "operation": "TagUser", "target": "bob", "status": status}
        for index, status in enumerate(statuses, 1)
    ]
    return {"message_id": "m", "disposition": disposition, "reason": reason, "steps": steps}


def result(index, **of_the_module):
    return {"step": {"message_id": "m", "index": index}, "changed": False, **of_the_module}


CASES = [
    (
        "all steps changed",
        ["needed", "needed"],
        [result(1, changed=True), result(2, changed=True)],
        "remediated",
        "Tagged user bob and tagged user bob.",
    ),
    (
        "the rest was missing",
        ["unchanged", "needed"],
        [result(2, changed=True)],
        "remediated",
        "Tagged user bob. 1 of 2 steps was already true.",
    ),
    ("nobody looked again", ["needed"], [result(1)], "failed", "it was not observed again"),
    (
        "the second step failed",
        ["needed", "needed"],
        [result(1, changed=True), result(2, failed=True, msg="AccessDenied")],
        "failed",
        "Step 2 of 2, tag-user: AccessDenied",
    ),
    ("a failure stops the alert", ["needed", "needed"], [result(1, failed=True)], "failed", "Step 1 of 2"),
    ("a step never ran", ["needed", "needed"], [result(1, changed=True)], "failed", "Step 2 of 2 was not run"),
]


def made_and_attached(*created, attached):
    """The steps of a script that creates policies and then attaches one, all needed."""
    made = [{"operation": "CreatePolicy", "parameters": {"PolicyName": name}} for name in created]
    arn = f"arn:aws:iam::111122223333:policy/path/{attached}"
    steps = [*made, {"operation": "AttachUserPolicy", "parameters": {"UserName": "bob", "PolicyArn": arn}}]
    last = {"operation": "TagUser", "parameters": {"UserName": "bob"}}
    return [
        {**step, "message_id": "m", "index": index, "target": "x", "status": "needed"}
        for index, step in enumerate([*steps, last], 1)
    ]


@pytest.mark.parametrize(
    ("failing", "says"),
    [
        (1, "denied"),
        (
            2,
            "denied The policy p is left unattached. Another run continues there. To remove what was created: "
            "ansible-playbook playbooks/undo.yml -e alert_id=I-1",
        ),
        (3, "denied The policies p and q are left unattached"),
        (4, "denied The policy p is left unattached"),
    ],
)
def test_a_policy_that_is_left_behind_is_named_with_the_command_that_removes_it(failing, says):
    steps = made_and_attached("p", "q", attached="q")
    applied = [result(index, changed=True) for index in range(1, failing)] + [
        result(failing, failed=True, msg="denied")
    ]
    seen = {"message_id": "m", "disposition": None, "reason": None, "steps": steps}
    (outcome,) = outcomes([ALERT], observed=[seen], applied=applied)
    assert outcome["disposition"] == "failed"
    assert says in outcome["reason"]
    assert ("left unattached" in outcome["reason"]) is (failing > 1)


@pytest.mark.parametrize(
    ("statuses", "applied", "disposition", "says"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_results_become_a_disposition(statuses, applied, disposition, says):
    (outcome,) = outcomes([ALERT], observed=[observed(*statuses)], applied=applied)
    assert outcome["disposition"] == disposition
    assert says in outcome["reason"]


def test_check_mode_plans_what_is_needed():
    (outcome,) = outcomes([ALERT], observed=[observed("unchanged", "needed")], check_mode=True)
    assert outcome["disposition"] == "planned"
    assert outcome["reason"] == "Will tag user bob. 1 of 2 steps was already true."


def test_what_is_decided_stays_decided():
    refused = {**ALERT, "disposition": "refused", "reason": "why"}
    assert outcomes([refused], problem="later trouble") == [refused]


def test_the_observation_decides_before_any_step():
    (outcome,) = outcomes([ALERT], observed=[observed("failed", disposition="failed", reason="NoSuchEntity")])
    assert (outcome["disposition"], outcome["reason"]) == ("failed", "NoSuchEntity")


def test_an_account_that_broke_off_fails_its_alerts_with_its_reason():
    (outcome,) = outcomes([ALERT], problem="The config profile (x) could not be found")
    assert (outcome["disposition"], outcome["reason"]) == ("failed", "The config profile (x) could not be found")


def test_an_account_that_was_left_alone_says_so():
    why = "Not run: the last 5 steps of this account all failed"
    (outcome,) = outcomes([ALERT], observed=[observed("needed", "needed")], applied=[], problem=why)
    assert (outcome["disposition"], outcome["reason"]) == ("failed", why)


def test_a_module_that_compares_less_strictly_is_not_believed():
    again = observed("needed")
    (outcome,) = outcomes([ALERT], observed=[observed("needed")], applied=[result(1)], confirmed=[again])
    assert outcome["disposition"] == "failed"
    assert "AWS still needs tag-user" in outcome["reason"]


def test_a_second_observation_that_finds_it_true_confirms():
    again = observed("unchanged", disposition="already_remediated")
    (outcome,) = outcomes([ALERT], observed=[observed("needed")], applied=[result(1)], confirmed=[again])
    assert outcome["disposition"] == "already_remediated"
    assert "already true when it was applied" in outcome["reason"]


def test_steps_keep_their_own_status():
    applied = [result(1, changed=True), result(2, failed=True, msg="x")]
    (outcome,) = outcomes([ALERT], observed=[observed("needed", "needed", "needed")], applied=applied)
    assert [step["status"] for step in outcome["steps"]] == ["changed", "failed", "not_run"]


def test_an_account_that_dropped_out_fails_its_alerts_and_no_others():
    settings = {"__remediate_settings": {"max_failures": 5}}
    hostvars = {
        "gone": settings,
        "done": {
            **settings,
            "__remediate_observed": {"alerts": [observed("needed")]},
            "__remediate_results": {"kept": json.dumps([result(1, changed=True)])},
        },
    }
    gone, done = outcomes_of_all({"gone": {"alerts": [ALERT]}, "done": {"alerts": [ALERT]}}, hostvars)
    assert (gone["disposition"], gone["reason"]) == ("failed", "The account's play did not get to it.")
    assert done["disposition"] == "remediated"


@pytest.mark.parametrize(
    ("applied", "gives_up"),
    [([], False), ([result(1, failed=True)], False), ([result(1, failed=True)] * 2, True), ([result(1)] * 3, False)],
)
def test_an_account_is_left_alone_after_so_many_failures_in_a_row(applied, gives_up):
    assert bool(why_it_gave_up(applied, max_failures=2)) == gives_up
