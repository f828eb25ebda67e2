# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For every supported operation the collection and the real AWS CLI leave the same account behind.

One account per operation; the CLI runs each script in that account's twin. In both the role may do what
playbooks/policies.yml writes for this one operation, and nothing else. The modules run in this process, with what
tests/unit/roles/test_steps.py shows that the role hands to them (in `make test-exhaustive` through the playbook).

One run of the playbook works on an operation of each step file of the role, in two accounts.
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
from scale import EXHAUSTIVE
from stack import Stack, give_role, iam_state, run_playbook
from stack.alerts import nested_alert
from stack.furnishing import WRITTEN, furnish
from stack.settings import ROLE_NAME

from .in_process import aws_environment, observe_script, run_module
from .real_cli import RealCli

FIXTURES = Path(__file__).parent.parent / "fixtures" / "steps"
OPERATIONS = sorted(row.name for row in STEPS)
WRITTEN_FOR = "123456789012"
# The one operation whose account furnish() makes otherwise.
FURNISHED_APART = "DisableOutboundWebIdentityFederation"
# One of choose_for_playbook() changes what others of them rely on: no run does both in one account.
APART = "SetDefaultPolicyVersion"


@functools.cache
def fixture_of(operation):
    return yaml.safe_load((FIXTURES / f"{operation}.yml").read_text())


def choose_for_playbook():
    """An operation of each step file: one of those with the most options."""
    modules = {TABLE[operation].module: [] for operation in OPERATIONS}
    for operation in OPERATIONS:
        modules[TABLE[operation].module].append(operation)
    return [max(mine, key=lambda operation: (len(TABLE[operation].args), operation)) for mine in modules.values()]


def policy_for(operations, account_id, undo=False):
    """The account role's policy for some operations."""
    runner = f"arn:aws:iam::{account_id}:root"
    settings = {"operations": operations, "undo": undo, "policy_names": ["*"], "runner": runner, "queue": "alerts"}
    return policy_files(read_permissions(settings))["account-role.json"]


def script_for(stack, operation, account_id):
    """The fixture's script as it reads for an account that has just been furnished, with a role for this operation."""
    return scripts_for(stack, [operation], account_id)[operation]


def scripts_for(stack, operations, account_id):
    """The scripts by operation for one account, with a role for these operations."""
    made = furnish(stack.client("iam", account_id), account_id, *operations[:1])
    give_role(stack, account_id, policy_for(operations, account_id))
    return {operation: written_for(operation, account_id, made) for operation in operations}


def written_for(operation, account_id, made):
    script = fixture_of(operation)["script"].replace(WRITTEN_FOR, account_id)
    for kind, written in WRITTEN.items():
        script = script.replace(written, made[kind])
    return script


def play(stack, accounts):
    """Run the playbook once on the operations of each account, given as {account id: (profile, operations)}."""
    hosts = {}
    for account_id, (profile, operations) in accounts.items():
        allow = sorted({rule for name in operations for rule in fixture_of(name)["allow"]})
        hosts[profile] = {"account_id": account_id, "aws_profile": profile, "remediate_allow": allow}
        for name, script in scripts_for(stack, operations, account_id).items():
            stack.script(f"{profile}-{name}", script)
            stack.send(nested_alert(f"{profile}-{name}", account_id))
    inventory = stack.write_inventory(stack.folder / "twins.yml", **hosts)
    run = run_playbook(stack, "-i", str(inventory), timeout=1200)
    assert (run.rc, set(run.dispositions.values())) == (0, {"remediated"}), run.stdout
    return run


class Twins:
    """Per operation an account for the collection and one for the CLI, and the outcomes of both."""

    def __init__(self, stack: Stack, operations: list[str]) -> None:
        self.stack = stack
        self.ours = {name: f"1000000{index:05d}" for index, name in enumerate(operations)}
        self.theirs = {name: f"2000000{index:05d}" for index, name in enumerate(operations)}
        stack.add_profiles({f"ours-{name}": id_ for name, id_ in self.ours.items()})
        stack.add_profiles({f"theirs-{name}": id_ for name, id_ in self.theirs.items()})
        self.failures = {}
        if EXHAUSTIVE:
            play(stack, {id_: (f"ours-{name}", [name]) for name, id_ in self.ours.items()})
        else:
            with aws_environment(stack):
                self.failures = {name: self._run_module(name) for name in operations}
        self.calls = stack.calls()

    def _run_module(self, operation):
        """Observe and apply an operation's script in this process; gives what failed."""
        account_id, profile = self.ours[operation], f"ours-{operation}"
        script = script_for(self.stack, operation, account_id)
        seen = observe_script(boto3.Session(profile_name=profile).client("iam"), account_id, script)
        results = [run_module(step, profile) for step in seen["steps"] if step["status"] == "needed"]
        return seen["reason"] or [result for result in results if result.get("failed")]


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


def run_cli(real_cli, script, profile):
    status, errors = real_cli.run(shlex.split(script)[1:], profile)
    assert status == 0, errors


def without_role(state):
    return {**state, "roles": {name: role for name, role in state["roles"].items() if name != ROLE_NAME}}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_collection_and_the_cli_leave_the_same_account_behind(twins, real_cli, untouched, operation):
    stack, theirs = twins.stack, twins.theirs[operation]
    assert not twins.failures.get(operation)
    run_cli(real_cli, script_for(stack, operation, theirs), f"theirs-{operation}")
    left = iam_state(stack, theirs)
    assert without_role(left) != untouched(operation), (
        "the script must change something, and tests/stack/details.py show it"
    )
    assert iam_state(stack, twins.ours[operation]) == left


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_table_names_every_permission_that_was_needed(twins, operation):
    assert_only_declared(calls_of_iam(twins.calls, twins.ours[operation]), [operation])


def calls_of_iam(calls, account_id):
    return [call for call in calls if call["account"] == account_id and call["service"] == "iam"]


def assert_only_declared(calls, operations):
    """Each operation needs one change, and nothing that its row of the table does not name."""
    called = {f"iam:{call['action']}" for call in calls}
    assert called <= {action for operation in operations for action in TABLE[operation].permissions}
    assert 403 not in [call["status"] for call in calls]
    assert sorted(call["action"] for call in calls if call["mutating"]) == sorted(operations)


def test_nothing_is_granted_that_no_run_ever_needs(twins):
    if len(twins.ours) < len(OPERATIONS):
        pytest.skip("needs every operation")
    called = {f"iam:{call['action']}" for call in twins.calls if call["service"] == "iam"}
    granted = {action for operation in OPERATIONS for action in TABLE[operation].permissions}
    # IAM checks PassRole, which is not a call. Providers are listed only to find an ARN in another letter case.
    rest = {"iam:PassRole", "iam:ListOpenIDConnectProviders", "iam:ListSAMLProviders"}
    assert granted - called == rest


def test_an_operation_of_each_step_file_through_the_playbook_is_as_in_the_cli(stack, real_cli):
    chosen = choose_for_playbook()
    accounts = {
        "400000000001": ("played-first", [name for name in chosen if name != APART]),
        "400000000002": ("played-second", [APART]),
    }
    theirs = {account_id: f"5{account_id[1:]}" for account_id in accounts}
    stack.add_profiles({profile: account_id for account_id, (profile, _operations) in accounts.items()})
    stack.add_profiles({f"cli-{account_id}": account_id for account_id in theirs.values()})
    play(stack, accounts)
    calls = stack.calls()
    for account_id, (_profile, operations) in accounts.items():
        assert_only_declared(calls_of_iam(calls, account_id), operations)
        for script in scripts_for(stack, operations, theirs[account_id]).values():
            run_cli(real_cli, script, f"cli-{theirs[account_id]}")
        assert iam_state(stack, account_id) == iam_state(stack, theirs[account_id])
