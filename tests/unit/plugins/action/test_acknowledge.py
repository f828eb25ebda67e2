# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action passes to the module, and what it returns where the module does not run or fails."""

from __future__ import annotations

import json

import pytest
from actions import load_action


def alert(alert_id, disposition, *handles):
    receipts = [{"message_id": f"m-{handle}", "receipt_handle": handle} for handle in handles]
    named = {"alert_id": alert_id, "account_id": "1", "message_id": f"m-{alert_id}", "reason": None}
    return {**named, "disposition": disposition, "receipts": receipts, "script": "aws iam x"}


@pytest.fixture
def act(monkeypatch):
    """Run the action with these options; gives its result, and what the module was called with."""

    def act(answer=None, **options):
        action = load_action("leastpriv.iam.acknowledge", options)
        called = []

        def run_module(_name, module_args=None, **_more):
            called.append(module_args)
            return answer or {"failed_receipts": []}

        monkeypatch.setattr(action, "_execute_module", run_module)
        return action.run(task_vars={}), called

    return act


def test_only_what_the_module_reads_of_alerts_with_common_messages_is_passed_on(act):
    sharing = [alert("I-2", "failed", "a", "b"), alert("I-3", "failed", "c")]
    _result, (given,) = act(alerts=json.dumps([alert("I-1", "remediated", "a")]), sharing=sharing, queue_name="q")
    assert [one["alert_id"] for one in given["alerts"]] == ["I-1"]
    assert [one["alert_id"] for one in given["sharing"]] == ["I-2"]
    assert "script" not in given["alerts"][0]
    assert given["queue_name"] == "q"


def test_the_alerts_are_not_returned_as_the_options_of_the_module(act):
    answer = {"failed_receipts": [], "invocation": {"module_args": {"alerts": []}}}
    result, _called = act(answer, alerts=[alert("I-1", "remediated", "a")])
    assert "invocation" not in result


def test_without_messages_the_module_does_not_run(act):
    result, called = act(alerts=[alert("I-1", "failed")])
    assert (called, result["settled"], result["failed_receipts"]) == ([], [], [])


def test_a_module_that_failed_leaves_every_message_of_the_alerts(act):
    result, _called = act({"failed": True, "msg": "no queue"}, alerts=[alert("I-1", "failed", "a"), alert("I-2", "x")])
    assert [(one["message_id"], one["reason"]) for one in result["failed_receipts"]] == [("m-I-1", "no queue")]


@pytest.mark.parametrize(
    ("handles", "answer", "reasons"),
    [([], None, ["throttled"]), (["a"], {"failed": True, "msg": "no queue"}, ["throttled", "no queue"])],
)
def test_what_an_earlier_call_did_not_process_is_returned_too(act, handles, answer, reasons):
    earlier = [{"message_id": "m-0", "reason": "throttled"}]
    result, _called = act(answer, alerts=[alert("I-1", "failed", *handles)], earlier=earlier)
    assert [one["reason"] for one in result["failed_receipts"]] == reasons


def test_what_is_not_a_list_of_alerts_is_left_to_the_module(act):
    _result, called = act({"failed": True, "msg": "has no receipts"}, alerts=[{"alert_id": "I-1"}])
    assert called == [None]
