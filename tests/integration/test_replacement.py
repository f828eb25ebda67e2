# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Smaller documents in place of bigger ones: what is proven narrower is applied, reviewed and undone like a Deny."""

from __future__ import annotations

import json
import shlex

import pytest
from scale import EXHAUSTIVE
from stack import iam_state, run_playbook, send_alert

from .in_process import run_module
from .test_random_scripts import Side, observed, world
from .test_undo_operations import Account

__all__ = ["world"]
PAYMENTS, TWIN = "payments", "twin"


def a_document(*actions, resource="*", **more):
    statement = {"Effect": "Allow", "Action": [*actions], "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def a_trust(*services):
    statement = {"Effect": "Allow", "Principal": {"Service": [*services]}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


BIG = a_document("s3:*", "iam:PassRole", "sqs:*")
SMALL = a_document("s3:GetObject", "sqs:SendMessage", resource="arn:aws:s3:::b/*")
WIDER = a_document("s3:GetObject", "ec2:RunInstances")
EC2, LAMBDA = "ec2.amazonaws.com", "lambda.amazonaws.com"


def scripts(account_id, document=SMALL, services=(EC2,)):
    """The alerts' scripts, by alert id: each puts a document in the place of what the account has."""
    arn = f"arn:aws:iam::{account_id}:policy"
    version = f"aws iam create-policy-version --policy-arn {arn}/team --set-as-default"
    swap = f"aws iam {{}}-user-policy --user-name bob --policy-arn {arn}/"
    create = f"aws iam create-policy --policy-name small --policy-document '{document}'"
    return {
        "I-inline": f"aws iam put-user-policy --user-name alice --policy-name work --policy-document '{document}'",
        "I-version": f"{version} --policy-document '{document}'",
        "I-trust": f"aws iam update-assume-role-policy --role-name ci --policy-document '{a_trust(*services)}'",
        "I-swap": "\n".join([create, f"{swap.format('attach')}small", f"{swap.format('detach')}big"]),
    }


def furnish(iam):
    for user in ("alice", "bob", "carol"):
        iam.create_user(UserName=user)
    iam.put_user_policy(UserName="alice", PolicyName="work", PolicyDocument=BIG)
    arns = [iam.create_policy(PolicyName=name, PolicyDocument=BIG)["Policy"]["Arn"] for name in ("big", "team")]
    iam.attach_user_policy(UserName="bob", PolicyArn=arns[0])
    iam.attach_user_policy(UserName="carol", PolicyArn=arns[1])
    iam.create_role(RoleName="ci", AssumeRolePolicyDocument=a_trust(EC2, LAMBDA))


def send(stack, of):
    for alert_id, script in of.items():
        send_alert(stack, alert_id, PAYMENTS, "user", "alice", script=script)


def test_what_is_narrower_is_reviewed_applied_as_by_the_cli_and_undone(world, stack):
    _stack, real_cli = world
    for account in (PAYMENTS, TWIN):
        furnish(stack.client("iam", account))
    before = iam_state(stack, PAYMENTS)
    send(stack, scripts(stack.account_id(PAYMENTS)))
    review = run_playbook(stack, "--check", "--diff")
    assert set(review.dispositions.values()) == {"planned"}, review.stdout
    assert stack.changes() == []
    table = next(review.artifacts.glob("*/plan.md")).read_text()
    assert "4 alerts to apply in 1 account." in table
    assert "- `I-trust`: Role ci loses access to sts: AssumeRole for `Service:lambda.amazonaws.com`." in table
    assert len(next(review.artifacts.glob("*/report.csv")).read_text().splitlines()) == 5
    lost = (
        "loses access to s3: * (still allowed: s3:GetObject); iam: PassRole; sqs: * (still allowed: sqs:SendMessage)."
    )
    assert f"User alice {lost}" in review.alerts["I-inline"]["notes"]
    assert f"User bob {lost}" in review.alerts["I-swap"]["notes"]
    assert review.stdout.count("access that user alice loses") >= 2, "before and after of a block of its own"
    assert '-  "iam": [' in review.stdout
    assert "Access that user alice loses:" in next(review.artifacts.glob("*/report.html")).read_text()
    assert "loses access to sts: AssumeRole for Service:lambda.amazonaws.com." in str(review.alerts["I-trust"]["notes"])
    plan = {"remediate_artifacts_dir": str(review.artifacts), "remediate_plan": review.report["run_id"]}
    run = run_playbook(stack, "-e", json.dumps(plan), artifacts=review.artifacts)
    assert set(run.dispositions.values()) == {"remediated"}, run.stdout
    for command in "\n".join(scripts(stack.account_id(TWIN)).values()).splitlines():
        assert real_cli.run(shlex.split(command)[1:], TWIN) == (0, "")
    assert iam_state(stack, PAYMENTS) == iam_state(stack, TWIN)
    if not EXHAUSTIVE:
        return
    undone = run_playbook(
        stack, "-e", f"run_id={run.report['run_id']}", playbook="playbooks/undo.yml", artifacts=review.artifacts
    )
    assert undone.rc == 0, undone.stdout
    assert iam_state(stack, PAYMENTS) == before


@pytest.mark.parametrize("alert_id", scripts(""))
def test_what_was_replaced_is_put_back_by_an_undo(world, tmp_path, alert_id):
    """With the modules in this process; the exhaustive suite undoes all of them by the playbook above."""
    stack, _real_cli = world
    account_id = f"{800_000 + [*scripts('')].index(alert_id):012d}"
    stack.add_profiles({f"undone-{account_id}": account_id})
    furnish(stack.client("iam", account_id))
    account = Account(stack, Side(account_id, f"undone-{account_id}", {}))
    before = iam_state(stack, account_id)
    steps = observed(stack, account.side, scripts(account_id)[alert_id])["steps"]
    assert account.apply(steps, tmp_path / "applied")
    assert iam_state(stack, account_id) != before
    account.undo(tmp_path / "applied", tmp_path / "undone")
    assert iam_state(stack, account_id) == before


def test_what_is_wider_is_refused_with_what_it_would_allow(stack):
    furnish(stack.client("iam", PAYMENTS))
    wider = scripts(stack.account_id(PAYMENTS), WIDER, (EC2, "ecs-tasks.amazonaws.com"))
    create, attach, detach = scripts(stack.account_id(PAYMENTS))["I-swap"].split("\n")
    unsafe = {
        "I-unsafe": "\n".join([create.replace("name small", "name late"), detach, attach.replace("/small", "/late")]),
        "I-new": wider["I-inline"].replace("--policy-name work", "--policy-name other"),
    }
    send(stack, {**wider, **unsafe})
    trusts = make_trusting_roles(stack)
    run = run_playbook(stack)
    assert {run.dispositions[alert_id] for alert_id in (*wider, *unsafe)} == {"refused"}
    for alert_id in wider:
        assert "guardrail no_widening" in run.alerts[alert_id]["reason"]
    assert "allows ec2:RunInstances on *, which the old one did not" in run.alerts["I-inline"]["reason"]
    assert "allows sts:AssumeRole for ecs-tasks.amazonaws.com" in run.alerts["I-trust"]["reason"]
    for alert_id in unsafe:
        assert "guardrail deny_only" in run.alerts[alert_id]["reason"]
    assert stack.changes() == ["UpdateAssumeRolePolicy"], "the one of the role deploys"
    assert [run.dispositions[f"I-{role}"] for role in trusts] == ["remediated", "refused"]
    assert "allows sts:AssumeRole for arn:aws:iam::210987654322:role/example" in run.alerts["I-kept"]["reason"]
    iam = stack.client("iam", PAYMENTS)
    for role, document in trusts.items():
        assert iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"] == json.loads(document)


def make_trusting_roles(stack):
    """Roles that trust an account, and alerts that let them trust one of its roles, or a second account.

    Gives the trust policy that each has in the end.
    """
    old, one_role, another = (
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole"}],
            }
        )
        for who in (
            "arn:aws:iam::210987654321:root",
            "arn:aws:iam::210987654321:role/deploy",
            "arn:aws:iam::210987654322:root",
        )
    )
    for role, document in (("deploys", one_role), ("kept", another)):
        stack.client("iam", PAYMENTS).create_role(RoleName=role, AssumeRolePolicyDocument=old)
        script = f"aws iam update-assume-role-policy --role-name {role} --policy-document '{document}'"
        send_alert(stack, f"I-{role}", PAYMENTS, "role", role, script=script)
    return {"deploys": one_role, "kept": old}


def test_what_the_local_proof_cannot_tell_is_asked_of_access_analyzer_only_if_opted_in(stack):
    """Two statements become one: narrower, and not proven. It is asked once; what may not be asked is refused.

    One of the two accounts may not ask.
    """

    def a_region(*names):
        return {
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": [*names]}},
        }

    def a_policy(*statements):
        return json.dumps({"Version": "2012-10-17", "Statement": [*statements]})

    new = a_policy(a_region("eu-west-1", "eu-west-2"))
    script = f"aws iam put-user-policy --user-name alice --policy-name work --policy-document '{new}'"
    accounts = {"I-may": PAYMENTS, "I-may-not": "analytics"}
    for alert_id, account in accounts.items():
        iam = stack.client("iam", account)
        iam.create_user(UserName="alice")
        old = a_policy(a_region("eu-west-1"), a_region("eu-west-2"))
        iam.put_user_policy(UserName="alice", PolicyName="work", PolicyDocument=old)
        send_alert(stack, alert_id, account, "user", "alice", script=script)
    run = run_playbook(stack)
    assert run.dispositions == {"I-may": "refused", "I-may-not": "refused"}
    assert "cannot be proven: it is not certain that s3:GetObject on *" in run.alerts["I-may"]["reason"]
    assert stack.calls(service="access-analyzer") == []
    denied = stack.account_id(accounts["I-may-not"])
    stack.fault(action="CheckNoNewAccess", account=denied, code="AccessDeniedException", status=403)
    run = run_playbook(stack, "-e", "remediate_prove=access_analyzer")
    assert run.dispositions == {"I-may": "remediated", "I-may-not": "refused"}, run.stdout
    assert (
        "IAM Access Analyzer could not be asked: An error occurred (AccessDeniedException)"
        in run.alerts["I-may-not"]["reason"]
    )
    notes = run.alerts["I-may"]["notes"]
    assert "IAM Access Analyzer found no new access where the local proof could not tell." in notes
    asked = [call["account"] for call in stack.calls(service="access-analyzer")]
    assert sorted(asked) == sorted(stack.account_id(account) for account in accounts.values())
    iam = stack.client("iam", PAYMENTS)
    assert iam.get_user_policy(UserName="alice", PolicyName="work")["PolicyDocument"] == json.loads(new)


RACES = {
    "put-user-policy": ("I-inline", "its inline policy differs"),
    "create-policy-version": ("I-version", "the policy's default document differs"),
    "update-assume-role-policy": ("I-trust", "its trust policy differs"),
    "attach-user-policy": ("I-swap", "the policy that is replaced differs, or is not attached any more"),
}


@pytest.mark.parametrize("command", RACES)
def test_what_was_compared_is_read_again_right_before(world, command):
    stack, _real_cli = world
    alert_id, says = RACES[command]
    account_id = f"{700_000 + [*RACES].index(command):012d}"
    stack.add_profiles({f"replaced-{account_id}": account_id})
    side, iam = Side(account_id, f"replaced-{account_id}", {}), stack.client("iam", account_id)
    furnish(iam)
    steps = observed(stack, side, scripts(account_id)[alert_id])["steps"]
    assert [step["status"] for step in steps] == ["needed"] * len(steps)
    if alert_id == "I-swap":
        assert run_module(steps[0], side.profile).get("changed")
    iam.put_user_policy(UserName="alice", PolicyName="work", PolicyDocument=a_document("s3:List*"))
    for name in ("team", "big"):
        arn = f"arn:aws:iam::{account_id}:policy/{name}"
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=a_document("s3:List*"), SetAsDefault=True)
    iam.update_assume_role_policy(RoleName="ci", PolicyDocument=a_trust(LAMBDA))
    before = iam_state(stack, account_id)
    result = run_module(steps[1] if alert_id == "I-swap" else steps[0], side.profile)
    assert says in result["msg"]
    assert "Nothing was sent" in result["msg"]
    assert iam_state(stack, account_id) == before
