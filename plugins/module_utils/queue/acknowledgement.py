# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Acknowledge finished alerts: delete, move, release or extend their messages, by all alerts of each message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..dispositions import BY_WORD, DELETE, QUARANTINE, RELEASE, fate, most_careful
from ..errors import LeastprivError
from .sqs import FailedReceipt, OutgoingMessage, Queue, delete, extend, move, release

Alert = Mapping[str, Any]
# Receipt handle -> the alert or alerts of a message, and its receipt.
Receipts = dict[str, tuple[Alert, Mapping[str, Any]]]
Wanted = dict[str, Receipts]
HOLD = "hold"


class AlertError(LeastprivError):
    """An alert has no valid disposition, or no receipts."""


def sort_receipts(
    alerts: Sequence[Alert],
    check_mode: bool,
    is_hold: bool = False,
    has_quarantine: bool = False,
    sharing: Sequence[Alert] = (),
) -> Wanted:
    """Alerts -> {DELETE, QUARANTINE, RELEASE or HOLD: {receipt handle: (alert, receipt)}}. Raises AlertError.

    If a message has several alerts, the most careful of their decisions applies.
    """
    receipts: dict[str, Mapping[str, Any]] = {}
    alerts_of: dict[str, list[Alert]] = {}
    own: list[tuple[str, Mapping[str, Any]]] = []
    handles = _handles(alerts) - _handles(alert for alert in sharing if alert.get("disposition") is None)
    for alert in [*alerts, *(alert for alert in sharing if alert.get("disposition"))]:
        mine = {receipt["receipt_handle"]: receipt for receipt in _receipts(alert)}
        mine = {handle: receipt for handle, receipt in mine.items() if handle in handles}
        own.append((RELEASE if is_hold else _fate(alert, check_mode, has_quarantine), mine))
        receipts.update(mine)
        for handle in mine:
            alerts_of.setdefault(handle, []).append(alert)
    wanted: Wanted = {act: {} for act in (DELETE, QUARANTINE, RELEASE, HOLD)}
    for handle, act in most_careful(own).items():
        wanted[HOLD if is_hold else act][handle] = (_joined(alerts_of[handle]), receipts[handle])
    return wanted


def _handles(alerts: Iterable[Alert]) -> set[str]:
    return {receipt["receipt_handle"] for alert in alerts for receipt in _receipts(alert)}


def _joined(alerts: Sequence[Alert]) -> Alert:
    """Several alerts of one message as one, for the message's attributes."""
    if len(alerts) == 1:
        return alerts[0]
    names = {"alert_id": ",", "account_id": ",", "disposition": ",", "reason": "; "}
    return {
        name: mark.join(dict.fromkeys(filter(None, (one.get(name) for one in alerts)))) for name, mark in names.items()
    }


def _fate(alert: Alert, check_mode: bool, has_quarantine: bool) -> str:
    disposition = alert.get("disposition")
    if disposition not in BY_WORD:
        raise AlertError(
            f"Alert {alert.get('alert_id')} has the disposition {disposition!r}, so nothing was acknowledged: "
            f"give one of {', '.join(BY_WORD)}."
        )
    return fate(disposition, check_mode, has_quarantine)


def _receipts(alert: Alert) -> list[dict[str, Any]]:
    try:
        return [{**receipt, "receipt_handle": receipt["receipt_handle"]} for receipt in alert["receipts"]]
    except (KeyError, TypeError):
        raise AlertError(
            f"Alert {alert.get('alert_id')} has no receipts, so nothing was acknowledged: "
            "pass the alerts that the lookup leastpriv.iam.alerts returned."
        ) from None


def acknowledge(
    queue: Queue | None,
    wanted: Wanted,
    hold_seconds: int | None = None,
    open_quarantine: Any = None,
) -> dict[str, Any]:
    """Delete, move, release and extend messages. Deletions are first, so finished work is not received again.

    The quarantine queue is opened only if a message is moved there, so its failure does not affect the others.
    """
    failed: list[dict[str, Any]] = []
    done: dict[str, list[dict[str, Any]]] = {}
    acts: dict[str, Callable[..., Sequence[FailedReceipt]]] = {
        DELETE: delete,
        QUARANTINE: partial(quarantine, open_quarantine=open_quarantine, wanted=wanted[QUARANTINE]),
        RELEASE: release,
        HOLD: partial(extend, seconds=hold_seconds or 0),
    }
    for act, do in acts.items():
        failures = do(queue, wanted[act]) if wanted[act] else ()
        failed += [_failed(act, failure, *wanted[act][failure.receipt_handle]) for failure in failures]
        done[act] = _others(wanted[act], failures)
    return {
        "changed": bool(done[DELETE] or done[QUARANTINE]),
        "deleted": len(done[DELETE]),
        "quarantined": done[QUARANTINE],
        "released": len(done[RELEASE]),
        "held": len(done[HOLD]),
        "settled": [entry["message_id"] for act in (DELETE, QUARANTINE, RELEASE) for entry in done[act]],
        "failed_receipts": failed,
    }


def _others(receipts: Receipts, failures: Iterable[FailedReceipt]) -> list[dict[str, Any]]:
    """The messages without a failure."""
    failed = {failure.receipt_handle for failure in failures}
    return [_ids(*entry) for handle, entry in receipts.items() if handle not in failed]


def quarantine(
    queue: Queue, _handles: Iterable[str], open_quarantine: Callable[[], Queue], wanted: Receipts
) -> tuple[FailedReceipt, ...]:
    """Move messages to the quarantine queue, and release those that cannot be moved. Returns the failures."""
    outgoing, unread = _outgoing(wanted)
    try:
        unsent, undeleted = move(queue, open_quarantine(), outgoing)
    except LeastprivError as error:
        unsent, undeleted = tuple(FailedReceipt(message.receipt_handle, "", str(error)) for message in outgoing), ()
    release(queue, [failed.receipt_handle for failed in (*unread, *unsent)])
    return (*unread, *unsent, *undeleted)


def _outgoing(wanted: Receipts) -> tuple[list[OutgoingMessage], list[FailedReceipt]]:
    outgoing: list[OutgoingMessage] = []
    unread: list[FailedReceipt] = []
    for handle, (alert, receipt) in wanted.items():
        try:
            outgoing.append(_outgoing_message(alert, receipt))
        except (KeyError, OSError, TypeError, ValueError) as error:
            reason = (
                f"its body was not kept ({type(error).__name__}: {error}): pass the alerts that the lookup returned"
            )
            unread.append(FailedReceipt(handle, "", reason))
    return outgoing, unread


def _outgoing_message(alert: Alert, receipt: Mapping[str, Any]) -> OutgoingMessage:
    attributes = {f"leastpriv.{name}": alert.get(name) for name in ("disposition", "reason", "alert_id", "account_id")}
    return OutgoingMessage(
        message_id=receipt["message_id"],
        receipt_handle=receipt["receipt_handle"],
        body=Path(receipt["body_file"]).read_bytes().decode(errors="surrogatepass"),
        attributes={**attributes, "leastpriv.group_id": receipt.get("group_id")},
    )


def _ids(alert: Alert, receipt: Mapping[str, Any]) -> dict[str, Any]:
    return {"alert_id": alert.get("alert_id"), "message_id": receipt.get("message_id")}


def _failed(act: str, failure: FailedReceipt, alert: Alert, receipt: Mapping[str, Any]) -> dict[str, Any]:
    return {**_ids(alert, receipt), "wanted": act, "reason": failure.reason}
