# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run's journal -> alerts whose steps revert the run's changes, the last change first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import for_each_alert
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.undo import Irreversible
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import AlertOutcome, Step
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.accounts import AccountMap
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import INTENT, RESULT, Journal
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.playbook_command import playbook_command
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo_calls import cli_command, undo_calls

APPLIED_FIELDS = ("alert_id", "operation", "parameters", "before", "after", "taken", "consolidated")
# The dispositions of an undo, by those of its steps.
UNFINISHED = (
    "The journal does not record that the run finished in this account: the run ended early, an earlier version wrote "
    "the journal, or lines are missing at its end. Changes that only missing lines record are not undone."
)
UNDONE = {"remediated": "undone", "already_remediated": "already_undone"}


def undo_alerts(journal: Journal, alert_ids: Collection[str] = ()) -> list[AlertOutcome]:
    """The alerts of a run in the order of undoing, those that were applied last first.

    :param alert_ids: the alerts to undo; empty for all.
    :returns: alerts with the `steps` for `leastpriv.iam.observe`, a `script` (the steps as AWS CLI commands, for
        people), the changes that are `lost`, and `notes`.
    """
    by_message: dict[str, list[Mapping[str, Any]]] = {}
    for entry in reversed(changes(journal)):
        if not alert_ids or entry["alert_id"] in alert_ids:
            by_message.setdefault(entry["message_id"], []).append(entry)

    def read(entries: Sequence[Mapping[str, Any]]) -> AlertOutcome:
        return _alert(entries, journal)

    return for_each_alert("reading what it changed", by_message.values(), read, _unread)


def _unread(entries: Sequence[Mapping[str, Any]], reason: str) -> AlertOutcome:
    problem = f"{reason} None of its changes were undone."
    return {**_named(entries), "steps": [], "lost": [], "script": "", "notes": [], "problem": problem}


def _named(entries: Sequence[Mapping[str, Any]]) -> AlertOutcome:
    first = entries[0]
    return {
        "alert_id": first["alert_id"],
        "message_id": first["message_id"],
        "account": first["account"],
        "account_id": first["account_id"],
    }


def changes(journal: Journal) -> list[Mapping[str, Any]]:
    """The intents of steps that changed something, or may have because the run was killed before it recorded that."""
    ended = {_key(entry): entry["result"] for entry in journal.entries if entry["event"] == RESULT}
    return [entry for entry in journal.entries if entry["event"] == INTENT and ended.get(_key(entry)) != "unchanged"]


def _key(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return entry["account_id"], entry["message_id"], entry["index"]


def _alert(entries: Sequence[Mapping[str, Any]], journal: Journal) -> AlertOutcome:
    steps: list[Step] = []
    lost: list[str] = []
    for entry in sorted(entries, key=lambda entry: entry["index"], reverse=True):
        try:
            steps += [*_steps(entry)]
        except Irreversible as irreversible:
            lost.append(f"{cli_name(entry['operation'])} {entry['target']}".strip() + f": {irreversible}")
    numbered = [_numbered(step, index) for index, step in enumerate(steps, 1)]
    whose = _named(entries)
    script = "\n".join(step["command"] for step in steps)
    notes = [] if journal.is_finished(whose["account_id"]) else [UNFINISHED]
    return {**whose, "steps": numbered, "lost": lost, "script": script, "notes": notes}


def _steps(entry: Mapping[str, Any]) -> Iterable[Step]:
    """The steps that undo one; the first of them compares the account with the state that the step left."""
    calls = [(entry["operation"], entry["parameters"])] if entry.get("consolidated") else undo_calls(entry)
    for place, (operation, parameters) in enumerate(calls):
        row = OPERATIONS[operation]
        yield {
            "operation": operation,
            "target": entry["target"],
            "parameters": parameters,
            "module": row.module,
            "args": row.module_args(parameters),
            "command": cli_command(operation, parameters),
            "undoes": {field: entry.get(field) for field in APPLIED_FIELDS},
            "compares": place == 0 and not entry.get("consolidated"),
        }


def _numbered(step: Step, index: int) -> Step:
    return {**step, "index": index, "wave": f"{index:04d} {step['module']}"}


def as_undone(outcome: AlertOutcome) -> AlertOutcome:
    """An alert's outcome with the disposition of an undo; changes that cannot be undone end the reason."""
    disposition = UNDONE.get(outcome["disposition"] or "", outcome["disposition"])
    if disposition == "already_undone":
        what = "Everything else" if outcome["lost"] else "Everything"
        outcome = {**outcome, "reason": f"{what} is as it was before the run."}
    if outcome.get("later_run") and disposition in ("failed", "refused"):
        outcome = {**outcome, "reason": f"{outcome['reason']}\n{_undo_first(outcome)}"}
    if not outcome["lost"]:
        return {**outcome, "disposition": disposition}
    irreversible = [f"Cannot be undone: {lost}." for lost in outcome["lost"]]
    if disposition in UNDONE.values():
        disposition = "not_undoable"
    reason = "\n".join(filter(None, [outcome["reason"], *irreversible]))
    return {**outcome, "disposition": disposition, "reason": reason}


def _undo_first(outcome: AlertOutcome) -> str:
    chosen = {"run_id": outcome["later_run"], "alert_id": outcome["alert_id"]}
    changed = f"Run {outcome['later_run']} changed something for this alert afterwards."
    return f"{changed} Undo that run first: {playbook_command('undo', chosen)}"


def placed(alert: AlertOutcome, accounts: AccountMap, limit: Collection[str]) -> AlertOutcome:
    """The alert as `mapped` gives it, and with a disposition if nothing of it is left to undo."""
    whole = mapped(alert, accounts, limit)
    if whole["disposition"]:
        return whole
    if alert.get("problem"):
        return {**whole, "disposition": "failed", "reason": alert["problem"]}
    if not alert["steps"]:
        return as_undone({**whole, "disposition": "already_remediated", "reason": None})
    return whole


def mapped(alert: AlertOutcome, accounts: AccountMap, limit: Collection[str]) -> AlertOutcome:
    """The alert with the host that has its account now, and with a disposition if no host of the run has it."""
    if alert.get("disposition"):
        return alert
    account_id, host = alert["account_id"], accounts.host_of(alert["account_id"])
    whole: AlertOutcome = {**alert, "account": host or alert["account"], "receipts": [], "by_hand": []}
    if host is None:
        why = [problem.reason for problem in accounts.problems_of(account_id)]
        reason = "; ".join(why) or f"No host of the inventory has the account_id {account_id}."
        return {**whole, "disposition": "unmapped_account", "reason": reason}
    if host not in limit:
        return {**whole, "disposition": "filtered", "reason": f"{host} is outside of --limit."}
    return {**whole, "disposition": None, "reason": None}
