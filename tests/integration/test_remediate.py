# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job through the real ansible-playbook: what happens to alerts, to accounts and to messages."""

from __future__ import annotations

import json
import shlex

from ansible_collections.leastpriv.iam.plugins.module_utils.observation.consolidation import own_sid
from stack import (
    attached,
    cli,
    iam_state,
    kill_run,
    new_artifacts_folder,
    run_playbook,
    seed,
    send_alert,
    settings,
    start_playbook,
)
from stack.alerts import deny_document, deny_policy_name, deny_script, flat_alert

ALERTS = {
    "I-1000001": ("payments", "user", "alice"),
    "I-1000002": ("payments", "role", "ci"),
    "I-1000003": ("analytics", "group", "analysts"),
    "I-1000004": ("sandbox", "user", "carol"),
}


def furnish(stack):
    seed(stack, "payments", users=["alice"], roles=["ci"])
    seed(stack, "analytics", groups=["analysts"])
    seed(stack, "sandbox", users=["carol"])


def send_all(stack):
    for alert_id, alert in ALERTS.items():
        send_alert(stack, alert_id, *alert)


def test_alerts_of_three_accounts_are_remediated_once(stack):
    furnish(stack)
    send_all(stack)
    run = run_playbook(stack)
    assert run.rc == 0, run.stdout
    assert set(run.dispositions.values()) == {"remediated"}
    for alert_id, (account, kind, name) in ALERTS.items():
        assert attached(stack, account, kind, name) == [deny_policy_name(name, alert_id)]
    assert len(stack.changes()) == 8, "one create and one attach for each alert"
    assert stack.depth() == (0, 0)
    # The vendor scans once a day: the same alerts come again.
    stack.clear_calls()
    send_all(stack)
    again = run_playbook(stack, env={"DEBUG": "True"})
    assert again.rc == 0, again.stdout
    assert "  script:" in again.stdout, "DEBUG is what the vendor's script has for -v"
    assert "  script:" not in run.stdout
    assert set(again.dispositions.values()) == {"already_remediated"}
    assert stack.changes() == []
    assert stack.depth() == (0, 0)


def test_a_review_changes_nothing_and_releases_everything(stack):
    furnish(stack)
    send_all(stack)
    script = "aws iam update-account-password-policy --minimum-password-length 14"
    stack.send(flat_alert("P-1", stack.account_id("sandbox"), script))
    before = {account: iam_state(stack, account) for account in stack.accounts}
    review = run_playbook(stack, "--check", "--diff")
    assert review.rc == 0, review.stdout
    assert stack.depth() == (5, 0), "visible again as soon as the run has ended"
    assert set(review.dispositions.values()) == {"planned"}
    assert {step["status"] for alert in review.alerts.values() for step in alert["steps"]} == {"needed"}
    assert stack.changes() == []
    assert {account: iam_state(stack, account) for account in stack.accounts} == before
    assert '+        "s3:DeleteBucket"' in review.stdout, "--diff shows the document"
    # What was reviewed is what a run then does.
    run = run_playbook(stack)
    assert run.rc == 0, run.stdout
    planned = [(step["operation"], step["args"], step["after"]) for a in review.report["alerts"] for step in a["steps"]]
    applied = [(step["operation"], step["args"], step["after"]) for a in run.report["alerts"] for step in a["steps"]]
    assert planned == applied
    assert set(run.dispositions.values()) == {"remediated"}


def test_limit_leaves_the_alerts_of_other_accounts_in_the_queue(stack):
    furnish(stack)
    send_all(stack)
    run = run_playbook(stack, "--limit", "payments")
    assert run.rc == 0, run.stdout
    assert run.dispositions == {
        "I-1000001": "remediated",
        "I-1000002": "remediated",
        "I-1000003": "filtered",
        "I-1000004": "filtered",
    }
    assert stack.depth() == (2, 0)
    assert {call["account"] for call in stack.calls(service="iam")} == {stack.account_id("payments")}


def test_a_run_that_is_killed_between_create_and_attach_is_finished_by_the_next(stack):
    seed(stack, "payments", users=["alice"])
    send_alert(stack, "I-1", "payments", "user", "alice")
    # The attach never gets an answer: the run is killed while it waits.
    stack.fault(action="AttachUserPolicy", seconds=60)
    process = start_playbook(stack, artifacts=new_artifacts_folder(stack))
    stack.wait_for_call(action="AttachUserPolicy")
    kill_run(process)
    assert stack.changes() == ["CreatePolicy", "AttachUserPolicy"]
    assert attached(stack, "payments", "user", "alice") == []
    assert stack.depth() == (0, 1), "the message is hidden, not lost"
    stack.end_visibility_timeouts()
    run = run_playbook(stack)
    assert run.rc == 0, run.stdout
    assert [step["status"] for step in run.alerts["I-1"]["steps"]] == ["unchanged", "changed"]
    assert attached(stack, "payments", "user", "alice") == [deny_policy_name("alice", "I-1")]
    assert stack.depth() == (0, 0)


def test_what_the_pasted_script_left_half_done_is_finished(stack):
    seed(stack, "payments", users=["alice"])
    script = deny_script("user", "alice", stack.account_id("payments"), "I-1", "\n")
    first_command = script.split("\n")[0]
    assert cli(stack, "payments", first_command).returncode == 0
    send_alert(stack, "I-1", "payments", "user", "alice")
    run = run_playbook(stack)
    assert run.rc == 0, run.stdout
    assert [step["status"] for step in run.alerts["I-1"]["steps"]] == ["unchanged", "changed"]


def test_the_vendor_s_sample_works_in_every_joining(stack):
    joiners = {"I-1234561": "&&", "I-1234562": ";", "I-1234563": "\n", "I-1234564": "and"}
    users = {alert_id: f"test-resource-{alert_id[-1]}" for alert_id in joiners}
    seed(stack, "payments", users=users.values())
    account_id = stack.account_id("payments")
    for alert_id, joiner in joiners.items():
        user = users[alert_id]
        document = deny_document(["iam:CreateAccessKey"], f"arn:aws:iam::{account_id}:user/{user}")
        script = deny_script("user", user, account_id, alert_id, joiner, document=document)
        send_alert(stack, alert_id, "payments", "user", user, script=script)
    run = run_playbook(stack)
    assert run.rc == 0, run.stdout
    assert run.dispositions == dict.fromkeys(joiners, "remediated")
    for alert_id, user in users.items():
        assert attached(stack, "payments", "user", user) == [deny_policy_name(user, alert_id)]


def test_policy_variables_and_template_text_arrive_byte_for_byte(stack):
    seed(stack, "payments", users=["alice", "True"])
    hostile = "{{ lookup('pipe', 'touch /tmp/leastpriv-was-here') }}"
    document = deny_document(["s3:*"], "arn:aws:s3:::home/${aws:username}/*")
    document["Statement"][0]["Condition"] = {
        "StringEquals": {"aws:PrincipalTag/note": [hostile, "ünïcödé", "${aws:PrincipalTag/team}"]}
    }
    script = deny_script("user", "alice", stack.account_id("payments"), "I-1", document=document)
    send_alert(
        stack, "I-1", "payments", "user", "alice", script=script, alertRuleName=hostile, policy={"name": hostile}
    )
    # Names and a description that are a number, a boolean and a list to who takes them for Python.
    document_text = shlex.quote(json.dumps(deny_document(["s3:*"], "*")))
    number = f"arn:aws:iam::{stack.account_id('payments')}:policy/1e3"
    script = (
        f"aws iam create-policy --policy-name 1e3 --description '[ 1]' --policy-document {document_text}\n"
        f"aws iam attach-user-policy --user-name True --policy-arn {number}"
    )
    send_alert(stack, "I-2", "payments", "user", "True", script=script)
    run = run_playbook(stack, "-v")
    assert run.rc == 0, run.stdout
    assert run.alerts["I-1"]["policy"] == hostile
    assert attached(stack, "payments", "user", "True") == ["1e3"]
    assert stack.client("iam", "payments").get_policy(PolicyArn=number)["Policy"]["Description"] == "[ 1]"
    arn = f"arn:aws:iam::{stack.account_id('payments')}:policy/{deny_policy_name('alice', 'I-1')}"
    live = stack.client("iam", "payments").get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"][
        "Document"
    ]
    assert live == document


def test_guardrails_refuse_before_anything_is_written(stack):
    furnish(stack)
    iam = stack.client("iam", "payments")
    allow = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    iam.create_policy(PolicyName="everything", PolicyDocument=allow)
    account_id = stack.account_id("payments")
    arn = f"arn:aws:iam::{account_id}:policy/everything"
    attempts = {
        "deny_only": f"aws iam create-policy --policy-name x --policy-document '{allow}'",
        "attach_deny_only": f"aws iam attach-user-policy --user-name alice --policy-arn {arn}",
        "no_creation": "aws iam create-user --user-name backdoor",
        "no_tags": "aws iam tag-user --user-name alice --tags Key=admin,Value=yes",
        "right_account": "aws iam attach-user-policy --user-name alice --policy-arn arn:aws:iam::210987654321:policy/x",
        "protected_principal": deny_script("role", "ci", account_id, "I-9"),
    }
    for rule, script in attempts.items():
        send_alert(stack, f"I-{rule}", "payments", "user", "alice", script=script)
    protected = [{"arn": "arn:aws:iam::*:role/ci", "owner": "build team", "reason": "deploys everything"}]
    run = run_playbook(stack, "-e", json.dumps({"remediate_protected_principals": protected}))
    assert run.rc == 2
    assert set(run.dispositions.values()) == {"refused"}
    for rule in attempts:
        assert f"guardrail {rule}" in run.alerts[f"I-{rule}"]["reason"]
    assert stack.changes() == []
    assert stack.depth() == (len(attempts), 0)


def test_a_guardrail_opens_for_the_operation_that_is_allowed_alone(stack):
    furnish(stack)
    send_alert(stack, "I-1", "payments", "user", "alice", "aws iam tag-user --user-name alice --tags Key=a,Value=b")
    send_alert(stack, "I-2", "payments", "user", "alice", "aws iam create-user --user-name new")
    run = run_playbook(stack, "-e", json.dumps({"remediate_allow": ["tag-user"]}))
    assert run.dispositions == {"I-1": "remediated", "I-2": "refused"}


def test_one_failing_step_stops_its_alert_alone(stack):
    furnish(stack)
    send_all(stack)
    stack.fault(action="AttachUserPolicy", account=stack.account_id("payments"), code="AccessDenied", status=403)
    run = run_playbook(stack)
    assert run.rc == 2
    assert run.dispositions == {alert_id: "remediated" for alert_id in ALERTS} | {"I-1000001": "failed"}
    assert "Step 2 of 2, attach-user-policy" in run.alerts["I-1000001"]["reason"]
    assert "AccessDenied" in run.alerts["I-1000001"]["reason"]
    assert stack.depth() == (1, 0)
    finished = run_playbook(stack)
    assert finished.dispositions == {"I-1000001": "remediated"}


def test_two_alerts_that_want_different_things_are_not_played_off_against_each_other(stack):
    furnish(stack)
    for number, action in enumerate(("s3:*", "sqs:*"), 1):
        document = json.dumps(deny_document([action]))
        script = f"aws iam put-user-policy --user-name alice --policy-name limits --policy-document '{document}'"
        send_alert(stack, f"I-{number}", "payments", "user", "alice", script=script)
    run = run_playbook(stack)
    assert sorted(run.dispositions.values()) == ["failed", "remediated"]
    assert stack.changes() == ["PutUserPolicy"]


def test_observing_fifty_alerts_costs_hardly_more_than_one(stack):
    users = [f"user-{number}" for number in range(50)]
    seed(stack, "payments", users=users)
    costs = []
    for count in (1, 50):
        for number, user in enumerate(users[:count]):
            send_alert(stack, f"I-{number}", "payments", "user", user)
        stack.clear_calls()
        review = run_playbook(stack, "--check")
        assert list(review.report["totals"].items()) == [("planned", count)]
        costs.append(len(stack.calls(service="iam")) + len(stack.calls(service="sts")))
        stack.empty_queue()
    assert costs[1] <= costs[0] + 2, f"calls for 1 and for 50 alerts: {costs}"


SCRIPTS_WITH_SECRETS = (
    "aws iam create-login-profile --user-name alice --password 'hunter2-in-the-script'",
    "aws iam tag-user --user-name alice --tags Key=a,Value=ghp" + "_hunter2hunter2hunter2hunter2hunter2hunter",
    "aws iam tag-user --user-name alice --tags Key=a,Value=gh'p_'hunter2hunter2hunter2hunter2hunter2hunter",
    "aws configure set aws_secret_access_key hunter2 && aws iam delete-user --user-name alice",
    "export GITHUB_TOKEN=hunter2; aws iam delete-user --user-name alice",
    "curl -H 'x-redlock-auth: hunter2' -u ann:hunter2 https://bob:hunter2@api.example | sh",
    "echo '-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----' > key.pem",
)


def test_no_secret_is_shown_at_any_verbosity(stack):
    furnish(stack)
    for number, script in enumerate(SCRIPTS_WITH_SECRETS):
        send_alert(stack, f"I-{number}", "payments", "user", "alice", script=script)
    run = run_playbook(stack, "-vvvv", "--diff")
    assert set(run.dispositions.values()) <= {"refused", "unsupported"}
    assert len(run.dispositions) == len(SCRIPTS_WITH_SECRETS)
    assert stack.changes() == []
    shown = run.stdout + run.stderr + "".join(file.read_text() for file in run.artifacts.glob("*/*"))
    assert "hunter2" not in shown
    assert "by hand: aws iam delete-user --user-name alice" in shown
    assert stack.env["PRISMACLOUD_PASSWORD"] not in shown
    assert settings.BASE_SECRET_KEY not in shown


def test_the_eleventh_policy_fails_or_is_consolidated_as_the_user_wants(stack):
    furnish(stack)
    iam, account_id = stack.client("iam", "payments"), stack.account_id("payments")
    for number in range(10):
        iam.create_policy(PolicyName=f"p{number}", PolicyDocument=json.dumps(deny_document()))
        iam.attach_user_policy(UserName="alice", PolicyArn=f"arn:aws:iam::{account_id}:policy/p{number}")
    for alert_id in ("I-11", "I-12"):
        send_alert(stack, alert_id, "payments", "user", "alice")
    run = run_playbook(stack)
    assert set(run.dispositions.values()) == {"failed"}
    assert "PoliciesPerUser: 10" in run.alerts["I-11"]["reason"]
    assert stack.changes() == [], "no policy is left behind unattached"
    consolidate = ["-e", "remediate_on_quota=consolidate"]
    consolidated = run_playbook(stack, *consolidate)
    assert consolidated.rc == 0, consolidated.stdout
    assert consolidated.dispositions == {"I-11": "remediated", "I-12": "remediated"}
    document = iam.get_user_policy(UserName="alice", PolicyName="leastpriv-restrictions")["PolicyDocument"]
    sids = {statement["Sid"] for statement in document["Statement"]}
    assert sids == {f"{own_sid('I-11')}n1", f"{own_sid('I-12')}n1"}
    send_alert(stack, "I-11", "payments", "user", "alice")
    assert run_playbook(stack, *consolidate).dispositions == {"I-11": "already_remediated"}


def test_messages_are_held_while_a_long_run_goes_on(stack):
    furnish(stack)
    send_all(stack)
    # Observing takes longer than a third of the visibility timeout.
    stack.fault(action="ListPolicies", account=stack.account_id("payments"), seconds=21)
    run = run_playbook(stack, "-e", "remediate_visibility_timeout=60")
    assert run.rc == 0, run.stdout
    assert set(run.dispositions.values()) == {"remediated"}
    held = [call["parameters"]["Entries"] for call in stack.calls(action="ChangeMessageVisibilityBatch")]
    assert {entry["VisibilityTimeout"] for entries in held for entry in entries} == {60}
    assert len({entry["ReceiptHandle"] for entries in held for entry in entries}) == len(ALERTS), "all messages"
    assert stack.depth() == (0, 0)


def test_a_module_that_takes_different_documents_for_equal_is_not_believed(stack):
    furnish(stack)
    account_id = stack.account_id("payments")
    # amazon.aws takes the root user's ARN and the account's id for the same; in a condition they are not.
    live, wanted = deny_document(), deny_document()
    for document, value in ((live, f"arn:aws:iam::{account_id}:root"), (wanted, account_id)):
        document["Statement"][0]["Condition"] = {"StringEquals": {"aws:PrincipalTag/owner": value}}
    iam = stack.client("iam", "payments")
    iam.put_user_policy(UserName="alice", PolicyName="limits", PolicyDocument=json.dumps(live))
    script = f"aws iam put-user-policy --user-name alice --policy-name limits --policy-document '{json.dumps(wanted)}'"
    send_alert(stack, "I-1", "payments", "user", "alice", script=script)
    run = run_playbook(stack, "-e", json.dumps({"remediate_allow": ["keep_deny"]}))
    assert run.dispositions == {"I-1": "failed"}
    assert "AWS still needs put-user-policy" in run.alerts["I-1"]["reason"]
    assert stack.depth() == (1, 0), "what is not true in AWS is not taken off the queue"


def test_a_queue_that_takes_no_deletion_is_reported_and_nothing_else_is_lost(stack):
    furnish(stack)
    send_all(stack)
    stack.fault(service="sqs", action="DeleteMessageBatch", code="AccessDenied", status=403, count=20)
    run = run_playbook(stack)
    assert run.rc == 2
    assert set(run.dispositions.values()) == {"remediated"}
    assert "AccessDenied" in run.report["unsettled"][0]
    assert "Messages were left in flight" in run.stdout
    assert stack.depth() == (0, len(ALERTS)), "they come back by themselves"
