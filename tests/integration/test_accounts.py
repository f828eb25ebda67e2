# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run reaches its accounts: which identity works where, and that no key of it is ever shown."""

from __future__ import annotations

import json
import shutil
import signal

import pytest
from stack import iam_state, kill_run, new_artifacts_folder, run_playbook, seed, send_alert, start_playbook, wait_until
from stack.settings import BASE_ACCESS_KEY, BASE_SECRET_KEY, QUEUE_ACCOUNT, QUEUE_PROFILE, ROLE_NAME

# What AWX's credential "Amazon Web Services" puts into the environment.
AWX_KEYS = {
    "AWS_ACCESS_KEY_ID": BASE_ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": BASE_SECRET_KEY,
    "AWS_SECURITY_TOKEN": "token-of-the-base-identity",
    "AWS_SESSION_TOKEN": "token-of-the-base-identity",
}


def send_one_each(stack, *accounts):
    for account in accounts:
        seed(stack, account, users=["alice"])
        send_alert(stack, f"I-{account}", account, "user", "alice")


def test_keys_in_the_environment_work_beside_every_kind_of_profile(stack):
    config = stack.folder / "config-of-awx"
    begins_in_environment = (
        f"\n[profile from-environment]\nrole_arn = arn:aws:iam::{stack.account_id('sandbox')}:role/{ROLE_NAME}\n"
        "credential_source = Environment\n"
    )
    config.write_text((stack.folder / "aws-config").read_text() + begins_in_environment)
    hosts = {
        "payments": {"account_id": stack.account_id("payments"), "aws_profile": "payments"},
        "sandbox": {"account_id": stack.account_id("sandbox"), "aws_profile": "from-environment"},
        "base": {"account_id": QUEUE_ACCOUNT},
    }
    inventory = stack.write_inventory(stack.folder / "mixed.yml", **hosts)
    stack.client("s3", "queue").create_bucket(Bucket="journals")
    send_one_each(stack, "payments", "sandbox", QUEUE_ACCOUNT)
    run = run_playbook(
        stack,
        *("-i", str(inventory), "-e", f"remediate_queue_profile={QUEUE_PROFILE}"),
        *("-e", "remediate_artifacts_s3=s3://journals"),
        env={**AWX_KEYS, "AWS_CONFIG_FILE": str(config)},
    )
    assert run.rc == 0, run.stdout
    assert run.report["totals"] == {"remediated": 3}


@pytest.fixture
def by_role(stack):
    """Two accounts without profiles, and the identity that assumes their roles in the environment."""
    for left_by_others in [*stack.home.rglob("sessions")]:
        shutil.rmtree(left_by_others)
    roles = {
        name: {"account_id": account_id, "role_arn": f"arn:aws:iam::{account_id}:role/team/{name}"}
        for name, account_id in stack.accounts.items()
    }
    roles["payments"].update(external_id="4711", session_tags={"cost center": "42"})
    send_one_each(stack, "payments", "analytics")
    inventory = stack.write_inventory(stack.folder / "roles.yml", **roles)

    def run(*args, **given):
        stack.clear_calls()
        # As in AWX's execution environment: no configuration file, no region but the queue's.
        bare = {**AWX_KEYS, "AWS_PROFILE": None, "AWS_CONFIG_FILE": None, "AWS_SHARED_CREDENTIALS_FILE": None}
        return run_playbook(stack, "-i", str(inventory), *args, env=bare, **given)

    return run


def assumed(stack):
    """The parameters of AssumeRole, by role."""
    return {call["parameters"]["RoleArn"]: call["parameters"] for call in stack.calls(action="AssumeRole")}


def assert_each_role_was_assumed_once_and_no_key_is_shown(stack, run):
    assert len(stack.calls(action="AssumeRole")) == 2, "one for each account"
    sessions = assumed(stack)
    payments = sessions[f"arn:aws:iam::{stack.account_id('payments')}:role/team/payments"]
    analytics = sessions[f"arn:aws:iam::{stack.account_id('analytics')}:role/team/analytics"]
    assert payments["RoleSessionName"] == analytics["RoleSessionName"] == f"leastpriv-{run.report['run_id']}"
    assert payments["ExternalId"] == "4711"
    assert (payments["Tags.member.1.Key"], payments["Tags.member.1.Value"]) == ("cost center", "42")
    assert "ExternalId" not in analytics
    assert "AWS_SHARED_CREDENTIALS_FILE=" in run.stdout, "what the modules were given is shown"
    left = [path.read_text() for path in run.artifacts.rglob("*") if path.is_file()]
    shown = "".join([run.stdout, run.stderr, *left])
    assert not [key for key in [*stack.temporary_keys(), *AWX_KEYS.values()] if key in shown]
    assert not [*stack.home.rglob("sessions")], "nothing of it is left"


def test_a_role_is_assumed_once_for_a_review_once_to_apply_and_once_to_undo(stack, by_role):
    before = [iam_state(stack, account) for account in ("payments", "analytics")]
    for check, disposition in ((["--check"], "planned"), ([], "remediated")):
        run = by_role(*check, "-vvvv")
        assert run.report["totals"] == {disposition: 2}, run.stdout
        assert_each_role_was_assumed_once_and_no_key_is_shown(stack, run)
    undone = by_role("-e", f"run_id={run.report['run_id']}", playbook="playbooks/undo.yml", artifacts=run.artifacts)
    assert undone.report["totals"] == {"undone": 2}, undone.stdout
    assert [iam_state(stack, account) for account in ("payments", "analytics")] == before
    sessions = {parameters["RoleSessionName"] for parameters in assumed(stack).values()}
    assert (len(stack.calls(action="AssumeRole")), sessions) == (2, {f"leastpriv-{undone.report['run_id']}"})


def test_modules_of_the_local_connection_work_in_the_role_s_session_too(stack, by_role):
    run = by_role("-vvvv", "-e", "ansible_connection=ansible.builtin.local", "-e", "remediate_unfenced=true")
    assert run.report["totals"] == {"remediated": 2}, run.stdout
    assert_each_role_was_assumed_once_and_no_key_is_shown(stack, run)
    assert run.report["unfenced"] == ["analytics", "payments", "sandbox"]
    assert "WITHOUT THE CALL FENCE" in run.stdout
    [journal] = run.artifacts.glob("*/journal.jsonl")
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    assert {entry["fenced"] for entry in entries if entry["event"] == "intent"} == {False}
    page = next(run.artifacts.glob("*/report.html")).read_text()
    assert "Without the call fence" in page


def test_a_session_that_ends_in_the_middle_of_a_run_is_renewed(stack, by_role):
    seed(stack, "sandbox", users=["alice", "bob"], groups=["admins"])
    iam = stack.client("iam", "sandbox")
    for user in ("alice", "bob"):
        iam.add_user_to_group(GroupName="admins", UserName=user)
        script = f"aws iam remove-user-from-group --group-name admins --user-name {user}"
        send_alert(stack, f"I-{user}", "sandbox", "user", user, script)
    stack.shorten_sessions(12)
    # The only change, and the last call, of its module.
    stack.fault(action="RemoveUserFromGroup", seconds=13)
    run = by_role("--limit", "sandbox")
    assert run.report["totals"] == {"remediated": 2, "filtered": 2}, run.stdout
    assert iam.get_group(GroupName="admins")["Users"] == []
    assert len(stack.calls(action="AssumeRole")) == 2
    assert not [call for call in stack.calls() if call["status"] == 403]


def test_a_killed_run_leaves_no_keys(stack, by_role):
    stack.fault(action="GetUser", seconds=120)
    inventory = ["-i", str(stack.folder / "roles.yml")]
    process = start_playbook(stack, *inventory, "--limit", "payments", artifacts=new_artifacts_folder(stack))
    try:
        stack.wait_for_call(action="GetUser")
        assert [*stack.home.rglob("sessions/*")], "the session is kept for the run"
        process.send_signal(signal.SIGKILL)
        assert wait_until(lambda: not [*stack.home.rglob("sessions")], 10)
    finally:
        kill_run(process)


def test_a_role_that_cannot_be_assumed_fails_its_account_and_no_other(stack, by_role):
    stack.fault(action="AssumeRole", code="AccessDenied", status=403, message="Not you.")
    run = by_role()
    assert run.rc == 2
    assert sorted(run.dispositions.values()) == ["failed", "remediated"]
    (failed,) = [alert for alert in run.alerts.values() if alert["disposition"] == "failed"]
    assert f"Could not assume arn:aws:iam::{failed['account_id']}:role/team/{failed['account']}" in failed["reason"]
    assert "Not you." in failed["reason"]
    assert "trust policy" in failed["reason"]


def test_the_accounts_of_an_organization_are_worked_and_their_names_stay_text(stack):
    organizations = stack.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    name = "Team {{ 6 * 7 }}, [1:2]"
    made = organizations.create_account(AccountName=name, Email="a@example.com")["CreateAccountStatus"]
    send_one_each(stack, made["AccountId"])
    inventory = stack.folder / "organization.yml"
    inventory.write_text(
        "plugin: leastpriv.iam.organization\nrole_name: OrganizationAccountAccessRole\nexclude: [master]\n"
    )
    tags = ["-e", '{"session_tags": {"account": "{{ account_name }}"}}']
    run = run_playbook(stack, "-i", str(inventory), *tags, env=AWX_KEYS)
    assert run.rc == 0, run.stdout
    (alert,) = run.alerts.values()
    assert (alert["disposition"], alert["account"]) == ("remediated", "Team____6___7______1_2_")
    (call,) = stack.calls(action="AssumeRole")
    assert call["parameters"]["Tags.member.1.Value"] == name
