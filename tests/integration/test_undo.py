# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/undo.yml, as a person on call uses it. What every operation's undo does is in test_undo_operations.py."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.consolidation import own_sid
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import append
from stack import iam_state, kill_run, new_artifacts_folder, read_report, run_playbook, seed, send_alert, start_playbook
from stack.declared import undeclared_calls

ACCOUNTS = ("payments", "sandbox")
KEY = {"REMEDIATE_PLAN_KEY": "only-we-know-it"}


def send(stack, alert_id, account, user, script=None):
    send_alert(stack, alert_id, account, "user", user, script)


@pytest.fixture(scope="module")
def applied(running_stack):
    """A run with a key that has restricted a user in each of two accounts. Each test leaves them as it left them.

    The tests that empty the stack are below those that share this.
    """
    running_stack.reset()
    return Applied(running_stack)


def states(stack):
    return {account: iam_state(stack, account) for account in ACCOUNTS}


class Applied:
    """A run, and how to undo it."""

    def __init__(self, stack):
        for account, user in zip(ACCOUNTS, ("alice", "carol"), strict=True):
            seed(stack, account, users=[user])
        self.stack, self.before = stack, states(stack)
        send(stack, "I-1", "payments", "alice")
        send(stack, "I-2", "sandbox", "carol")
        self.run = run_playbook(stack, "-vvv", env=KEY)
        assert self.run.rc == 0, self.run.stdout
        self.after = states(stack)
        self.run_id = self.run.report["run_id"]
        self.journal = self.run.artifacts / self.run_id / "journal.jsonl"

    def undo(self, *args, run_id=None):
        """Run the playbook with the artifacts of the run."""
        return undo(self.stack, self.run.artifacts, "-e", f"run_id={run_id or self.run_id}", *args, env=KEY)


def undo(stack, artifacts, *args, env=None):
    return run_playbook(stack, *args, playbook="playbooks/undo.yml", artifacts=artifacts, env=env)


def test_the_key_that_signs_is_not_shown(applied):
    files = [file.read_text() for file in applied.journal.parent.rglob("*.*")]
    shown = [applied.run.stdout, applied.run.stderr, *files]
    assert not [text for text in shown if KEY["REMEDIATE_PLAN_KEY"] in text]


def test_a_journal_that_was_edited_is_not_undone(applied, monkeypatch):
    """What the playbook reads before anything else, in this process; the next test shows what it does then."""
    monkeypatch.setenv(*next(iter(KEY.items())))
    written = applied.journal.read_text()
    applied.journal.write_text(written.replace("alice", "mallory", 1))
    try:
        with pytest.raises(AnsibleLookupError, match="was edited, or the line before it is missing"):
            lookup_loader.get("leastpriv.iam.journal_entries").run(
                [], {}, run_id=applied.run_id, artifacts_dir=str(applied.run.artifacts), accounts=[], limit=[]
            )
    finally:
        applied.journal.write_text(written)


def test_with_a_key_only_what_was_signed_with_it_is_undone(applied):
    written = applied.journal.read_text()
    applied.journal.unlink()
    head, *lines = (
        {name: value for name, value in json.loads(line).items() if name not in ("sha256", "previous", "hmac")}
        for line in written.splitlines()
    )
    append(applied.journal, head, lines)
    applied.stack.clear_calls()
    rewritten = applied.undo()
    applied.journal.write_text(written)
    assert rewritten.rc == 2
    assert "is not signed with the key in REMEDIATE_PLAN_KEY" in " ".join(rewritten.stdout.split())
    assert not applied.stack.calls(service="iam", mutating=True)
    assert states(applied.stack) == applied.after


def test_protected_principals_and_the_account_are_guarded(applied):
    protected = [{"arn": "arn:aws:iam::*:user/alice", "owner": "ops", "reason": "break glass"}]
    payments, sandbox = ({"account_id": applied.stack.account_id(name), "aws_profile": name} for name in ACCOUNTS)
    payments["remediate_protected_principals"] = protected
    sandbox["aws_profile"] = "analytics"
    inventory = applied.stack.write_inventory(applied.stack.folder / "guarded.yml", payments=payments, sandbox=sandbox)
    applied.stack.clear_calls()
    guarded = applied.undo("-i", str(inventory))
    assert (guarded.rc, guarded.dispositions) == (2, {"I-1": "refused", "I-2": "failed"}), guarded.stdout
    assert "break glass" in guarded.alerts["I-1"]["reason"]
    assert f"belongs to account {applied.stack.account_id('analytics')}" in guarded.alerts["I-2"]["reason"]
    assert states(applied.stack) == applied.after
    assert not applied.stack.calls(service="iam", mutating=True)


def test_a_run_is_undone_and_the_undo_too(applied):
    """In the accounts that `--limit` leaves. What `--check` shows of an undo is in test_next_command.py."""
    stack = applied.stack
    undone = applied.undo("--limit", "payments")
    assert (undone.rc, undone.dispositions) == (0, {"I-1": "undone", "I-2": "filtered"}), undone.stdout
    assert (undone.report["mode"], undone.report["undoes"]) == ("undo", [applied.run_id])
    assert states(stack) == {"payments": applied.before["payments"], "sandbox": applied.after["sandbox"]}
    assert [step["operation"] for step in undone.alerts["I-1"]["steps"]] == ["DetachUserPolicy", "DeletePolicy"]
    assert undone.alerts["I-1"]["notes"] == []
    assert undone.alerts["I-1"]["policy"] == applied.run.alerts["I-1"]["policy"], "the report is signed, too"

    redone = applied.undo(run_id=undone.report["run_id"])
    assert (redone.rc, redone.dispositions) == (0, {"I-1": "undone"}), redone.stdout
    assert states(stack) == applied.after
    assert undeclared_calls(stack) == []


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


def lose_a_key(stack, alert_id, user):
    """Send the script that takes a policy and the access key of a user away; gives the policy's ARN."""
    seed(stack, "payments", users=[user])
    iam = stack.client("iam", "payments")
    arn = iam.create_policy(PolicyName=f"open-{user}", PolicyDocument=ALLOWING)["Policy"]["Arn"]
    iam.attach_user_policy(UserName=user, PolicyArn=arn)
    key = iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    detach = f"aws iam detach-user-policy --user-name {user} --policy-arn {arn}"
    send(
        stack,
        alert_id,
        "payments",
        user,
        f"{detach} && aws iam delete-access-key --user-name {user} --access-key-id {key}",
    )
    return arn


def statements_of(iam, user):
    policy = iam.get_user_policy(UserName=user, PolicyName="leastpriv-restrictions")["PolicyDocument"]
    return {statement["Sid"] for statement in policy["Statement"]}


CONSOLIDATED = ("I-one", "I-other")


def send_for_a_full_user(stack, account, alert_ids):
    """Alerts about a user to which no further policy can be attached, so that the user may choose one for the
    statements of all alerts; gives the account as it is before."""
    seed(stack, account, users=["alice"])
    iam = stack.client("iam", account)
    for number in range(10):
        arn = iam.create_policy(PolicyName=f"old-{number}", PolicyDocument=ALLOWING)["Policy"]["Arn"]
        iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    for alert_id in alert_ids:
        send(stack, alert_id, account, "alice")
    return iam_state(stack, account)


def test_each_alert_is_undone_only_where_all_is_as_it_was(stack):
    commands = {"I-1": "detach-user-policy", "I-2": "remove-user-from-group"}
    commands |= {"I-3": commands["I-1"], "I-4": commands["I-2"]}
    arns = {alert_id: take_away(stack, alert_id, f"user-{alert_id}", command) for alert_id, command in commands.items()}
    kept = lose_a_key(stack, "I-lost", "ann")
    seed(stack, "sandbox", users=["carol"])
    send(stack, "I-drifted", "sandbox", "carol")
    full = send_for_a_full_user(stack, "analytics", CONSOLIDATED)
    run = run_playbook(stack, "-e", "remediate_on_quota=consolidate")
    applied = [*commands, "I-lost", "I-drifted", *CONSOLIDATED]
    assert run.dispositions == dict.fromkeys(applied, "remediated"), run.stdout
    assert "its secret is gone" in run.alerts["I-lost"]["steps"][1]["undo"]
    restricted = {alert_id: access_of(stack, f"user-{alert_id}") for alert_id in commands}
    assert list(restricted.values()) == [(False, True), (True, False)] * 2
    changed = ("I-3", "I-4")
    for alert_id in changed:
        allow_all(stack.client("iam", "payments"), arns[alert_id])
    attached = stack.client("iam", "sandbox").list_attached_user_policies(UserName="carol")["AttachedPolicies"]
    allow_all(stack.client("iam", "sandbox"), attached[0]["PolicyArn"])
    drifted = iam_state(stack, "sandbox")
    first, second = CONSOLIDATED
    analytics = stack.client("iam", "analytics")
    assert statements_of(analytics, "alice") == {f"{own_sid(alert_id)}n1" for alert_id in CONSOLIDATED}

    of_one_policy = undo(stack, run.artifacts, "-e", f"alert_id={first}")
    assert (of_one_policy.rc, of_one_policy.dispositions) == (0, {first: "undone"}), of_one_policy.stdout
    assert statements_of(analytics, "alice") == {f"{own_sid(second)}n1"}, "each takes its own statements back"

    undone = undo(stack, run.artifacts, "-e", f"run_id={run.report['run_id']}")
    refused = dict.fromkeys([*changed, "I-drifted"], "refused")
    expected = {"I-1": "undone", "I-2": "undone", "I-lost": "not_undoable", **refused}
    expected |= {first: "already_undone", second: "undone"}
    assert (undone.rc, undone.dispositions) == (2, expected), undone.stdout
    for alert_id in commands:
        access = access_of(stack, f"user-{alert_id}")
        assert access == (restricted[alert_id] if alert_id in changed else (True, True))
        says_why = f"policy {arns[alert_id]} was changed" in (undone.alerts[alert_id]["reason"] or "")
        assert says_why is (alert_id in changed)
    assert iam_state(stack, "sandbox") == drifted, "nothing of an alert is undone when one of its steps cannot be"
    assert "more than one version" in undone.alerts["I-drifted"]["reason"]
    assert "delete-access-key ann: its secret is gone" in undone.alerts["I-lost"]["reason"]
    put_back = stack.client("iam", "payments").list_attached_user_policies(UserName="ann")["AttachedPolicies"]
    assert [one["PolicyArn"] for one in put_back] == [kept]
    assert iam_state(stack, "analytics") == full


def test_a_killed_run_is_undone_and_so_is_the_rest_of_an_interrupted_undo(stack):
    """In one account it was killed before the change was made, in the other one after it."""
    users = dict(zip(ACCOUNTS, ("alice", "carol"), strict=True))
    for account, user in users.items():
        seed(stack, account, users=[user])
    before = states(stack)
    for account, user in users.items():
        send(stack, f"I-{account}", account, user)
        stack.fault(
            action="AttachUserPolicy",
            account=stack.account_id(account),
            seconds=120,
            applied=account == "sandbox",
        )
    artifacts = new_artifacts_folder(stack)
    process = start_playbook(stack, artifacts=artifacts)
    try:
        stack.wait_for_call(action="AttachUserPolicy", count=2)
    finally:
        kill_run(process)
    stack.clear_faults()
    for account, user in users.items():
        attached = stack.client("iam", account).list_attached_user_policies(UserName=user)["AttachedPolicies"]
        assert bool(attached) is (account == "sandbox")
    (journal,) = artifacts.glob("*/journal.jsonl")
    run_id = journal.parent.name

    stack.fault(action="DetachUserPolicy", seconds=20, account=stack.account_id("sandbox"))
    alerts = ("-e", "alert_id=I-payments,I-sandbox")
    process = start_playbook(stack, *alerts, playbook="playbooks/undo.yml", artifacts=artifacts)
    try:
        stack.wait_for_call(action="DetachUserPolicy", account=stack.account_id("sandbox"))
        process.terminate()
        process.communicate(timeout=30)
    finally:
        kill_run(process)
    stack.clear_faults()
    report = read_report(artifacts)
    assert (process.returncode, report["mode"], report["undoes"]) == (143, "undo", [run_id])
    interrupted = {alert["alert_id"]: alert for alert in report["alerts"]}
    assert "Undo again" in interrupted["I-sandbox"]["reason"], "how to go on"

    undone = undo(stack, artifacts, "-e", f"run_id={run_id}")
    assert (undone.rc, undone.dispositions["I-sandbox"]) == (0, "undone"), undone.stdout
    assert "undone" in (interrupted["I-payments"]["disposition"], undone.dispositions["I-payments"])
    assert states(stack) == before
