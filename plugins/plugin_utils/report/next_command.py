# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that follows a run, for the terminal and for the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import is_requeued
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.playbook_command import playbook_command

# The dispositions that another run may change. All others wait for a decision.
RETRIED = {"failed", "unavailable", "unmapped_account"}


class NextCommand(NamedTuple):
    """What the command does, as a clause that a colon follows, and the command to copy. In AWX, what to launch."""

    purpose: str
    command: str


def next_command(report: Mapping[str, Any]) -> NextCommand | None:
    """Find the command that applies what a review planned, or restricts again what was reverted; None if there is none.

    :param report: what `report` of plugin_utils/report/report.py returned. Text of alerts is untrusted in the command.
    """
    if "reverted" in report["needs_person"]:
        return _restricting_again(report)
    if report["mode"] == "apply" or "planned" not in report["totals"]:
        return None
    awx, runs = report["awx"], report["undoes"]
    if not runs:
        command = playbook_command("remediate", {"remediate_plan": report["run_id"]}, awx)
        return NextCommand("To apply exactly this", command)
    planned = [alert["alert_id"] for alert in report["alerts"] if alert["disposition"] == "planned"]
    chosen = {"run_id": runs[0]} if len(runs) == 1 else {}
    # In AWX the chosen alerts are known from nothing else.
    chosen |= {"alert_id": ",".join(planned)} if awx or not chosen else {}
    return NextCommand("To undo exactly this", playbook_command("undo", chosen, awx, keeps=True))


def _restricting_again(report: Mapping[str, Any]) -> NextCommand:
    """What is not in the queue again has to be put there first."""
    awx = report["awx"]
    reverted = [alert for alert in report["alerts"] if alert["disposition"] == "reverted"]
    left = [alert["alert_id"] for alert in reverted if not is_requeued(alert)]
    if not left:
        return NextCommand("To restrict it again, review the queue", playbook_command("review", {}, awx))
    # AWX's template does not ask for alerts.
    chosen = {"alert_id": ",".join(left)} if len(left) < len(reverted) and _are_plain(left) and not awx else {}
    return NextCommand(
        "To restrict it again", playbook_command("verify", {"requeue": "true", **chosen}, awx, keeps=True)
    )


def _are_plain(alert_ids: list[str]) -> bool:
    """Whether ids can become part of a command that people copy."""
    return all(re.fullmatch("[A-Za-z0-9_-]+", alert_id or "") for alert_id in alert_ids)


def again_command(report: Mapping[str, Any]) -> NextCommand | None:
    """Find the command that does the same once more; None for a review of an undo: it would not be a review."""
    is_review, runs, awx = report["mode"] == "check", report["undoes"], report["awx"]
    if is_review and runs:
        return None
    playbook = "undo" if runs else "review" if is_review else "remediate"
    if report["mode"] == "verify":
        return NextCommand("To run again", _verify_again(report))
    chosen = {"run_id": runs[0]} if len(runs) == 1 else {}
    return NextCommand("To run again", playbook_command(playbook, chosen, awx, keeps=True))


def retry_command(report: Mapping[str, Any]) -> NextCommand | None:
    """Find the command of another run, after a fix; None where it would end in the same way."""
    if report["interrupted"] or RETRIED & {*report["needs_person"]}:
        return NextCommand("After a fix, run again", _same_again(report))
    return None


def undo_command(report: Mapping[str, Any]) -> NextCommand | None:
    """Find the command that undoes a run; None where it changed nothing, or is itself an undo."""
    if report["mode"] != "apply" or "remediated" not in report["totals"]:
        return None
    return NextCommand("To undo this run", playbook_command("undo", {"run_id": report["run_id"]}, report["awx"]))


def closing_command(report: Mapping[str, Any]) -> NextCommand | None:
    """Find the one command for the end of the summary; None if there is nothing more to do.

    After `next_command` what could succeed without anyone's decision is first: another run. A run that needs none of
    them ends with how to undo it.
    """
    if following := next_command(report) or retry_command(report):
        return following
    awx = report["awx"]
    if report["quarantine"]:
        return NextCommand("After a fix", playbook_command("redrive", {}, awx))
    wanting = [alert["alert_id"] for alert in report["alerts"] if alert["disposition"] in report["needs_person"]]
    named = [alert_id for alert_id in wanting if re.fullmatch("[A-Za-z0-9_-]+", alert_id or "")]
    if named:
        return NextCommand("To see one in full", playbook_command("show", {"alert_id": named[0]}, awx))
    return undo_command(report)


def _same_again(report: Mapping[str, Any]) -> str:
    awx, runs = report["awx"], report["undoes"]
    if runs:
        return playbook_command("undo", {"run_id": runs[0]} if len(runs) == 1 else {}, awx, keeps=True)
    if report["mode"] == "verify":
        return _verify_again(report)
    plan = {"remediate_plan": report["plan"]["run_id"]} if report["plan"] else {}
    return playbook_command("review" if report["mode"] == "check" else "remediate", plan, awx)


def _verify_again(report: Mapping[str, Any]) -> str:
    """The same verification, which sends nothing again that is in the queue already."""
    chosen = {"requeue": "false"} if any(is_requeued(alert) for alert in report["alerts"]) else {}
    return playbook_command("verify", chosen, report["awx"], keeps=True)
