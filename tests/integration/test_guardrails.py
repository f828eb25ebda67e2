# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guardrails through the real ansible-playbook: attempts, limits, and what is opened."""

from __future__ import annotations

import json

from stack import escalations, iam_state, run_playbook, seed, send_alert
from stack.alerts import deny_script
from stack.settings import QUEUE_ACCOUNT, ROLE_NAME

DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
ALLOW = DENY.replace("Deny", "Allow")

# One of each kind, static and live; the whole corpus is in tests/unit/guardrails.
ESCALATIONS = (
    "an Allow behind a Deny",
    "create one that denies, attach one of a similar name",
    "detach AWS's quarantine of a leaked key",
    "replace an inline Deny by its name in another letter case",
    "the same Deny without a language version",
    "leave a group whose inline policy denies",
    "a boundary, and then a wider one",
    "no hard expiry",
    "passwords that end in a day, which protected users do not expect",
    "remove all client ids of an identity provider, one by one",
    "take what a protected user can do from its group",
    "a user that is protected by a pattern in another letter case",
)
# Commands that would widen access, or affect another account, protected principals or everybody, are not listed. The
# first command of these restricts or deletes.
LISTED = (
    "create one that denies, attach one of a similar name",
    "a boundary, and then a wider one",
    "remove all client ids of an identity provider, one by one",
)


def plain_attempts(stack):
    """One script for each guardrail of the plainest kind."""
    iam, account_id = stack.client("iam", "payments"), stack.account_id("payments")
    iam.create_policy(PolicyName="everything", PolicyDocument=ALLOW)
    attach = "aws iam attach-user-policy --user-name alice --policy-arn arn:aws:iam::{}:policy/everything"
    return {
        "deny_only": f"aws iam create-policy --policy-name x --policy-document '{ALLOW}'",
        "attach_deny_only": attach.format(account_id),
        "no_creation": "aws iam create-user --user-name backdoor",
        "no_tags": "aws iam tag-user --user-name alice --tags Key=admin,Value=yes",
        "right_account": attach.format("210987654321"),
        "protected_principal": deny_script("role", "ci", account_id, "I-9"),
    }


def test_escalations_end_refused_through_the_whole_run(stack):
    escalations.furnish(stack, "payments")
    sent = {one["attempt"]: one for one in escalations.attempts(stack.account_id("payments"))}
    sample = [sent[name] for name in ESCALATIONS]
    for number, one in enumerate(sample):
        send_alert(stack, f"I-{number}", "payments", "user", "alice", one["script"])
    plain = plain_attempts(stack)
    for rule, script in plain.items():
        send_alert(stack, f"I-{rule}", "payments", "user", "alice", script)
    of_ci = {"arn": "arn:aws:iam::*:role/ci", "owner": "build team", "reason": "deploys everything"}
    entries = [*escalations.PROTECTED, of_ci]
    before = iam_state(stack, "payments")
    stack.clear_calls()
    run = run_playbook(stack, "-e", json.dumps({"remediate_protected_principals": entries}))
    assert run.rc == 2
    assert set(run.dispositions.values()) == {"refused"}, run.stdout
    for number, one in enumerate(sample):
        assert f"guardrail {one['rule']}" in run.alerts[f"I-{number}"]["reason"]
        is_listed = f"by hand: {one['script'][:20]}" in run.alerts[f"I-{number}"]["reason"]
        assert is_listed == (one["attempt"] in LISTED), one["attempt"]
    for rule in plain:
        assert f"guardrail {rule}" in run.alerts[f"I-{rule}"]["reason"]
    assert stack.changes() == []
    assert iam_state(stack, "payments") == before
    assert stack.depth() == (len(sample) + len(plain), 0)
    assert [entry["arn"] for entry in run.report["protected"]] == [entry["arn"] for entry in entries]


def test_a_run_changes_no_more_of_an_account_than_it_may(stack):
    users = [f"user-{number}" for number in range(4)]
    seed(stack, "payments", users=users)
    seed(stack, "analytics", users=users)
    seed(stack, "sandbox", users=["carol"])
    for user in users:
        send_alert(stack, f"I-{user}", "payments", "user", user)
    send_alert(stack, "I-carol", "sandbox", "user", "carol")
    # More than a run may change at once: it is refused whole, and what is sent after it is not.
    put = "aws iam put-user-policy --user-name {} --policy-name p --policy-document '{}'"
    send_alert(stack, "I-all", "analytics", "user", "user-0", " && ".join(put.format(user, DENY) for user in users))
    send_alert(stack, "I-one", "analytics", "user", "user-0", put.format("user-0", DENY))
    stack.clear_calls()
    run = run_playbook(stack, "-e", "remediate_max_changes=3")
    assert run.rc == 2
    assert run.report["totals"] == {"remediated": 5, "refused": 2}
    (held_back,) = [
        alert for alert in run.report["alerts"] if alert["disposition"] == "refused" and alert["account"] == "payments"
    ]
    assert "guardrail blast_radius: it changes 1 principal or setting" in held_back["reason"]
    assert "the alerts before it change 3; 3 may change in one run" in held_back["reason"]
    assert run.dispositions["I-one"] == "remediated"
    assert "it changes 4 principals or settings" in run.alerts["I-all"]["reason"]
    assert stack.changes().count("PutUserPolicy") == 1
    assert stack.depth() == (2, 0)


def test_what_a_run_depends_on_is_protected_in_its_own_account_and_learnt_once(stack):
    stack.add_profiles({"home": QUEUE_ACCOUNT})
    # What the emulator calls the keys that all profiles of its accounts begin with.
    for account in (QUEUE_ACCOUNT, "payments"):
        seed(stack, account, users=["moto"])
        send_alert(stack, f"I-{account}", account, "user", "moto")
    hosts = {name: {"account_id": stack.account_id(name), "aws_profile": name} for name in stack.accounts}
    home = {"account_id": QUEUE_ACCOUNT, "aws_profile": "home"}
    inventory = str(stack.write_inventory(stack.folder / "home.yml", home=home, **hosts))
    script = "aws iam update-account-password-policy --minimum-password-length 14 --allow-users-to-change-password"
    send_alert(stack, "I-grant", "sandbox", "user", "alice", script)
    for mode, elsewhere in (("--check", "planned"), ("--diff", "remediated")):
        stack.clear_calls()
        run = run_playbook(stack, "-i", inventory, mode)
        expected = {f"I-{QUEUE_ACCOUNT}": "refused", "I-payments": elsewhere, "I-grant": elsewhere}
        assert run.dispositions == expected, run.stdout
        assert "user/moto, on which this run depends" in run.alerts[f"I-{QUEUE_ACCOUNT}"]["reason"]
        by_base = [call for call in stack.calls(action="GetCallerIdentity") if call["account"] == QUEUE_ACCOUNT]
        assert [call["role"] for call in by_base] == [None, ROLE_NAME], "one of the run, one of that account's host"
        if mode == "--check":
            assert_review_says_what_is_granted_and_that_nobody_is_protected(run)


def assert_review_says_what_is_granted_and_that_nobody_is_protected(run):
    (grant, mix) = run.alerts["I-grant"]["notes"]
    assert grant == "Grants: every IAM user of the account may change their own password, which was off."
    assert mix.startswith("Replaces AWS's own password policy")
    assert f"I-grant: {grant}" in run.stdout
    plan = json.loads(next(run.artifacts.glob("*/plan.json")).read_text())
    assert [alert["notes"] for alert in plan["alerts"] if alert["alert_id"] == "I-grant"] == [[grant, mix]]
    page = next(run.artifacts.glob("*/report.html")).read_text()
    assert "Grants: every IAM user" in page
    assert run.stdout.count("No principals are protected") == 1
    assert "remediate_protected_principals:" in page


def test_an_account_where_everything_fails_is_left_alone(stack):
    users = [f"user-{number}" for number in range(3)]
    seed(stack, "payments", users=users)
    seed(stack, "sandbox", users=["carol"])
    for user in users:
        send_alert(stack, f"I-{user}", "payments", "user", user)
    # Its first step comes in a later wave, of another module.
    send_alert(stack, "I-later", "payments", "user", "user-0", "aws iam delete-login-profile --user-name user-0")
    stack.client("iam", "payments").create_login_profile(UserName="user-0", Password="emulated-Passw0rd")
    send_alert(stack, "I-carol", "sandbox", "user", "carol")
    denied = {"code": "AccessDenied", "status": 403, "count": 10}
    stack.fault(action="CreatePolicy", account=stack.account_id("payments"), **denied)
    stack.clear_calls()
    run = run_playbook(stack, "-e", "remediate_max_failures=3")
    assert run.rc == 2
    assert run.report["totals"] == {"remediated": 1, "failed": 4}
    assert run.alerts["I-later"]["reason"].startswith("Not run: the last 3 steps of this account all failed")
    assert "AccessDenied" in run.alerts["I-later"]["reason"]
    assert "DeleteLoginProfile" not in stack.changes()
    assert stack.depth() == (4, 0)


def test_a_guardrail_opens_in_one_account_or_for_one_operation_alone_and_the_report_says_so(stack):
    allow = {"sandbox": ["no_tags"], "payments": ["tag-user"], "analytics": []}
    hosts = {
        name: {"account_id": stack.account_id(name), "aws_profile": name, "remediate_allow": words}
        for name, words in allow.items()
    }
    inventory = str(stack.write_inventory(stack.folder / "opened.yml", **hosts))
    for account in allow:
        seed(stack, account, users=["alice"])
        script = "aws iam tag-user --user-name alice --tags Key=a,Value=b"
        send_alert(stack, f"I-{account}", account, "user", "alice", script)
    send_alert(stack, "I-create", "payments", "user", "alice", "aws iam create-user --user-name new")
    run = run_playbook(stack, "-i", inventory)
    assert run.dispositions == {
        "I-sandbox": "remediated",
        "I-payments": "remediated",
        "I-create": "refused",
        "I-analytics": "refused",
    }
    opened = [{"account": account, "allow": allow[account]} for account in ("payments", "sandbox")]
    assert sorted(run.report["opened"], key=lambda one: one["account"]) == opened
    assert run.stdout.count("no_tags (sandbox)") == 1
