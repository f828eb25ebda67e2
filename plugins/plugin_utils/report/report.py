# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run's report as data, for report.json."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import (
    DISPOSITIONS,
    QUARANTINE,
    QUARANTINED,
    fate,
    most_careful,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import for_each_alert, writable
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.exemptions import (
    ProtectionError,
    example_entries,
    expiring,
    in_force,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import rules_in
from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import read_time
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import AlertOutcome, RunReport
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.plan import not_received
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.playbook_command import playbook_command
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo_calls import undo_of
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import can_be_copied, redact_all

ALERT_FIELDS = (
    "alert_id",
    "message_id",
    "account_id",
    "account",
    "account_name",
    "policy",
    "severity",
    "resource",
    "resource_id",
    "first_seen",
    "last_seen",
    "disposition",
    "reason",
)
PROTECTED_TEXTS = ("arn", "path", "owner", "reason", "expires")
STEP_FIELDS = ("operation", "module", "args", "status", "before", "after")
WORDS = [row.word for row in DISPOSITIONS]
WANTING = [row.word for row in DISPOSITIONS if row.needs_person]
MOVED = "Moved to the quarantine queue."
REQUEUED = "Put back into the queue."
VERIFY = "verify"
# A run without an alert, and a verification without one.
EMPTY = ("The queue was empty", "No earlier change to verify")
# The dispositions with commands for a person, and the steps that need no command.
MANUAL = ("refused", "unsupported", "failed")
DONE = ("changed", "unchanged")
# The steps whose undo is described.
CHANGING = ("needed", "changed")


@dataclass(frozen=True)
class Run:
    """A run at its end. Times are ISO 8601 in UTC.

    :ivar alerts: the alerts with their outcomes.
    :ivar tolerate: the dispositions that do not need attention, by the user's choice.
    :ivar unsettled: why messages could not be deleted or released.
    :ivar settings: the settings of each account (run/settings.py).
    :ivar interrupted: what ended the run early, None for a complete run.
    :ivar quarantine_queue: the queue that messages were moved to, if any.
    :ivar unmoved: the message ids of alerts that could not be moved there.
    :ivar requeued: the ids of the reverted alerts that a verification put back into the queue.
    :ivar plan: the plan that was applied, if any.
    :ivar undoes: the ids of the runs that an undo reverts.
    :ivar awx: AWX's variables of the job, if it is one.
    :ivar verify: whether the run verified changes of earlier runs.
    """

    alerts: Sequence[AlertOutcome]
    run_id: str
    started: str
    finished: str
    check_mode: bool
    tolerate: Collection[str] = ()
    unsettled: Sequence[str] = ()
    settings: Sequence[Mapping[str, Any]] = ()
    interrupted: str | None = None
    quarantine_queue: str | None = None
    unmoved: Collection[str] = ()
    requeued: Collection[str] = ()
    plan: Mapping[str, Any] | None = None
    undoes: Sequence[str] = ()
    awx: Mapping[str, Any] | None = None
    verify: bool = False

    @property
    def mode(self) -> str:
        return VERIFY if self.verify else "check" if self.check_mode else "undo" if self.undoes else "apply"


def report(run: Run) -> RunReport:
    """The report of a run, the content of report.json (docs/report.md has its schema). It does not contain secrets."""
    moved = _moved(run) if run.quarantine_queue and not run.check_mode else {}
    sent = {**moved, **_requeued(run)}
    entries = for_each_alert("reporting it", run.alerts, lambda alert: writable(_alert(alert, sent)), _lost_entry)
    shown = sorted(
        entries, key=lambda one: (str(one["account"] or one["account_id"] or ""), str(one["alert_id"] or ""))
    )
    dispositions = [alert["disposition"] for alert in shown]
    totals = {word: dispositions.count(word) for word in WORDS if word in dispositions}
    return {
        "run_id": run.run_id,
        "mode": run.mode,
        "started": run.started,
        "finished": run.finished,
        "interrupted": run.interrupted,
        "totals": totals,
        "needs_person": {word: totals[word] for word in WANTING if word in totals and word not in run.tolerate},
        "unsettled": redact_all(list(run.unsettled)),
        "quarantine": {"queue": run.quarantine_queue, "alerts": len(moved)} if moved else None,
        "plan": _plan(run.alerts, run.plan) if run.plan else None,
        "undoes": list(run.undoes),
        "awx": dict(run.awx) if run.awx else None,
        "opened": [{"account": one["account"], "allow": one["allow"]} for one in run.settings if one["allow"]],
        "unfenced": [one["account"] for one in run.settings if one.get("unfenced")],
        "protected": _protected(run.settings, run.started),
        "expiring": _expiring(run.settings, run.started),
        "expired": _expired(run.settings, run.started),
        "alerts": shown,
    }


def _plan(alerts: Sequence[AlertOutcome], plan: Mapping[str, Any]) -> dict[str, Any]:
    named = {field: plan[field] for field in ("run_id", "created", "expires")}
    return {**named, "alerts": len(plan["alerts"]), "not_received": not_received(alerts, plan)}


def _moved(run: Run) -> dict[str, str]:
    """{message id: a sentence} of the alerts that are in the quarantine queue now."""
    own = ((fate(alert["disposition"] or "", False, True), _message_ids(alert)) for alert in run.alerts)
    moved = {message_id for message_id, act in most_careful(own).items() if act == QUARANTINE} - {*run.unmoved}
    away = [
        alert for alert in run.alerts if alert["disposition"] in QUARANTINED and moved.issuperset(_message_ids(alert))
    ]
    advice = {alert["message_id"]: _redrive_advice(run.awx, alert["alert_id"]) for alert in away}
    return {message_id: f"{MOVED} {sentence}" for message_id, sentence in advice.items()}


def _requeued(run: Run) -> dict[str, str]:
    """{message id: a sentence} of the reverted alerts that are in the queue again."""
    reverted = [alert for alert in run.alerts if alert["disposition"] == "reverted"]
    return {alert["message_id"]: REQUEUED for alert in reverted if alert["alert_id"] in run.requeued}


def is_requeued(alert: Mapping[str, Any]) -> bool:
    """Whether a verification put an alert of its report back into the queue."""
    return alert["disposition"] == "reverted" and (alert["reason"] or "").endswith(REQUEUED)


def _message_ids(alert: AlertOutcome) -> list[str]:
    return [receipt["message_id"] for receipt in alert.get("receipts") or ()] or [alert["message_id"]]


def _redrive_advice(awx: Mapping[str, Any] | None, alert_id: str | None) -> str:
    """The command that moves an alert's messages back into the alerts' queue, as a sentence."""
    # The id becomes part of a command that people copy.
    one = {"alert_id": alert_id} if alert_id and re.fullmatch(r"[A-Za-z0-9_-]+", alert_id) else {}
    return f"After a fix: {playbook_command('redrive', one, awx)}"


def _protected(settings: Sequence[Mapping[str, Any]], started: str) -> list[dict[str, Any]]:
    """The entries of all accounts, each once, that are in force; those that cannot be read are shown as they are."""
    entries = _given(settings)
    with suppress(ProtectionError):
        entries = in_force(entries, read_time(started))
    return [_entry(entry) for entry in entries]


def _expiring(settings: Sequence[Mapping[str, Any]], started: str) -> list[dict[str, Any]]:
    """The entries in force that expire soon."""
    with suppress(ProtectionError):
        return [_entry(entry) for entry in expiring(_given(settings), read_time(started))]
    return []


def _expired(settings: Sequence[Mapping[str, Any]], started: str) -> list[dict[str, Any]]:
    """The entries that have expired, and do not protect principals any more."""
    entries = _given(settings)
    try:
        lasting = in_force(entries, read_time(started))
    except ProtectionError:
        return []
    return [_entry(entry) for entry in entries if entry not in lasting]


def _given(settings: Sequence[Mapping[str, Any]]) -> list[Any]:
    given = [entry for one in settings for entry in one["protected"]]
    return [entry for place, entry in enumerate(given) if entry not in given[:place]]


def _entry(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        return {**dict.fromkeys(PROTECTED_TEXTS), "arn": str(entry), "tag": None}
    texts = {field: str(entry[field]) if entry.get(field) else None for field in PROTECTED_TEXTS}
    return {**texts, "tag": entry.get("tag") or None}


def _alert(alert: AlertOutcome, sent: Mapping[str, str]) -> dict[str, Any]:
    shown: dict[str, Any] = {field: alert.get(field) for field in ALERT_FIELDS}
    if alert.get("message_id") in sent:
        shown["reason"] = "\n".join(filter(None, (shown["reason"], sent[alert["message_id"]])))
    shown["rules"] = rules_in(shown["reason"]) if alert["disposition"] == "refused" else []
    shown["messages"] = len(alert.get("receipts") or [])
    shown["script"] = alert.get("script") or None
    shown["notes"] = alert.get("notes") or []
    shown["steps"] = [_step(step) for step in alert.get("steps") or []]
    shown["by_hand"] = _by_hand(alert) if alert["disposition"] in MANUAL else []
    # Errors of AWS and of the API are among it, and documents of the account.
    return dict(redact_all(shown))


def _lost_entry(alert: AlertOutcome, reason: str) -> dict[str, Any]:
    """The known fields of an alert that cannot be reported; its disposition is decided by now."""
    texts = {field: alert.get(field) for field in ALERT_FIELDS}
    known = {field: text if isinstance(text, str) else None for field, text in texts.items()}
    reasons = "\n".join(filter(None, (known["reason"], reason)))
    nothing: dict[str, Any] = {"rules": [], "messages": 0, "script": None, "notes": [], "steps": [], "by_hand": []}
    return {**redact_all({**known, "reason": reasons}), **nothing}


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    shown = {field: step.get(field) for field in STEP_FIELDS}
    is_reversible, undo = undo_of(step) if step.get("status") in CHANGING else (True, "")
    shown["lost_access"], shown["usage"] = step.get("lost_access") or [], step.get("usage") or []
    return {**shown, "undo": undo if is_reversible else f"cannot be undone: {undo}"}


def _by_hand(alert: AlertOutcome) -> list[str]:
    """The commands that are left to a person: of the open steps, or what can be read of a script without steps."""
    steps = alert.get("steps") or []
    # Only a step that was observed is known not to change a protected principal.
    open_steps = [step["command"] for step in steps if step.get("status") not in DONE and step.get("by_hand")]
    left = open_steps if steps else alert.get("by_hand") or []
    return [command for command in left if can_be_copied(command)]


def job_name(report_data: RunReport) -> str:
    """Which job of AWX a run was, and who launched it; empty for a run outside AWX."""
    awx = report_data["awx"] or {}
    launched_by = f", launched by {awx['awx_user_name']}" if awx.get("awx_user_name") else ""
    return f"AWX job {awx['awx_job_id']}{launched_by}" if awx.get("awx_job_id") else ""


def verdict(report_data: RunReport) -> str:
    """One sentence on whether there is anything to do."""
    wanted, alerts = sum(report_data["needs_person"].values()), len(report_data["alerts"])
    if wanted:
        return f"{wanted} of {counted(alerts)} need{'s' * (wanted == 1)} attention"
    if report_data["interrupted"] or report_data["unsettled"]:
        return report_data["interrupted"] or "Messages were left in flight"
    return "No action needed" if alerts else EMPTY[report_data["mode"] == VERIFY]


def alert_name(alert: Mapping[str, Any]) -> str:
    """The vendor's id, or the id of the message if it has none; untrusted text."""
    return alert["alert_id"] or f"message {alert['message_id'][:8]}"


def protection_example(report_data: RunReport) -> str:
    """`remediate_protected_principals` to paste, for the accounts of a report."""
    account_ids = {str(alert["account_id"]) for alert in report_data["alerts"] if alert["account"]}
    known = sorted(one for one in account_ids if re.fullmatch("[0-9]{12}", one))
    arns = (re.match(r"arn:(aws(-[a-z]+)*):iam:", alert["resource_id"] or "") for alert in report_data["alerts"])
    return example_entries(known, next((found[1] for found in arns if found), "aws"))


def counted(count: int) -> str:
    """`1 alert`, `2 alerts`."""
    return f"{count} alert{'s' * (count != 1)}"
