# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of an account, from what the role has registered, and the steps that are still to be applied."""

from __future__ import annotations

import json

import pytest
from actions import load_action
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import facts

WAVE = {"wave": "0001 amazon.aws.iam_user", "module": "iam_user", "first": 0, "end": 50}
CONFIRM = {"tasks": "confirm.yml"}


def step(message_id):
    return {
        **dict.fromkeys(("message_id", "alert_id"), message_id),
        "index": 1,
        "wave": WAVE["wave"],
        "module": "amazon.aws.iam_user",
        "operation": "AttachUserPolicy",
        "args": {"name": "{{ 7 * 7 }}"},
        "parameters": {"UserName": "x", "PolicyArn": "y"},
        "status": "needed",
    }


def done(message_id, **result):
    return {"step": step(message_id), "changed": True, **result}


@pytest.fixture
def journal(tmp_path):
    """Journal before this wave; gives the result and the events of the whole file."""
    observed = [{"disposition": None, "message_id": name, "steps": [step(name)]} for name in ("a", "b")]
    file = tmp_path / "run" / "journal.jsonl"

    def journal(wave, max_failures=5, **known):
        options = {"file": str(file), "run": {"run_id": "r"}, "account": {"account": "payments"}, "wave": wave}
        variables = {facts.OBSERVED: {"alerts": observed}, facts.SETTINGS: {"max_failures": max_failures}, **known}
        result = load_action("leastpriv.iam.journal", options).run(task_vars=variables)
        lines = file.read_text().splitlines()[1:] if file.exists() else []
        return result, [json.loads(line)["event"] for line in lines]

    return journal


def test_what_is_about_to_be_applied_is_recorded_and_returned(journal):
    result, events = journal(WAVE)
    assert (result["pending"], result["kept"]) == ([step("a"), step("b")], "[]")
    assert events == ["intent", "intent"]


def test_results_are_kept_and_a_failed_alert_stops(journal):
    failed = done("a", changed=False, failed=True, msg="no")
    result, events = journal(WAVE, __remediate_applied={"results": [failed, done("b")]})
    assert [(one["step"]["message_id"], one["failed"], one["changed"]) for one in json.loads(result["kept"])] == [
        ("a", True, False),
        ("b", False, True),
    ]
    assert [one["message_id"] for one in result["pending"]] == ["b"]
    assert events == ["result", "result", "intent"]


def test_an_account_that_has_failed_too_often_has_no_steps(journal):
    kept = [done("c", failed=True, msg="no")]
    applied = {"results": [done("a", failed=True, msg="no")]}
    result, _events = journal(WAVE, 2, __remediate_applied=applied, __remediate_results={"kept": json.dumps(kept)})
    assert (result["pending"], len(json.loads(result["kept"]))) == ([], 2)


def test_the_end_of_an_account_s_work_is_recorded_if_there_was_any(journal):
    assert journal(CONFIRM)[1] == []
    result, events = journal(CONFIRM, __remediate_applied={"results": [done("a")]})
    assert (result["pending"], events) == ([], ["result", "end"])


def test_what_was_done_is_kept_although_it_cannot_be_written(journal, tmp_path):
    (tmp_path / "run").touch()
    result, _events = journal(WAVE, __remediate_applied={"results": [done("a")]})
    assert result["failed"]
    assert result["msg"].startswith("Could not write the journal ")
    assert len(json.loads(result["kept"])) == 1
