# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of real runs: whole ones, failing ones, and one that was killed in the middle of a step."""

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import read_journal
from stack import kill_run, new_artifacts_folder, run_playbook, seed, send_alert, start_playbook

CREATE, ATTACH = "CreatePolicy", "AttachUserPolicy"


@pytest.fixture
def alerts(stack):
    """Two alerts in each of two accounts."""
    for number, account, user in ((1, "payments", "alice"), (2, "payments", "bob"), (3, "sandbox", "carol")):
        seed(stack, account, users=[user])
        send_alert(stack, f"I-{number}", account, "user", user)


def journal_of(artifacts):
    (file,) = artifacts.glob("*/journal.jsonl")
    return read_journal(file)


def shown(journal, event):
    return {(one["alert_id"], one["operation"]): one for one in journal.entries if one["event"] == event}


def test_a_run_writes_down_every_step_before_and_after_it(stack, alerts):
    run = run_playbook(stack, "-e", "awx_job_id=42")
    assert run.rc == 0, run.stdout
    journal = journal_of(run.artifacts)
    assert (journal.run["mode"], journal.run["run_id"]) == ("apply", run.report["run_id"])
    assert journal.run["started"] == run.report["started"]
    assert journal.run["awx"] == run.report["awx"] == {"awx_job_id": "42"}
    steps = {(f"I-{number}", operation) for number in (1, 2, 3) for operation in (CREATE, ATTACH)}
    intents, results = shown(journal, "intent"), shown(journal, "result")
    assert set(intents) == set(results) == steps
    assert {one["result"] for one in results.values()} == {"changed"}
    attach = intents["I-3", ATTACH]
    assert attach["parameters"]["UserName"] == "carol"
    assert attach["before"] == {"attached_policies": []}
    assert attach["after"]["attached_policies"] == [attach["parameters"]["PolicyArn"]]
    assert (attach["account"], attach["account_id"]) == ("sandbox", stack.account_id("sandbox"))
    assert attach["caller"].startswith(f"arn:aws:sts::{stack.account_id('sandbox')}:assumed-role/")
    for step, intent in intents.items():
        assert journal.entries.index(intent) < journal.entries.index(results[step])
    (file,) = run.artifacts.glob("*/journal.jsonl")
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_failed_step_is_written_down_with_awss_words(stack, alerts):
    stack.fault(action="AttachUserPolicy", status=403, code="AccessDenied", message="no attaching today")
    run = run_playbook(stack, "--limit", "sandbox")
    assert run.rc == 2
    failed = shown(journal_of(run.artifacts), "result")["I-3", ATTACH]
    assert failed["result"] == "failed"
    assert "no attaching today" in failed["msg"]
    assert failed["request_id"]


def test_a_review_and_an_empty_run_write_none(stack, alerts):
    assert not [*run_playbook(stack, "--check").artifacts.glob("*/journal.jsonl")]
    run_playbook(stack)
    assert not [*run_playbook(stack).artifacts.glob("*/journal.jsonl")]


def test_what_cannot_be_written_down_is_not_done(stack, alerts):
    artifacts = new_artifacts_folder(stack)
    artifacts.joinpath("file").write_text("")
    journal = {"file": f"{artifacts}/file/journal.jsonl", "run": {"run_id": "r"}}
    run = run_playbook(stack, "-e", json.dumps({"__remediate_journal": journal}))
    assert run.rc == 2
    assert set(run.dispositions.values()) == {"failed"}
    assert {"Could not write the journal" in alert["reason"] for alert in run.alerts.values()} == {True}
    assert not [call for call in stack.calls() if call["mutating"] and call["service"] == "iam"]


def test_a_killed_run_leaves_what_it_was_about_to_do(stack, alerts):
    artifacts = new_artifacts_folder(stack)
    stack.fault(action="AttachUserPolicy", seconds=120)
    process = start_playbook(stack, "--limit", "sandbox", artifacts=artifacts)
    try:
        stack.wait_for_call(action="AttachUserPolicy")
    finally:
        kill_run(process)
    journal = journal_of(artifacts)
    assert set(shown(journal, "intent")) == {("I-3", CREATE), ("I-3", ATTACH)}
    assert set(shown(journal, "result")) == {("I-3", CREATE)}


def test_a_copy_is_in_s3_before_anything_is_changed(stack, alerts):
    s3 = stack.client("s3", "queue")
    s3.create_bucket(Bucket="journals")
    stack.fault(action="CreatePolicy", seconds=120)
    artifacts = new_artifacts_folder(stack)
    process = start_playbook(stack, "-e", "remediate_artifacts_s3=s3://journals/leastpriv", artifacts=artifacts)
    try:
        stack.wait_for_call(action="CreatePolicy")
    finally:
        kill_run(process)
    (copied,) = s3.list_objects_v2(Bucket="journals")["Contents"]
    (file,) = artifacts.glob("*/journal.jsonl")
    assert copied["Key"] == f"leastpriv/{file.parent.name}/journal.jsonl"
    assert s3.get_object(Bucket="journals", Key=copied["Key"])["Body"].read() == file.read_bytes()
    assert set(shown(journal_of(artifacts), "intent")) == {(f"I-{number}", CREATE) for number in (1, 2, 3)}


def test_what_cannot_be_copied_is_not_done(stack, alerts):
    run = run_playbook(stack, "-e", "remediate_artifacts_s3=s3://no-such-bucket")
    assert run.rc == 2
    assert set(run.dispositions.values()) == {"failed"}
    assert not stack.calls(service="iam", mutating=True)
