# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guardrails through the real ansible-playbook: attempts, limits, and what is opened."""

from __future__ import annotations

import json

import pytest
from stack import escalations, iam_state, run_playbook, seed, send_alert
from stack.alerts import deny_script
from stack.declared import undeclared_calls
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
PROTECTED = [
    *escalations.PROTECTED,
    {"arn": "arn:aws:iam::*:role/ci", "owner": "build team", "reason": "deploys everything"},
]
# That of the queue, and of the identity that all others are reached by, and one for what changes too much.
ACCOUNTS = {"home": QUEUE_ACCOUNT, "burst": "810000000000"}
# Each account more in a run costs as much as ten alerts, so each has alerts of several kinds.
ALLOWED = {"burst": ["no_tags"], "sandbox": ["tag-user"], "analytics": []}
MAX_CHANGES = MAX_FAILURES = 3
GRANT = "aws iam update-account-password-policy --minimum-password-length 14 --allow-users-to-change-password"


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
    before = iam_state(stack, "payments")
    stack.clear_calls()
    run = run_playbook(stack, "-e", json.dumps({"remediate_protected_principals": PROTECTED}))
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
    assert [entry["arn"] for entry in run.report["protected"]] == [entry["arn"] for entry in PROTECTED]


@pytest.fixture(scope="module")
def inventory(running_stack):
    """The accounts of the two runs below."""
    running_stack.add_profiles(ACCOUNTS)
    accounts = {**running_stack.accounts, **ACCOUNTS}
    hosts = {name: {"account_id": account_id, "aws_profile": name} for name, account_id in accounts.items()}
    for name, words in ALLOWED.items():
        hosts[name]["remediate_allow"] = words
    return ["-i", str(running_stack.write_inventory(running_stack.folder / "guarded.yml", **hosts))]


def send_too_many(stack):
    """Alerts that change more of an account than a run may: in `home` together, in `burst` the first by itself."""
    users = [f"user-{number}" for number in range(MAX_CHANGES + 1)]
    for account_id in ACCOUNTS.values():
        seed(stack, account_id, users=users)
    for user in users:
        send_alert(stack, f"I-limited-{user}", ACCOUNTS["home"], "user", user)
    put = "aws iam put-user-policy --user-name {} --policy-name p --policy-document '{}'"
    together = " && ".join(put.format(user, DENY) for user in users)
    send_alert(stack, "I-all", ACCOUNTS["burst"], "user", "user-0", together)
    send_alert(stack, "I-one", ACCOUNTS["burst"], "user", "user-0", put.format("user-0", DENY))


def send_what_is_denied(stack):
    users = [f"user-{number}" for number in range(MAX_FAILURES)]
    seed(stack, "analytics", users=users)
    for user in users:
        send_alert(stack, f"I-denied-{user}", "analytics", "user", user)
    # Its first step comes in a later wave, of another module.
    send_alert(stack, "I-later", "analytics", "user", "user-0", "aws iam delete-login-profile --user-name user-0")
    stack.client("iam", "analytics").create_login_profile(UserName="user-0", Password="emulated-Passw0rd")
    stack.fault(action="CreatePolicy", account=stack.account_id("analytics"), code="AccessDenied", status=403, count=10)


def send_tags(stack):
    tag = "aws iam tag-user --user-name alice --tags Key=a,Value=b"
    for account in ALLOWED:
        account_id = ACCOUNTS.get(account, account)
        seed(stack, account_id, users=["alice"])
        send_alert(stack, f"I-tag-{account}", account_id, "user", "alice", tag)
    send_alert(stack, "I-create", "sandbox", "user", "alice", "aws iam create-user --user-name new")


def send_about_the_run_itself(stack):
    """An alert about what the emulator calls the keys that the run begins with, in their account and in another."""
    for account in (QUEUE_ACCOUNT, "sandbox"):
        seed(stack, account, users=["moto"])
        send_alert(stack, f"I-moto-{account}", account, "user", "moto")
    send_alert(stack, "I-grant", "sandbox", "user", "alice", GRANT)


@pytest.fixture(scope="module")
def played(running_stack, inventory):
    """One run over all of these, and its calls."""
    stack = running_stack
    stack.reset()
    for send in (send_too_many, send_what_is_denied, send_tags, send_about_the_run_itself):
        send(stack)
    stack.clear_calls()
    settings = {"remediate_max_changes": MAX_CHANGES, "remediate_max_failures": MAX_FAILURES}
    run = run_playbook(stack, *inventory, "-e", json.dumps(settings))
    return run, stack.calls()


def dispositions(run, beginning):
    """Those of the alerts whose id begins so."""
    return {alert_id: word for alert_id, word in run.dispositions.items() if alert_id.startswith(beginning)}


def changes(calls, account_id):
    """The actions by which an account was changed."""
    return [call["action"] for call in calls if call["account"] == account_id and call["mutating"]]


def test_a_run_changes_no_more_of_an_account_than_it_may(played):
    run, calls = played
    words = dispositions(run, "I-limited")
    (held_back,) = [run.alerts[alert_id] for alert_id, word in words.items() if word == "refused"]
    assert [*words.values()].count("remediated") == MAX_CHANGES
    assert "guardrail blast_radius: it changes 1 principal or setting" in held_back["reason"]
    assert "the alerts before it change 3; 3 may change in one run" in held_back["reason"]
    # More than a run may change at once: it is refused whole, and what is sent after it is not.
    assert (run.dispositions["I-all"], run.dispositions["I-one"]) == ("refused", "remediated")
    assert "it changes 4 principals or settings" in run.alerts["I-all"]["reason"]
    assert changes(calls, ACCOUNTS["burst"]).count("PutUserPolicy") == 1


def test_an_account_where_everything_fails_is_left_alone(running_stack, played):
    run, calls = played
    assert set(dispositions(run, "I-denied").values()) == {run.dispositions["I-later"]} == {"failed"}
    reason = run.alerts["I-later"]["reason"]
    assert reason.startswith("Not run: the last 3 steps of this account all failed")
    assert "AccessDenied" in reason
    assert "DeleteLoginProfile" not in changes(calls, running_stack.account_id("analytics"))
    assert run.dispositions["I-grant"] == "remediated", "that of another account"


def test_a_guardrail_opens_in_one_account_or_for_one_operation_alone_and_the_report_says_so(played):
    run, _calls = played
    assert (dispositions(run, "I-tag"), run.dispositions["I-create"]) == (
        {"I-tag-burst": "remediated", "I-tag-sandbox": "remediated", "I-tag-analytics": "refused"},
        "refused",
    )
    opened = [{"account": account, "allow": ALLOWED[account]} for account in ("burst", "sandbox")]
    assert sorted(run.report["opened"], key=lambda one: one["account"]) == opened
    assert run.stdout.count("no_tags (burst)") == 1


def test_the_messages_of_all_that_is_not_done_are_returned(running_stack, played):
    run, _calls = played
    left = [word for word in run.dispositions.values() if word != "remediated"]
    assert (run.rc, running_stack.depth()) == (2, (len(left), 0))
    assert undeclared_calls(running_stack) == []


def test_what_a_run_depends_on_is_protected_in_its_own_account_and_learnt_once(played):
    assert_what_it_depends_on_is_protected(*played, "remediated")


def assert_what_it_depends_on_is_protected(run, calls, elsewhere):
    assert dispositions(run, "I-moto") == {f"I-moto-{QUEUE_ACCOUNT}": "refused", "I-moto-sandbox": elsewhere}, (
        run.stdout
    )
    assert run.dispositions["I-grant"] == elsewhere
    assert "user/moto, on which this run depends" in run.alerts[f"I-moto-{QUEUE_ACCOUNT}"]["reason"]
    by_base = [call for call in calls if (call["action"], call["account"]) == ("GetCallerIdentity", QUEUE_ACCOUNT)]
    assert [call["role"] for call in by_base] == [None, ROLE_NAME], "one of the run, one of that account's host"


# Below those that share a run: it empties the stack.
def test_a_review_says_what_is_granted_and_that_nobody_is_protected_but_the_run_itself(stack, inventory):
    send_about_the_run_itself(stack)
    stack.clear_calls()
    run = run_playbook(stack, *inventory, "--check")
    assert_what_it_depends_on_is_protected(run, stack.calls(), "planned")
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
