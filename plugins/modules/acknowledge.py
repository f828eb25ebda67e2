#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acknowledge
version_added: 1.0.0
short_description: Delete or release the queue messages of finished alerts
description:
  - Deletes or releases the messages of alerts that P(leastpriv.iam.alerts#lookup) has received.
  - Only the disposition of an alert decides. V(remediated), V(already_remediated) and V(acknowledged) delete its
    messages; every other disposition releases them, which makes them visible at once.
  - With O(quarantine_queue), V(invalid), V(unsupported) and V(refused) move the messages there. A message is sent there
    first, and deleted only after it was sent.
  - In check mode every message is released, and none is deleted or moved. Otherwise a review would hide the messages
    from the next run until their visibility timeout.
  - It is not a failure if a message that is to be released is not hidden any more (deleted, visible, or received by
    another run).
  - It uses the queue's credentials and never an account's, so it is not in an action group.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  alerts:
    description:
      - The alerts, as P(leastpriv.iam.alerts#lookup) returns them; only C(alert_id), C(account_id), C(message_id),
        C(disposition), C(reason) and C(receipts) are read.
      - C(disposition) is one of the thirteen dispositions and is required.
      - Alerts of one message have the same receipt. The message is deleted only if all of them are finished. If all the
        others belong in O(quarantine_queue), it is moved there; otherwise it is released.
      - C(receipts) is a list of dictionaries with C(message_id) and C(receipt_handle), and with
        O(quarantine_queue) also C(body_file) and C(group_id). It is required.
      - The list can also be given as JSON text.
    type: list
    elements: dict
    required: true
  sharing:
    description:
      - Other alerts of the run that may have messages in common with O(alerts). Such a message is left alone if one of
        them has no disposition. Otherwise they decide together with O(alerts). Their other messages are left alone.
    type: list
    elements: dict
    default: []
  hold_seconds:
    description:
      - Hide all messages from other runs for this number of seconds from now, instead of deleting or releasing them.
        For work that takes longer than the visibility timeout; dispositions are ignored.
    type: int
  quarantine_queue:
    description:
      - The name or URL of the queue for messages that a retry cannot change. The message's body stays unchanged. Its
        message attributes record the reason, C(leastpriv.disposition), C(leastpriv.reason),
        C(leastpriv.alert_id), C(leastpriv.account_id) and C(leastpriv.group_id), as far as they are known. Those of
        several alerts in one message are separated by commas.
      - M(leastpriv.iam.redrive) moves them back.
      - A message that cannot be moved is released, and listed in RV(failed_receipts).
    type: str
attributes:
  check_mode:
    description: Releases every message, and does not delete or move any.
    support: full
  diff_mode:
    description: A message has nothing to compare.
    support: none
seealso:
  - module: leastpriv.iam.redrive
  - plugin: leastpriv.iam.alerts
    plugin_type: lookup
extends_documentation_fragment:
  - leastpriv.iam.queue.modules
"""

EXAMPLES = r"""
- name: Release all received messages
  leastpriv.iam.acknowledge:
    queue_name: prisma-cloud-alerts
    alerts: "{{ received | map('combine', {'disposition': 'filtered'}) }}"

- name: Delete one alert's message
  leastpriv.iam.acknowledge:
    queue_url: https://sqs.eu-west-1.amazonaws.com/123456789012/prisma-cloud-alerts
    queue_profile: security-queue
    alerts:
      - alert_id: I-1234567
        disposition: remediated
        receipts:
          - message_id: 5fea7756-0ea4-451a-a703-a558b933e274
            receipt_handle: AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a
"""

RETURN = r"""
deleted:
  description: How many messages were deleted.
  returned: success
  type: int
  sample: 3
released:
  description: How many messages are visible again (or were no longer hidden).
  returned: success
  type: int
  sample: 1
quarantined:
  description: The messages that are in the quarantine queue now.
  returned: success
  type: list
  elements: dict
  contains:
    alert_id:
      description: The alert, null when its message could not be read.
      type: str
    message_id:
      description: The message, by its id in the alerts' queue.
      type: str
held:
  description: How many messages stay hidden.
  returned: success
  type: int
  sample: 0
settled:
  description: The ids of the messages that were deleted, moved or released.
  returned: success
  type: list
  elements: str
failed_receipts:
  description:
    - The messages that the queue failed to process.
    - They become visible after their visibility timeout.
  returned: success
  type: list
  elements: dict
  contains:
    alert_id:
      description: The alert, null when its message could not be read.
      type: str
    message_id:
      description: The message.
      type: str
    wanted:
      description: V(delete), V(release), V(quarantine) or V(hold).
      type: str
    reason:
      description: What the queue says.
      type: str
"""

from functools import partial
from pathlib import Path

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import (
    BY_WORD,
    DELETE,
    QUARANTINE,
    RELEASE,
    fate,
    most_careful,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import (
    CONNECTION_OPTIONS,
    QUEUE_ARGUMENTS,
    FailedReceipt,
    OutgoingMessage,
    delete,
    extend,
    move,
    open_queue,
    release,
    resolve_other,
)

ARGUMENTS = {
    "alerts": {"type": "list", "elements": "dict", "required": True},
    "sharing": {"type": "list", "elements": "dict", "default": []},
    "hold_seconds": {"type": "int"},
    "quarantine_queue": {"type": "str"},
    **QUEUE_ARGUMENTS,
}

HOLD = "hold"


class AlertError(LeastprivError):
    """An alert has no valid disposition, or no receipts."""


def sort_receipts(alerts, check_mode, is_hold=False, has_quarantine=False, sharing=()):
    """Alerts -> {DELETE, QUARANTINE, RELEASE or HOLD: {receipt handle: (alert, receipt)}}. Raises AlertError.

    If a message has several alerts, the most careful of their decisions applies.
    """
    receipts, alerts_of, own = {}, {}, []
    handles = _handles(alerts) - _handles(alert for alert in sharing if alert.get("disposition") is None)
    for alert in [*alerts, *(alert for alert in sharing if alert.get("disposition"))]:
        mine = {receipt["receipt_handle"]: receipt for receipt in _receipts(alert)}
        mine = {handle: receipt for handle, receipt in mine.items() if handle in handles}
        own.append((RELEASE if is_hold else _fate(alert, check_mode, has_quarantine), mine))
        receipts.update(mine)
        for handle in mine:
            alerts_of.setdefault(handle, []).append(alert)
    wanted = {act: {} for act in (DELETE, QUARANTINE, RELEASE, HOLD)}
    for handle, act in most_careful(own).items():
        wanted[HOLD if is_hold else act][handle] = (_joined(alerts_of[handle]), receipts[handle])
    return wanted


def _handles(alerts):
    return {receipt["receipt_handle"] for alert in alerts for receipt in _receipts(alert)}


def _joined(alerts):
    """Several alerts of one message as one, for the message's attributes."""
    if len(alerts) == 1:
        return alerts[0]
    names = {"alert_id": ",", "account_id": ",", "disposition": ",", "reason": "; "}
    return {
        name: mark.join(dict.fromkeys(filter(None, (one.get(name) for one in alerts)))) for name, mark in names.items()
    }


def _fate(alert, check_mode, has_quarantine):
    disposition = alert.get("disposition")
    if disposition not in BY_WORD:
        raise AlertError(
            f"Alert {alert.get('alert_id')} has the disposition {disposition!r}, so nothing was acknowledged: "
            f"give one of {', '.join(BY_WORD)}."
        )
    return fate(disposition, check_mode, has_quarantine)


def _receipts(alert):
    try:
        return [{**receipt, "receipt_handle": receipt["receipt_handle"]} for receipt in alert["receipts"]]
    except (KeyError, TypeError):
        raise AlertError(
            f"Alert {alert.get('alert_id')} has no receipts, so nothing was acknowledged: "
            "pass the alerts that the lookup leastpriv.iam.alerts returned."
        ) from None


def acknowledge(queue, wanted, hold_seconds=None, open_quarantine=None):
    """Delete, move, release and extend messages. Deletions are first, so finished work is not received again.

    The quarantine queue is opened only if a message goes there, so its failure does not affect the others.
    """
    failed, done = [], {}
    acts = {
        DELETE: delete,
        QUARANTINE: partial(quarantine, open_quarantine=open_quarantine, wanted=wanted[QUARANTINE]),
        RELEASE: release,
        HOLD: partial(extend, seconds=hold_seconds),
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


def _others(receipts, failures):
    """The messages without a failure."""
    failed = {failure.receipt_handle for failure in failures}
    return [_ids(*entry) for handle, entry in receipts.items() if handle not in failed]


def quarantine(queue, _handles, open_quarantine, wanted):
    """Move messages to the quarantine queue, and release those that cannot be moved. Returns the failures."""
    outgoing, unread = _outgoing(wanted)
    try:
        unsent, undeleted = move(queue, open_quarantine(), outgoing)
    except LeastprivError as error:
        unsent, undeleted = [FailedReceipt(message.receipt_handle, "", str(error)) for message in outgoing], ()
    release(queue, [failed.receipt_handle for failed in (*unread, *unsent)])
    return (*unread, *unsent, *undeleted)


def _outgoing(wanted):
    outgoing, unread = [], []
    for handle, (alert, receipt) in wanted.items():
        try:
            outgoing.append(_outgoing_message(alert, receipt))
        except (KeyError, OSError, TypeError, ValueError) as error:
            reason = (
                f"its body was not kept ({type(error).__name__}: {error}): pass the alerts that the lookup returned"
            )
            unread.append(FailedReceipt(handle, "", reason))
    return outgoing, unread


def _outgoing_message(alert, receipt):
    attributes = {f"leastpriv.{name}": alert.get(name) for name in ("disposition", "reason", "alert_id", "account_id")}
    return OutgoingMessage(
        message_id=receipt["message_id"],
        receipt_handle=receipt["receipt_handle"],
        body=Path(receipt["body_file"]).read_bytes().decode(errors="surrogatepass"),
        attributes={**attributes, "leastpriv.group_id": receipt.get("group_id")},
    )


def _ids(alert, receipt):
    return {"alert_id": alert.get("alert_id"), "message_id": receipt.get("message_id")}


def _failed(act, failure, alert, receipt):
    return {**_ids(alert, receipt), "wanted": act, "reason": failure.reason}


def main():
    # amazon.aws's own arguments are left out: with access keys and AWS_PROFILE in one environment they exclude each
    # other, while the SDK's chain has an order for them.
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, default_args=False, supports_check_mode=True)
    try:
        hold_seconds, named = module.params["hold_seconds"], module.params["quarantine_queue"]
        is_hold = hold_seconds is not None
        wanted = sort_receipts(
            module.params["alerts"], module.check_mode, is_hold, bool(named), sharing=module.params["sharing"]
        )
        options = [module.params[option] for option in CONNECTION_OPTIONS]
        queue = open_queue(module.client, module.params["queue_name"], options) if any(wanted.values()) else None
        open_quarantine = partial(resolve_other, named, queue, module.client, options)
        module.exit_json(**acknowledge(queue, wanted, hold_seconds, open_quarantine))
    except LeastprivError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
