# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job through the real ansible-playbook: what happens to alerts, to accounts and to messages."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from stack import attached, cli, iam_state, run_playbook, seed, send_alert, settings
from stack.alerts import deny_document, deny_policy_name, deny_script, flat_alert
from stack.declared import undeclared_calls

ALERTS = {
    "I-1000001": ("payments", "user", "alice"),
    "I-1000002": ("payments", "role", "ci"),
    "I-1000003": ("analytics", "group", "analysts"),
    "I-1000004": ("sandbox", "user", "carol"),
}
JOINERS = {"user-1": "&&", "user-2": ";", "user-3": "\n", "user-4": "and"}
HOSTILE = "{{ lookup('pipe', 'touch /tmp/leastpriv-was-here') }}"
HOSTILE_DOCUMENT = deny_document(["s3:*"], "arn:aws:s3:::home/${aws:username}/*")
HOSTILE_DOCUMENT["Statement"][0]["Condition"] = {
    "StringEquals": {"aws:PrincipalTag/note": [HOSTILE, "ünïcödé", "${aws:PrincipalTag/team}"]}
}
SCRIPTS_WITH_SECRETS = (
    "aws iam create-login-profile --user-name alice --password 'hunter2-in-the-script'",
    "aws iam tag-user --user-name alice --tags Key=a,Value=ghp" + "_hunter2hunter2hunter2hunter2hunter2hunter",
    "aws iam tag-user --user-name alice --tags Key=a,Value=gh'p_'hunter2hunter2hunter2hunter2hunter2hunter",
    "aws configure set aws_secret_access_key hunter2 && aws iam delete-user --user-name alice",
    "export GITHUB_TOKEN=hunter2; aws iam delete-user --user-name alice",
    "curl -H 'x-redlock-auth: hunter2' -u ann:hunter2 https://bob:hunter2@api.example | sh",
    "echo '-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----' > key.pem",
)


def furnish(stack):
    seed(stack, "payments", users=["alice"], roles=["ci"])
    seed(stack, "analytics", groups=["analysts"])
    seed(stack, "sandbox", users=["carol"])


def send_all(stack):
    for alert_id, alert in ALERTS.items():
        send_alert(stack, alert_id, *alert)


def send_joinings(stack):
    """The vendor's sample in every joining of its commands."""
    seed(stack, "payments", users=JOINERS)
    account_id = stack.account_id("payments")
    for user, joiner in JOINERS.items():
        document = deny_document(["iam:CreateAccessKey"], f"arn:aws:iam::{account_id}:user/{user}")
        script = deny_script("user", user, account_id, f"I-{user}", joiner, document=document)
        send_alert(stack, f"I-{user}", "payments", "user", user, script=script)


def send_half_done(stack):
    """An alert; somebody has run the first command of its script."""
    seed(stack, "payments", users=["bob"])
    script = deny_script("user", "bob", stack.account_id("payments"), "I-half", "\n")
    assert cli(stack, "payments", script.split("\n")[0]).returncode == 0
    send_alert(stack, "I-half", "payments", "user", "bob")


def send_texts(stack):
    """Text that is a template, and names and a description that are a number, a boolean and a list to Python."""
    seed(stack, "payments", users=["alice", "True"])
    account_id = stack.account_id("payments")
    script = deny_script("user", "alice", account_id, "I-hostile", document=HOSTILE_DOCUMENT)
    named = {"alertRuleName": HOSTILE, "policy": {"name": HOSTILE}}
    send_alert(stack, "I-hostile", "payments", "user", "alice", script=script, **named)
    document_text = shlex.quote(json.dumps(deny_document(["s3:*"], "*")))
    script = (
        f"aws iam create-policy --policy-name 1e3 --description '[ 1]' --policy-document {document_text}\n"
        f"aws iam attach-user-policy --user-name True --policy-arn arn:aws:iam::{account_id}:policy/1e3"
    )
    send_alert(stack, "I-python", "payments", "user", "True", script=script)


def send_what_cannot_come_true(stack):
    """Alerts that want different things, policies of one name, and an eleventh policy for a user."""
    seed(stack, "analytics", users=["alice"])
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
            send_alert(stack, f"I-{kind}-{number}", "analytics", "user", "alice", script=script)
    seed(stack, "sandbox", users=["carol"])
    iam, account_id = stack.client("iam", "sandbox"), stack.account_id("sandbox")
    for number in range(10):
        iam.create_policy(PolicyName=f"p{number}", PolicyDocument=json.dumps(deny_document()))
        iam.attach_user_policy(UserName="carol", PolicyArn=f"arn:aws:iam::{account_id}:policy/p{number}")
    send_alert(stack, "I-eleventh", "sandbox", "user", "carol")


def send_different_documents(stack):
    """An inline policy in place of one that amazon.aws takes for equal.

    It takes the root user's ARN and the account's id for the same; in a condition they are not.
    """
    seed(stack, "sandbox", users=["dora"])
    account_id = stack.account_id("sandbox")
    live, wanted = deny_document(), deny_document()
    for document, value in ((live, f"arn:aws:iam::{account_id}:root"), (wanted, account_id)):
        document["Statement"][0]["Condition"] = {"StringEquals": {"aws:PrincipalTag/owner": value}}
    iam = stack.client("iam", "sandbox")
    iam.put_user_policy(UserName="dora", PolicyName="limits", PolicyDocument=json.dumps(live))
    script = f"aws iam put-user-policy --user-name dora --policy-name limits --policy-document '{json.dumps(wanted)}'"
    send_alert(stack, "I-equal", "sandbox", "user", "dora", script=script)


def send_secrets(stack):
    for number, script in enumerate(SCRIPTS_WITH_SECRETS):
        send_alert(stack, f"I-secret-{number}", "payments", "user", "alice", script=script)


@pytest.fixture(scope="module")
def shown(running_stack):
    """The run of all of these, at the highest verbosity, and the changes that it made, as (account id, action)."""
    stack = running_stack
    stack.reset()
    for send in (
        send_joinings, send_half_done, send_texts, send_what_cannot_come_true, send_different_documents, send_secrets
    ):  # fmt: skip
        send(stack)
    stack.clear_calls()
    # For the document that replaces another one.
    allow = json.dumps({"remediate_allow": ["keep_deny"]})
    run = run_playbook(stack, "-vvvv", "--diff", "-e", allow, timeout=300)
    return run, [(call["account"], call["action"]) for call in stack.calls(service="iam", mutating=True)]


def test_scripts_in_every_joining_half_done_and_with_template_text_are_applied_byte_for_byte(running_stack, shown):
    stack, (run, _changes) = running_stack, shown
    applied = [*(f"I-{user}" for user in JOINERS), "I-half", "I-hostile", "I-python"]
    assert {alert_id: run.dispositions[alert_id] for alert_id in applied} == dict.fromkeys(applied, "remediated")
    for user in JOINERS:
        assert attached(stack, "payments", "user", user) == [deny_policy_name(user, f"I-{user}")]
    assert [step["status"] for step in run.alerts["I-half"]["steps"]] == ["unchanged", "changed"]
    assert run.alerts["I-hostile"]["policy"] == HOSTILE
    iam, beginning = stack.client("iam", "payments"), f"arn:aws:iam::{stack.account_id('payments')}:policy"
    arn = f"{beginning}/{deny_policy_name('alice', 'I-hostile')}"
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"] == HOSTILE_DOCUMENT
    assert attached(stack, "payments", "user", "True") == ["1e3"]
    assert iam.get_policy(PolicyArn=f"{beginning}/1e3")["Policy"]["Description"] == "[ 1]"


def test_what_cannot_come_true_fails_its_alert_alone_and_leaves_nothing_behind(running_stack, shown):
    run, changes = shown
    by_kind = {
        kind: [alert for alert_id, alert in run.alerts.items() if alert_id.startswith(f"I-{kind}")]
        for kind in ("limits", "name")
    }
    words = {kind: sorted(alert["disposition"] for alert in alerts) for kind, alerts in by_kind.items()}
    assert words == {"limits": ["failed", "remediated"], "name": ["failed", "failed", "remediated"]}
    for alert in by_kind["name"]:
        if alert["disposition"] == "failed":
            assert "policy names are unique in an account, whatever their path and letter case" in alert["reason"]
    assert run.dispositions["I-eleventh"] == "failed"
    assert "PoliciesPerUser: 10" in run.alerts["I-eleventh"]["reason"]
    analytics, sandbox = (running_stack.account_id(account) for account in ("analytics", "sandbox"))
    made = sorted((account, action) for account, action in changes if account in (analytics, sandbox))
    assert made == [(analytics, "CreatePolicy"), (analytics, "PutUserPolicy")], "no policy is left behind unattached"


def test_a_module_that_takes_different_documents_for_equal_is_not_believed(shown):
    run, _changes = shown
    assert run.dispositions["I-equal"] == "failed"
    assert "AWS still needs put-user-policy" in run.alerts["I-equal"]["reason"]


def test_no_secret_is_shown_at_any_verbosity(running_stack, shown):
    run, changes = shown
    words = [word for alert_id, word in run.dispositions.items() if alert_id.startswith("I-secret-")]
    assert len(words) == len(SCRIPTS_WITH_SECRETS)
    assert set(words) <= {"refused", "unsupported"}
    payments = running_stack.account_id("payments")
    made = {action for account, action in changes if account == payments}
    assert made == {"CreatePolicy", "AttachUserPolicy"}, "none of theirs"
    files = [file.read_text() for file in run.artifacts.rglob("*") if file.is_file()]
    text = "".join([run.stdout, run.stderr, *files])
    assert "hunter2" not in text
    assert "by hand: aws iam delete-user --user-name alice" in text
    assert running_stack.env["PRISMACLOUD_PASSWORD"] not in text
    assert settings.BASE_SECRET_KEY not in text


def test_with_vvvv_the_tasks_are_shown_as_the_default_callback_shows_them(shown):
    run, _changes = shown
    assert "TASK [" in run.stdout
    assert "checking" not in run.stdout


def test_what_is_not_true_in_aws_is_not_taken_off_the_queue(running_stack, shown):
    run, _changes = shown
    left = [word for word in run.dispositions.values() if word != "remediated"]
    assert (run.rc, running_stack.depth()) == (2, (len(left), 0))
    assert undeclared_calls(running_stack) == []


# The tests that empty the stack are below those that share a run.


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
    assert_each_account_says_in_plain_lines_what_it_does(run)
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


def assert_each_account_says_in_plain_lines_what_it_does(run):
    assert "\x1b" not in run.stdout
    assert "PLAY" not in run.stdout
    before, after = run.stdout.split("Run " + run.report["run_id"])
    lines = [re.sub(r"\d:\d\d", "0:00", line) for line in before.split("\n") if line]
    assert lines[0] == "Receiving the alerts and their scripts"
    assert sorted(lines[1:]) == [
        "analytics: 2 steps to apply",
        "analytics: 2/2 steps in 0:00",
        "analytics: checking 1 alert",
        "payments: 4 steps to apply",
        "payments: 4/4 steps in 0:00",
        "payments: checking 2 alerts",
        "sandbox: 3 steps to apply",
        "sandbox: 3/3 steps in 0:00",
        "sandbox: checking 2 alerts",
    ]
    assert re.search(r"^remediated  I-1000004 +sandbox +Created policy ", after, re.MULTILINE), "a table, not YAML"


def test_messages_are_held_while_a_long_run_goes_on_and_a_queue_that_takes_no_deletion_is_reported(stack):
    furnish(stack)
    send_all(stack)
    # Observing takes longer than a third of the visibility timeout.
    stack.fault(action="GetUser", account=stack.account_id("payments"), seconds=21)
    stack.fault(service="sqs", action="DeleteMessageBatch", code="AccessDenied", status=403, count=20)
    run = run_playbook(stack, "-e", "remediate_visibility_timeout=60")
    assert run.rc == 2, run.stdout
    assert set(run.dispositions.values()) == {"remediated"}, "nothing else is lost"
    held = [call["parameters"]["Entries"] for call in stack.calls(action="ChangeMessageVisibilityBatch")]
    assert {entry["VisibilityTimeout"] for entries in held for entry in entries} == {60}
    assert len({entry["ReceiptHandle"] for entries in held for entry in entries}) == len(ALERTS), "all messages"
    assert "AccessDenied" in run.report["unsettled"][0]
    assert "Messages were left in flight" in run.stdout
    assert stack.depth() == (0, len(ALERTS)), "they come back by themselves"
