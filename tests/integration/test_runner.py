# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as AWX runs them, through the real ansible-runner; stack/awx_job.py tells what is set up for a job."""

from __future__ import annotations

import json

import pytest
from stack import attached, iam_state, seed, send_alert, settings, wait_until
from stack.alerts import deny_document, deny_policy_name, deny_script
from stack.awx_job import JOB_ID, PROJECT_REVISION, AwxJobs, base_keys, vendor_key
from stack.runs import END_SECONDS

BUCKET = "runs"
# As in the template of a workflow: everything that a job leaves is written below its own folder.
TEMPLATE_VARS = {
    "remediate_queue_url": f"https://sqs.us-east-1.amazonaws.com/{settings.QUEUE_ACCOUNT}/{settings.QUEUE_NAME}",
    "remediate_artifacts_dir": "{{ lookup('ansible.builtin.env', 'AWX_ISOLATED_DATA_DIR') }}/leastpriv",
    "remediate_artifacts_s3": f"s3://{BUCKET}/leastpriv",
}
# What a survey sends where nothing was answered.
NO_ANSWERS = {"remediate_severities": [], "remediate_min_age": ""}
RESOURCE = "arn:aws:s3:::{{ 7 * 7 }}/${aws:username}"
SECRETS = (settings.BASE_SECRET_KEY, settings.VENDOR_PASSWORD)


@pytest.fixture
def jobs(stack):
    """Jobs with three credentials: the vendor's key, keys of the base identity, and a file of profiles."""
    with AwxJobs(stack, base_keys() | vendor_key(stack), profiles(stack)) as jobs:
        yield jobs


def profiles(stack):
    return "\n".join(
        [
            "[profile base]",
            f"aws_access_key_id = {settings.BASE_ACCESS_KEY}",
            f"aws_secret_access_key = {settings.BASE_SECRET_KEY}",
            *(
                f"[profile {name}]\nregion = {settings.QUEUE_REGION}\nsource_profile = base\n"
                f"role_arn = arn:aws:iam::{account_id}:role/{settings.ROLE_NAME}"
                for name, account_id in stack.accounts.items()
            ),
        ]
    )


def hosts(stack, *names):
    return {name: {"account_id": stack.account_id(name), "aws_profile": name} for name in names}


def furnish(stack):
    """An alert in each of two accounts, one of them with text that must not be taken for a template."""
    seed(stack, "payments", users=["alice"])
    seed(stack, "sandbox", users=["carol"])
    document = deny_document(["s3:DeleteBucket"], RESOURCE)
    script = deny_script("user", "alice", stack.account_id("payments"), "I-1", document=document)
    send_alert(stack, "I-1", "payments", "user", "alice", script)
    send_alert(stack, "I-2", "sandbox", "user", "carol")
    stack.client("s3").create_bucket(Bucket=BUCKET)


def report_of(job):
    (file,) = job.folder.glob("artifacts/*/leastpriv/*/report.json")
    return json.loads(file.read_text())


def dispositions(job):
    return {alert["alert_id"]: alert["disposition"] for alert in report_of(job)["alerts"]}


def assert_nothing_was_given_away(job):
    # A presigned URL lets everybody write to the bucket.
    for secret in (*SECRETS, "Signature="):
        assert secret not in job.left_behind
    assert "playbook_on_stats" in job.left_behind, "the events are among what was searched"


def test_review_apply_and_undo_with_profiles(stack, jobs):
    furnish(stack)
    before = iam_state(stack, "payments")
    inventory = hosts(stack, "payments", "sandbox")
    stack.clear_calls()

    review = jobs.run(
        "playbooks/review.yml", inventory, "--check", "--diff", template_vars=TEMPLATE_VARS, launch_vars=NO_ANSWERS
    )
    assert review.rc == 0, review.stdout
    assert dispositions(review) == {"I-1": "planned", "I-2": "planned"}
    assert stack.changes() == []
    assert stack.depth() == (2, 0)
    plan = json.loads(review.artifacts["remediate_plan"])
    assert plan["run_id"] == report_of(review)["run_id"] == review.artifacts["leastpriv_run_id"]
    assert (report_of(review)["awx"]["awx_job_id"], plan["who"]["awx_user"]) == (JOB_ID, "ann")

    apply = jobs.run(
        "playbooks/apply.yml", inventory, "-l", "payments", template_vars=TEMPLATE_VARS, launch_vars=review.artifacts
    )
    assert apply.rc == 0, apply.stdout
    assert dispositions(apply) == {"I-1": "remediated", "I-2": "filtered"}
    assert attached(stack, "payments", "user", "alice") == [deny_policy_name("alice", "I-1")]
    assert RESOURCE in json.dumps(stack.calls(action="CreatePolicy")[0]["parameters"])
    assert report_of(apply)["awx"]["awx_project_revision"] == PROJECT_REVISION
    assert_a_person_finds_the_report_and_the_next_step(review, apply)

    undo = jobs.run(
        "playbooks/undo.yml",
        inventory,
        template_vars=TEMPLATE_VARS,
        launch_vars={"run_id": apply.artifacts["leastpriv_run_id"], "alert_id": ""},
    )
    assert undo.rc == 0, undo.stdout
    assert iam_state(stack, "payments") == before
    for job in (review, apply, undo):
        assert_nothing_was_given_away(job)


def assert_a_person_finds_the_report_and_the_next_step(review, apply):
    run_id = review.artifacts["leastpriv_run_id"]
    address = f"s3://{BUCKET}/leastpriv/{run_id}/report.html"
    assert review.artifacts["leastpriv_report"] == address
    assert f"Report: {address}" in review.shown
    assert 'launch the template "Leastpriv: apply a plan"' in review.shown
    assert f'"Run id of the review" with {run_id}' in review.shown
    assert "ansible-playbook" not in review.shown
    # A text of many lines would be one line of JSON in the output of older runners.
    for job in (review, apply):
        (shown,) = [event for event in job.events if event["event_data"].get("task") == "Show what happened"][-1:]
        assert isinstance(shown["event_data"]["res"]["msg"], list)
        assert "\\n" not in shown["stdout"]


def test_no_plan_is_handed_on_from_a_slice_and_none_is_applied(stack, jobs):
    """Slices share their artifacts, and the last one wins: the apply node would leave out the alerts of the others."""
    furnish(stack)
    slice_vars = TEMPLATE_VARS | {"remediate_slice": True}
    review = jobs.run("playbooks/review.yml", hosts(stack, "payments"), template_vars=slice_vars)
    assert review.rc == 0, review.stdout
    assert dispositions(review) == {"I-1": "planned", "I-2": "filtered"}
    assert "remediate_plan" not in review.artifacts
    stack.clear_calls()
    apply = jobs.run(
        "playbooks/apply.yml",
        hosts(stack, "payments"),
        template_vars=slice_vars,
        # What the survey sends where nothing was answered, and artifacts override.
        launch_vars={"remediate_plan": "", **review.artifacts},
    )
    assert apply.rc == 2
    assert "no plan was given" in apply.shown
    assert "it is a job slice" in apply.shown
    assert stack.calls() == []
    assert stack.depth() == (2, 0)


def test_an_undo_of_a_run_that_is_not_there_says_so(stack, jobs):
    stack.client("s3").create_bucket(Bucket=BUCKET)
    run_id = "20200101T000000Z-0000"
    undo = jobs.run(
        "playbooks/undo.yml", hosts(stack, "payments"), template_vars=TEMPLATE_VARS, launch_vars={"run_id": run_id}
    )
    assert undo.rc == 2
    assert f"{run_id}/journal.jsonl could not be fetched from s3://{BUCKET}/leastpriv" in undo.shown
    assert "Check the run id" in undo.shown


def test_a_killed_job_hides_its_messages_for_a_minute_and_not_while_it_works(stack, jobs):
    """As AWX cancels a job and ends one that times out: SIGKILL, so that nothing can be returned."""
    users = [f"user-{number}" for number in range(12)]
    seed(stack, "payments", users=users)
    for user in users:
        send_alert(stack, f"I-{user}", "payments", "user", user)
    stack.client("s3").create_bucket(Bucket=BUCKET)
    # A module that takes longer than the visibility timeout.
    stack.fault(action="AttachUserPolicy", seconds=600)

    def is_renewed_during_a_step():
        """Its processes are found, too: the runner, Ansible, and what these started."""
        actions = [call["action"] for call in stack.calls()]
        begun = actions.index("AttachUserPolicy") if "AttachUserPolicy" in actions else len(actions)
        return "ChangeMessageVisibilityBatch" in actions[begun:] and len(jobs.processes()) > 2

    job = jobs.run(
        "playbooks/remediate.yml",
        hosts(stack, "payments"),
        template_vars=TEMPLATE_VARS | {"remediate_visibility_timeout": 60},
        cancel_when=is_renewed_during_a_step,
    )
    assert "canceled 254" in job.shown
    assert wait_until(lambda: not jobs.processes(), END_SECONDS), "whatever outlives the job would renew again"
    hidden = [message["hidden_seconds"] for message in stack.messages()]
    assert len(hidden) == len(users), "nothing is lost"
    assert all(0 < seconds <= 60 for seconds in hidden)


def test_a_plan_too_large_to_be_handed_on_comes_from_s3(stack, jobs):
    furnish(stack)
    inventory = hosts(stack, "payments", "sandbox")
    little = TEMPLATE_VARS | {"__remediate_most_handed_on": 1000}
    review = jobs.run("playbooks/review.yml", inventory, template_vars=little)
    assert review.artifacts["remediate_plan"] == report_of(review)["run_id"]
    apply = jobs.run("playbooks/apply.yml", inventory, template_vars=little, launch_vars=review.artifacts)
    assert apply.rc == 0, apply.stdout
    assert dispositions(apply) == {"I-1": "remediated", "I-2": "remediated"}
    kept = {item["Key"].rpartition("/")[2] for item in stack.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert kept == {
        "as_code.zip",
        "journal.jsonl",
        "metrics.prom",
        "plan.json",
        "plan.md",
        "report.csv",
        "report.html",
        "report.json",
    }
