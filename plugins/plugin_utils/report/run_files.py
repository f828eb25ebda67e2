# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a run leaves: its report, then the page, the table, the metrics, the plan. Each is made separately.

For the role and for the callback that ends an interrupted run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import attempt
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.csv_report import csv_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.html_report import html_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.metrics import metrics
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.plan_table import plan_table
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.artifacts import PUBLIC, File, write_artifacts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import to_page
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.plan import make_plan
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import read_key, sign_report


def write_report(folder: Path, report: Mapping[str, Any]) -> list[str]:
    """Write report.json, signed where there is a key. First, so it exists even if something derived from it fails.

    :returns: why it could not be written.
    """
    return write_artifacts(folder, {"report.json": report_text(report)})


def report_text(report: Mapping[str, Any]) -> str:
    """The content of report.json."""
    return to_page(sign_report(report, read_key()))


def write_run_files(folder: Path, files: Mapping[str, File], metrics_file: str = "") -> list[str]:
    """Write what `run_files` has made.

    :param metrics_file: where to write the metrics a second time, readable by everybody; or empty.
    :returns: what could not be made or written, a sentence each.
    """
    problems = write_artifacts(folder, files)
    if metrics_file:
        path = Path(metrics_file)
        problems += write_artifacts(path.parent, {path.name: files["metrics.prom"]}, PUBLIC)
    return problems


def run_files(
    report: Mapping[str, Any],
    calls: Sequence[Mapping[str, Any]] = (),
    planning: Mapping[str, Any] | None = None,
    api_endpoint: str = "",
) -> dict[str, File]:
    """Make the files of a run.

    :param report: what `report` of plugin_utils/report/report.py returned.
    :param calls: what `count_calls` of module_utils/api_calls/counter.py returned.
    :param planning: `alerts`, `lifetime`, `who` and `key` of `make_plan`; None where there is no plan to make.
    :param api_endpoint: address of the vendor's API, from which the page derives links to the console; or empty.
    """
    files = {
        "report.html": _made("report.html", lambda: html_report(report, api_endpoint)),
        "report.csv": _made("report.csv", lambda: csv_report(report)),
        "metrics.prom": _made("metrics.prom", lambda: metrics(report, calls)),
    }
    return {**files, **_plan(report, planning)} if planning else files


def _made(name: str, make: Callable[[], str]) -> File:
    return attempt(f"making {name}", lambda: {"text": make(), "problem": None}, _not_made)


def _not_made(reason: str) -> File:
    return {"text": None, "problem": reason}


def _plan(report: Mapping[str, Any], planning: Mapping[str, Any]) -> dict[str, File]:
    """plan.json and plan.md."""
    left_out: list[str] = []
    plan: dict[str, Any] = {}
    who, lifetime, key = planning["who"], planning["lifetime"], planning["key"]

    def make() -> str:
        plan.update(make_plan(planning["alerts"], report["run_id"], report["finished"], lifetime, who, key, left_out))
        return to_page(plan)

    file = _made("plan.json", make)
    problem = " ".join(filter(None, [file["problem"], *left_out])) or None
    table = {"plan.md": _made("plan.md", lambda: plan_table(report, plan))} if plan else {}
    return {"plan.json": {**file, "problem": problem}, **table}
