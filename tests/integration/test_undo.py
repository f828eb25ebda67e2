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
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import append, read_journal
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


def denials_of(stack, account, user):
    """The policies that are attached to a user, with their versions."""
    iam = stack.client("iam", account)
    arns = [one["PolicyArn"] for one in iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]]
    return {arn: [one["VersionId"] for one in iam.list_policy_versions(PolicyArn=arn)["Versions"]] for arn in arns}


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


def guarded_inventory(stack):
    """In payments a user is protected now, and the host sandbox reaches another account."""
    hosts = {name: {"account_id": stack.account_id(name), "aws_profile": name} for name in stack.accounts}
    protected = [{"arn": "arn:aws:iam::*:user/dan", "owner": "ops", "reason": "break glass"}]
    hosts["payments"]["remediate_protected_principals"] = protected
    hosts["sandbox"]["aws_profile"] = "analytics"
    return ["-i", str(stack.write_inventory(stack.folder / "guarded.yml", **hosts))]


def test_each_alert_is_undone_only_where_all_is_as_it_was(stack):
    """It also needs a principal that is not protected, and a host that reaches the account of the alert."""
    commands = {"I-1": "detach-user-policy", "I-2": "remove-user-from-group"}
    commands |= {"I-3": commands["I-1"], "I-4": commands["I-2"]}
    arns = {alert_id: take_away(stack, alert_id, f"user-{alert_id}", command) for alert_id, command in commands.items()}
    kept = lose_a_key(stack, "I-lost", "ann")
    untouched = {
        "I-drifted": ("payments", "carol"),
        "I-protected": ("payments", "dan"),
        "I-elsewhere": ("sandbox", "eve"),
    }
    for alert_id, (account, user) in untouched.items():
        seed(stack, account, users=[user])
        send(stack, alert_id, account, user)
    full = send_for_a_full_user(stack, "analytics", CONSOLIDATED)
    run = run_playbook(stack, "-e", "remediate_on_quota=consolidate")
    applied = [*commands, "I-lost", *untouched, *CONSOLIDATED]
    assert run.dispositions == dict.fromkeys(applied, "remediated"), run.stdout
    assert "its secret is gone" in run.alerts["I-lost"]["steps"][1]["undo"]
    restricted = {alert_id: access_of(stack, f"user-{alert_id}") for alert_id in commands}
    assert list(restricted.values()) == [(False, True), (True, False)] * 2
    changed = ("I-3", "I-4")
    for alert_id in changed:
        allow_all(stack.client("iam", "payments"), arns[alert_id])
    denies = {alert_id: denials_of(stack, *place) for alert_id, place in untouched.items()}
    allow_all(stack.client("iam", "payments"), *denies["I-drifted"])
    denies = {alert_id: denials_of(stack, *place) for alert_id, place in untouched.items()}
    first, second = CONSOLIDATED
    analytics = stack.client("iam", "analytics")
    assert statements_of(analytics, "alice") == {f"{own_sid(alert_id)}n1" for alert_id in CONSOLIDATED}

    of_one_policy = undo(stack, run.artifacts, "-e", f"alert_id={first}")
    assert (of_one_policy.rc, of_one_policy.dispositions) == (0, {first: "undone"}), of_one_policy.stdout
    assert statements_of(analytics, "alice") == {f"{own_sid(second)}n1"}, "each takes its own statements back"

    undone = undo(stack, run.artifacts, *guarded_inventory(stack), "-e", f"run_id={run.report['run_id']}")
    refused = dict.fromkeys([*changed, "I-drifted", "I-protected"], "refused")
    expected = {"I-1": "undone", "I-2": "undone", "I-lost": "not_undoable", "I-elsewhere": "failed", **refused}
    expected |= {first: "already_undone", second: "undone"}
    assert (undone.rc, undone.dispositions) == (2, expected), undone.stdout
    for alert_id in commands:
        access = access_of(stack, f"user-{alert_id}")
        assert access == (restricted[alert_id] if alert_id in changed else (True, True))
        says_why = f"policy {arns[alert_id]} was changed" in (undone.alerts[alert_id]["reason"] or "")
        assert says_why is (alert_id in changed)
    assert {alert_id: denials_of(stack, *place) for alert_id, place in untouched.items()} == denies, (
        "nothing of an alert is undone when one of its steps cannot be"
    )
    assert "more than one version" in undone.alerts["I-drifted"]["reason"]
    assert "break glass" in undone.alerts["I-protected"]["reason"]
    assert f"belongs to account {stack.account_id('analytics')}" in undone.alerts["I-elsewhere"]["reason"]
    assert "delete-access-key ann: its secret is gone" in undone.alerts["I-lost"]["reason"]
    put_back = stack.client("iam", "payments").list_attached_user_policies(UserName="ann")["AttachedPolicies"]
    assert [one["PolicyArn"] for one in put_back] == [kept]
    assert iam_state(stack, "analytics") == full


STEPS = ("CreatePolicy", "AttachUserPolicy")


def steps_of(journal, event):
    return {(one["alert_id"], one["operation"]) for one in read_journal(journal).entries if one["event"] == event}


def test_a_killed_run_leaves_its_journal_and_a_copy_and_is_undone_although_the_undo_is_interrupted(stack):
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
    s3 = stack.client("s3", "queue")
    s3.create_bucket(Bucket="journals")
    artifacts = new_artifacts_folder(stack)
    process = start_playbook(stack, "-e", "remediate_artifacts_s3=s3://journals/leastpriv", artifacts=artifacts)
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
    events = {event: steps_of(journal, event) for event in ("intent", "result")}
    created, attached = ({(f"I-{account}", name) for account in ACCOUNTS} for name in STEPS)
    assert events == {"intent": created | attached, "result": created}, "what it was about to do"
    copy = s3.get_object(Bucket="journals", Key=f"leastpriv/{run_id}/journal.jsonl")["Body"].read()
    assert copy == journal.read_bytes(), "it was there before the change was made"

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
