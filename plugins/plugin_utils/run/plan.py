# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: the steps that a review found, for a run that applies exactly these. docs/plan.md has its schema. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError, for_each_alert, writable
from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import read_time, utc_text
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.digests import sha256
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import AlertOutcome, Step
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.playbook_command import playbook_command
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import canonical_json, is_signature, keyed_digest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo_calls import undo_of
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.version import VERSION
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import redact

SCHEMA = 1
REVIEWED = ("planned", "already_remediated")
# The fields of a message that a decision depends on. It does not depend on when and how often the message was sent.
MESSAGE_FIELDS = (
    "account_id",
    "alert_id",
    "alert_status",
    "cloud",
    "policy",
    "policy_id",
    "policy_type",
    "resource",
    "resource_id",
    "severity",
)
STEP_FIELDS = ("index", "operation", "target", "module", "args", "status", "before", "after", "fingerprint")
TEXT, LIST, OBJECT = (str, "a text"), (list, "a list"), (Mapping, "an object")
PLAN_TYPES = {"run_id": TEXT, "created": TEXT, "expires": TEXT, "digest": TEXT, "alerts": LIST}
ALERT_TYPES = {"alert_id": TEXT, "message_sha256": TEXT, "script_sha256": TEXT, "steps": LIST}
STEP_TYPES = {
    "operation": TEXT,
    "module": TEXT,
    "args": OBJECT,
    "status": TEXT,
    "before": OBJECT,
    "fingerprint": TEXT,
}
SEALS = ("digest", "signature")


def _again() -> str:
    return f"Review again ({playbook_command('review', {})}), and apply the plan of that run."


class PlanError(LeastprivError):
    """A plan must not be applied; the text has the reason. No message has been received."""


def make_plan(
    alerts: Iterable[AlertOutcome],
    run_id: str,
    created: str,
    lifetime: timedelta,
    who: Mapping[str, str | None],
    key: str = "",
    left_out: list[str] | None = None,
) -> dict[str, Any]:
    """Make the plan of a review.

    :param alerts: the alerts with their outcomes; those that are not `REVIEWED` are left out.
    :param created: ISO 8601 in UTC.
    :param lifetime: the time until the plan expires.
    :param key: the secret shared by reviewers and operators; empty for a plan without a signature.
    :param left_out: takes a sentence for every alert that could not be put into the plan.
    :returns: the content of plan.json, without secrets.
    """
    expires = utc_text(_read_time("created", created) + lifetime)
    reviewed, reasons = _entries(alerts)
    if left_out is not None:
        left_out += reasons
    plan = {
        "schema": SCHEMA,
        "run_id": run_id,
        "created": created,
        "expires": expires,
        "who": dict(who),
        "collection": VERSION,
        "alerts": sorted(reviewed, key=lambda alert: (alert["account"], alert["alert_id"])),
    }
    sealed = {**plan, "digest": digest(plan)}
    return {**sealed, "signature": signature(plan, key)} if key else sealed


def _entries(alerts: Iterable[AlertOutcome]) -> tuple[list[dict[str, Any]], list[str]]:
    """The plan's entries of the reviewed alerts, and why alerts could not be put into it."""
    planned = [alert for alert in alerts if alert["disposition"] in REVIEWED]
    entries = for_each_alert("putting it into the plan", planned, lambda alert: ("", writable(_alert(alert))), _lost)
    return [entry for reason, entry in entries if not reason], [reason for reason, _entry in entries if reason]


def _lost(alert: AlertOutcome, reason: str) -> tuple[str, dict[str, Any]]:
    return f"Alert {alert['alert_id']} is not in the plan. {reason}", {}


def _alert(alert: AlertOutcome) -> dict[str, Any]:
    steps = [_step(step) for step in alert["steps"]]
    return {
        **_chosen(alert, ("alert_id", "message_id", "account", "account_id", "disposition")),
        "message_sha256": message_sha256(alert),
        "notes": alert.get("notes") or [],
        "script": redact(alert["script"]),
        "script_sha256": sha256(alert["script"]),
        "reversible": all(step["reversible"] for step in steps if step["status"] == "needed"),
        "steps": steps,
    }


def _step(step: Step) -> dict[str, Any]:
    is_reversible, undo = undo_of(step)
    usage = {"usage": step["usage"]} if step.get("usage") else {}
    return {**_chosen(step, STEP_FIELDS), **usage, "reversible": is_reversible, "undo": undo}


def _chosen(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: fields[name] for name in names}


def message_sha256(alert: AlertOutcome) -> str:
    """The SHA-256 of the message fields that a decision depends on."""
    return sha256(canonical_json(_chosen(alert, MESSAGE_FIELDS)))


def digest(plan: Mapping[str, Any]) -> str:
    """The SHA-256 of a plan without its seals, 64 hex digits."""
    return sha256(_content(plan))


def signature(plan: Mapping[str, Any], key: str) -> str:
    """The HMAC-SHA-256 (RFC 2104) of a plan without its seals, 64 hex digits."""
    return keyed_digest(_content(plan), key)


def _content(plan: Mapping[str, Any]) -> str:
    return canonical_json({name: value for name, value in plan.items() if name not in SEALS})


def check_plan(plan: Any, now: datetime, key: str = "") -> dict[str, Any]:
    """Check a plan before messages are received.

    :param plan: the JSON value, untrusted.
    :param key: the secret that it must be signed with, if there is one.
    :returns: the plan.
    :raises PlanError: if it is not a plan of this version, was edited, is not signed with the key, or has expired.
    """
    _check_shape(plan)
    if plan["digest"] != digest(plan):
        raise PlanError(f"It was edited after the review: its digest is not that of its content. {_again()}")
    _check_signature(plan, key)
    if now >= _read_time("expires", plan["expires"]):
        raise PlanError(f"It expired on {plan['expires']}. {_again()}")
    return dict(plan)


def _check_shape(plan: Any) -> None:
    if not isinstance(plan, Mapping):
        raise PlanError(f"It is not a plan: a plan is a JSON object. {_again()}")
    if plan.get("schema") != SCHEMA:
        raise PlanError(f"It is not a plan of schema {SCHEMA}, the only one that this version applies. {_again()}")
    _check_types(plan, PLAN_TYPES, "the plan")
    for number, alert in enumerate(plan["alerts"], 1):
        _check_types(alert, ALERT_TYPES, f"alert {number}")
        for step in alert["steps"]:
            _check_types(step, STEP_TYPES, f"a step of alert {number}")
    alert_ids = [alert["alert_id"] for alert in plan["alerts"]]
    if len({*alert_ids}) != len(alert_ids):
        raise PlanError(f"It has the same alert twice. {_again()}")


def _check_types(part: Any, types: Mapping[str, tuple[type, str]], where: str) -> None:
    if not isinstance(part, Mapping):
        raise PlanError(f"It cannot be read: {where} is not an object. {_again()}")
    for name, (kind, noun) in types.items():
        if not isinstance(part.get(name), kind):
            raise PlanError(f"It cannot be read: {name} of {where} is missing, or not {noun}. {_again()}")


def _check_signature(plan: Mapping[str, Any], key: str) -> None:
    if key and not is_signature(plan.get("signature"), _content(plan), key):
        raise PlanError(
            "It is not signed with the key in REMEDIATE_PLAN_KEY. Find out who made it, and review again with that key."
        )


def _read_time(name: str, text: str) -> datetime:
    try:
        return read_time(text)
    except ValueError:
        raise PlanError(f"It cannot be read: {name} of the plan is not an ISO 8601 time. {_again()}") from None


def compare_with_plan(alerts: Iterable[AlertOutcome], plan: Mapping[str, Any]) -> list[AlertOutcome]:
    """Exclude alerts that were not reviewed, or that changed since.

    :param alerts: as the lookup returns them.
    :param plan: a checked plan; empty if there is none.
    :returns: the alerts; with a plan each open one has its `reviewed` steps, or a disposition with its reason.
    """
    if not plan:
        return list(alerts)
    reviewed = {alert["alert_id"]: alert for alert in plan["alerts"]}

    def compared(alert: AlertOutcome) -> AlertOutcome:
        return alert if alert["disposition"] else _with_review(alert, reviewed.get(alert["alert_id"]))

    return for_each_alert("comparing it with the plan", alerts, compared, _not_compared)


def _not_compared(alert: AlertOutcome, reason: str) -> AlertOutcome:
    return {**alert, "disposition": "failed", "reason": reason}


def _with_review(alert: AlertOutcome, reviewed: Mapping[str, Any] | None) -> AlertOutcome:
    if reviewed is None:
        return {**alert, "disposition": "filtered", "reason": "It is not in the plan that this run applies."}
    if changed := [what for what, is_same in _compared(alert, reviewed) if not is_same]:
        what = " and its ".join(changed)
        reason = f"Changed since it was reviewed: its {what}. None of it was applied. Review it again."
        return {**alert, "disposition": "failed", "reason": reason}
    return {**alert, "reviewed": reviewed["steps"]}


def _compared(alert: AlertOutcome, reviewed: Mapping[str, Any]) -> tuple[tuple[str, bool], ...]:
    return (
        ("message", message_sha256(alert) == reviewed["message_sha256"]),
        ("script", sha256(alert["script"] or "") == reviewed["script_sha256"]),
    )


def not_received(alerts: Iterable[AlertOutcome], plan: Mapping[str, Any]) -> list[str]:
    """The ids of the plan's alerts that were not received."""
    received = {alert["alert_id"] for alert in alerts}
    return [alert["alert_id"] for alert in plan["alerts"] if alert["alert_id"] not in received]
