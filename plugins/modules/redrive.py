#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redrive
version_added: 1.0.0
short_description: Put quarantined messages back into the alerts' queue
description:
  - Moves the messages that M(leastpriv.iam.acknowledge) has put into a quarantine queue back to the queue of the
    alerts, with their body, and without the attributes about the reason of the move.
  - A message is sent first, and deleted from the quarantine queue only when it has arrived.
  - Messages that are not chosen, and all messages in check mode, are visible again at once.
  - It works with the queue's credentials and never with an account's, and is therefore in no action group.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  quarantine_queue:
    description: The name or URL of the quarantine queue. A dead-letter queue of the alerts' queue will do, too.
    type: str
    required: true
  alert_ids:
    description: Only the messages of these alerts. Without it those of all alerts.
    type: list
    elements: str
    default: []
  dispositions:
    description: Only the messages that were moved with one of these dispositions. Without it all of them.
    type: list
    elements: str
    choices: [invalid, unsupported, refused]
    default: []
  max_messages:
    description:
      - The maximum number of messages to examine, so the module ends even if a run moves the same alerts again.
      - Without it as many as the quarantine queue has in the beginning, and ten at least.
    type: int
  wait_seconds:
    description: How long one receive call waits for a message, from 1 to 20 seconds.
    type: int
    default: 1
attributes:
  check_mode:
    description: Lists what would be moved, and moves nothing. SQS counts it as a receive.
    support: full
  diff_mode:
    description: A message has nothing to compare.
    support: none
seealso:
  - module: leastpriv.iam.acknowledge
extends_documentation_fragment:
  - leastpriv.iam.queue.modules
"""

EXAMPLES = r"""
- name: Put everything back
  leastpriv.iam.redrive:
    queue_name: prisma-cloud-alerts
    quarantine_queue: prisma-cloud-alerts-quarantine

- name: Return alerts that the last upgrade supports
  leastpriv.iam.redrive:
    queue_name: prisma-cloud-alerts
    quarantine_queue: prisma-cloud-alerts-quarantine
    dispositions: [unsupported]
"""

RETURN = r"""
moved:
  description: The messages that were moved back (in check mode those that would be).
  returned: success
  type: list
  elements: dict
  contains:
    alert_id:
      description: The alert, null when its message could not be read.
      type: str
    disposition:
      description: Why it was moved here.
      type: str
    reason:
      description: The reason of the move.
      type: str
    message_id:
      description: The message, by its id in the quarantine queue.
      type: str
missing:
  description: Those of O(alert_ids) without a message to move.
  returned: success
  type: list
  elements: str
left:
  description: How many messages were looked at and left where they are.
  returned: success
  type: int
  sample: 0
failed_receipts:
  description:
    - The messages that could not be moved, or were moved and could not be deleted here. The latter are in both queues;
      an alert that is received twice is found to be remediated.
  returned: success
  type: list
  elements: dict
  contains:
    message_id:
      description: The message, by its id in the quarantine queue.
      type: str
    reason:
      description: The queue's answer.
      type: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import QUARANTINED
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import (
    BATCH,
    CONNECTION_OPTIONS,
    QUEUE_ARGUMENTS,
    OutgoingMessage,
    depth,
    move,
    open_queue,
    receive,
    release,
    resolve_other,
)

# Long enough to examine all messages; short enough for an early retry if the module is killed.
HIDDEN_SECONDS = 300
EMPTY_POLLS = 3

ARGUMENTS = {
    "quarantine_queue": {"type": "str", "required": True},
    "alert_ids": {"type": "list", "elements": "str", "default": []},
    "dispositions": {"type": "list", "elements": "str", "choices": [*QUARANTINED], "default": []},
    "max_messages": {"type": "int"},
    "wait_seconds": {"type": "int", "default": 1},
    **QUEUE_ARGUMENTS,
}


def redrive(quarantine, queue, is_wanted, most, wait_seconds, check_mode):
    """Move the wanted messages in batches: a FIFO queue returns the next of a group only after the first were deleted.

    Every message is examined once. Those that are left are released at the end, also after a failure.
    """
    moved, failed_receipts, kept = [], [], {}
    try:
        for messages in unseen_messages(quarantine, most, wait_seconds):
            kept.update({message.message_id: message.receipt_handle for message in messages})
            wanted = [message for message in messages if is_wanted(message)]
            failed = {} if check_mode else _move(quarantine, queue, wanted)
            failed_receipts += [{"message_id": message_id, "reason": reason} for message_id, reason in failed.items()]
            gone = [message for message in wanted if message.message_id not in failed]
            moved += [_summary(message) for message in gone]
            for message in () if check_mode else gone:
                del kept[message.message_id]
    finally:
        release(quarantine, kept.values())
    left = len(kept) - len(failed_receipts) - (len(moved) if check_mode else 0)
    return {"changed": bool(moved), "moved": moved, "left": left, "failed_receipts": failed_receipts}


def unseen_messages(queue, most, wait_seconds):
    """Batches of messages until there are no more, `most` were received, or one is received again."""
    seen, empty_polls = set(), 0
    while len(seen) < most and empty_polls < EMPTY_POLLS:
        messages = receive(queue, min(BATCH, most - len(seen)), wait_seconds, HIDDEN_SECONDS)
        if any(message.message_id in seen for message in messages):
            release(queue, [message.receipt_handle for message in messages])
            return
        seen.update(message.message_id for message in messages)
        empty_polls = 0 if messages else empty_polls + 1
        if messages:
            yield messages
        elif not depth(queue).visible:
            return


def _move(quarantine, queue, messages):
    """{message id: reason} of the messages that were not moved, or not deleted here."""
    outgoing = [
        OutgoingMessage(
            message.message_id, message.receipt_handle, message.body, {}, message.attributes.get("leastpriv.group_id")
        )
        for message in messages
    ]
    ids = {message.receipt_handle: message.message_id for message in messages}
    unsent, undeleted = move(quarantine, queue, outgoing)
    return {ids[failed.receipt_handle]: failed.reason for failed in (*unsent, *undeleted)}


def _summary(message):
    names = ("alert_id", "disposition", "reason")
    return {"message_id": message.message_id, **{name: message.attributes.get(f"leastpriv.{name}") for name in names}}


def chooser(alert_ids, dispositions):
    """A predicate of messages, which can have several alerts; an empty list chooses all."""

    def is_wanted(message):
        return _names_one(message, "alert_id", alert_ids) and _names_one(message, "disposition", dispositions)

    return is_wanted


def _names_one(message, name, wanted):
    return not wanted or not _names(message, name).isdisjoint(wanted)


def _names(message, name):
    value = message.attributes.get(f"leastpriv.{name}", "")
    return {value, *value.split(",")}


def run(module):
    options = [module.params[option] for option in CONNECTION_OPTIONS]
    queue = open_queue(module.client, module.params["queue_name"], options)
    quarantine = resolve_other(module.params["quarantine_queue"], queue, module.client, options)
    most = module.params["max_messages"]
    alert_ids, found = module.params["alert_ids"], set()
    is_chosen = chooser(alert_ids, module.params["dispositions"])

    def is_wanted(message):
        chosen = is_chosen(message)
        found.update(_names(message, "alert_id") if chosen else ())
        return chosen

    result = redrive(
        quarantine,
        queue,
        is_wanted,
        max(BATCH, depth(quarantine).visible) if most is None else most,
        module.params["wait_seconds"],
        module.check_mode,
    )
    return {**result, "missing": [alert_id for alert_id in alert_ids if alert_id not in found]}


def main():
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, default_args=False, supports_check_mode=True)
    try:
        module.exit_json(**run(module))
    except LeastprivError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
