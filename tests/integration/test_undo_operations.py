# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operation that the table lists can be undone is applied and undone: the account is as it was.

In between a verification finds that it holds, and after the undo that it does not.

The role may do what playbooks/policies.yml writes for the operation and its undo, and nothing else. The real modules
run in this process; what is written down goes through a journal on the disk.
"""

from __future__ import annotations

import shlex

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import IamAccount
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.protection import Protection
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.batch import Batch
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.undoing import ALLOWED_TO_UNDO
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.verification import Verification
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS as TABLE
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.undo import Irreversible
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import append, intents, read_journal, results
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.standing import read_changes
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo import undo_alerts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.verification import alerts_of
from stack import give_role, iam_state
from stack.furnishing import furnish

from .in_process import CALLER, run_module
from .second_actor import DENY_MORE
from .test_cli_twin import OPERATIONS, fixture_of, policy_for
from .test_random_scripts import Side, observed, world

__all__ = ["world"]
RUN = {"run_id": "20260101T000000Z-3f2a", "started": "2026-01-01T00:00:00Z", "mode": "apply"}
UNDOABLE = [name for name in OPERATIONS if not isinstance(TABLE[name].undo, Irreversible)]


class Account:
    """An account in which scripts are applied and undone. Each leaves it as it found it."""

    def __init__(self, stack, side):
        self.stack = stack
        self.side = side
        self.furnished = None
        self.is_restored = True

    def permit(self, operation):
        """Let the role do and undo this operation, and remember the account as it is then."""
        give_role(self.stack, self.side.account_id, policy_for([operation], self.side.account_id, undo=True))
        self.furnished = iam_state(self.stack, self.side.account_id)

    def apply(self, steps, journal):
        """Apply what is needed and write it down; gives the operations."""
        needed = [step for step in steps if step["status"] == "needed"]
        common = {"account": "here", "account_id": self.side.account_id, "caller": CALLER}
        append(journal, RUN, [{**common, **line} for line in intents(needed)])
        applied = [{**run_module(step, self.side.profile), "step": step} for step in needed]
        append(journal, RUN, [{**common, **line} for line in results(applied)])
        for one in applied:
            assert not one.get("failed"), (one["step"]["operation"], one.get("msg"))
            assert one["changed"], one["step"]["operation"]
        return [step["operation"] for step in needed]

    def observe_undo(self, undone):
        """The steps that undo one journal."""
        (alert,) = undo_alerts(read_journal(undone))
        account = IamAccount(self.stack.client("iam", self.side.account_id))
        batch = Batch(account, self.side.account_id, "aws", ALLOWED_TO_UNDO, Protection([], CALLER, None))
        seen = batch.observe_alert(alert)
        assert seen["disposition"] is None, seen["reason"]
        return seen["steps"]

    def undo(self, undone, journal):
        """Undo one journal and write another."""
        return self.apply(self.observe_undo(undone), journal)

    def verify(self, journal):
        """What a verification says of one journal: the disposition and the states of the steps."""
        runs, unread = read_changes([RUN["run_id"]], lambda run_id: journal.read_bytes())
        assert unread == {}
        (alert,) = alerts_of(runs)
        account = IamAccount(self.stack.client("iam", self.side.account_id))
        seen = Verification(account, (self.side.account_id, "aws"), lambda step: "").verify_alert(alert)
        return seen["disposition"], [step["why"] for step in seen["steps"] if step["state"] != "holds"]


def a_furnished_account(stack, number, operation=None):
    """An account with one of everything."""
    account_id = f"3{number:011d}"
    stack.add_profiles({f"undo-{number}": account_id})
    made = furnish(stack.client("iam", account_id), account_id, operation)
    return Account(stack, Side(account_id, f"undo-{number}", made))


@pytest.fixture(scope="module")
def accounts(world):
    """Give an account in which an operation can change something."""
    stack, _cli = world
    made = [a_furnished_account(stack, 0)]

    def account(operation):
        if operation == "DisableOutboundWebIdentityFederation":
            return a_furnished_account(stack, 99, operation)
        # A test that failed has left it otherwise.
        if not made[-1].is_restored:
            made.append(a_furnished_account(stack, len(made)))
        return made[-1]

    return account


@pytest.mark.parametrize("operation", UNDOABLE)
def test_what_is_applied_and_undone_is_as_it_was(accounts, tmp_path, operation):
    account = accounts(operation)
    account.is_restored = False
    account.permit(operation)
    script = account.side.command(shlex.split(fixture_of(operation)["script"]))
    did = account.apply(observed(account.stack, account.side, script)["steps"], tmp_path / "applied")
    assert did == [operation], "the script must change something, or it shows nothing"
    assert account.verify(tmp_path / "applied") == ("holds", [])
    undid = account.undo(tmp_path / "applied", tmp_path / "undone")
    disposition, why = account.verify(tmp_path / "applied")
    assert (disposition, len(why)) == ("reverted", 1)
    assert set(undid) <= set(TABLE[operation].undo.operations)
    assert iam_state(account.stack, account.side.account_id) == account.furnished
    account.is_restored = True


def test_an_undo_goes_through_the_call_fence_as_well(accounts, tmp_path):
    """Somebody changes the policy between observing and undoing; test_call_fence.py does so to the playbook."""
    account = accounts("PutUserPolicy")
    account.is_restored = False
    account.permit("PutUserPolicy")
    script = account.side.command(shlex.split(fixture_of("PutUserPolicy")["script"]))
    account.apply(observed(account.stack, account.side, script)["steps"], tmp_path / "applied")
    (step,) = account.observe_undo(tmp_path / "applied")
    named = {name: step["parameters"][name] for name in ("UserName", "PolicyName")}
    account.stack.client("iam", account.side.account_id).put_user_policy(**named, PolicyDocument=DENY_MORE)
    before = iam_state(account.stack, account.side.account_id)
    result = run_module(step, account.side.profile)
    assert "its inline policy differs. Nothing was sent" in result["msg"]
    assert iam_state(account.stack, account.side.account_id) == before
