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
      - C(disposition) is one of the dispositions and is required.
      - Alerts of one message have the same receipt. The message is deleted only if all of them are finished. If all the
        others belong in O(quarantine_queue), it is moved there; otherwise it is released.
      - C(receipts) is a list of dictionaries with C(message_id) and C(receipt_handle), and with
        O(quarantine_queue) also C(body_file) and C(group_id). It is required.
      - The list can also be JSON text.
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
  earlier:
    description:
      - The RV(failed_receipts) of an earlier call in the same run. Those of this call begin with them.
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
      description: The queue's answer.
      type: str
"""

from functools import partial

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.acknowledgement import acknowledge, sort_receipts
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import (
    CONNECTION_OPTIONS,
    QUEUE_ARGUMENTS,
    open_queue,
    resolve_other,
)

ARGUMENTS = {
    "alerts": {"type": "list", "elements": "dict", "required": True},
    "sharing": {"type": "list", "elements": "dict", "default": []},
    "earlier": {"type": "list", "elements": "dict", "default": []},
    "hold_seconds": {"type": "int"},
    "quarantine_queue": {"type": "str"},
    **QUEUE_ARGUMENTS,
}


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
        answer = acknowledge(queue, wanted, hold_seconds, open_quarantine)
        module.exit_json(**answer | {"failed_receipts": module.params["earlier"] + answer["failed_receipts"]})
    except LeastprivError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
