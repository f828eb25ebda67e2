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


# Makes the organization's only account besides the one that manages it.
ORGANIZATION = "plugin: leastpriv.iam.organization\nrole_name: OrganizationAccountAccessRole\nexclude: [master]\n"
NAME = "Team {{ 6 * 7 }}, [1:2]"


def an_organization(stack):
    """An organization with an account of that name; gives the account's id and the inventory's file."""
    organizations = stack.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    made = organizations.create_account(AccountName=NAME, Email="a@example.com")["CreateAccountStatus"]
    inventory = stack.folder / "organization.yml"
    inventory.write_text(ORGANIZATION)
    return made["AccountId"], inventory


def test_keys_in_the_environment_work_beside_every_kind_of_profile_and_in_an_organization(stack):
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
    in_organization, organization = an_organization(stack)
    stack.client("s3", "queue").create_bucket(Bucket="journals")
    send_one_each(stack, "payments", "sandbox", QUEUE_ACCOUNT, in_organization)
    tags = {"session_tags": {"account": "{{ account_name | default(inventory_hostname) }}"}}
    stack.clear_calls()
    run = run_playbook(
        stack,
        *("-i", str(inventory), "-i", str(organization)),
        *("-e", f"remediate_queue_profile={QUEUE_PROFILE}", "-e", "remediate_artifacts_s3=s3://journals"),
        *("-e", json.dumps(tags)),
        env={**AWX_KEYS, "AWS_CONFIG_FILE": str(config)},
    )
    assert run.rc == 0, run.stdout
    assert run.report["totals"] == {"remediated": 4}
    assert run.alerts[f"I-{in_organization}"]["account"] == "Team____6___7______1_2_", "a name stays text"
    role = f"arn:aws:iam::{in_organization}:role/OrganizationAccountAccessRole"
    assert assumed(stack)[role]["Tags.member.1.Value"] == NAME


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
    """Applied by modules of the local connection, which work in the role's session, too; undone by warm ones."""
    send_one_each(stack, "payments", "analytics")
    before = [iam_state(stack, account) for account in ("payments", "analytics")]
    review = by_role("--check", "-vvvv")
    assert review.report["totals"] == {"planned": 2}, review.stdout
    assert_each_role_was_assumed_once_and_no_key_is_shown(stack, review)

    run = by_role("-vvvv", "-e", "ansible_connection=ansible.builtin.local", "-e", "remediate_unfenced=true")
    assert run.report["totals"] == {"remediated": 2}, run.stdout
    assert_each_role_was_assumed_once_and_no_key_is_shown(stack, run)
    assert_it_is_said_that_no_fence_stood(run)

    undo = ("-e", f"run_id={run.report['run_id']}", "-vvvv")
    undone = by_role(*undo, playbook="playbooks/undo.yml", artifacts=run.artifacts)
    assert undone.report["totals"] == {"undone": 2}, undone.stdout
    assert_each_role_was_assumed_once_and_no_key_is_shown(stack, undone)
    assert [iam_state(stack, account) for account in ("payments", "analytics")] == before


def assert_it_is_said_that_no_fence_stood(run):
    assert run.report["unfenced"] == ["analytics", "payments", "sandbox"]
    assert "WITHOUT THE CALL FENCE" in run.stdout
    [journal] = run.artifacts.glob("*/journal.jsonl")
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    assert {entry["fenced"] for entry in entries if entry["event"] == "intent"} == {False}
    page = next(run.artifacts.glob("*/report.html")).read_text()
    assert "Without the call fence" in page


def test_a_role_that_cannot_be_assumed_fails_its_account_and_the_session_of_another_is_renewed(stack, by_role):
    for account in ("payments", "analytics"):
        seed(stack, account, users=["alice", "bob"], groups=["admins"])
        for user in ("alice", "bob"):
            stack.client("iam", account).add_user_to_group(GroupName="admins", UserName=user)
            script = f"aws iam remove-user-from-group --group-name admins --user-name {user}"
            send_alert(stack, f"I-{account}-{user}", account, "user", user, script)
    # Of the account whose session is asked for first.
    stack.fault(action="AssumeRole", code="AccessDenied", status=403, message="Not you.")
    stack.shorten_sessions(12)
    # The only change, and the last call, of its module.
    stack.fault(action="RemoveUserFromGroup", seconds=13)
    run = by_role()
    assert (run.rc, run.report["totals"]) == (2, {"remediated": 2, "failed": 2}), run.stdout
    words = {alert["account"]: alert["disposition"] for alert in run.alerts.values()}
    assert sorted(words.values()) == ["failed", "remediated"]
    for alert in run.alerts.values():
        if alert["disposition"] == "failed":
            assert (
                f"Could not assume arn:aws:iam::{alert['account_id']}:role/team/{alert['account']}" in alert["reason"]
            )
            assert "Not you." in alert["reason"]
            assert "trust policy" in alert["reason"]
    left = {account: stack.client("iam", account).get_group(GroupName="admins")["Users"] for account in words}
    assert {account: len(users) for account, users in left.items()} == {
        account: 2 if word == "failed" else 0 for account, word in words.items()
    }
    assert len(stack.calls(action="AssumeRole", status=200)) == 2, "that of the other account, and its renewal"
    refused = [call["action"] for call in stack.calls() if call["status"] == 403]
    assert refused == ["AssumeRole"], "no call was made in a session that had ended"


def test_a_killed_run_leaves_no_keys(stack, by_role):
    send_one_each(stack, "payments")
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
