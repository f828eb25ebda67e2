# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of real runs: whole ones and failing ones. test_undo.py has that of a run that was killed."""

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import read_journal
from stack import new_artifacts_folder, run_playbook, seed, send_alert

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
    sandbox = stack.account_id("sandbox")
    denied = {"status": 403, "code": "AccessDenied", "message": "no attaching today"}
    stack.fault(action="AttachUserPolicy", account=sandbox, **denied)
    run = run_playbook(stack, "-e", "awx_job_id=42")
    assert (run.rc, run.dispositions) == (2, {"I-1": "remediated", "I-2": "remediated", "I-3": "failed"}), run.stdout
    assert "Step 2 of 2, attach-user-policy" in run.alerts["I-3"]["reason"]
    assert "AccessDenied" in run.alerts["I-3"]["reason"]
    assert stack.depth() == (1, 0)
    journal = journal_of(run.artifacts)
    assert (journal.run["mode"], journal.run["run_id"]) == ("apply", run.report["run_id"])
    assert journal.run["started"] == run.report["started"]
    assert journal.run["awx"] == run.report["awx"] == {"awx_job_id": "42"}
    steps = {(f"I-{number}", operation) for number in (1, 2, 3) for operation in (CREATE, ATTACH)}
    intents, results = shown(journal, "intent"), shown(journal, "result")
    assert set(intents) == set(results) == steps
    failed = results.pop(("I-3", ATTACH))
    assert {one["result"] for one in results.values()} == {"changed"}
    assert failed["result"] == "failed"
    assert "no attaching today" in failed["msg"]
    assert failed["request_id"]
    attach = intents["I-3", ATTACH]
    assert attach["parameters"]["UserName"] == "carol"
    assert attach["before"] == {"attached_policies": []}
    assert attach["after"]["attached_policies"] == [attach["parameters"]["PolicyArn"]]
    assert (attach["account"], attach["account_id"]) == ("sandbox", sandbox)
    assert attach["caller"].startswith(f"arn:aws:sts::{sandbox}:assumed-role/")
    for step, result in results.items():
        assert journal.entries.index(intents[step]) < journal.entries.index(result)
    (file,) = run.artifacts.glob("*/journal.jsonl")
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_down_or_copied_is_not_done(stack, alerts):
    """The journal of payments cannot be written; the journal of sandbox is written and cannot be copied."""
    file = new_artifacts_folder(stack) / "file"
    file.write_text("")
    folder = f"{{{{ '{file}' if inventory_hostname == 'payments' else __remediate_run_dir }}}}"
    named = {"run_id": "{{ __remediate_run_id }}", "started": "{{ __remediate_started }}"}
    run = {**named, "mode": "apply", "undoes": [], "awx": {}}
    journal = {"file": f"{folder}/journal.jsonl", "run": run}
    settings = {"__remediate_journal": journal, "remediate_artifacts_s3": "s3://no-such-bucket"}
    run = run_playbook(stack, "-e", json.dumps(settings))
    assert run.rc == 2
    assert run.dispositions == dict.fromkeys(["I-1", "I-2", "I-3"], "failed"), run.stdout
    for alert_id in ("I-1", "I-2"):
        assert "Could not write the journal" in run.alerts[alert_id]["reason"]
    assert "The journal could not be copied to s3://no-such-bucket" in run.alerts["I-3"]["reason"]
    assert not stack.calls(service="iam", mutating=True)
