# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guardrails through the real ansible-playbook: attempts, limits, and what is opened."""

from __future__ import annotations

import json

from stack import escalations, iam_state, run_playbook, seed, send_alert

# One of each kind, static and live; the whole corpus is in tests/unit/guardrails.
ESCALATIONS = (
    "an Allow behind a Deny",
    "create one that denies, attach one of a similar name",
    "detach AWS's quarantine of a leaked key",
    "replace an inline Deny by its name in another letter case",
    "the same Deny without a language version",
    "leave a group whose inline policy denies",
    "a boundary, and then a wider one",
    "another partition as a resource",
    "no hard expiry",
    "take what a protected user can do from its group",
    "a user that is protected by a pattern in another letter case",
)
# What would hit another account, protected principals, or everybody, is not told to be run by hand.
NOT_TOLD = ("another partition as a resource", "no hard expiry", *ESCALATIONS[-2:])


def two_accounts(stack, **of_the_sandbox):
    """An inventory of two hosts, and an alert that wants to tag somebody in each."""
    hosts = {name: {"account_id": stack.account_id(name), "aws_profile": name} for name in ("payments", "sandbox")}
    hosts["sandbox"].update(of_the_sandbox)
    for account, user in (("payments", "alice"), ("sandbox", "carol")):
        seed(stack, account, users=[user])
        send_alert(
            stack, f"I-{user}", account, "user", user, f"aws iam tag-user --user-name {user} --tags Key=a,Value=b"
        )
    stack.clear_calls()
    return str(stack.write_inventory(stack.folder / "two.yml", **hosts))


def test_escalations_end_refused_through_the_whole_run(stack):
    escalations.furnish(stack, "payments")
    sent = {one["attempt"]: one for one in escalations.attempts(stack.account_id("payments"))}
    sample = [sent[name] for name in ESCALATIONS]
    for number, one in enumerate(sample):
        send_alert(stack, f"I-{number}", "payments", "user", "alice", one["script"])
    protected = json.dumps({"remediate_protected_principals": escalations.PROTECTED})
    before = iam_state(stack, "payments")
    stack.clear_calls()
    run = run_playbook(stack, "-e", protected)
    assert run.rc == 2
    assert set(run.dispositions.values()) == {"refused"}, run.stdout
    for number, one in enumerate(sample):
        assert f"guardrail {one['rule']}" in run.alerts[f"I-{number}"]["reason"]
        is_told = f"by hand: {one['script'][:20]}" in run.alerts[f"I-{number}"]["reason"]
        assert is_told == (one["attempt"] not in NOT_TOLD), one["attempt"]
    assert stack.changes() == []
    assert iam_state(stack, "payments") == before
    assert stack.depth() == (len(sample), 0)
    assert [entry["arn"] for entry in run.report["protected"]] == [entry["arn"] for entry in escalations.PROTECTED]


def test_a_run_changes_no_more_of_an_account_than_it_may(stack):
    users = [f"user-{number}" for number in range(4)]
    seed(stack, "payments", users=users)
    seed(stack, "sandbox", users=["carol"])
    for user in users:
        send_alert(stack, f"I-{user}", "payments", "user", user)
    send_alert(stack, "I-carol", "sandbox", "user", "carol")
    run = run_playbook(stack, "-e", "remediate_max_changes=3")
    assert run.rc == 2
    assert run.report["totals"] == {"remediated": 4, "refused": 1}
    (held_back,) = [alert for alert in run.report["alerts"] if alert["disposition"] == "refused"]
    assert "guardrail blast_radius: it changes 1 principal or setting" in held_back["reason"]
    assert "the alerts before it change 3; 3 may change in one run" in held_back["reason"]
    assert stack.depth() == (1, 0)
    again = run_playbook(stack, "-e", "remediate_max_changes=3")
    assert again.report["totals"] == {"remediated": 1}


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


def test_a_guardrail_opens_in_one_account_alone_and_the_report_says_so(stack):
    inventory = two_accounts(stack, remediate_allow=["no_tags"])
    run = run_playbook(stack, "-i", inventory)
    assert run.dispositions == {"I-alice": "refused", "I-carol": "remediated"}
    assert run.report["opened"] == [{"account": "sandbox", "allow": ["no_tags"]}]
    assert run.stdout.count("Opened by remediate_allow: no_tags in sandbox") == 1


def test_a_misspelt_guardrail_stops_the_run_before_anything_is_received(stack):
    inventory = two_accounts(stack, remediate_allow=["no_tag"])
    run = run_playbook(stack, "-i", inventory)
    assert run.rc != 0
    assert "'no_tag' is neither a guardrail nor an operation of IAM; no_tags is one" in run.stdout + run.stderr
    assert stack.calls() == []
    assert stack.depth() == (2, 0)
