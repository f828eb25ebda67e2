# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job through the real ansible-playbook: what happens to alerts, to accounts and to messages."""

from __future__ import annotations

import json
import shlex

from stack import attached, cli, iam_state, run_playbook, seed, send_alert, settings
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


def test_alerts_of_three_accounts_are_reviewed_and_remediated_once(stack):
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
    assert not [*review.artifacts.glob("*/journal.jsonl")], "what changes nothing writes no journal"
    assert stack.calls(action="SimulatePrincipalPolicy") == [], "asked only where the user wants it"
    # What was reviewed is what a run then does.
    run = run_playbook(stack)
    assert run.rc == 0, run.stdout
    planned = [(step["operation"], step["args"], step["after"]) for a in review.report["alerts"] for step in a["steps"]]
    applied = [(step["operation"], step["args"], step["after"]) for a in run.report["alerts"] for step in a["steps"]]
    assert planned == applied
    assert set(run.dispositions.values()) == {"remediated"}
    for alert_id, (account, kind, name) in ALERTS.items():
        assert attached(stack, account, kind, name) == [deny_policy_name(name, alert_id)]
    assert len(stack.changes()) == 9, "one create and one attach for each alert, and the password policy"
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
    assert not [*again.artifacts.glob("*/journal.jsonl")]


def send_joinings(stack):
    """The vendor's sample in every joining of its commands; gives the users by alert."""
    joiners = {"I-1234561": "&&", "I-1234562": ";", "I-1234563": "\n", "I-1234564": "and"}
    users = {alert_id: f"test-resource-{alert_id[-1]}" for alert_id in joiners}
    seed(stack, "payments", users=users.values())
    account_id = stack.account_id("payments")
    for alert_id, joiner in joiners.items():
        user = users[alert_id]
        document = deny_document(["iam:CreateAccessKey"], f"arn:aws:iam::{account_id}:user/{user}")
        script = deny_script("user", user, account_id, alert_id, joiner, document=document)
        send_alert(stack, alert_id, "payments", "user", user, script=script)
    return users


def send_half_done(stack):
    """An alert; somebody has run the first command of its script."""
    seed(stack, "payments", users=["bob"])
    script = deny_script("user", "bob", stack.account_id("payments"), "I-half", "\n")
    assert cli(stack, "payments", script.split("\n")[0]).returncode == 0
    send_alert(stack, "I-half", "payments", "user", "bob")


def test_scripts_in_every_joining_half_done_and_with_template_text_are_applied_byte_for_byte(stack):
    users = send_joinings(stack)
    send_half_done(stack)
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
    assert run.dispositions == dict.fromkeys([*users, "I-half", "I-1", "I-2"], "remediated")
    for alert_id, user in users.items():
        assert attached(stack, "payments", "user", user) == [deny_policy_name(user, alert_id)]
    assert [step["status"] for step in run.alerts["I-half"]["steps"]] == ["unchanged", "changed"]
    assert run.alerts["I-1"]["policy"] == hostile
    iam = stack.client("iam", "payments")
    arn = f"arn:aws:iam::{stack.account_id('payments')}:policy/{deny_policy_name('alice', 'I-1')}"
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"] == document
    assert attached(stack, "payments", "user", "True") == ["1e3"]
    assert iam.get_policy(PolicyArn=number)["Policy"]["Description"] == "[ 1]"


def test_what_cannot_come_true_fails_its_alert_alone_and_leaves_nothing_behind(stack):
    """Alerts that want different things, policies of one name, and an eleventh policy for a user."""
    furnish(stack)
    put = "aws iam put-user-policy --user-name alice --policy-name limits --policy-document '{}'"
    create = "aws iam create-policy --policy-name {} --path {} --policy-document '{}'"
    together = {
        "limits": [put.format(json.dumps(deny_document([action]))) for action in ("s3:*", "sqs:*")],
        "name": [
            create.format(name, path, json.dumps(deny_document([f"s3:Get{number}*"])))
            for number, (name, path) in enumerate((("limits", "/"), ("limits", "/team/"), ("Limits", "/")))
        ],
    }
    for kind, scripts in together.items():
        for number, script in enumerate(scripts):
            send_alert(stack, f"I-{kind}-{number}", "payments", "user", "alice", script=script)
    iam, account_id = stack.client("iam", "sandbox"), stack.account_id("sandbox")
    for number in range(10):
        iam.create_policy(PolicyName=f"p{number}", PolicyDocument=json.dumps(deny_document()))
        iam.attach_user_policy(UserName="carol", PolicyArn=f"arn:aws:iam::{account_id}:policy/p{number}")
    send_alert(stack, "I-eleventh", "sandbox", "user", "carol")
    stack.clear_calls()
    run = run_playbook(stack)
    by_kind = {
        kind: [alert for alert_id, alert in run.alerts.items() if alert_id.startswith(f"I-{kind}")] for kind in together
    }
    words = {kind: sorted(alert["disposition"] for alert in alerts) for kind, alerts in by_kind.items()}
    assert words == {"limits": ["failed", "remediated"], "name": ["failed", "failed", "remediated"]}
    for alert in by_kind["name"]:
        if alert["disposition"] == "failed":
            assert "policy names are unique in an account, whatever their path and letter case" in alert["reason"]
    assert run.dispositions["I-eleventh"] == "failed"
    assert "PoliciesPerUser: 10" in run.alerts["I-eleventh"]["reason"]
    assert sorted(stack.changes()) == ["CreatePolicy", "PutUserPolicy"], "no policy is left behind unattached"


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
