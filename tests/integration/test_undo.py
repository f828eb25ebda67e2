# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/undo.yml, as a person on call uses it. What every operation's undo does is in test_undo_operations.py."""

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.consolidation import own_sid
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import append
from stack import iam_state, kill_run, new_artifacts_folder, read_report, run_playbook, seed, send_alert, start_playbook

ACCOUNTS = ("payments", "sandbox")


def send(stack, alert_id, account, user, script=None):
    send_alert(stack, alert_id, account, "user", user, script)


@pytest.fixture
def applied(stack):
    """A run that has restricted a user in each of two accounts, and the accounts as they were before it."""
    for account, user in zip(ACCOUNTS, ("alice", "carol"), strict=True):
        seed(stack, account, users=[user])
    before = states(stack)
    send(stack, "I-1", "payments", "alice")
    send(stack, "I-2", "sandbox", "carol")
    run = run_playbook(stack)
    assert run.rc == 0, run.stdout
    stack.clear_calls()
    return Applied(stack, run, before)


def states(stack):
    return {account: iam_state(stack, account) for account in ACCOUNTS}


class Applied:
    """A run, and how to undo it."""

    def __init__(self, stack, run, before):
        self.stack, self.run, self.before = stack, run, before
        self.after = states(stack)
        self.run_id = run.report["run_id"]
        self.journal = run.artifacts / self.run_id / "journal.jsonl"

    def undo(self, *args, run_id=None):
        """Run the playbook with the artifacts of the run."""
        return undo(self.stack, self.run.artifacts, "-e", f"run_id={run_id or self.run_id}", *args)


def undo(stack, artifacts, *args, env=None):
    return run_playbook(stack, *args, playbook="playbooks/undo.yml", artifacts=artifacts, env=env)


def test_a_run_is_undone_and_the_undo_too(stack, applied):
    review = applied.undo("--check")
    assert (review.rc, set(review.dispositions.values())) == (0, {"planned"}), review.stdout
    assert review.report["mode"] == "check"
    assert not stack.calls(service="iam", mutating=True)
    assert states(stack) == applied.after

    undone = applied.undo()
    assert (undone.rc, undone.dispositions) == (0, {"I-1": "undone", "I-2": "undone"}), undone.stdout
    assert (undone.report["mode"], undone.report["undoes"]) == ("undo", [applied.run_id])
    assert states(stack) == applied.before
    assert [step["operation"] for step in undone.alerts["I-1"]["steps"]] == ["DetachUserPolicy", "DeletePolicy"]
    assert undone.alerts["I-1"]["policy"] == applied.run.alerts["I-1"]["policy"]

    stack.clear_calls()
    again = applied.undo()
    assert (again.rc, set(again.dispositions.values())) == (0, {"already_undone"}), again.stdout
    assert not stack.calls(service="iam", mutating=True)

    redone = applied.undo(run_id=undone.report["run_id"])
    assert (redone.rc, set(redone.dispositions.values())) == (0, {"undone"}), redone.stdout
    assert states(stack) == applied.after


def test_one_alert_is_undone_unless_it_has_changed_since(stack, applied):
    iam = stack.client("iam", "payments")
    for user in iam.list_users()["Users"]:
        (policy,) = iam.list_attached_user_policies(UserName=user["UserName"])["AttachedPolicies"]
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]}
    )
    iam.create_policy_version(PolicyArn=policy["PolicyArn"], PolicyDocument=document, SetAsDefault=True)
    changed = states(stack)
    drifted = undo(stack, applied.run.artifacts, "-e", "alert_id=I-1")
    assert (drifted.rc, drifted.dispositions) == (2, {"I-1": "refused"}), drifted.stdout
    assert states(stack) == changed, "nothing of an alert is undone when one of its steps cannot be"
    assert "more than one version" in drifted.alerts["I-1"]["reason"]
    other = undo(stack, applied.run.artifacts, "-e", "alert_id=I-2")
    assert (other.rc, other.dispositions) == (0, {"I-2": "undone"}), other.stdout
    assert iam_state(stack, "sandbox") == applied.before["sandbox"]


def test_protected_principals_and_the_account_are_guarded(stack, applied):
    protected = [{"arn": "arn:aws:iam::*:user/alice", "owner": "ops", "reason": "break glass"}]
    guarded = applied.undo(
        "-e", json.dumps({"remediate_protected_principals": protected}), "--limit", "payments", "-e", "alert_id=I-1"
    )
    assert (guarded.rc, guarded.dispositions) == (2, {"I-1": "refused"}), guarded.stdout
    assert "break glass" in guarded.alerts["I-1"]["reason"]
    outside = applied.undo("--limit", "analytics")
    assert (outside.rc, set(outside.dispositions.values())) == (0, {"filtered"}), outside.stdout
    wrong = applied.undo("-e", "aws_profile=analytics", "--limit", "payments", "-e", "alert_id=I-1")
    assert (wrong.rc, wrong.dispositions) == (2, {"I-1": "failed"}), wrong.stdout
    assert states(stack) == applied.after
    assert not stack.calls(service="iam", mutating=True)


def test_what_is_lost_is_reported_and_all_else_put_back(stack):
    seed(stack, "payments", users=["alice"])
    iam = stack.client("iam", "payments")
    arn = iam.create_policy(PolicyName="open", PolicyDocument=ALLOWING)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    key = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    detach = f"aws iam detach-user-policy --user-name alice --policy-arn {arn}"
    delete = f"aws iam delete-access-key --user-name alice --access-key-id {key}"
    send(stack, "I-1", "payments", "alice", f"{detach} && {delete}")
    run = run_playbook(stack)
    assert run.rc == 0, run.stdout
    assert "its secret is gone" in run.alerts["I-1"]["steps"][1]["undo"]
    undone = undo(stack, run.artifacts, "-e", "alert_id=I-1")
    assert (undone.rc, undone.dispositions) == (2, {"I-1": "not_undoable"}), undone.stdout
    assert "delete-access-key alice: its secret is gone" in undone.alerts["I-1"]["reason"]
    assert [one["PolicyArn"] for one in iam.list_attached_user_policies(UserName="alice")["AttachedPolicies"]] == [arn]


ALLOWING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})


def allow_all(iam, arn):
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOWING.replace("s3:*", "*"), SetAsDefault=True)


def take_away(stack, alert_id, user, command):
    """Give a user an open policy, by itself and through a group, and send the script that takes one of these away."""
    seed(stack, "payments", users=[user])
    iam, group = stack.client("iam", "payments"), f"staff-{user}"
    arn = iam.create_policy(PolicyName=f"open-{user}", PolicyDocument=ALLOWING)["Policy"]["Arn"]
    iam.create_group(GroupName=group)
    iam.attach_group_policy(GroupName=group, PolicyArn=arn)
    iam.add_user_to_group(GroupName=group, UserName=user)
    iam.attach_user_policy(UserName=user, PolicyArn=arn)
    what = {"detach-user-policy": f"--policy-arn {arn}", "remove-user-from-group": f"--group-name {group}"}[command]
    send(stack, alert_id, "payments", user, f"aws iam {command} --user-name {user} {what}")
    return arn


def access_of(stack, user):
    iam = stack.client("iam", "payments")
    attached = iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]
    return bool(attached), bool(iam.list_groups_for_user(UserName=user)["Groups"])


def test_what_was_taken_away_is_restored_only_as_it_was(stack):
    commands = {"I-1": "detach-user-policy", "I-2": "remove-user-from-group"}
    commands |= {"I-3": commands["I-1"], "I-4": commands["I-2"]}
    arns = {alert_id: take_away(stack, alert_id, f"user-{alert_id}", command) for alert_id, command in commands.items()}
    run = run_playbook(stack)
    assert run.dispositions == dict.fromkeys(commands, "remediated"), run.stdout
    restricted = {alert_id: access_of(stack, f"user-{alert_id}") for alert_id in commands}
    assert list(restricted.values()) == [(False, True), (True, False)] * 2
    changed = ("I-3", "I-4")
    for alert_id in changed:
        allow_all(stack.client("iam", "payments"), arns[alert_id])
    undone = undo(stack, run.artifacts, "-e", f"run_id={run.report['run_id']}")
    assert undone.dispositions == {"I-1": "undone", "I-2": "undone", **dict.fromkeys(changed, "refused")}, undone.stdout
    assert undone.rc == 2
    for alert_id in commands:
        access = access_of(stack, f"user-{alert_id}")
        assert access == (restricted[alert_id] if alert_id in changed else (True, True))
        says_why = f"policy {arns[alert_id]} was changed" in (undone.alerts[alert_id]["reason"] or "")
        assert says_why is (alert_id in changed)


@pytest.mark.parametrize("is_applied", [True, False], ids=["after the change", "before the change"])
def test_a_killed_run_is_undone(stack, is_applied):
    seed(stack, "payments", users=["alice"])
    before = iam_state(stack, "payments")
    send(stack, "I-1", "payments", "alice")
    stack.fault(action="AttachUserPolicy", seconds=120, applied=is_applied)
    artifacts = new_artifacts_folder(stack)
    process = start_playbook(stack, artifacts=artifacts)
    try:
        stack.wait_for_call(action="AttachUserPolicy")
    finally:
        kill_run(process)
    stack.clear_faults()
    attached = stack.client("iam", "payments").list_attached_user_policies(UserName="alice")["AttachedPolicies"]
    assert bool(attached) is is_applied
    undone = undo(stack, artifacts, "-e", "alert_id=I-1")
    assert (undone.rc, undone.dispositions) == (0, {"I-1": "undone"}), undone.stdout
    assert iam_state(stack, "payments") == before


def test_nothing_is_undone_that_cannot_be_trusted(stack, applied):
    for args, output in (
        ((), "Say what to undo"),
        (("-e", "alert_id=I-9"), "No run changed anything for the alert 'I-9'"),
        (("-e", "run_id=20200101T000000Z-0000"), "has no such folder"),
    ):
        run = undo(stack, applied.run.artifacts, *args)
        assert run.rc == 2
        assert output in " ".join(run.stdout.split())
    applied.journal.write_text(applied.journal.read_text().replace("alice", "mallory", 1))
    run = applied.undo()
    assert run.rc == 2
    assert "was edited, or the line before it is missing" in " ".join(run.stdout.split())
    assert not stack.calls(service="iam", mutating=True)
    assert states(stack) == applied.after


def test_with_a_key_only_what_was_signed_with_it_is_undone(stack):
    key = {"REMEDIATE_PLAN_KEY": "only-we-know-it"}
    seed(stack, "payments", users=["alice"])
    before = iam_state(stack, "payments")
    send(stack, "I-1", "payments", "alice")
    run = run_playbook(stack, "-vvv", env=key)
    assert run.rc == 0, run.stdout
    after = iam_state(stack, "payments")
    journal = run.artifacts / run.report["run_id"] / "journal.jsonl"
    written = journal.read_text()
    shown = [run.stdout, run.stderr, *(file.read_text() for file in journal.parent.iterdir())]
    assert not [text for text in shown if key["REMEDIATE_PLAN_KEY"] in text]

    journal.unlink()
    head, *lines = (
        {name: value for name, value in json.loads(line).items() if name not in ("sha256", "previous", "hmac")}
        for line in written.splitlines()
    )
    append(journal, head, lines)
    rewritten = undo(stack, run.artifacts, "-e", "alert_id=I-1", env=key)
    assert rewritten.rc == 2
    assert "is not signed with the key in REMEDIATE_PLAN_KEY" in " ".join(rewritten.stdout.split())
    assert iam_state(stack, "payments") == after

    journal.write_text("".join(written.splitlines(keepends=True)[:-1]))
    cut = undo(stack, run.artifacts, "-e", "alert_id=I-1", "--check", env=key)
    assert cut.dispositions == {"I-1": "planned"}, cut.stdout
    assert "lines are missing at its end" in cut.alerts["I-1"]["notes"][0]

    journal.write_text(written)
    undone = undo(stack, run.artifacts, "-e", "alert_id=I-1", env=key)
    assert (undone.rc, undone.dispositions) == (0, {"I-1": "undone"}), undone.stdout
    assert undone.alerts["I-1"]["notes"] == []
    assert undone.alerts["I-1"]["policy"] == run.alerts["I-1"]["policy"], "the report is signed, too"
    assert iam_state(stack, "payments") == before


def test_of_one_policy_for_all_alerts_each_takes_its_own_statements_back(stack):
    seed(stack, "payments", users=["alice"])
    iam = stack.client("iam", "payments")
    for number in range(10):
        arn = iam.create_policy(PolicyName=f"old-{number}", PolicyDocument=ALLOWING)["Policy"]["Arn"]
        iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    before = iam_state(stack, "payments")
    for alert_id in ("I-1", "I-2"):
        send(stack, alert_id, "payments", "alice")
    run = run_playbook(stack, "-e", "remediate_on_quota=consolidate")
    assert (run.rc, set(run.dispositions.values())) == (0, {"remediated"}), run.stdout
    first = undo(stack, run.artifacts, "-e", "alert_id=I-1")
    assert (first.rc, first.dispositions) == (0, {"I-1": "undone"}), first.stdout
    policy = iam.get_user_policy(UserName="alice", PolicyName="leastpriv-restrictions")["PolicyDocument"]
    assert {statement["Sid"] for statement in policy["Statement"]} == {f"{own_sid('I-2')}n1"}
    both = undo(stack, run.artifacts, "-e", f"run_id={run.report['run_id']}")
    assert (both.rc, both.dispositions) == (0, {"I-1": "already_undone", "I-2": "undone"}), both.stdout
    assert iam_state(stack, "payments") == before


def test_an_interrupted_undo_is_reported_and_can_be_finished(stack, applied):
    stack.fault(action="DetachUserPolicy", seconds=20, account=stack.account_id("payments"))
    process = start_playbook(
        stack, "-e", f"run_id={applied.run_id}", playbook="playbooks/undo.yml", artifacts=applied.run.artifacts
    )
    try:
        stack.wait_for_call(action="DetachUserPolicy", account=stack.account_id("payments"))
        process.terminate()
        process.communicate(timeout=30)
    finally:
        kill_run(process)
    stack.clear_faults()
    report = read_report(applied.run.artifacts)
    assert (process.returncode, report["mode"], report["undoes"]) == (143, "undo", [applied.run_id])
    assert "Undo again" in report["alerts"][0]["reason"], "how to go on"
    finished = applied.undo()
    assert finished.rc == 0, finished.stdout
    assert states(stack) == applied.before
