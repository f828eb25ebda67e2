# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The call fence through the real playbook: somebody changes IAM while a run works, and runs without a fence."""

from __future__ import annotations

import json
import re

import pytest
from scale import exhaustive
from stack import run_playbook, seed, send_alert, start_playbook
from stack.alerts import deny_document
from stack.runs import new_artifacts_folder, read_report

from .second_actor import TIGHT_TRUST, creates_the_principal_again, deletes_the_principal

DENY = json.dumps(deny_document(["s3:*"]))
DENY_MORE = json.dumps(deny_document(["iam:*"]))
# Longer than the second actor takes while the run waits.
LONG = 30
PUT = f"aws iam put-user-policy --user-name bob --policy-name limits --policy-document '{DENY}'"
CREATE = f"aws iam create-policy --policy-name taken --policy-document '{DENY}'"
DETACH = "aws iam detach-user-policy --user-name joe --policy-arn {arn}"
PASSWORDS = "aws iam update-account-password-policy --minimum-password-length 14 --max-password-age 90"


@pytest.fixture
def race(stack):
    """A run that observed an account as it was before somebody else changed it; gives its report."""
    seed(stack, "payments", users=["ann", "bob", "joe", "kim"], roles=["app"])
    iam = stack.client("iam", "payments")
    iam.create_policy(PolicyName="open", PolicyDocument=DENY.replace("Deny", "Allow"))
    iam.attach_user_policy(UserName="joe", PolicyArn=arn_of(stack, "open"))
    send_alert(stack, "I-attach-role", "payments", "role", "app")
    send_alert(stack, "I-attach-user", "payments", "user", "ann")
    send_alert(stack, "I-put", "payments", "user", "bob", script=PUT)
    send_alert(stack, "I-create", "payments", "user", "joe", script=CREATE)
    send_alert(stack, "I-passwords", "payments", "user", "joe", script=PASSWORDS)
    send_alert(stack, "I-detach", "payments", "user", "joe", script=DETACH.format(arn=arn_of(stack, "open")))
    send_alert(stack, "I-again", "payments", "user", "kim")
    send_alert(stack, "I-other", "payments", "user", "joe")
    stack.fault(action="CreatePolicy", seconds=LONG)
    artifacts = new_artifacts_folder(stack)
    run = start_playbook(stack, artifacts=artifacts)
    stack.wait_for_call(action="CreatePolicy")
    iam.update_assume_role_policy(RoleName="app", PolicyDocument=TIGHT_TRUST)
    deletes_the_principal(iam, None, {"UserName": "ann"})
    iam.put_user_policy(UserName="bob", PolicyName="limits", PolicyDocument=DENY_MORE)
    iam.create_policy(PolicyName="Taken", Path="/other/", PolicyDocument=DENY_MORE)
    iam.update_account_password_policy(MinimumPasswordLength=20, RequireSymbols=True)
    iam.create_policy_version(PolicyArn=arn_of(stack, "open"), PolicyDocument=DENY, SetAsDefault=True)
    creates_the_principal_again(iam, None, {"UserName": "kim"})
    stack.end_waits()
    run.communicate(timeout=180)
    return read_report(artifacts)


def reasons(report):
    return {alert["alert_id"]: alert["reason"] for alert in report["alerts"] if alert["disposition"] == "failed"}


def test_a_change_of_somebody_else_is_never_undone_and_the_next_run_is_right(stack, race):
    iam = stack.client("iam", "payments")
    shown = reasons(race)
    assert sorted(shown) == ["I-attach-role", "I-attach-user", "I-create", "I-detach", "I-passwords", "I-put"]
    assert "Role app was changed since it was observed: its trust policy differs. Nothing was" in shown["I-attach-role"]
    assert "User ann does not exist any more. Nothing was sent" in shown["I-attach-user"]
    assert "User bob was changed since it was observed: its inline policy differs." in shown["I-put"]
    assert "the policy's default document differs" in shown["I-detach"]
    assert "The account was changed since it was observed: it differs." in shown["I-passwords"]
    assert race["totals"] == {"failed": 6, "remediated": 2}
    assert trust_of(iam) == json.loads(TIGHT_TRUST)
    assert iam.get_user_policy(UserName="bob", PolicyName="limits")["PolicyDocument"] == json.loads(DENY_MORE)
    assert iam.get_account_password_policy()["PasswordPolicy"]["MinimumPasswordLength"] == 20
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["bob", "joe", "kim"]
    assert len(iam.list_policy_versions(PolicyArn=arn_of(stack, "other/Taken"))["Versions"]) == 1
    assert stack.depth() == (6, 0), "every alert that was stopped is back"
    again = run_playbook(stack)
    assert again.dispositions["I-attach-role"] == "remediated"
    assert {again.dispositions[one] for one in ("I-put", "I-passwords", "I-detach")} == {"refused"}
    assert "I-other" not in again.dispositions
    assert trust_of(iam) == json.loads(TIGHT_TRUST)
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["bob", "joe", "kim"]


def trust_of(iam):
    return iam.get_role(RoleName="app")["Role"]["AssumeRolePolicyDocument"]


def arn_of(stack, path_and_name):
    return f"arn:aws:iam::{stack.account_id('payments')}:policy/{path_and_name}"


# test_undo_operations.py shows it of the modules; that none of them works without a fence holds for an undo as well.
@exhaustive
def test_an_undo_goes_through_the_fence_as_well(stack):
    seed(stack, "payments", users=["bob"])
    send_alert(stack, "I-put", "payments", "user", "bob", script=PUT)
    run = run_playbook(stack)
    assert run.report["totals"] == {"remediated": 1}
    stack.clear_calls()
    # Observing lists the inline policies once, then the module does.
    stack.fault(action="ListUserPolicies", skip=1, seconds=LONG)
    of_run = ("-e", f"run_id={run.report['run_id']}")
    undo = start_playbook(stack, *of_run, playbook="playbooks/undo.yml", artifacts=run.artifacts)
    stack.wait_for_call(action="ListUserPolicies", count=2)
    iam = stack.client("iam", "payments")
    iam.put_user_policy(UserName="bob", PolicyName="limits", PolicyDocument=DENY_MORE)
    stack.end_waits()
    undo.communicate(timeout=180)
    report = read_report(run.artifacts)
    assert report["totals"] == {"failed": 1}
    assert "its inline policy differs. Nothing was sent" in reasons(report)["I-put"]
    assert iam.get_user_policy(UserName="bob", PolicyName="limits")["PolicyDocument"] == json.loads(DENY_MORE)


# Of a connection without a fence, tests/fixtures/estates/refused.yml shows that nothing is received, and
# test_accounts.py what is different if the user accepts it.
@exhaustive
def test_where_no_fence_stands_nothing_is_applied_unless_the_user_says_so(stack):
    env = {"ANSIBLE_PIPELINING": "0"}
    seed(stack, "payments", users=["alice"])
    send_alert(stack, "I-1", "payments", "user", "alice")
    review = run_playbook(stack, "--check", env=env)
    assert review.dispositions == {"I-1": "planned"}, review.stdout
    run = run_playbook(stack, env=env)
    assert (run.rc, run.dispositions) == (2, {"I-1": "failed"})
    assert re.search("no call fence stands around", run.alerts["I-1"]["reason"])
    assert (stack.changes(), stack.depth()) == ([], (1, 0))
    accepted = run_playbook(stack, "-e", "remediate_unfenced=true", env=env)
    assert accepted.dispositions == {"I-1": "remediated"}, accepted.stdout
