# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies that playbooks/policies.yml writes: the vendor's job runs with exactly them, and not without."""

from __future__ import annotations

import functools
import json

import pytest
import yaml
from stack import give_role, run_playbook, seed, send_alert
from stack.settings import QUEUE_ACCOUNT, ROLE_NAME

ACCOUNT = "payments"
# Where one action is not allowed, and where another is not and the simulator is asked first.
LACKING = "sandbox"
SIMULATED = "analytics"
RUNNER = f"arn:aws:iam::{QUEUE_ACCOUNT}:role/{ROLE_NAME}"
WANTED = ("-e", f"runner={RUNNER}", "-e", f"account_role={ROLE_NAME}", "-e", "account_external_id=payments-42")
# The tests that use these policies run beside each other, so that they are written once.
pytestmark = pytest.mark.xdist_group("own policies")


@functools.cache
def written_policies(stack):
    """Run playbooks/policies.yml, once; gives the files that it wrote, by name."""
    run = run_playbook(stack, *WANTED, playbook="playbooks/policies.yml")
    assert run.rc == 0, run.stdout
    return {file.name: file.read_text() for file in run.artifacts.glob("policies/*")}


def without(document, *actions):
    """A policy that lacks some actions in what it allows."""
    left = [
        {**one, "Action": [action for action in one["Action"] if action not in actions]} if "Action" in one else one
        for one in document["Statement"]
    ]
    return {**document, "Statement": [one for one in left if one.get("Action", one)]}


def assert_same_role(files):
    """The template makes what the files say."""
    template = yaml.safe_load(files["account-role.cloudformation.yml"])
    role = template["Resources"]["Role"]["Properties"]
    assert (role["Path"], role["RoleName"]) == ("/", ROLE_NAME)
    assert role["Policies"][0]["PolicyDocument"] == json.loads(files["account-role.json"])
    trust = json.loads(files["account-role-trust.json"])["Statement"][0]
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "payments-42"}}
    assert trust["Principal"] == {"AWS": [RUNNER]}
    assert template["Parameters"]["ExternalId"]["Default"] == "payments-42"
    assume, _tag = role["AssumeRolePolicyDocument"]["Statement"]
    assert {**assume, "Condition": None} == {**trust, "Condition": None}
    assert f'name                 = "{ROLE_NAME}"' in files["account-role.tf"]


def test_the_vendors_job_runs_with_exactly_the_generated_policies_and_not_without(stack):
    stack.add_profiles({"runner": QUEUE_ACCOUNT})
    files = written_policies(stack)
    assert_same_role(files)
    policy = json.loads(files["account-role.json"])
    give_role(stack, QUEUE_ACCOUNT, files["runner-role.json"])
    give_role(stack, ACCOUNT, files["account-role.json"])
    give_role(stack, LACKING, json.dumps(without(policy, "iam:CreatePolicy")))
    give_role(stack, SIMULATED, json.dumps(without(policy, "iam:AttachUserPolicy")))
    seed(stack, ACCOUNT, users=["alice"], roles=["ci"], groups=["team"])
    for alert_id, kind, name in (("I-1", "user", "alice"), ("I-2", "role", "ci"), ("I-3", "group", "team")):
        send_alert(stack, alert_id, ACCOUNT, kind, name)
    for alert_id, account, user in (("I-lacking", LACKING, "carol"), ("I-simulated", SIMULATED, "bob")):
        seed(stack, account, users=[user])
        send_alert(stack, alert_id, account, "user", user)
    names = (ACCOUNT, LACKING, SIMULATED)
    hosts = {name: {"account_id": stack.account_id(name), "aws_profile": name} for name in names}
    hosts[SIMULATED]["remediate_simulate_permissions"] = True
    inventory = stack.write_inventory(stack.folder / "simulated.yml", **hosts)
    run = run_playbook(stack, "-i", str(inventory), "-e", "remediate_queue_profile=runner")
    failed = dict.fromkeys(("I-lacking", "I-simulated"), "failed")
    expected = {**dict.fromkeys(("I-1", "I-2", "I-3"), "remediated"), **failed}
    assert (run.rc, run.dispositions) == (2, expected), run.stdout
    assert "is not authorized to perform: iam:CreatePolicy" in run.alerts["I-lacking"]["reason"]
    assert "is not authorized to perform iam:AttachUserPolicy" in run.alerts["I-simulated"]["reason"]
    changed = stack.calls(service="iam", mutating=True, account=stack.account_id(SIMULATED))
    assert changed == [], "no policy that nothing has"
    assert stack.depth() == (2, 0)
    assert {call["status"] for call in stack.calls(service="iam", mutating=True)} == {200, 403}
