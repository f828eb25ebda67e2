# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the real playbooks do with a queue: quarantine, dead letters, message groups, several runs at once."""

from __future__ import annotations

import json
import re

import pytest
from stack import new_artifacts_folder, read_report, run_playbook, seed, start_playbook
from stack.alerts import (
    deny_document,
    deny_script,
    in_eventbridge_envelope,
    in_sns_envelope,
    integration_test,
    nested_alert,
)

QUARANTINE = ("-e", "remediate_quarantine_queue=quarantine")
TOLERANT = ("-e", '{"remediate_tolerate": ["unmapped_account"]}')


@pytest.fixture
def create(stack):
    """Make a queue beside the alerts' one; gives a function that tells its messages: (body, attributes)."""
    sqs = stack.client("sqs")

    def create_queue(name, **attributes):
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

        def peek():
            messages = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
            ).get("Messages", [])
            return [(message["Body"], attributes_of(message)) for message in messages]

        return url, peek

    return create_queue


def attributes_of(message):
    return {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}


def dead_letters_after(stack, create, max_receive_count):
    sqs = stack.client("sqs")
    url, peek = create("dead")
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": max_receive_count})
    sqs.set_queue_attributes(QueueUrl=stack.queue_url, Attributes={"RedrivePolicy": policy})
    return peek


def policy_script(user, policy, *actions):
    document = json.dumps(deny_document([*actions]))
    return f"aws iam put-user-policy --user-name {user} --policy-name {policy} --policy-document '{document}'"


def test_messages_of_several_alerts_and_in_envelopes(stack, create):
    """Each alert is worked; a message goes when all of its alerts are done, and waits as a whole when one is not.

    One that would fail again whatever is tried waits in the quarantine. test_next_command.py moves it back.
    """
    _url, peek = create("quarantine")
    account_id = stack.account_id("payments")
    seed(stack, "payments", users=["alice"])
    for number in (1, 2, 4, 5, 6):
        stack.script(f"I-{number}", deny_script("user", "alice", account_id, f"I-{number}"))
    for number in (3, 10):
        stack.script(f"I-{number}", "aws ec2 terminate-instances --instance-ids i-1")
    stack.script("I-9", "aws iam tag-user --user-name alice --tags Key=team,Value=red")
    alerts = {number: nested_alert(f"I-{number}", account_id) for number in range(1, 11)}
    unfinished = json.dumps([alerts[3], alerts[4]])
    mixed = json.dumps([nested_alert("I-7", "999999999999"), integration_test()])
    unreadable, refused, unsupported = '{"secret": "hunter2"', *(json.dumps(alerts[number]) for number in (9, 10))
    done = [
        json.dumps([alerts[1], alerts[2]]),
        in_eventbridge_envelope(in_sns_envelope(json.dumps([alerts[5]]))),
        json.dumps(json.dumps(alerts[6])),
    ]
    for sent in (*done, unfinished, mixed, unreadable, refused, unsupported):
        stack.send(sent)
    review = run_playbook(stack, "--check", *TOLERANT, *QUARANTINE)
    assert (review.rc, stack.depth(), peek()) == (2, (8, 0), []), "a review moves nothing"

    run = run_playbook(stack, "-vvv", *TOLERANT, *QUARANTINE)
    assert run.rc == 2, run.stdout
    assert {alert_id for alert_id, word in run.dispositions.items() if word == "remediated"} == {
        "I-1", "I-2", "I-4", "I-5", "I-6",
    }  # fmt: skip
    assert {message["body"] for message in stack.messages()} == {mixed}
    shown = {body: attributes for body, attributes in peek()}
    assert set(shown) == {unfinished, unreadable, refused, unsupported}, "byte for byte"
    assert shown[unfinished]["leastpriv.alert_id"] == "I-3,I-4"
    assert shown[unsupported]["leastpriv.alert_id"] == "I-10"
    assert shown[refused]["leastpriv.disposition"] == "refused"
    assert "guardrail no_tags" in shown[refused]["leastpriv.reason"]
    assert "hunter2" not in run.stdout + run.stderr + json.dumps(run.report)
    assert run.report["quarantine"] == {"queue": "quarantine", "alerts": 4}
    assert "playbooks/redrive.yml -e alert_id=I-9" in run.alerts["I-9"]["reason"]

    named = ("-e", "alert_id=I-9,I-99", *QUARANTINE)
    listed = run_playbook(stack, "--check", *named, playbook="playbooks/redrive.yml")
    assert (listed.rc, stack.depth(), len(peek())) == (2, (1, 0), 4), "it only lists"
    assert re.search(r"^ *would move: '?1'?$", listed.stdout, re.MULTILINE), listed.stdout
    assert not re.search(r"^ *moved:", listed.stdout, re.MULTILINE), listed.stdout
    assert "The whole run: not found in the quarantine queue: I-99" in listed.stdout


def test_alert_that_keeps_failing_lands_in_the_dead_letter_queue_and_no_review_sends_it_there(stack, create):
    peek = dead_letters_after(stack, create, 1)
    seed(stack, "payments", users=["alice"])
    account_id = stack.account_id("payments")
    stack.script("I-1", deny_script("user", "alice", account_id, "I-1"))
    stack.send(nested_alert("I-1", account_id))
    review = run_playbook(stack, "--check")
    assert review.rc == 2
    assert "The review was refused before anything was received" in review.stdout + review.stderr
    assert [message["receive_count"] for message in stack.messages()] == [0]
    stack.fault(action="CreatePolicy", code="AccessDenied", status=403, count=9)
    failed = run_playbook(stack)
    assert (failed.rc, failed.dispositions, stack.depth(), peek()) == (2, {"I-1": "failed"}, (1, 0), [])
    # What receives it once more is not given it.
    assert "Messages" not in stack.client("sqs").receive_message(QueueUrl=stack.queue_url)
    assert [json.loads(body)["alertId"] for body, _attributes in peek()] == ["I-1"], "kept there, not lost"
    assert stack.depth() == (0, 0)


def test_fifo_queue_keeps_the_order_of_a_group_and_a_bad_head_blocks_nobody(stack, create):
    url, _peek = create("alerts.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    seed(stack, "payments", users=["alice", "bob", "carol"])
    account_id = stack.account_id("payments")
    scripts = {
        "I-1": policy_script("alice", "limit", "s3:*"),
        "I-2": policy_script("alice", "limit", "s3:*", "sqs:*"),
        "I-3": policy_script("bob", "limit", "s3:*"),
        "I-4": policy_script("carol", "limit", "s3:*"),
        "I-5": "aws ec2 terminate-instances --instance-ids i-1",
    }
    for alert_id, script in scripts.items():
        stack.script(alert_id, script)
    messages = [("a", "no JSON"), ("a", nested_alert("I-1", account_id)), ("a", nested_alert("I-2", account_id))]
    messages.append(("b", nested_alert("I-3", account_id, name="bob")))
    # Of two alerts: it waits as a whole, and what has been done of it is found done.
    messages.append(("c", [nested_alert("I-4", account_id, name="carol"), nested_alert("I-5", account_id)]))
    for group_id, message in messages:
        body = message if isinstance(message, str) else json.dumps(message)
        stack.client("sqs").send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group_id)
    settings = ("-e", '{"remediate_queue_name": "alerts.fifo", "remediate_allow": ["keep_deny"]}')
    run = run_playbook(stack, *settings)
    words = {alert_id: word for alert_id, word in run.dispositions.items() if alert_id in scripts}
    assert words == {
        **dict.fromkeys(["I-1", "I-3", "I-4"], "remediated"), "I-2": "filtered", "I-5": "unsupported"
    }, run.stdout  # fmt: skip
    assert "postponed: alert I-1" in run.alerts["I-2"]["reason"]
    again = run_playbook(stack, *settings)
    words = {alert_id: word for alert_id, word in again.dispositions.items() if alert_id in scripts}
    assert words == {"I-2": "remediated", "I-4": "already_remediated", "I-5": "unsupported"}, again.stdout
    assert sorted({*again.dispositions.values()} - {*words.values()}) == ["invalid"], again.stdout
    policy = stack.client("iam", "payments").get_user_policy(UserName="alice", PolicyName="limit")
    assert policy["PolicyDocument"]["Statement"][0]["Action"] == ["s3:*", "sqs:*"], "the later alert's"


def test_slices_at_once_each_get_their_own_and_leave_the_rest(stack):
    accounts = sorted(stack.accounts)
    for account in accounts[:2]:
        seed(stack, account, users=["alice"])
    # More than a receive gives, and those of a third account, which neither of them works on.
    for number in range(30):
        account_id = stack.account_id(accounts[number % 3])
        stack.script(f"I-{number}", policy_script("alice", f"limit-{number}", "s3:*"))
        stack.send(nested_alert(f"I-{number}", account_id))
    stack.send(nested_alert("I-other", stack.twin))
    # One is limited, the other has a slice of the inventory, as AWX gives it to its jobs.
    limited, sliced = accounts[:2]
    hosts = {sliced: {"account_id": stack.account_id(sliced), "aws_profile": sliced}}
    inventory = stack.write_inventory(stack.folder / f"{sliced}.yml", **hosts)
    parts = {
        limited: ("--limit", limited, *TOLERANT),
        sliced: ("-i", str(inventory), "-e", '{"remediate_slice": true}'),
    }
    folders = {account: new_artifacts_folder(stack) for account in parts}
    runs = [start_playbook(stack, *part, artifacts=folders[account]) for account, part in parts.items()]
    shown = [run.communicate(timeout=180)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], shown
    for place, account in enumerate(parts):
        alerts = read_report(folders[account])["alerts"]
        mine = {alert["alert_id"] for alert in alerts if alert["disposition"] == "remediated"}
        assert mine == {f"I-{number}" for number in range(place, 30, 3)}
    assert stack.depth() == (11, 0)
