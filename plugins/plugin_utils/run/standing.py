# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which changes of earlier runs no later undo has reverted, by their journals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import (
    INTENT,
    RESULT,
    EmptyJournal,
    Journal,
    JournalError,
    check_journal,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import NAME as JOURNAL
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo import changes

UNDO = "undo"
# How many journals are read at a time: S3 answers each after some 40 ms.
READERS = 8

# An account id and an alert id.
Change = tuple[str, str]


@dataclass(frozen=True)
class RunChanges:
    """The alerts that a run changed something for.

    :ivar changed: all of them, and `whole` those for which every step succeeded.
    """

    journal: Journal
    changed: frozenset[Change]
    whole: frozenset[Change]

    @property
    def undoes(self) -> Sequence[str]:
        """The ids of the runs that an undo reverts; empty for any other run."""
        run = self.journal.run
        return list(run.get("undoes") or ()) if run["mode"] == UNDO else ()


def read_changes(
    run_ids: Sequence[str], read: Callable[[str], bytes], key: str = ""
) -> tuple[dict[str, RunChanges], dict[str, str]]:
    """Read and check the journals of several runs.

    :param read: function of a run id that returns the text of its journal, or raises LeastprivError.
    :param key: the secret that journals must be signed with, if there is one.
    :returns: (the changes by run id, in the order given; why other journals cannot be trusted, by run id). A journal
        without a complete line is in neither: its run changed nothing.
    """

    def checked(run_id: str) -> RunChanges | LeastprivError:
        try:
            return _changes(check_journal(f"{run_id}/{JOURNAL}", read(run_id), key), run_id)
        except LeastprivError as error:
            return error

    with ThreadPoolExecutor(READERS) as pool:
        found = dict(zip(run_ids, pool.map(checked, run_ids), strict=True))
    wrong = {run_id: error for run_id, error in found.items() if isinstance(error, LeastprivError)}
    unread = {run_id: str(error) for run_id, error in wrong.items() if not isinstance(error, EmptyJournal)}
    return {run_id: one for run_id, one in found.items() if isinstance(one, RunChanges)}, unread


def _changes(journal: Journal, run_id: str) -> RunChanges:
    if journal.run.get("run_id") != run_id:
        # A complete journal stays valid in another folder.
        raise JournalError(f"The journal of {run_id} belongs to another run, {journal.run.get('run_id')}.")
    begun = [entry for entry in journal.entries if entry["event"] == INTENT]
    succeeded = {step_key(one) for one in journal.entries if one["event"] == RESULT and one["result"] != "failed"}
    partly = {change_of(entry) for entry in begun if step_key(entry) not in succeeded}
    changed = frozenset(change_of(entry) for entry in changes(journal))
    finished = {account for account, _alert in changed if journal.is_finished(account)}
    return RunChanges(journal, changed, frozenset(one for one in changed - partly if one[0] in finished))


def change_of(entry: Mapping[str, Any]) -> Change:
    """The account and the alert that an entry of a journal is about."""
    return entry["account_id"], entry["alert_id"]


def step_key(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """What identifies the step of an entry within its journal."""
    return entry["account_id"], entry["message_id"], entry["index"]


def standing_changes(runs: Mapping[str, RunChanges]) -> dict[str, frozenset[Change]]:
    """The alerts of each run whose changes no later undo has reverted entirely. An undo can be undone, too.

    :param runs: by run id, in any order.
    """
    undone: dict[str, set[Change]] = defaultdict(set)
    standing = {}
    # The newest first: an undo is newer than what it undoes.
    for run_id, run in sorted(runs.items(), reverse=True):
        standing[run_id] = run.changed - undone[run_id]
        for other in run.undoes:
            undone[other] |= run.whole - undone[run_id]
    return standing
