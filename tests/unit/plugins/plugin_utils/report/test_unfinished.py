# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import DELETE, RELEASE
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.unfinished import Unfinished
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import to_text


def alert(name, disposition=None):
    return {
        "alert_id": f"I-{name}",
        "message_id": name,
        "account": "payments",
        "account_id": "012345678901",
        "disposition": disposition,
        "reason": disposition,
        "receipts": [{"message_id": name, "receipt_handle": f"handle-{name}"}],
    }


def handles(run):
    """The receipt handles by what is to be done with them."""
    return {act: [*receipts] for act, receipts in run.wanted().items() if act in (DELETE, RELEASE)}


@pytest.fixture
def run(tmp_path):
    """Three alerts to work on, one of them finished; one that was decided as soon as it was received, and settled."""
    run = Unfinished()
    settings = {"artifacts_dir": str(tmp_path), "awx": {"awx_job_id": "7"}, "check_mode": False, "is_undo": False}
    settings |= {"api_endpoint": "api.eu", "metrics_file": "", "tolerate": []}
    named = {"__remediate_run_id": "run-1", "__remediate_started": "2026-01-01T00:00:00Z", "__remediate_run": settings}
    run.learn({"ansible_facts": named})
    received = [alert("a"), alert("b"), alert("c"), alert("t", "acknowledged")]
    run.learn({"ansible_facts": {"__remediate_alerts": received}})
    run.learn({"deleted": 1, "settled": ["t"]})
    run.learn({"ansible_facts": {"__remediate_outcomes": [alert("b", "remediated")]}})
    return run


def test_finished_alerts_are_deleted_and_the_others_released(run):
    assert handles(run) == {DELETE: ["handle-b"], RELEASE: ["handle-a", "handle-c"]}


def test_a_message_with_an_unfinished_alert_is_released(run):
    shared = [{**alert(name), "receipts": [{"message_id": "shared", "receipt_handle": "shared"}]} for name in "abc"]
    run.received, run.finished = [shared], [[{**shared[1], "disposition": "remediated"}]]
    assert handles(run) == {DELETE: [], RELEASE: ["shared"]}


def test_a_review_releases_everything(run):
    run.record["check_mode"] = True
    assert handles(run) == {DELETE: [], RELEASE: ["handle-a", "handle-b", "handle-c"]}


def test_the_report_keeps_what_was_finished_and_says_what_was_not(run):
    report = run.end("Interrupted by SIGTERM", []).report
    assert {one["alert_id"]: one["disposition"] for one in report["alerts"]} == {
        "I-a": "failed",
        "I-b": "remediated",
        "I-c": "failed",
        "I-t": "acknowledged",
    }
    assert report["alerts"][0]["reason"].startswith("Interrupted by SIGTERM before it was finished.")
    assert (report["run_id"], report["interrupted"]) == ("run-1", "Interrupted by SIGTERM")
    assert report["awx"] == {"awx_job_id": "7"}


def test_results_that_say_nothing_about_the_run_change_nothing(run):
    before = run.wanted()
    for result in ({}, {"ansible_facts": None}, {"changed": True, "ansible_facts": {"color": "blue"}}):
        run.learn(result)
    assert run.wanted() == before


def test_messages_are_held_until_they_are_settled(run):
    assert run.held() == ["handle-a", "handle-b", "handle-c"]
    run.learn({"settled": ["a", "b", "c"]})
    assert run.held() == []


def test_alerts_stay_the_text_that_they_came_in():
    run = Unfinished()
    text = to_text([alert("a"), alert("b")])
    run.learn({"ansible_facts": {"__remediate_alerts": text, "__remediate_outcomes": text}})
    assert run.received[0] is text
    assert run.finished[0] is text
    assert [one["message_id"] for one in run.alerts("")] == ["a", "b"]


def test_a_run_without_a_name_wants_nothing():
    assert not any(Unfinished().wanted().values())


def test_an_undo_is_reported_as_one(run):
    run.learn({"ansible_facts": {"__remediate_undoes": ["run-0"]}})
    report = run.end("Interrupted by SIGTERM", []).report
    assert (report["mode"], report["undoes"]) == ("undo", ["run-0"])


@pytest.mark.parametrize("check_mode", [False, True])
def test_an_interrupted_run_leaves_everything_but_a_plan(run, check_mode):
    run.record["check_mode"] = check_mode
    ended = run.end("Interrupted by SIGTERM", ["the queue is gone"])
    assert (ended.files, ended.problems) == (["report.json", "report.html", "report.csv", "metrics.prom"], [])
    assert ended.report["unsettled"] == ["the queue is gone"]


def test_a_run_with_a_report_is_not_broken_off(run):
    assert run.is_broken_off()
    run.learn({"verdict": "No action needed"})
    assert not run.is_broken_off()
