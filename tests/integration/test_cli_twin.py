# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For every supported operation the playbook and the real AWS CLI leave the same account behind.

One run of the playbook works on one account per operation; the CLI runs each script in that account's twin.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import STEPS
from stack import Stack, cli, iam_state, run_playbook
from stack.alerts import nested_alert

FIXTURES = Path(__file__).parent.parent / "fixtures" / "steps"
OPERATIONS = sorted(row.name for row in STEPS)
WRITTEN_FOR = "123456789012"
WRITTEN_KEY = "AKIAEXAMPLE000000000"


def a_document(effect, action, **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, **more}]})


def furnish(iam, account_id):
    """Make what the fixtures' scripts are about; gives the id of the one access key."""
    arn = f"arn:aws:iam::{account_id}:policy/"
    trust = a_document("Allow", "sts:AssumeRole", Principal={"Service": "ec2.amazonaws.com"})
    iam.create_user(UserName="bob", Tags=[{"Key": "team", "Value": "red"}])
    iam.create_role(RoleName="ci", AssumeRolePolicyDocument=trust, Description="builds", MaxSessionDuration=7200)
    for group in ("staff", "idle"):
        iam.create_group(GroupName=group)
    for name, effect in (("allows", "Allow"), ("denies", "Deny"), ("denies-more", "Deny")):
        iam.create_policy(PolicyName=name, PolicyDocument=a_document(effect, "s3:*", Resource="*"))
    for kind, name in (("user", "bob"), ("role", "ci"), ("group", "staff")):
        named = {f"{kind.capitalize()}Name": name}
        getattr(iam, f"attach_{kind}_policy")(**named, PolicyArn=f"{arn}allows")
        document = a_document("Allow", "s3:*", Resource="*")
        getattr(iam, f"put_{kind}_policy")(**named, PolicyName="open", PolicyDocument=document)
    iam.add_user_to_group(GroupName="staff", UserName="bob")
    iam.create_login_profile(UserName="bob", Password="emulated-Passw0rd")
    iam.create_user(UserName="bound", PermissionsBoundary=f"{arn}allows")
    iam.create_role(RoleName="bound", AssumeRolePolicyDocument=trust, PermissionsBoundary=f"{arn}allows")
    for profile in ("box", "empty"):
        iam.create_instance_profile(InstanceProfileName=profile)
    iam.add_role_to_instance_profile(InstanceProfileName="box", RoleName="ci")
    iam.update_account_password_policy(MinimumPasswordLength=10, MaxPasswordAge=365)
    return iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]


def fixture_of(operation):
    return yaml.safe_load((FIXTURES / f"{operation}.yml").read_text())


def script_for(stack, operation, account_id):
    """The fixture's script as it reads for an account that has just been furnished."""
    key = furnish(stack.client("iam", account_id), account_id)
    return fixture_of(operation)["script"].replace(WRITTEN_FOR, account_id).replace(WRITTEN_KEY, key)


class Twins:
    """Per operation an account for the playbook and one for the CLI, and what became of both."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.ours = {name: f"1000000{index:05d}" for index, name in enumerate(OPERATIONS)}
        self.theirs = {name: f"2000000{index:05d}" for index, name in enumerate(OPERATIONS)}
        stack.add_profiles({f"ours-{name}": id_ for name, id_ in self.ours.items()})
        stack.add_profiles({f"theirs-{name}": id_ for name, id_ in self.theirs.items()})
        self.run = self._run_playbook()

    def _run_playbook(self):
        hosts = {}
        for name, account_id in self.ours.items():
            hosts[name] = {
                "account_id": account_id,
                "aws_profile": f"ours-{name}",
                "remediate_allow": fixture_of(name)["allow"],
            }
            alert_id = f"I-{account_id}"
            self.stack.script(alert_id, script_for(self.stack, name, account_id))
            self.stack.send(nested_alert(alert_id, account_id))
        inventory = self.stack.write_inventory(self.stack.folder / "twins.yml", **hosts)
        return run_playbook(self.stack, "-i", str(inventory), timeout=600)


@pytest.fixture(scope="module")
def twins(running_stack):
    running_stack.reset()
    return Twins(running_stack)


def test_the_run_needs_no_person(twins):
    assert twins.run.rc == 0, twins.run.stdout
    assert set(twins.run.dispositions.values()) == {"remediated"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_playbook_and_the_cli_leave_the_same_account_behind(twins, operation):
    stack, theirs = twins.stack, twins.theirs[operation]
    alert = twins.run.alerts[f"I-{twins.ours[operation]}"]
    assert alert["disposition"] == "remediated", alert["reason"]
    script = script_for(stack, operation, theirs)
    untouched = iam_state(stack, theirs)
    ran = cli(stack, f"theirs-{operation}", script)
    assert ran.returncode == 0, ran.stderr
    assert iam_state(stack, theirs) != untouched, "the script must change something, or it shows nothing"
    assert iam_state(stack, twins.ours[operation]) == iam_state(stack, theirs)
