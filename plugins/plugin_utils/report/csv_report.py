# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.csv: a row per alert, for spreadsheets and pipelines. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.terminal_text import printable

ALERT_COLUMNS = (
    "account",
    "account_id",
    "account_name",
    "alert_id",
    "message_id",
    "policy",
    "severity",
    "resource",
    "resource_id",
    "first_seen",
    "last_seen",
    "disposition",
    "reason",
)
COLUMNS = ("run_id", "mode", "finished", *ALERT_COLUMNS, "operations", "changes")
CHANGED = ("needed", "changed")
# What makes a spreadsheet evaluate a cell, in their wide forms too. Where numbers have a decimal comma, a semicolon
# begins a cell.
FORMULA = re.compile("(^|; *)(?=[=+@\uff1d\uff0b\uff0d\uff20-])")


def csv_report(report: Mapping[str, Any]) -> str:
    """The text of report.csv (RFC 4180).

    :param report: the content of report.json.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    run = [report["run_id"], report["mode"], report["finished"]]
    for alert in report["alerts"]:
        operations = [step["operation"] for step in alert["steps"]]
        changes = sum(step["status"] in CHANGED for step in alert["steps"])
        row = [*run, *(alert[column] for column in ALERT_COLUMNS), " ".join(operations), changes]
        writer.writerow([cell(value) for value in row])
    return file.getvalue()


def cell(value: Any) -> str:
    """Untrusted text for a cell: one line, and never a formula."""
    shown = "" if value is None else printable(" ".join(str(value).split()))
    return FORMULA.sub(r"\1'", shown)
