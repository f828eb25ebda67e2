# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports, plans and journals that earlier runs left in the artifacts folder."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict, cast

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import AlertOutcome, RunReport
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import NAME as JOURNAL
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import (
    EmptyJournal,
    Journal,
    JournalError,
    read_journal,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.playbook_command import playbook_command
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import SealError, check_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo import changes, undo_alerts

# The fields of an alert that only a report has.
REPORTED_FIELDS = ("account_name", "policy", "severity", "resource", "resource_id", "first_seen", "last_seen")
RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}")


class NotReported(LeastprivError):
    """No report or plan has the requested item; the message names the places that were searched."""


class ReportedAlert(TypedDict):
    """An alert as report.json has it, and its report's `run_id`, `mode` and `finished`."""

    run_id: str
    mode: str
    finished: str
    alert: dict[str, Any]


def report_entry(alert_id: str, artifacts_dir: str, run_id: str = "", key: str = "") -> ReportedAlert:
    """Find an alert in the newest report that has it, or in the report of one run.

    :param alert_id: the vendor's id.
    :param artifacts_dir: folder of all runs.
    :param run_id: the name of a run's folder, or empty.
    :param key: the secret that reports must be signed with, if there is one.
    :raises NotReported: naming the folder and the reports that it has.
    """
    folders = _folders(artifacts_dir, run_id)
    for folder in folders:
        report = _read(folder / "report.json", key)
        # A verification has the run's commands and not the vendor's script.
        for alert in report["alerts"] if run_id or report["mode"] != "verify" else ():
            if alert["alert_id"] == alert_id:
                return {
                    "run_id": report["run_id"],
                    "mode": report["mode"],
                    "finished": report["finished"],
                    "alert": alert,
                }
    newest = f", the newest is {folders[0].name}" if folders else ""
    raise NotReported(
        f"No report has the alert {alert_id!r} (reports searched under {artifacts_dir}: "
        f"{len(folders)}{newest}). Review the queue ({playbook_command('review', {})}), or set another "
        "remediate_artifacts_dir."
    )


def plan_of(named: str, artifacts_dir: str) -> Any:
    """Read a plan, named by its run's id or its file's path, or its own text.

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


def journal_entries(
    artifacts_dir: str, run_id: str = "", alert_ids: Collection[str] = (), key: str = ""
) -> list[AlertOutcome]:
    """The alerts to undo: those of one run, or each in the newest run that changed something for it.

    :param artifacts_dir: folder of all runs.
    :param run_id: the name of a run's folder, or empty; an undo can be named, and is undone.
    :param alert_ids: the alerts to undo; empty for all of the run.
    :param key: the secret that journals must be signed with, if there is one.
    :returns: the alerts of `undo_alerts` with `undoes` (their run), `later_run`, and the fields that its report has of
        them.
    :raises NotReported: if nothing is named, no such run changed anything, or no run changed anything for an alert.
    :raises JournalError: if a journal was edited.
    """
    if run_id:
        later = _later_runs(artifacts_dir, run_id, key)
        alerts = _of_run(_run_folder(artifacts_dir, run_id), alert_ids, key)
        return [{**alert, "later_run": later.get(alert["alert_id"], "")} for alert in alerts]
    if not alert_ids:
        raise NotReported("Choose what to undo: -e run_id=20260101T000000Z-3f2a, or -e alert_id=I-1234567, or both.")
    folders = sorted((file.parent for file in Path(artifacts_dir).glob(f"*/{JOURNAL}")), reverse=True)
    return [alert for alert_id in alert_ids for alert in _newest(folders, alert_id, artifacts_dir, key)]


def _run_folder(artifacts_dir: str, run_id: str) -> Path:
    if not RUN_ID.fullmatch(run_id):
        raise NotReported(_no_run_id(run_id))
    folder = Path(artifacts_dir, run_id)
    if not (folder / JOURNAL).exists():
        why = "it changed nothing" if folder.exists() else f"{artifacts_dir} has no such folder"
        raise NotReported(f"Run {run_id} has no journal: {why}. Name another run, or another remediate_artifacts_dir.")
    return folder


def _later_runs(artifacts_dir: str, run_id: str, key: str) -> dict[str, str]:
    """By alert the newest run after this one that changed something for it, unless that was undone.

    It only names what to undo first, so journals that cannot be read are left out.
    """
    later: dict[str, str] = {}
    for file in sorted(Path(artifacts_dir).glob(f"*/{JOURNAL}")):
        if file.parent.name > run_id:
            with suppress(JournalError):
                journal = _journal(file.parent, key)
                undone, changed = journal.run.get("undoes") or (), {one["alert_id"] for one in changes(journal)}
                later = {alert: run for alert, run in later.items() if not (run in undone and alert in changed)}
                later |= dict.fromkeys(changed, file.parent.name) if journal.run["mode"] == "apply" else {}
    return later


def _newest(folders: Collection[Path], alert_id: str, artifacts_dir: str, key: str) -> list[AlertOutcome]:
    """The alert in the newest journal that has it; the changes of an undo do not count."""
    for folder in folders:
        with suppress(EmptyJournal):
            journal = _journal(folder, key)
            if journal.run["mode"] == "apply" and any(one["alert_id"] == alert_id for one in changes(journal)):
                return _of_run(folder, [alert_id], key)
    raise NotReported(
        f"No run changed anything for the alert {alert_id!r} (journals searched under {artifacts_dir}: "
        f"{len(folders)}). Name another remediate_artifacts_dir."
    )


def _journal(folder: Path, key: str) -> Journal:
    journal = read_journal(folder / JOURNAL, key)
    if journal.run.get("run_id") != folder.name:
        # A complete journal stays valid in another folder.
        raise JournalError(f"The journal {folder / JOURNAL} belongs to another run, {journal.run.get('run_id')}.")
    return journal


def _of_run(folder: Path, alert_ids: Collection[str], key: str) -> list[AlertOutcome]:
    alerts = undo_alerts(_journal(folder, key), alert_ids)
    missing = sorted({*alert_ids} - {alert["alert_id"] for alert in alerts})
    if missing:
        raise NotReported(f"Run {folder.name} changed nothing for {' and '.join(missing)}.")
    # A killed run has no report. Its fields are only for people.
    with suppress(NotReported):
        alerts = _with_reported_fields(alerts, _read(folder / "report.json", key)["alerts"])
    return [{**alert, "undoes": folder.name} for alert in alerts]


def _with_reported_fields(
    alerts: Iterable[AlertOutcome], reported_alerts: Iterable[Mapping[str, Any]]
) -> list[AlertOutcome]:
    by_message = {alert["message_id"]: alert for alert in reported_alerts}
    fields = [(alert, by_message.get(alert["message_id"], {})) for alert in alerts]
    return [cast(AlertOutcome, {**{name: own.get(name) for name in REPORTED_FIELDS}, **alert}) for alert, own in fields]


def _no_run_id(run_id: str) -> str:
    return f"{run_id!r} is not a run id. A run id is a folder's name such as 20260101T000000Z-3f2a."


def _folders(artifacts_dir: str, run_id: str) -> list[Path]:
    """The runs' folders that have a report, the newest first: a run's id begins with its time."""
    if run_id and not RUN_ID.fullmatch(run_id):
        raise NotReported(_no_run_id(run_id))
    files = Path(artifacts_dir).glob(f"{run_id or '*'}/report.json")
    return sorted((file.parent for file in files), key=lambda folder: folder.name, reverse=True)


def _read(file: Path, key: str) -> RunReport:
    try:
        report: RunReport = json.loads(file.read_text(encoding="utf-8"))
        check_report(report, key)
        if not isinstance(report.get("alerts"), list):
            raise ValueError("it has no list of alerts")
    except (OSError, ValueError, RecursionError, SealError) as error:
        raise NotReported(f"{file} cannot be read ({error}); name another run with -e run_id=…") from error
    return report
