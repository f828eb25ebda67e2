# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies that playbooks/policies.yml writes: the vendor's job runs with exactly them, and not without."""

from __future__ import annotations

import json

import yaml
from stack import give_role, run_playbook, seed, send_alert
from stack.settings import QUEUE_ACCOUNT, ROLE_NAME

ACCOUNT = "payments"
# Where one action is not allowed.
LACKING = "sandbox"
RUNNER = f"arn:aws:iam::{QUEUE_ACCOUNT}:role/{ROLE_NAME}"
WANTED = ("-e", f"runner={RUNNER}", "-e", f"account_role={ROLE_NAME}")


def write_policies(stack, *args):
    """Run playbooks/policies.yml; gives the run and the files it wrote, by name."""
    run = run_playbook(stack, *WANTED, *args, playbook="playbooks/policies.yml")
    return run, {file.name: file.read_text() for file in run.artifacts.glob("policies/*")}


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
    written, files = write_policies(stack, "-e", "account_external_id=payments-42")
    assert written.rc == 0, written.stdout
    assert_same_role(files)
    policy = json.loads(files["account-role.json"])
    give_role(stack, QUEUE_ACCOUNT, files["runner-role.json"])
    give_role(stack, ACCOUNT, files["account-role.json"])
    give_role(stack, LACKING, json.dumps(without(policy, "iam:CreatePolicy")))
    seed(stack, ACCOUNT, users=["alice"], roles=["ci"], groups=["team"])
    for alert_id, kind, name in (("I-1", "user", "alice"), ("I-2", "role", "ci"), ("I-3", "group", "team")):
        send_alert(stack, alert_id, ACCOUNT, kind, name)
    seed(stack, LACKING, users=["carol"])
    send_alert(stack, "I-lacking", LACKING, "user", "carol")
    run = run_playbook(stack, "-e", "remediate_queue_profile=runner")
    expected = {**dict.fromkeys(("I-1", "I-2", "I-3"), "remediated"), "I-lacking": "failed"}
    assert (run.rc, run.dispositions) == (2, expected), run.stdout
    assert "is not authorized to perform: iam:CreatePolicy" in run.alerts["I-lacking"]["reason"]
    assert stack.depth() == (1, 0)
    assert {call["status"] for call in stack.calls(service="iam", mutating=True)} == {200, 403}
