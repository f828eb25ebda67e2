# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For every supported operation the playbook and the real AWS CLI leave the same account behind.

One account per operation; the CLI runs each script in that account's twin. In both the role may do what
playbooks/policies.yml writes for this one operation, and nothing else. One run of the playbook works on the operations
that between them use every option of every step file of the role; the others' modules run in this process (in
`make test-exhaustive` all go through the playbook).
"""

from __future__ import annotations

import functools
import shlex
from pathlib import Path

import boto3
import pytest
import yaml
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS as TABLE
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import STEPS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.files import policy_files
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.settings import read_permissions
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.translation import translate
from scale import scaled
from stack import Stack, give_role, iam_state, run_playbook
from stack.alerts import nested_alert
from stack.furnishing import WRITTEN, furnish
from stack.settings import ROLE_NAME

from .in_process import ALLOW, aws_environment, observe_script, run_module
from .real_cli import RealCli

FIXTURES = Path(__file__).parent.parent / "fixtures" / "steps"
OPERATIONS = sorted(row.name for row in STEPS)
WRITTEN_FOR = "123456789012"
# The one operation whose account furnish() makes otherwise.
FURNISHED_APART = "DisableOutboundWebIdentityFederation"


@functools.cache
def fixture_of(operation):
    return yaml.safe_load((FIXTURES / f"{operation}.yml").read_text())


def options_of(operation):
    """The options, each with its module, that an operation's fixture hands to the role's step file."""
    steps = translate(fixture_of(operation)["script"], WRITTEN_FOR, ALLOW)["steps"]
    return {(step["module"], option) for step in steps for option in step["args"]}


def cover_every_option():
    """Some operations that between them use every option that any operation uses."""
    options = {operation: options_of(operation) for operation in OPERATIONS}
    missing, chosen = set().union(*options.values()), []
    while missing:
        chosen.append(max(options, key=lambda operation: len(options[operation] & missing)))
        missing -= options[chosen[-1]]
    return chosen


def policy_for(operation, account_id, undo=False):
    """The account role's policy for one operation."""
    runner = f"arn:aws:iam::{account_id}:root"
    settings = {"operations": [operation], "undo": undo, "policy_names": ["*"], "runner": runner, "queue": "alerts"}
    return policy_files(read_permissions(settings))["account-role.json"]


def script_for(stack, operation, account_id):
    """The fixture's script as it reads for an account that has just been furnished, with a role for this operation."""
    made = furnish(stack.client("iam", account_id), account_id, operation)
    give_role(stack, account_id, policy_for(operation, account_id))
    script = fixture_of(operation)["script"].replace(WRITTEN_FOR, account_id)
    for kind, written in WRITTEN.items():
        script = script.replace(written, made[kind])
    return script


class Twins:
    """Per operation an account for the collection and one for the CLI, and the outcomes of both."""

    def __init__(self, stack: Stack, operations: list[str]) -> None:
        self.stack = stack
        self.ours = {name: f"1000000{index:05d}" for index, name in enumerate(operations)}
        self.theirs = {name: f"2000000{index:05d}" for index, name in enumerate(operations)}
        stack.add_profiles({f"ours-{name}": id_ for name, id_ in self.ours.items()})
        stack.add_profiles({f"theirs-{name}": id_ for name, id_ in self.theirs.items()})
        in_playbook = set(scaled(cover_every_option(), operations))
        self.run = self._run_playbook([name for name in operations if name in in_playbook])
        self.failures = self._run_modules([name for name in operations if name not in in_playbook])
        self.calls = stack.calls()

    def _run_playbook(self, operations):
        if not operations:
            return None
        hosts = {}
        for name in operations:
            account_id = self.ours[name]
            hosts[name] = {
                "account_id": account_id,
                "aws_profile": f"ours-{name}",
                "remediate_allow": fixture_of(name)["allow"],
            }
            self.stack.script(name, script_for(self.stack, name, account_id))
            self.stack.send(nested_alert(name, account_id))
        inventory = self.stack.write_inventory(self.stack.folder / "twins.yml", **hosts)
        run = run_playbook(self.stack, "-i", str(inventory), timeout=1200)
        assert (run.rc, set(run.dispositions.values())) == (0, {"remediated"}), run.stdout
        return run

    def _run_modules(self, operations):
        """Observe and apply each operation's script in this process; gives what failed."""
        with aws_environment(self.stack):
            return {name: self._run_module(name) for name in operations}

    def _run_module(self, operation):
        account_id, profile = self.ours[operation], f"ours-{operation}"
        script = script_for(self.stack, operation, account_id)
        seen = observe_script(boto3.Session(profile_name=profile).client("iam"), account_id, script)
        results = [run_module(step, profile) for step in seen["steps"] if step["status"] == "needed"]
        return seen["reason"] or [result for result in results if result.get("failed")]

    def failure(self, operation):
        """Why an operation was not applied."""
        if operation in self.failures:
            return self.failures[operation]
        alert = self.run.alerts[operation]
        return None if alert["disposition"] == "remediated" else alert["reason"]


@pytest.fixture(scope="module")
def twins(running_stack, request):
    """The twins of the operations that are to be tested: all of them, or those of pytest's -k."""
    running_stack.reset()
    mine = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    chosen = {item.callspec.params["operation"] for item in mine}
    return Twins(running_stack, [name for name in OPERATIONS if name in chosen])


@pytest.fixture(scope="module")
def real_cli(running_stack):
    with RealCli(running_stack.process_env) as started:
        yield started


@pytest.fixture(scope="module")
def untouched(twins):
    """What an account is before the script of an operation; all are alike but for what the role may do."""

    @functools.cache
    def state(furnished_for):
        account_id = f"3000000{len(furnished_for):05d}"
        furnish(twins.stack.client("iam", account_id), account_id, furnished_for)
        return without_role(iam_state(twins.stack, account_id))

    return lambda operation: state(operation if operation == FURNISHED_APART else "")


def without_role(state):
    return {**state, "roles": {name: role for name, role in state["roles"].items() if name != ROLE_NAME}}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_collection_and_the_cli_leave_the_same_account_behind(twins, real_cli, untouched, operation):
    stack, theirs = twins.stack, twins.theirs[operation]
    assert not twins.failure(operation)
    script = script_for(stack, operation, theirs)
    status, errors = real_cli.run(shlex.split(script)[1:], f"theirs-{operation}")
    assert status == 0, errors
    left = iam_state(stack, theirs)
    assert without_role(left) != untouched(operation), "the script must change something, or it shows nothing"
    assert iam_state(stack, twins.ours[operation]) == left


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_table_names_every_permission_that_the_playbook_needed(twins, operation):
    mine = [call for call in twins.calls if call["account"] == twins.ours[operation] and call["service"] == "iam"]
    assert {f"iam:{call['action']}" for call in mine} <= set(TABLE[operation].permissions)
    assert 403 not in [call["status"] for call in mine]
    assert sum(call["mutating"] for call in mine) == 1


def test_nothing_is_granted_that_no_run_ever_needs(twins):
    if len(twins.ours) < len(OPERATIONS):
        pytest.skip("needs every operation")
    called = {f"iam:{call['action']}" for call in twins.calls if call["service"] == "iam"}
    granted = {action for operation in OPERATIONS for action in TABLE[operation].permissions}
    # IAM checks PassRole, which is not a call. Providers are listed only to find an ARN in another letter case.
    rest = {"iam:PassRole", "iam:ListOpenIDConnectProviders", "iam:ListSAMLProviders"}
    assert granted - called == rest
