# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports and plans that earlier runs left in the artifacts folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError

RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}")


class NotReported(LeastprivError):
    """No report or plan tells what was asked for; the message says where it was looked for."""


def reported(alert_id, artifacts_dir, run_id=""):
    """Find an alert in the newest report that knows it, or in that of one run.

    :param alert_id: the vendor's id.
    :param artifacts_dir: folder of all runs.
    :param run_id: the name of a run's folder, or empty.
    :returns: dict of C(alert), as report.json has it, and the report's C(run_id), C(mode) and C(finished).
    :raises NotReported: naming the folder and what was found there.
    """
    folders = _folders(artifacts_dir, run_id)
    for folder in folders:
        report = _read(folder / "report.json")
        for alert in report["alerts"]:
            if alert["alert_id"] == alert_id:
                return {**{field: report[field] for field in ("run_id", "mode", "finished")}, "alert": alert}
    newest = f", the newest is {folders[0].name}" if folders else ""
    raise NotReported(
        f"No report knows the alert {alert_id!r} (reports looked through under {artifacts_dir}: "
        f"{len(folders)}{newest}). Review the queue with ansible-playbook remediate.yml --check, or "
        "name another remediate_artifacts_dir."
    )


def plan_of(named: str, artifacts_dir: str) -> Any:
    """Read a plan: that of a run, given as its id, or a file, given as its path.

    :returns: the JSON value, untrusted.
    :raises NotReported: naming the file.
    """
    file = Path(artifacts_dir, named, "plan.json") if RUN_ID.fullmatch(named) else Path(named).expanduser()
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotReported(f"There is no file {file}. Name a review's run id, or the path of its plan.json.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise NotReported(f"{file} cannot be read as a plan ({error}).") from None


def _folders(artifacts_dir, run_id):
    """The runs' folders that hold a report, the newest first: a run's id begins with its time."""
    if run_id and not RUN_ID.fullmatch(run_id):
        raise NotReported(f"{run_id!r} is no run id; one looks like 20260101T000000Z-3f2a, and names a run's folder.")
    files = Path(artifacts_dir).glob(f"{run_id or '*'}/report.json")
    return sorted((file.parent for file in files), key=lambda folder: folder.name, reverse=True)


def _read(file):
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotReported(f"{file} cannot be read ({error}); name another run with -e run_id=…") from error
