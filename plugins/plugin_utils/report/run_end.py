# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a run: its report, then page, table, metrics and plan. Each file is made apart from the others.

The role and the callback that ends an interrupted run share it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from ansible import constants
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.counter import FILE_NAME, count_calls
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import attempt
from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import utc_text
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import AlertOutcome, RunReport
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.as_code import FOLDER, as_code_files
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.csv_report import csv_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.html_report import html_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.metrics import metrics
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.plan_table import plan_table
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.artifacts import (
    PUBLIC,
    Made,
    write_archive,
    write_artifacts,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import api_endpoint, user_name
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import to_page
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.plan import make_plan
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import read_key, sign_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import read_lifetime
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.verification import verification


class EndedRun(NamedTuple):
    """A run that has ended.

    :ivar report: the content of report.json, not signed.
    :ivar files: the names of the files in its folder.
    :ivar metrics: the text of metrics.prom; None if it could not be made.
    :ivar problems: what could not be made or written, a sentence each.
    """

    report: RunReport
    files: list[str]
    metrics: str | None
    problems: list[str]


def end_run(record: Mapping[str, Any], alerts: Sequence[AlertOutcome], **more: Any) -> EndedRun:
    """Write the files of a run that ends now into its folder.

    :param record: the fact `RUN` (plugin_utils/run/facts.py), and the run's `run_id` and `started`.
    :param alerts: all alerts with their outcomes.
    :param more: further fields of `Run`.
    """
    finished, is_review = utc_text(datetime.now(timezone.utc)), record["check_mode"]
    shared = {"tolerate": record["tolerate"], "awx": record["awx"], "verify": record.get("is_verify", False)}
    run = Run(alerts, record["run_id"], record["started"], finished, is_review, **shared, **more)
    made = report(run)
    folder = Path(record["artifacts_dir"], run.run_id)
    # First, so it exists even if a file derived from it cannot be made.
    problems = write_artifacts(folder, {"report.json": to_page(sign_report(made, read_key()))})
    files = derived_files(made, record["api_endpoint"] or api_endpoint())
    if run.verify:
        files["verify.json"] = _made("verify.json", lambda: to_page(verification(alerts)))
    elif is_review and not record["is_undo"] and not run.interrupted:
        files |= _plan(run, made, record["plan_lifetime"])
    if record.get("as_code") and not (record["is_undo"] or run.verify):
        code = attempt(f"making {FOLDER}", lambda: _as_code(alerts), _no_code)
        problems += write_artifacts(folder, code)
        # S3 gets one file, however many alerts there are.
        problems += write_archive(folder / f"{FOLDER}.zip", code) if record["is_copied"] else []
    problems += write_artifacts(folder, files)
    if record["metrics_file"]:
        shown = Path(record["metrics_file"])
        problems += write_artifacts(shown.parent, {shown.name: files["metrics.prom"]}, PUBLIC)
    written = [name for name in ("report.json", *files) if (folder / name).is_file()]
    return EndedRun(made, written, files["metrics.prom"]["text"], problems)


def derived_files(made: RunReport, endpoint: str = "") -> dict[str, Made]:
    """The page, the table and the metrics of a report.

    :param endpoint: address of the vendor's API, from which the page derives links to the console; or empty.
    """
    calls = Path(constants.DEFAULT_LOCAL_TMP, FILE_NAME)
    return {
        "report.html": _made("report.html", lambda: html_report(made, endpoint)),
        "report.csv": _made("report.csv", lambda: csv_report(made)),
        "metrics.prom": _made("metrics.prom", lambda: metrics(made, count_calls(calls))),
    }


def _as_code(alerts: Sequence[AlertOutcome]) -> dict[str, Made]:
    return {name: Made(text=text, problem=None) for name, text in as_code_files(alerts).items()}


def _no_code(why: str) -> dict[str, Made]:
    return {FOLDER: Made(text=None, problem=why)}


def _made(name: str, make: Callable[[], str]) -> Made:
    return attempt(f"making {name}", lambda: Made(text=make(), problem=None), lambda why: Made(text=None, problem=why))


def _plan(run: Run, reported: RunReport, lifetime: str) -> dict[str, Made]:
    """plan.json and plan.md."""
    left_out: list[str] = []
    plan: dict[str, Any] = {}
    awx = run.awx or {}
    job = awx.get("awx_job_id")
    who = {"user": user_name(), "awx_user": awx.get("awx_user_name"), "awx_job": None if job is None else str(job)}

    def make() -> str:
        until = read_lifetime(lifetime)
        plan.update(make_plan(run.alerts, run.run_id, run.finished, until, who, read_key(), left_out))
        return to_page(plan)

    file = _made("plan.json", make)
    problem = " ".join(filter(None, [file["problem"], *left_out])) or None
    table = {"plan.md": _made("plan.md", lambda: plan_table(reported, plan))} if plan else {}
    return {"plan.json": Made(text=file["text"], problem=problem), **table}
