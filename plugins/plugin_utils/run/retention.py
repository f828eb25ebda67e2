# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of earlier runs are removed: those of expired runs, without the journals that an undo still needs.

`run/stores.py` has the places that they are removed from.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Protocol

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import NAME as JOURNAL
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import Keep
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.standing import (
    RunChanges,
    read_changes,
    standing_changes,
)

REPORT = "report.json"
# The files that runs write, and what a run that was killed leaves of one. Nothing else is ever removed.
WRITTEN = re.compile(
    r"(report\.(json|html|csv)|plan\.(json|md)|metrics\.prom|verify\.json|journal\.jsonl"
    r"|as_code\.zip|as_code/[^/]+\.(tf|cfn)\.json)"
    r"|\.(report|plan|metrics|verify|as_code)\.[a-z]+-[a-z0-9_]{8}|as_code/\.[^/]+\.(tf|cfn)\.json-[a-z0-9_]{8}",
    re.ASCII,
)
# A run without a report may still be working, but no message can be held for longer.
MAX_RUN = timedelta(hours=24)


class Store(Protocol):
    """Where runs leave their files."""

    name: str

    def runs(self) -> Mapping[str, Sequence[str]]:
        """The names of the files of each run, by run id."""

    def read(self, run_id: str, name: str) -> bytes:
        """The content of a file of a run. Raises LeastprivError."""

    def remove(self, files: Mapping[str, Sequence[str]]) -> list[str]:
        """Remove files by run id. Returns what could not be removed, a sentence each."""


@dataclass
class Cleanup:
    """What is removed from a store, or would be.

    :ivar files: the names of the files to remove, by run id.
    :ivar kept: the runs whose journals stay because their changes can still be undone.
    :ivar unread: why journals could not be read, by run id; they stay.
    """

    files: dict[str, list[str]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


def plan_cleanup(store: Store, keep: Keep, own_run: str, now: datetime, key: str = "") -> Cleanup:
    """Decide what to remove from a store.

    :param own_run: the id of the current run, which always stays.
    :param key: the secret that journals must be signed with, if there is one.
    :raises LeastprivError: if the store cannot be read.
    """
    runs = dict(sorted(store.runs().items(), reverse=True))
    cleanup = Cleanup({run_id: list(runs[run_id]) for run_id in _expired(runs, keep, own_run, now)})
    if any(JOURNAL in names for names in cleanup.files.values()):
        # A newer run may have undone an expired one.
        with_journal = [run_id for run_id, names in runs.items() if JOURNAL in names]
        changed, unread = read_changes(with_journal, partial(store.read, name=JOURNAL), key)
        needed = _needed(changed, unread, cleanup.files)
        cleanup.unread = {run_id: why for run_id, why in unread.items() if run_id in cleanup.files}
        cleanup.kept = [run_id for run_id in cleanup.files if run_id in needed.difference(unread)]
        for run_id in {*cleanup.kept, *cleanup.unread}:
            cleanup.files[run_id].remove(JOURNAL)
    cleanup.files = {run_id: names for run_id, names in cleanup.files.items() if names}
    return cleanup


def _expired(runs: Mapping[str, Sequence[str]], keep: Keep, own_run: str, now: datetime) -> list[str]:
    """The runs to remove; `runs` is sorted, the newest first."""
    return [
        run_id
        for place, run_id in enumerate(runs)
        if run_id != own_run
        and (place >= keep.runs if keep.age is None else _started(run_id) < now - keep.age)
        and (REPORT in runs[run_id] or _started(run_id) < now - MAX_RUN)
    ]


def _started(run_id: str) -> datetime:
    try:
        return datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        # Digits that are not a time: not an id that a run gave itself.
        return datetime.max.replace(tzinfo=timezone.utc)


def _needed(runs: Mapping[str, RunChanges], unread: Collection[str], expired: Collection[str]) -> set[str]:
    """The runs whose journals have changes that were not undone, and the undos that show what was."""
    standing = standing_changes(runs)
    needed = {*unread, *(run_id for run_id, run in runs.items() if not run.undoes and standing[run_id])}
    # The oldest first: an undo of an undo is needed if that is.
    for run_id, run in sorted(runs.items()):
        if needed.intersection(run.undoes):
            needed.add(run_id)
    # A run is removed with its undo and not before: if that is undone, the run's changes are in force again.
    for run_id, run in sorted(runs.items(), reverse=True):
        if run_id in needed or run_id not in expired:
            needed.update(run.undoes)
    return needed


def summary(cleanup: Cleanup, name: str, is_review: bool) -> list[str]:
    """What was removed from a store and which journals stay, for people; empty if no run expired."""
    removed = f"Retention: {'would remove' if is_review else 'removed'} files of {_runs(cleanup.files)} from {name}."
    kept = (
        f"Retention: kept the journals of {_runs(cleanup.kept)} in {name}, because their changes can still be undone, "
        "or show what was undone."
    )
    unread = [f"Retention: kept the journal of {run_id}: {why}" for run_id, why in cleanup.unread.items()]
    return [*([removed] if cleanup.files else []), *([kept] if cleanup.kept else []), *unread]


def _runs(run_ids: Collection[str]) -> str:
    return f"{len(run_ids)} run{'' if len(run_ids) == 1 else 's'}"
