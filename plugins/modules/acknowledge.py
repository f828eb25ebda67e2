#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acknowledge
version_added: 1.0.0
short_description: Delete or give back the queue messages of finished alerts
description:
  - Tells the queue what became of alerts that P(leastpriv.iam.alerts#lookup) has received.
  - The disposition of an alert alone decides. V(remediated), V(already_remediated) and V(acknowledged) delete its
    messages; every other disposition gives them back, so that they are visible again at once.
  - In check mode every message is given back and none is deleted. Giving back is done in check mode too, by design;
    otherwise a review would hide the messages from the next run until their visibility timeout has passed.
  - A message that is to be given back and is not hidden any more (deleted, visible, or received by another run) is no
    failure.
  - It works with the queue's credentials and never with an account's, and is therefore in no action group.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  alerts:
    description:
      - The alerts, as P(leastpriv.iam.alerts#lookup) gives them; only C(alert_id), C(message_id), C(disposition) and
        C(receipts) are read.
      - C(disposition) is one of the thirteen dispositions and is required.
      - C(receipts) is a list of dictionaries with C(message_id) and C(receipt_handle) and is required.
    type: list
    elements: dict
    required: true
  hold_seconds:
    description:
      - Keep all messages hidden from other runs for so many seconds from now, instead of deleting them or giving them
        back. For work that takes longer than the visibility timeout; dispositions are not looked at.
    type: int
attributes:
  check_mode:
    description: Gives every message back and deletes none.
    support: full
  diff_mode:
    description: A message has nothing to compare.
    support: none
seealso:
  - plugin: leastpriv.iam.alerts
    plugin_type: lookup
extends_documentation_fragment:
  - leastpriv.iam.queue.modules
"""

EXAMPLES = r"""
- name: Give all received messages back
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
given_back:
  description: How many messages are visible again (or were no longer hidden).
  returned: success
  type: int
  sample: 1
held:
  description: How many messages stay hidden.
  returned: success
  type: int
  sample: 0
settled:
  description: The ids of the messages that were deleted or given back.
  returned: success
  type: list
  elements: str
undone:
  description:
    - The messages for which the queue did not do what was wanted.
    - They become visible by themselves after their visibility timeout.
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
      description: V(delete), V(give_back) or V(hold).
      type: str
    reason:
      description: What the queue says.
      type: str
"""

from functools import partial

from ansible.module_utils.basic import env_fallback
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import BY_WORD, DELETE, GIVE_BACK, fate
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.queue import (
    connection,
    delete,
    extend,
    give_back,
    resolve_queue,
)

ARGUMENTS = {
    "alerts": {"type": "list", "elements": "dict", "required": True},
    "hold_seconds": {"type": "int"},
    "queue_name": {"type": "str", "fallback": (env_fallback, ["SQS_QUEUE_NAME"])},
    "queue_url": {"type": "str", "fallback": (env_fallback, ["SQS_QUEUE_URL"])},
    "queue_profile": {"type": "str", "aliases": ["profile"]},
    "region": {"type": "str", "aliases": ["aws_region"], "fallback": (env_fallback, ["AWS_REGION"])},
    "endpoint_url": {"type": "str", "fallback": (env_fallback, ["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"])},
}

HOLD = "hold"


class AlertError(LeastprivError):
    """An alert does not say what became of it, or which messages it has."""


def sort_receipts(alerts, check_mode, is_hold=False):
    """Alerts -> {DELETE, GIVE_BACK or HOLD: {receipt handle: (alert id, message id)}}. Raises AlertError."""
    wanted = {act: {} for act in (DELETE, GIVE_BACK, HOLD)}
    for alert in alerts:
        act = HOLD if is_hold else _fate(alert, check_mode)
        wanted[act].update({handle: (alert.get("alert_id"), message_id) for handle, message_id in _receipts(alert)})
    return wanted


def _fate(alert, check_mode):
    disposition = alert.get("disposition")
    if disposition not in BY_WORD:
        raise AlertError(
            f"Alert {alert.get('alert_id')} has the disposition {disposition!r}, so nothing was acknowledged: "
            f"give one of {', '.join(BY_WORD)}."
        )
    return fate(disposition, check_mode)


def _receipts(alert):
    try:
        return [(receipt["receipt_handle"], receipt.get("message_id")) for receipt in alert["receipts"]]
    except (AttributeError, KeyError, TypeError):
        raise AlertError(
            f"Alert {alert.get('alert_id')} has no receipts, so nothing was acknowledged: "
            "give its alerts as the lookup leastpriv.iam.alerts gave them."
        ) from None


def acknowledge(queue, wanted, hold_seconds=None):
    """Do what is wanted, deletions first: finished work must not come back, whatever comes between."""
    counts, undone, settled = {}, [], []
    acts = {DELETE: delete, GIVE_BACK: give_back, HOLD: partial(extend, seconds=hold_seconds)}
    for act, do in acts.items():
        failures = do(queue, wanted[act])
        counts[act] = len(wanted[act]) - len(failures)
        undone += [_undone(act, failure, *wanted[act][failure.receipt_handle]) for failure in failures]
        settled += _others(wanted[act], failures) if act != HOLD else []
    return {
        "changed": counts[DELETE] > 0,
        "deleted": counts[DELETE],
        "given_back": counts[GIVE_BACK],
        "held": counts[HOLD],
        "settled": settled,
        "undone": undone,
    }


def _others(receipts, failures):
    """The ids of the messages that none of the failures is about."""
    failed = {failure.receipt_handle for failure in failures}
    return [message_id for handle, (_alert_id, message_id) in receipts.items() if handle not in failed]


def _undone(act, failure, alert_id, message_id):
    return {"alert_id": alert_id, "message_id": message_id, "wanted": act, "reason": failure.reason}


def open_queue(module):
    names = ("queue_url", "queue_profile", "region", "endpoint_url")
    client = module.client("sqs", **connection(*(module.params[name] for name in names)))
    return resolve_queue(client, module.params["queue_name"], module.params["queue_url"])


def main():
    # amazon.aws's own arguments are left out: with access keys and AWS_PROFILE in one environment they exclude each
    # other, while the SDK's chain has an order for them.
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, default_args=False, supports_check_mode=True)
    try:
        hold_seconds = module.params["hold_seconds"]
        wanted = sort_receipts(module.params["alerts"], module.check_mode, is_hold=hold_seconds is not None)
        queue = open_queue(module) if any(wanted.values()) else None
        module.exit_json(**acknowledge(queue, wanted, hold_seconds))
    except LeastprivError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
