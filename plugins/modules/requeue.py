#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: requeue
version_added: 1.0.0
short_description: Send alerts to the queue of the alerts
description:
  - Sends a message for each alert. P(leastpriv.iam.requeue_messages#filter) makes them of alerts whose changes were
    reverted.
  - It works with the queue's credentials and never with an account's, and is therefore in no action group.
  - In a FIFO queue each alert is a message group, and equal messages within five minutes are sent once.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  messages:
    description: The messages to send.
    type: list
    elements: dict
    required: true
    suboptions:
      alert_id:
        description: The id of the alert.
        type: str
        required: true
      body:
        description: The text of the message.
        type: str
        required: true
attributes:
  check_mode:
    description: Sends nothing, and returns what it would send.
    support: full
  diff_mode:
    description: Shows no difference.
    support: none
extends_documentation_fragment:
  - leastpriv.iam.queue.modules
"""

EXAMPLES = r"""
- name: Put an alert back into the queue
  leastpriv.iam.requeue:
    queue_name: prisma-alerts
    messages:
      - alert_id: I-1234567
        body: '{"alertId": "I-1234567", "accountId": "123456789012", "policyType": "iam"}'
"""

RETURN = r"""
sent:
  description: The ids of the alerts that were sent, or would be.
  returned: success
  type: list
  elements: str
unsent:
  description: The alerts that could not be sent, and why, a sentence each.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import (
    CONNECTION_OPTIONS,
    QUEUE_ARGUMENTS,
    open_queue,
    send,
)

ARGUMENTS = {
    "messages": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"alert_id": {"type": "str", "required": True}, "body": {"type": "str", "required": True}},
    },
    **QUEUE_ARGUMENTS,
}


def run(module):
    queue = open_queue(module.client, module.params["queue_name"], [module.params[name] for name in CONNECTION_OPTIONS])
    messages = module.params["messages"]
    unsent = {} if module.check_mode else send(queue, [(one["alert_id"], one["body"]) for one in messages])
    return {
        "changed": len(unsent) < len(messages),
        "sent": [one["alert_id"] for one in messages if one["alert_id"] not in unsent],
        "unsent": [f"{alert_id} was not put back: {reason}" for alert_id, reason in unsent.items()],
    }


def main():
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, default_args=False, supports_check_mode=True)
    try:
        module.exit_json(**run(module))
    except LeastprivError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
