# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of the module directly; the module itself as Ansible runs it, against a real queue."""

from __future__ import annotations

import json
import subprocess

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import BY_WORD, DELETE, GIVE_BACK
from ansible_collections.leastpriv.iam.plugins.module_utils.queue import receive, resolve_queue
from ansible_collections.leastpriv.iam.plugins.modules.acknowledge import HOLD, AlertError, acknowledge, sort_receipts
from stack import ROOT
from stack.settings import QUEUE_NAME, QUEUE_PROFILE


@pytest.fixture
def queue(stack):
    return resolve_queue(stack.client("sqs"), QUEUE_NAME, None)


def received(stack, queue, *words):
    """One alert per disposition, each with a message that is held."""
    for word in words:
        stack.send(word)
    return [
        {
            "alert_id": f"I-{message.body}",
            "disposition": message.body,
            "receipts": [{"message_id": message.message_id, "receipt_handle": message.receipt_handle}],
            "script": "of no interest here",
        }
        for _call in range(2)
        for message in receive(queue, 10, 0, 900)
    ]


def ids(alerts):
    return sorted(receipt["message_id"] for alert in alerts for receipt in alert["receipts"])


def bodies(stack):
    return {message["body"]: message["visible"] for message in stack.messages()}


def test_the_disposition_alone_decides(stack, queue):
    alerts = received(stack, queue, *BY_WORD)
    result = acknowledge(queue, sort_receipts(alerts, check_mode=False))
    result["settled"].sort()
    assert result == {"changed": True, "deleted": 3, "given_back": 10, "held": 0, "settled": ids(alerts), "undone": []}
    kept = set(BY_WORD) - {"remediated", "already_remediated", "acknowledged"}
    assert bodies(stack) == dict.fromkeys(kept, True)


def test_check_mode_gives_everything_back(stack, queue):
    alerts = received(stack, queue, "remediated", "acknowledged", "failed")
    result = acknowledge(queue, sort_receipts(alerts, check_mode=True))
    result["settled"].sort()
    assert result == {"changed": False, "deleted": 0, "given_back": 3, "held": 0, "settled": ids(alerts), "undone": []}
    assert stack.depth() == (3, 0)


def test_all_receipts_of_an_alert(stack, queue):
    [first, second] = received(stack, queue, "remediated", "failed")
    first["receipts"] += second["receipts"]
    assert acknowledge(queue, sort_receipts([first], check_mode=False))["deleted"] == 2


def test_message_that_cannot_be_deleted_is_told(stack, queue):
    [alert] = received(stack, queue, "remediated")
    alert["receipts"].append({"message_id": "gone", "receipt_handle": "unknown"})
    result = acknowledge(queue, sort_receipts([alert], check_mode=False))
    assert (result["deleted"], result["changed"]) == (1, True)
    [undone] = result["undone"]
    assert result["settled"] == [alert["receipts"][0]["message_id"]]
    assert (undone["alert_id"], undone["message_id"], undone["wanted"]) == ("I-remediated", "gone", DELETE)
    assert "ReceiptHandleIsInvalid" in undone["reason"]


def test_message_that_is_back_already_is_no_failure(queue):
    wanted = {DELETE: {}, GIVE_BACK: {"unknown": ("I-1", "gone")}, HOLD: {}}
    result = acknowledge(queue, wanted)
    assert (result["given_back"], result["settled"], result["undone"]) == (1, ["gone"], [])


@pytest.mark.parametrize(
    ("alert", "told"),
    [
        ({"alert_id": "I-1", "disposition": "done", "receipts": []}, "disposition 'done'.*give one of remediated"),
        ({"alert_id": "I-1", "receipts": []}, "disposition None"),
        ({"alert_id": "I-1", "disposition": "failed"}, "has no receipts"),
        ({"alert_id": "I-1", "disposition": "failed", "receipts": None}, "has no receipts"),
        ({"alert_id": "I-1", "disposition": "failed", "receipts": ["x"]}, "has no receipts"),
    ],
)
def test_alert_that_does_not_say_enough(alert, told):
    with pytest.raises(AlertError, match=f"Alert I-1 .*{told}"):
        sort_receipts([alert], check_mode=False)


def run_module(stack, *args, env=None, **options):
    """Run the real module through `ansible localhost`; gives its result."""
    run = subprocess.run(
        ["ansible", "localhost", "-m", "leastpriv.iam.acknowledge", "-a", json.dumps(options), *args],
        cwd=ROOT,
        env={**stack.process_env, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return json.loads(run.stdout[run.stdout.rindex("=> {") + 3 :])


def test_module_deletes_and_gives_back_with_the_queue_s_profile(stack, queue):
    """Access keys in the environment, as AWX puts them there, do not get in the profile's way."""
    alerts = received(stack, queue, "remediated", "failed")
    env = {"AWS_PROFILE": "", "AWS_ACCESS_KEY_ID": "AKIANOBODY", "AWS_SECRET_ACCESS_KEY": "nothing"}
    result = run_module(stack, env=env, alerts=alerts, queue_profile=QUEUE_PROFILE)
    assert (result["changed"], result["deleted"], result["given_back"], result["undone"]) == (True, 1, 1, [])
    assert bodies(stack) == {"failed": True}


def test_module_in_check_mode(stack, queue):
    alerts = received(stack, queue, "remediated", "failed")
    result = run_module(stack, "--check", alerts=alerts)
    assert (result["changed"], result["deleted"], result["given_back"]) == (False, 0, 2)
    assert stack.depth() == (2, 0)


def test_module_says_what_to_do_about_a_missing_queue(stack, queue):
    alerts = received(stack, queue, "failed")
    result = run_module(stack, alerts=alerts, queue_name="nope")
    assert "Could not find the queue nope in region us-east-1" in result["msg"]
    assert "check queue_name or queue_url" in result["msg"]


def test_module_with_nothing_to_do_needs_no_queue(stack):
    stack.clear_calls()
    assert run_module(stack, alerts=[], queue_name="nope")["changed"] is False
    assert stack.calls() == []


def test_messages_are_held_whatever_their_disposition(stack, queue):
    alerts = received(stack, queue, "remediated", "failed")
    wanted = sort_receipts([{**alert, "disposition": None} for alert in alerts], check_mode=False, is_hold=True)
    result = acknowledge(queue, wanted, hold_seconds=600)
    assert result == {"changed": False, "deleted": 0, "given_back": 0, "held": 2, "settled": [], "undone": []}
    assert stack.depth() == (0, 2)
