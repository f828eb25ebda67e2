# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that follows a run, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.command import next_step


class NextCommand(NamedTuple):
    """What the command does, as a clause that a colon follows, and the command to copy. In AWX, what to launch."""

    purpose: str
    command: str


def next_command(report: Mapping[str, Any]) -> NextCommand | None:
    """Find the command that applies what a review has planned; None where nothing was planned.

    :param report: what `report` of plugin_utils/report/report.py returned. Text of alerts is untrusted in the command.
    """
    if report["mode"] == "apply" or "planned" not in report["totals"]:
        return None
    awx, runs = report["awx"], report["undoes"]
    if not runs:
        command = next_step("remediate", {"remediate_plan": report["run_id"]}, awx)
        return NextCommand("To apply exactly this", command)
    planned = [alert["alert_id"] for alert in report["alerts"] if alert["disposition"] == "planned"]
    chosen = {"run_id": runs[0]} if len(runs) == 1 else {}
    # In AWX nothing else says which alerts were chosen.
    chosen |= {"alert_id": ",".join(planned)} if awx or not chosen else {}
    return NextCommand("To undo exactly this", next_step("undo", chosen, awx, keeps=True))


def undo_command(report: Mapping[str, Any]) -> NextCommand | None:
    """Find the command that undoes a run; None where it changed nothing, or is itself an undo."""
    if report["mode"] != "apply" or "remediated" not in report["totals"]:
        return None
    return NextCommand("To undo this run", next_step("undo", {"run_id": report["run_id"]}, report["awx"]))
