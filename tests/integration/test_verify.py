# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/verify.yml against changes that hold, that somebody reverted, and that have lost their principal."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from stack import attached, iam_state, new_artifacts_folder, run_playbook, seed, send_alert
from stack.alerts import deny_policy_name

ALERTS = {"I-1": "alice", "I-2": "bob", "I-3": "carol", "I-4": "dave", "I-5": "erin"}
UNDONE = {"I-6": "fay"}
# Of a run whose journal somebody has edited.
EDITED = "20260101T000000Z-0000"
IN_S3 = ("-e", "remediate_artifacts_s3=s3://journals/x")


def verify(stack, artifacts, *args):
    run = run_playbook(stack, *args, playbook="playbooks/verify.yml", artifacts=artifacts)
    file = artifacts / run.report["run_id"] / "verify.json" if run.report else None
    return run, json.loads(file.read_text()) if file and file.exists() else None


def apply_all(stack):
    """A run that has restricted six users. What it did to one of them has been undone since."""
    alerts = ALERTS | UNDONE
    seed(stack, "payments", users=[*alerts.values()])
    for alert_id, user in alerts.items():
        send_alert(stack, alert_id, "payments", "user", user)
    run = run_playbook(stack)
    assert run.dispositions == dict.fromkeys(alerts, "remediated"), run.stdout
    undone = run_playbook(
        stack, "-e", f"alert_id={','.join(UNDONE)}", playbook="playbooks/undo.yml", artifacts=run.artifacts
    )
    assert undone.dispositions == dict.fromkeys(UNDONE, "undone"), undone.stdout
    return run


def copy_journals(stack, artifacts):
    """Put the journals, and nothing else of the runs, where runs copy them to."""
    s3 = stack.client("s3", "queue")
    s3.create_bucket(Bucket="journals")
    for file in artifacts.glob("*/journal.jsonl"):
        s3.put_object(Bucket="journals", Key=f"x/{file.parent.name}/journal.jsonl", Body=file.read_bytes())


def edited_journal(artifacts, run_id):
    """The journal of the run as one of another run that somebody has edited."""
    file = artifacts / EDITED / "journal.jsonl"
    file.parent.mkdir()
    written = (artifacts / run_id / "journal.jsonl").read_text()
    file.write_text(written.replace(run_id, EDITED).replace("bob", "eve", 1))
    return file


def detach(iam, user, alert_id, account_id):
    arn = f"arn:aws:iam::{account_id}:policy/{deny_policy_name(user, alert_id)}"
    iam.detach_user_policy(UserName=user, PolicyArn=arn)
    return arn


def metrics_of(run):
    lines = (run.artifacts / run.report["run_id"] / "metrics.prom").read_text().splitlines()
    return [line for line in lines if line.startswith("leastpriv_reverted")]


def test_what_was_reverted_is_found_named_and_put_back_and_an_undo_is_not_a_revert(stack):
    applied = apply_all(stack)
    run_id, account_id = applied.report["run_id"], stack.account_id("payments")
    iam = stack.client("iam", "payments")
    copy_journals(stack, applied.artifacts)
    holding, held = verify(stack, new_artifacts_folder(stack), *IN_S3)
    assert (holding.rc, holding.dispositions) == (0, dict.fromkeys(ALERTS, "holds")), holding.stdout
    assert {change["state"] for alert in held["alerts"] for change in alert["changes"]} == {"holds"}
    assert metrics_of(holding) == ['leastpriv_reverted{mode="verify"} 0']

    # alice's Deny is taken away. bob is deleted. carol's policy allows something now. dave's policy is gone as a whole.
    detach(iam, "alice", "I-1", account_id)
    iam.delete_policy(PolicyArn=detach(iam, "bob", "I-2", account_id))
    iam.delete_user(UserName="bob")
    changed = f"arn:aws:iam::{account_id}:policy/{deny_policy_name('carol', 'I-3')}"
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.create_policy_version(PolicyArn=changed, PolicyDocument=json.dumps(document), SetAsDefault=True)
    iam.delete_policy(PolicyArn=detach(iam, "dave", "I-4", account_id))
    before = iam_state(stack, "payments")
    stack.clear_calls()
    settings = ("-e", "remediate_verify_cloudtrail=true", "-e", "requeue=true")

    edited = edited_journal(applied.artifacts, run_id)
    review, _found = verify(stack, applied.artifacts, *settings, "--check")
    assert (review.rc, review.dispositions[EDITED]) == (2, "failed"), review.stdout
    assert "was edited, or the line before it is missing" in review.alerts[EDITED]["reason"]
    edited.unlink()
    edited.parent.rmdir()
    assert stack.depth() == (0, 0)
    assert "Would put back into the queue, with messages built from the journals: I-1, I-3, I-4." in review.stdout
    assert "To restrict it again" in review.stdout
    assert "playbooks/verify.yml" in review.stdout
    assert "-e requeue=true" in review.stdout

    run, found = verify(stack, applied.artifacts, *settings)
    assert run.rc == 2, run.stdout
    assert run.report["mode"] == "verify"
    expected = {"I-1": "reverted", "I-2": "gone", "I-3": "reverted", "I-4": "reverted", "I-5": "holds"}
    assert run.dispositions == expected
    assert run.report["needs_person"] == {"reverted": 3}
    assert metrics_of(run) == ['leastpriv_reverted{mode="verify"} 3']
    states = {
        alert["alert_id"]: {one["operation"]: one["state"] for one in alert["changes"]} for alert in found["alerts"]
    }
    assert states == {
        "I-1": {"CreatePolicy": "holds", "AttachUserPolicy": "reverted"},
        "I-2": {"CreatePolicy": "gone", "AttachUserPolicy": "gone"},
        "I-3": {"CreatePolicy": "reverted", "AttachUserPolicy": "holds"},
        "I-4": {"CreatePolicy": "reverted", "AttachUserPolicy": "reverted"},
        "I-5": {"CreatePolicy": "holds", "AttachUserPolicy": "holds"},
    }
    assert {alert["run_id"] for alert in found["alerts"]} == {run_id}
    for alert_id, event in (("I-1", "DetachUserPolicy"), ("I-3", "CreatePolicyVersion"), ("I-4", "DeletePolicy")):
        assert (
            f"By arn:aws:sts::{account_id}:assumed-role/leastpriv-remediation/session on "
            in run.alerts[alert_id]["reason"]
        )
        assert event in run.alerts[alert_id]["reason"]
    page = (run.artifacts / run.report["run_id"] / "report.html").read_text()
    assert "this verified what earlier runs have changed" in page
    assert "I-1: attach-user-policy" in page
    assert "To restrict it again, review the queue" in run.stdout
    assert "requeue=true" not in run.stdout
    assert all(run.alerts[one]["reason"].endswith("Put back into the queue.") for one in ("I-1", "I-3", "I-4"))

    # It only read, and asked CloudTrail for nothing but what was reverted.
    assert not stack.calls(service="iam", mutating=True)
    assert iam_state(stack, "payments") == before
    assert {call["action"] for call in stack.calls(service="cloudtrail")} == {"LookupEvents"}

    bodies = {body["alertId"]: body for body in map(json.loads, (one["body"] for one in stack.messages()))}
    assert set(bodies) == {"I-1", "I-3", "I-4"}
    assert bodies["I-1"]["severity"] == applied.alerts["I-1"]["severity"]
    applied_again = run_playbook(
        stack, "-e", json.dumps({"remediate_severities": ["critical", "high", "medium"]}), artifacts=applied.artifacts
    )
    assert applied_again.dispositions["I-1"] == applied_again.dispositions["I-4"] == "remediated", applied_again.stdout
    assert [step["status"] for step in applied_again.alerts["I-1"]["steps"]] == ["unchanged", "changed"]
    assert attached(stack, "payments", "user", "alice") == [deny_policy_name("alice", "I-1")]
    assert_what_does_not_stand_is_not_verified(stack, applied.artifacts)


def assert_what_does_not_stand_is_not_verified(stack, artifacts):
    """In this process: the playbook reads the journals before anything else, and ends with what the lookup says."""
    for alert_ids, folder, says in (
        ([*UNDONE], artifacts, "No change of alert I-6 stands by the journals in"),
        ([], new_artifacts_folder(stack), "There is no run in"),
    ):
        with pytest.raises(AnsibleLookupError, match=says):
            lookup_loader.get("leastpriv.iam.applied_changes").run(
                alert_ids, {}, artifacts_dir=str(folder), accounts=[], limit=[]
            )
