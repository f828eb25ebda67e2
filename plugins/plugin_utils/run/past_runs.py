# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports, plans and journals that earlier runs left in the artifacts folder."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.command import next_step
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import NAME as JOURNAL
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import EmptyJournal, JournalError, read_journal
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import SealError, check_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo import changes, undo_alerts

# What a report tells of an alert that a journal does not.
TOLD = ("account_name", "policy", "severity", "resource", "resource_id", "first_seen", "last_seen")
RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}")


class NotReported(LeastprivError):
    """No report or plan tells what was asked for; the message says where it was looked for."""


def reported(alert_id, artifacts_dir, run_id="", key=""):
    """Find an alert in the newest report that knows it, or in that of one run.

    :param alert_id: the vendor's id.
    :param artifacts_dir: folder of all runs.
    :param run_id: the name of a run's folder, or empty.
    :param key: the secret that reports must be signed with, if there is one.
    :returns: dict of C(alert), as report.json has it, and the report's C(run_id), C(mode) and C(finished).
    :raises NotReported: naming the folder and what was found there.
    """
    folders = _folders(artifacts_dir, run_id)
    for folder in folders:
        report = _read(folder / "report.json", key)
        for alert in report["alerts"]:
            if alert["alert_id"] == alert_id:
                return {**{field: report[field] for field in ("run_id", "mode", "finished")}, "alert": alert}
    newest = f", the newest is {folders[0].name}" if folders else ""
    raise NotReported(
        f"No report knows the alert {alert_id!r} (reports looked through under {artifacts_dir}: "
        f"{len(folders)}{newest}). Review the queue ({next_step('review', {})}), or name another "
        "remediate_artifacts_dir."
    )


def plan_of(named: str, artifacts_dir: str) -> Any:
    """Read a plan: that of a run, given as its id, a file, given as its path, or its own text.

    :returns: the JSON value, untrusted.
    :raises NotReported: naming the file.
    """
    if named.lstrip().startswith("{"):
        return _parsed("The text", named)
    file = Path(artifacts_dir, named, "plan.json") if RUN_ID.fullmatch(named) else Path(named).expanduser()
    try:
        return _parsed(file, file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotReported(f"There is no file {file}. Name a review's run id, or the path of its plan.json.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise NotReported(f"{file} cannot be read as a plan ({error}).") from None


def _parsed(where: Any, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotReported(f"{where} cannot be read as a plan ({error}).") from None


def journaled(
    artifacts_dir: str, run_id: str = "", alert_ids: Sequence[str] = (), key: str = ""
) -> list[dict[str, Any]]:
    """The alerts to undo: those of one run, or each in the newest run that changed something for it.

    :param artifacts_dir: folder of all runs.
    :param run_id: the name of a run's folder, or empty; an undo can be named, and is undone.
    :param alert_ids: the alerts to undo; empty for all of the run.
    :param key: the secret that journals must be signed with, if there is one.
    :returns: alerts as C(undo_alerts) gives them, with C(undoes) (their run) and what its report tells of them.
    :raises NotReported: when nothing is named, no such run has changed anything, or an alert is in none.
    :raises JournalError: for a journal that is not as it was written.
    """
    if run_id:
        return _of_run(_run_folder(artifacts_dir, run_id), alert_ids, key)
    if not alert_ids:
        raise NotReported("Say what to undo: -e run_id=20260101T000000Z-3f2a, or -e alert_id=I-1234567, or both.")
    folders = sorted((file.parent for file in Path(artifacts_dir).glob(f"*/{JOURNAL}")), reverse=True)
    return [alert for alert_id in alert_ids for alert in _newest(folders, alert_id, artifacts_dir, key)]


def _run_folder(artifacts_dir, run_id):
    if not RUN_ID.fullmatch(run_id):
        raise NotReported(_no_run_id(run_id))
    folder = Path(artifacts_dir, run_id)
    if not (folder / JOURNAL).exists():
        why = "it changed nothing" if folder.exists() else f"{artifacts_dir} has no such folder"
        raise NotReported(f"Run {run_id} has no journal: {why}. Name another run, or another remediate_artifacts_dir.")
    return folder


def _newest(folders, alert_id, artifacts_dir, key):
    """The alert in the newest journal that has it; what an undo put back is not taken for a run's own change."""
    for folder in folders:
        with suppress(EmptyJournal):
            journal = _journal(folder, key)
            if journal.run["mode"] == "apply" and any(one["alert_id"] == alert_id for one in changes(journal)):
                return _of_run(folder, [alert_id], key)
    raise NotReported(
        f"No run changed anything for the alert {alert_id!r} (journals looked through under {artifacts_dir}: "
        f"{len(folders)}). Name another remediate_artifacts_dir."
    )


def _journal(folder, key):
    journal = read_journal(folder / JOURNAL, key)
    if journal.run.get("run_id") != folder.name:
        # A whole journal is as it was written, wherever it is put.
        raise JournalError(f"The journal {folder / JOURNAL} is that of another run, {journal.run.get('run_id')}.")
    return journal


def _of_run(folder, alert_ids, key):
    alerts = undo_alerts(_journal(folder, key), alert_ids)
    missing = sorted({*alert_ids} - {alert["alert_id"] for alert in alerts})
    if missing:
        raise NotReported(f"Run {folder.name} changed nothing for {' and '.join(missing)}.")
    # A run that was killed has no report; it only tells people more of the alert.
    with suppress(NotReported):
        told = {alert["message_id"]: alert for alert in _read(folder / "report.json", key)["alerts"]}
        alerts = [{**_told(told.get(alert["message_id"], {})), **alert} for alert in alerts]
    return [{**alert, "undoes": folder.name} for alert in alerts]


def _told(alert):
    return {field: alert.get(field) for field in TOLD}


def _no_run_id(run_id):
    return f"{run_id!r} is no run id; one looks like 20260101T000000Z-3f2a, and names a run's folder."


def _folders(artifacts_dir, run_id):
    """The runs' folders that hold a report, the newest first: a run's id begins with its time."""
    if run_id and not RUN_ID.fullmatch(run_id):
        raise NotReported(_no_run_id(run_id))
    files = Path(artifacts_dir).glob(f"{run_id or '*'}/report.json")
    return sorted((file.parent for file in files), key=lambda folder: folder.name, reverse=True)


def _read(file, key):
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        check_report(report, key)
        if not isinstance(report.get("alerts"), list):
            raise ValueError("it has no list of alerts")
    except (OSError, ValueError, RecursionError, SealError) as error:
        raise NotReported(f"{file} cannot be read ({error}); name another run with -e run_id=…") from error
    return report
