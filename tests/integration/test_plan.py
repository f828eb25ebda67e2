# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Review, approve, apply, through the real ansible-playbook: what was reviewed is applied, or it is left alone."""

from __future__ import annotations

import json
import stat

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.plan import digest
from stack import iam_state, run_playbook, seed, send_alert
from stack.alerts import deny_document, deny_policy_name, deny_script, nested_alert
from stack.runs import read_report

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
RESOURCE = "arn:aws:s3:::{{ 7 * 7 }}/${aws:username}"
USERS = ("same", "halfway", "drifts", "rewritten", "resent", "done", "undone", "gone")


def send(stack, user, script=None, **overrides):
    return send_alert(stack, f"I-{user}", "payments", "user", user, script, **overrides)


def same_script(stack):
    document = deny_document(["s3:DeleteBucket"], RESOURCE)
    return deny_script("user", "same", stack.account_id("payments"), "I-same", document=document)


def policy_arn(stack, user):
    return f"arn:aws:iam::{stack.account_id('payments')}:policy/{deny_policy_name(user, f'I-{user}')}"


def create(stack, user):
    document = json.dumps(deny_document())
    stack.client("iam", "payments").create_policy(
        PolicyName=deny_policy_name(user, f"I-{user}"), PolicyDocument=document
    )


def attach(stack, user):
    stack.client("iam", "payments").attach_user_policy(UserName=user, PolicyArn=policy_arn(stack, user))


def changes(stack):
    return [(call["action"], unfolded(call["parameters"])) for call in stack.calls(service="iam", mutating=True)]


def unfolded(parameters):
    """Modules write documents with white space of their own."""
    return {name: json.loads(value) if name == "PolicyDocument" else value for name, value in parameters.items()}


def plan_file(review):
    (file,) = review.artifacts.glob("*/plan.json")
    return file


def apply_by_run_id(stack, review, *args):
    """Run held to the plan, which is looked for where the review has left it; gives the run and its report."""
    settings = {"remediate_artifacts_dir": str(review.artifacts), "remediate_plan": review.report["run_id"]}
    run = run_playbook(stack, "-e", json.dumps(settings), *args)
    return run, read_report(review.artifacts)


def dispositions(report):
    return {alert["alert_id"]: alert["disposition"] for alert in report["alerts"]}


def reasons(report):
    return {alert["alert_id"]: alert["reason"] for alert in report["alerts"]}


def test_what_was_reviewed_is_applied_and_what_has_changed_is_left_alone(stack):
    seed(stack, "payments", users=[*USERS, "new"])
    for user in ("done", "undone"):
        create(stack, user)
        attach(stack, user)
    for user in USERS:
        send(stack, user, same_script(stack) if user == "same" else None)
    before = iam_state(stack, "payments")
    stack.clear_calls()
    # Without --check: that playbook cannot do anything else.
    review = run_playbook(stack, "--diff", "-e", "awx_user_name=ann awx_job_id=7", playbook="playbooks/review.yml")
    assert review.rc == 0, review.stdout
    assert review.report["mode"] == "check"
    assert (changes(stack), iam_state(stack, "payments")) == ([], before)
    assert stack.depth() == (len(USERS), 0)
    assert_each_step_is_shown(review.stdout, policy_arn(stack, "same"))
    plan = json.loads(plan_file(review).read_text())
    assert stat.S_IMODE(plan_file(review).stat().st_mode) == 0o600
    assert {alert["alert_id"]: alert["disposition"] for alert in plan["alerts"]} == dispositions(review.report)
    assert (plan["run_id"], plan["digest"]) == (review.report["run_id"], digest(plan))
    assert (plan["who"]["awx_user"], plan["who"]["awx_job"]) == ("ann", "7")

    while_nobody_looks(stack)
    wanted = {
        "I-same": "planned",
        "I-done": "already_remediated",
        **dict.fromkeys(["I-halfway", "I-drifts", "I-rewritten", "I-resent", "I-undone"], "failed"),
        "I-new": "filtered",
    }
    assert_an_edited_plan_is_not_applied(stack, json.loads(plan_file(review).read_text()))
    _check, would = apply_by_run_id(stack, review, "--check")
    assert dispositions(would) == wanted
    assert changes(stack) == []
    run, report = apply_by_run_id(stack, review, "--diff")
    assert run.rc == 2, "what has changed needs attention"
    assert dispositions(report) == {**wanted, "I-same": "remediated"}
    assert_reasons_say_what_has_changed(reasons(report))
    assert changes(stack) == the_calls_of_the_plan(plan, policy_arn(stack, "same"))
    assert RESOURCE in json.dumps(changes(stack)), "text of a plan is not a template either"
    assert run.stdout.count("+++ after: I-same attach-user-policy same") == 1, "the modules show none of their own"
    assert report["plan"]["not_received"] == ["I-gone"]
    assert stack.depth() == (7, 0), "five that have changed, one of them twice, and the new one"


def assert_an_edited_plan_is_not_applied(stack, plan):
    """Other plans that must not be applied are in tests/unit/plugins/plugin_utils/run/test_plan.py."""
    file = stack.folder / "edited.json"
    plan["alerts"][0]["steps"][0]["args"]["name"] = "another"
    file.write_text(json.dumps(plan))
    run = run_playbook(stack, "-e", f"remediate_plan={file}")
    assert run.rc == 2
    shown = " ".join(run.stdout.split() + run.stderr.split())
    assert f"{file} cannot be applied; nothing was received. It was edited after the review" in shown
    assert stack.calls(action="ReceiveMessage") == changes(stack) == []


def while_nobody_looks(stack):
    """All that can happen between a review and the run that applies its plan."""
    create(stack, "halfway")
    stack.client("iam", "payments").attach_user_policy(UserName="drifts", PolicyArn=READ_ONLY)
    account_id = stack.account_id("payments")
    other = deny_script("user", "rewritten", account_id, "I-rewritten", document=deny_document(["s3:*"]))
    stack.script("I-rewritten", other)
    stack.send(nested_alert("I-resent", account_id, kind="user", name="resent", policy={"severity": "low"}))
    stack.client("iam", "payments").detach_user_policy(UserName="undone", PolicyArn=policy_arn(stack, "undone"))
    send(stack, "new")
    for message in stack.client("sqs").receive_message(QueueUrl=stack.queue_url, MaxNumberOfMessages=10)["Messages"]:
        delete_or_release(stack, message, "I-gone")
    stack.end_visibility_timeouts()
    stack.clear_calls()


def delete_or_release(stack, message, alert_id):
    if json.loads(message["Body"])["alertId"] == alert_id:
        stack.client("sqs").delete_message(QueueUrl=stack.queue_url, ReceiptHandle=message["ReceiptHandle"])


def the_calls_of_the_plan(plan, arn):
    (alert,) = [alert for alert in plan["alerts"] if alert["alert_id"] == "I-same"]
    policy, user = (step["args"] for step in alert["steps"])
    assert user["managed_policies"] == [arn]
    created = {"PolicyName": policy["name"], "PolicyDocument": json.loads(policy["policy"])}
    return [
        ("CreatePolicy", created),
        ("AttachUserPolicy", {"UserName": user["name"], "PolicyArn": arn}),
    ]


def assert_reasons_say_what_has_changed(shown):
    for alert_id, words in {
        "I-halfway": "step 1, create-policy halfway-prisma-restrictions-I-halfway-1: there was nothing, there is",
        "I-drifts": f'there is {{"attached_policies": ["{READ_ONLY}"]}}',
        "I-rewritten": "its script. None of it was applied",
        "I-resent": "its message. None of it was applied",
        "I-undone": 'step 2, attach-user-policy undone: there was {"attached_policies": [',
    }.items():
        assert shown[alert_id].startswith("Changed since it was reviewed: ")
        assert words in shown[alert_id]


def assert_each_step_is_shown(output, arn):
    assert "--- before: I-same create-policy same-prisma-restrictions-I-same-1" in output
    assert '+        "s3:DeleteBucket"' in output
    assert "+++ after: I-same attach-user-policy same" in output
    assert f'-  "attached_policies": []\n+  "attached_policies": [\n+    "{arn}"\n+  ]' in output
    assert "I-done" not in output.partition("What to do")[0].partition("ACCOUNT ")[0], "nothing changes there"


def test_the_review_playbook_cannot_be_made_to_apply(stack):
    seed(stack, "payments", users=["same"])
    send(stack, "same")
    stack.clear_calls()
    forced = run_playbook(stack, "-e", '{"__remediate_is_review": false}', playbook="playbooks/review.yml")
    assert changes(stack) == []
    assert stack.depth() == (1, 0)
    assert forced.dispositions == {"I-same": "failed"}
