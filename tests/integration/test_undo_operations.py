# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operation of the table is applied and undone: the account is as it was, or the table says that it cannot be.

The real modules run in this process; what is written down goes through a journal on the disk.
"""

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.iam_account import IamAccount
from ansible_collections.leastpriv.iam.plugins.module_utils.operation_rows import Lost
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS as TABLE
from ansible_collections.leastpriv.iam.plugins.module_utils.protection import Protection
from ansible_collections.leastpriv.iam.plugins.module_utils.undoing import ALLOWED_TO_UNDO
from ansible_collections.leastpriv.iam.plugins.modules.observe import Batch
from ansible_collections.leastpriv.iam.plugins.plugin_utils.journal import append, intents, read_journal, results
from ansible_collections.leastpriv.iam.plugins.plugin_utils.undo import undo_alerts
from stack import iam_state

from .test_cli_twin import OPERATIONS, script_for
from .test_random_scripts import CALLER, Side, observed, run_module, world

__all__ = ["world"]
RUN = {"run_id": "20260101T000000Z-3f2a", "started": "2026-01-01T00:00:00Z", "mode": "apply"}
UNDOABLE = [name for name in OPERATIONS if not isinstance(TABLE[name].undo, Lost)]
LOST = [name for name in OPERATIONS if name not in UNDOABLE]


class Undo:
    """An account in which scripts are applied and undone."""

    def __init__(self, stack, operation, path):
        self.stack, self.path = stack, path
        account_id = f"3{OPERATIONS.index(operation):011d}"
        stack.add_profiles({f"undo-{operation}": account_id})
        self.side = Side(account_id, f"undo-{operation}", {})
        self.script = script_for(stack, operation, account_id)

    @property
    def state(self):
        return iam_state(self.stack, self.side.account_id)

    def apply(self, steps):
        """Apply what is needed and write it down; gives the steps as they were applied."""
        needed = [step for step in steps if step["status"] == "needed"]
        common = {"account": "here", "account_id": self.side.account_id, "caller": CALLER}
        append(self.path, RUN, [{**common, **line} for line in intents(needed)])
        applied = [{**run_module(step, self.side.profile), "step": step} for step in needed]
        append(self.path, RUN, [{**common, **line} for line in results(applied)])
        for one in applied:
            assert not one.get("failed"), (one["step"]["operation"], one.get("msg"))
            assert one["changed"], one["step"]["operation"]
        return needed

    def alerts(self):
        return undo_alerts(read_journal(self.path))

    def observe(self, alert):
        account = IamAccount(self.stack.client("iam", self.side.account_id))
        batch = Batch(account, self.side.account_id, "aws", ALLOWED_TO_UNDO, Protection([], CALLER, None))
        return batch.observe_alert(alert)

    def undo(self):
        (alert,) = self.alerts()
        seen = self.observe(alert)
        assert seen["disposition"] is None, seen["reason"]
        self.path = self.path.with_suffix(".undo")
        return self.apply(seen["steps"])


@pytest.mark.parametrize("operation", UNDOABLE)
def test_what_is_applied_and_undone_is_as_it_was(world, tmp_path, operation):
    undo = Undo(world[0], operation, tmp_path / "journal.jsonl")
    before = undo.state
    applied = undo.apply(observed(undo.stack, undo.side, undo.script)["steps"])
    after = undo.state
    assert after != before, "the script must change something, or it shows nothing"
    undone = [step["operation"] for step in undo.undo()]
    assert undo.state == before
    assert set(undone) <= {name for step in applied for name in TABLE[step["operation"]].undo}
    if not any(isinstance(TABLE[name].undo, Lost) for name in undone):
        undo.undo()
        assert undo.state == after, "an undo can be undone, too"


@pytest.mark.parametrize("operation", LOST)
def test_what_cannot_be_put_back_is_told(world, tmp_path, operation):
    undo = Undo(world[0], operation, tmp_path / "journal.jsonl")
    undo.apply(observed(undo.stack, undo.side, undo.script)["steps"])
    (alert,) = undo.alerts()
    assert alert["steps"] == []
    assert TABLE[operation].undo.reason in alert["lost"][0]
