# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/doctor.yml: says what is missing and what to do, changes nothing, receives nothing."""

from __future__ import annotations

import json
import re

from stack import give_role, run_playbook
from stack.settings import QUEUE_ACCOUNT

from .test_own_policies import pytestmark as pytestmark
from .test_own_policies import without, written_policies

DOCTOR = "playbooks/doctor.yml"
# What would end a run before it receives; the doctor names it and goes on.
DAMAGED = {
    "lost": {"aws_profile": "payments"},
    "number": {"account_id": 12345678901, "aws_profile": "payments"},
    "twin": {"account_id": "777766665555", "aws_profile": "payments"},
    "other": {"account_id": "777766665555", "aws_profile": "payments"},
}
READS = ("Get", "List", "Simulate", "AssumeRole")


def redrive(stack, receives):
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": receives})
    sqs.set_queue_attributes(QueueUrl=stack.queue_url, Attributes={"RedrivePolicy": policy})


def only_looked(stack):
    """Nothing but reading calls were made, and no message was received."""
    calls = [f"{call['service']}:{call['action']}" for call in stack.calls()]
    assert [call for call in calls if not call.partition(":")[2].startswith(READS)] == []
    assert [message["receive_count"] for message in stack.messages()] == [0]
    assert calls
    return True


def test_a_set_up_as_the_policies_say_it_is_whole_and_one_with_gaps_is_reported_gap_by_gap(stack):
    stack.add_profiles({"looking": QUEUE_ACCOUNT})
    redrive(stack, 10)
    stack.send("a message")
    files = written_policies(stack)
    give_role(stack, QUEUE_ACCOUNT, files["runner-role.json"])
    for account in stack.accounts:
        give_role(stack, account, files["account-role.json"])
    stack.clear_calls()
    whole = run_playbook(stack, "-e", "remediate_queue_profile=looking", playbook=DOCTOR)
    assert whole.rc == 0, whole.stdout
    (right,) = re.findall(r"^ok  (.*(?:\n    .*)*)$", whole.stdout, re.MULTILINE)
    assert {*" ".join(right.split()).split(", ")} >= {"queue", "runner", "API", *stack.accounts}, whole.stdout
    assert "No principals are protected in analytics, payments, sandbox" in whole.stdout
    assert re.search(r"^Next, review:\s+ansible-playbook .*/remediate.yml --check ", whole.stdout, re.MULTILINE)
    assert "- arn: arn:aws:iam::*:user/break-glass-*" in whole.stdout
    assert only_looked(stack)

    redrive(stack, 2)
    full = json.loads(files["account-role.json"])
    give_role(stack, "payments", json.dumps(without(full, "iam:AttachRolePolicy")))
    give_role(stack, "analytics", json.dumps(without(full, "iam:SimulatePrincipalPolicy")))
    everything = {"Effect": "Allow", "Action": ["*"], "Resource": ["*"]}
    give_role(stack, QUEUE_ACCOUNT, json.dumps({"Version": "2012-10-17", "Statement": [everything]}))
    inventory = stack.write_inventory(
        stack.folder / "gaps.yml",
        payments={"account_id": stack.account_id("payments"), "aws_profile": "payments"},
        analytics={"account_id": stack.account_id("analytics"), "aws_profile": "analytics"},
        sandbox={"account_id": stack.account_id("sandbox"), "aws_profile": "payments"},
        ghost={"account_id": "999988887777", "aws_profile": "no-such-profile"},
        closed={
            "account_id": "888877776666",
            "role_arn": "arn:aws:iam::888877776666:role/closed",
            "aws_profile": "no-such-base",
        },
        **DAMAGED,
    )
    wrong = {"remediate_queue_profile": "looking", "remediate_severites": [], "remediate_max_alerts": "many"}
    stack.clear_calls()
    env = {"PRISMACLOUD_PASSWORD": "wr0ng-secret"}
    gaps = run_playbook(stack, "-i", str(inventory), "-e", json.dumps(wrong), playbook=DOCTOR, env=env)
    assert gaps.rc == 2, gaps.stdout
    found = " ".join(gaps.stdout.split())
    for shown in (
        "missing queue", "A review (--check) is not possible",
        "advice runner", "it may change itself: iam:AttachRolePolicy",
        "missing API", "the access key was refused",
        "missing payments", "iam:AttachRolePolicy (implicitDeny)", "playbooks/policies.yml",
        "unknown analytics", "not authorized to perform: iam:SimulatePrincipalPolicy",
        "missing sandbox", f"belongs to account {stack.account_id('payments')}",
        "missing ghost", "no-such-profile",
        "missing closed", "no-such-base",
        "missing settings", "did you mean remediate_severities?", "remediate_max_alerts",
        "host lost: account_id is missing", "account_id is the number 12345678901", "have the same account_id",
        "checks failed",
    ):  # fmt: skip
        assert shown in found, gaps.stdout
    assert "wr0ng-secret" not in gaps.stdout + gaps.stderr
    assert only_looked(stack)
