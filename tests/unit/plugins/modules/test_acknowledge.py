# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of the module directly; the module itself, once as Ansible runs it, against a real queue."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import BY_WORD, DELETE, QUARANTINE, QUARANTINED
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.acknowledgement import (
    AlertError,
    acknowledge,
    sort_receipts,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import QueueError, receive, resolve_queue
from ansible_collections.leastpriv.iam.plugins.modules import acknowledge as acknowledge_module
from ansible_collections.leastpriv.iam.plugins.modules.redrive import chooser
from module_args import patch_module_args
from stack import ROOT
from stack.settings import QUEUE_NAME, QUEUE_PROFILE

NOTHING = {
    "changed": False,
    "deleted": 0,
    "quarantined": [],
    "released": 0,
    "held": 0,
    "settled": [],
    "failed_receipts": [],
}


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


def bodies(stack):
    return {message["body"]: message["visible"] for message in stack.messages()}


def ids(alerts):
    return sorted(receipt["message_id"] for alert in alerts for receipt in alert["receipts"])


def test_the_disposition_alone_decides(stack, queue):
    alerts = received(stack, queue, *BY_WORD)
    result = acknowledge(queue, sort_receipts(alerts, check_mode=False))
    result["settled"].sort()
    assert result == {**NOTHING, "changed": True, "deleted": 3, "released": 16, "settled": ids(alerts)}
    kept = set(BY_WORD) - {"remediated", "already_remediated", "acknowledged"}
    assert bodies(stack) == dict.fromkeys(kept, True)


def test_check_mode_releases_everything(stack, queue):
    alerts = received(stack, queue, "remediated", "acknowledged", "failed")
    result = acknowledge(queue, sort_receipts(alerts, check_mode=True))
    result["settled"].sort()
    assert result == {**NOTHING, "released": 3, "settled": ids(alerts)}
    assert stack.depth() == (3, 0)


def test_all_receipts_of_an_alert(stack, queue):
    [first, second] = received(stack, queue, "remediated", "failed")
    first["receipts"] += second["receipts"]
    assert acknowledge(queue, sort_receipts([first], check_mode=False))["deleted"] == 2


def test_message_that_cannot_be_deleted_is_reported(stack, queue):
    [alert] = received(stack, queue, "remediated")
    alert["receipts"].append({"message_id": "gone", "receipt_handle": "unknown"})
    result = acknowledge(queue, sort_receipts([alert], check_mode=False))
    assert (result["deleted"], result["changed"]) == (1, True)
    [failed] = result["failed_receipts"]
    assert result["settled"] == [alert["receipts"][0]["message_id"]]
    assert (failed["alert_id"], failed["message_id"], failed["wanted"]) == ("I-remediated", "gone", DELETE)
    assert "ReceiptHandleIsInvalid" in failed["reason"]


def test_message_that_is_back_already_is_no_failure(queue):
    receipt = {"message_id": "gone", "receipt_handle": "unknown"}
    wanted = sort_receipts([{"alert_id": "I-1", "disposition": "failed", "receipts": [receipt]}], check_mode=False)
    result = acknowledge(queue, wanted)
    assert (result["released"], result["settled"], result["failed_receipts"]) == (1, ["gone"], [])


@pytest.mark.parametrize(
    ("alert", "shown"),
    [
        ({"alert_id": "I-1", "disposition": "done", "receipts": []}, "disposition 'done'.*give one of remediated"),
        ({"alert_id": "I-1", "receipts": []}, "disposition None"),
        ({"alert_id": "I-1", "disposition": "failed"}, "has no receipts"),
        ({"alert_id": "I-1", "disposition": "failed", "receipts": None}, "has no receipts"),
        ({"alert_id": "I-1", "disposition": "failed", "receipts": ["x"]}, "has no receipts"),
    ],
)
def test_alert_that_does_not_say_enough(alert, shown):
    with pytest.raises(AlertError, match=f"Alert I-1 .*{shown}"):
        sort_receipts([alert], check_mode=False)


@pytest.fixture
def run_module(stack, monkeypatch):
    """Run the module in this process; gives its result."""
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)

    def run(**options):
        said = io.StringIO()
        with patch_module_args(options), contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            acknowledge_module.main()
        return json.loads(said.getvalue())

    return run


def test_module_returns_what_an_earlier_call_did_not_process_too(stack, queue, run_module):
    [alert] = received(stack, queue, "remediated")
    alert["receipts"].append({"message_id": "gone", "receipt_handle": "unknown"})
    result = run_module(alerts=[alert], earlier=[{"message_id": "m-0"}], queue_name=QUEUE_NAME)
    assert [failed["message_id"] for failed in result["failed_receipts"]] == ["m-0", "gone"]


def run_in_ansible(stack, env, **options):
    """Run the module through `ansible localhost`; gives its result."""
    run = subprocess.run(
        ["ansible", "localhost", "-m", "leastpriv.iam.acknowledge", "-a", json.dumps(options)],
        cwd=ROOT,
        env={**stack.process_env, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return json.loads(run.stdout[run.stdout.rindex("=> {") + 3 :])


def test_module_deletes_and_releases_with_the_queue_s_profile(stack, queue):
    """Access keys in the environment, as AWX puts them there, do not get in the profile's way."""
    alerts = received(stack, queue, "remediated", "failed")
    env = {"AWS_PROFILE": "", "AWS_ACCESS_KEY_ID": "AKIANOBODY", "AWS_SECRET_ACCESS_KEY": "nothing"}
    result = run_in_ansible(stack, env, alerts=alerts, queue_profile=QUEUE_PROFILE)
    assert (result["changed"], result["deleted"], result["released"], result["failed_receipts"]) == (True, 1, 1, [])
    assert bodies(stack) == {"failed": True}


def test_module_in_check_mode(stack, queue, run_module):
    alerts = received(stack, queue, "remediated", "failed")
    result = run_module(alerts=alerts, _ansible_check_mode=True)
    assert (result["changed"], result["deleted"], result["released"]) == (False, 0, 2)
    assert stack.depth() == (2, 0)


def test_module_says_what_to_do_about_a_missing_queue(stack, queue, run_module):
    alerts = received(stack, queue, "failed")
    result = run_module(alerts=alerts, queue_name="nope")
    assert "Could not find the queue nope in region us-east-1" in result["msg"]
    assert "check queue_name or queue_url" in result["msg"]


def test_module_with_nothing_to_do_needs_no_queue(stack, run_module):
    stack.clear_calls()
    assert run_module(alerts=[], queue_name="nope")["changed"] is False
    assert stack.calls() == []


def test_messages_are_held_whatever_their_disposition(stack, queue):
    alerts = received(stack, queue, "remediated", "failed")
    wanted = sort_receipts([{**alert, "disposition": None} for alert in alerts], check_mode=False, is_hold=True)
    result = acknowledge(queue, wanted, hold_seconds=600)
    assert result == {**NOTHING, "held": 2}
    assert stack.depth() == (0, 2)


@pytest.fixture
def quarantine(stack):
    stack.client("sqs").create_queue(QueueName="quarantine")
    return resolve_queue(stack.client("sqs"), "quarantine", None)


def kept(tmp_path, alerts):
    """The alerts with the files that the lookup keeps the bodies in."""
    for alert in alerts:
        for receipt in alert["receipts"]:
            receipt["body_file"] = str(tmp_path / receipt["message_id"])
            (tmp_path / receipt["message_id"]).write_text(alert["disposition"])
    return alerts


def test_what_another_try_does_not_change_is_moved(stack, queue, quarantine, tmp_path):
    alerts = kept(tmp_path, received(stack, queue, *BY_WORD))
    for alert in alerts:
        alert["reason"] = "because"
    wanted = sort_receipts(alerts, check_mode=False, has_quarantine=True)
    result = acknowledge(queue, wanted, open_quarantine=lambda: quarantine)
    assert {entry["alert_id"] for entry in result["quarantined"]} == {f"I-{word}" for word in QUARANTINED}
    assert (result["changed"], result["deleted"], result["released"], result["failed_receipts"]) == (True, 3, 13, [])
    assert sorted(result["settled"]) == ids(alerts)
    assert not {*QUARANTINED} & {*bodies(stack)}
    moved = {message.body: message.attributes for message in receive(quarantine, 10, 0, 60)}
    assert moved == {
        word: {"leastpriv.disposition": word, "leastpriv.reason": "because", "leastpriv.alert_id": f"I-{word}"}
        for word in QUARANTINED
    }


def sharing(stack, queue, tmp_path, *words):
    """One alert for each disposition, all of the same message."""
    stack.send("[1, 2]")
    [message] = receive(queue, 1, 1, 300)
    file = tmp_path / "body"
    file.write_text(message.body)
    receipt = {"message_id": message.message_id, "receipt_handle": message.receipt_handle, "body_file": str(file)}
    return [
        {"alert_id": f"I-{n}", "account_id": "111122223333", "disposition": word, "reason": word, "receipts": [receipt]}
        for n, word in enumerate(words)
    ]


@pytest.mark.parametrize(
    ("words", "has_quarantine", "left", "moved"),
    [
        (["remediated", "already_remediated", "acknowledged"], True, 0, 0),
        (["remediated", "failed"], True, 1, 0),
        (["failed", "remediated"], False, 1, 0),
        (["remediated", "refused"], False, 1, 0),
        (["refused", "remediated", "unsupported"], True, 0, 1),
        (["refused", "filtered"], True, 1, 0),
    ],
)
def test_a_message_with_several_alerts_is_deleted_only_when_all_are_done(
    stack, queue, quarantine, tmp_path, words, has_quarantine, left, moved
):
    alerts = sharing(stack, queue, tmp_path, *words)
    wanted = sort_receipts(alerts, check_mode=False, has_quarantine=has_quarantine)
    done = acknowledge(queue, wanted, open_quarantine=lambda: quarantine)
    assert (done["failed_receipts"], stack.depth()[0], len(done["quarantined"])) == ([], left, moved)


@pytest.mark.parametrize(
    ("word", "left"),
    [(None, {}), ("failed", {"release": 1}), ("acknowledged", {"delete": 1})],
    ids=["unfinished", "released", "finished"],
)
def test_other_alerts_of_a_message_hold_it_back_or_decide_with_it(stack, queue, tmp_path, word, left):
    first, second = sharing(stack, queue, tmp_path, "remediated", word)
    elsewhere = {"receipt_handle": "elsewhere", "message_id": "elsewhere"}
    second = {**second, "receipts": [*second["receipts"], elsewhere]}
    wanted = sort_receipts([first], check_mode=False, sharing=[second])
    assert {act: len(receipts) for act, receipts in wanted.items() if receipts} == left


def test_what_is_recorded_of_a_message_names_all_its_alerts(stack, queue, quarantine, tmp_path):
    alerts = sharing(stack, queue, tmp_path, "refused", "unsupported")
    acknowledge(queue, sort_receipts(alerts, False, has_quarantine=True), open_quarantine=lambda: quarantine)
    [message] = receive(quarantine, 1, 1, 300)
    assert message.attributes["leastpriv.alert_id"] == "I-0,I-1"
    assert message.attributes["leastpriv.disposition"] == "refused,unsupported"
    assert message.attributes["leastpriv.account_id"] == "111122223333"
    assert chooser(["I-1"], ["refused"])(message)
    assert not chooser(["I-2"], [])(message)
    assert not chooser([], ["invalid"])(message)


def test_a_message_with_several_alerts_is_held_once(stack, queue, tmp_path):
    wanted = sort_receipts(sharing(stack, queue, tmp_path, None, None), check_mode=False, is_hold=True)
    assert {act: len(receipts) for act, receipts in wanted.items() if receipts} == {"hold": 1}


def test_review_moves_nothing(stack, queue):
    alerts = received(stack, queue, *QUARANTINED)
    wanted = sort_receipts(alerts, check_mode=True, has_quarantine=True)
    assert acknowledge(queue, wanted)["released"] == len(QUARANTINED)
    assert stack.depth() == (len(QUARANTINED), 0)


def test_what_cannot_be_moved_is_released_and_reported(stack, queue, quarantine, tmp_path):
    alerts = kept(tmp_path, received(stack, queue, "invalid", "refused"))
    del alerts[1]["receipts"][0]["body_file"]
    stack.client("sqs").delete_queue(QueueUrl=quarantine.url)
    wanted = sort_receipts(alerts, check_mode=False, has_quarantine=True)
    result = acknowledge(queue, wanted, open_quarantine=lambda: quarantine)
    assert (result["changed"], result["quarantined"]) == (False, [])
    shown = {entry["alert_id"]: (entry["wanted"], entry["reason"]) for entry in result["failed_receipts"]}
    assert shown["I-refused"] == (QUARANTINE, shown["I-refused"][1])
    assert "its body was not kept" in shown["I-refused"][1]
    assert "Could not send messages to the queue" in shown["I-invalid"][1]
    assert stack.depth() == (2, 0)


def test_module_moves(stack, queue, quarantine, tmp_path, run_module):
    alerts = kept(tmp_path, received(stack, queue, "refused"))
    result = run_module(alerts=alerts, quarantine_queue="quarantine")
    assert ([entry["alert_id"] for entry in result["quarantined"]], stack.depth()) == (["I-refused"], (0, 0))
    assert [message.body for message in receive(quarantine, 10, 0, 60)] == ["refused"]


def test_quarantine_queue_that_is_gone_costs_no_deletion(stack, queue, tmp_path):
    def open_quarantine():
        raise QueueError("no such queue")

    alerts = kept(tmp_path, received(stack, queue, "remediated", "refused"))
    wanted = sort_receipts(alerts, check_mode=False, has_quarantine=True)
    result = acknowledge(queue, wanted, open_quarantine=open_quarantine)
    assert (result["deleted"], result["quarantined"]) == (1, [])
    assert [(entry["alert_id"], entry["reason"]) for entry in result["failed_receipts"]] == [
        ("I-refused", "no such queue")
    ]
    assert bodies(stack) == {"refused": True}
