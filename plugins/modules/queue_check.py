#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: queue_check
version_added: 1.0.0
short_description: Check whether the alerts' queue can be used, without receiving
description:
  - Finds the queue and reads its attributes, those of the quarantine queue too where there is one.
  - No message is received.
  - It works with the queue's credentials and never with an account's, and is therefore in no action group.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  quarantine_queue:
    description: The name or URL of the quarantine queue, if any.
    type: str
attributes:
  check_mode:
    description: Reads the same, changes nothing.
    support: full
  diff_mode:
    description: Has nothing to compare.
    support: none
seealso:
  - module: leastpriv.iam.acknowledge
extends_documentation_fragment:
  - leastpriv.iam.queue.modules
"""

EXAMPLES = r"""
- name: Check the queue
  leastpriv.iam.queue_check:
    queue_name: prisma-cloud-alerts
"""

RETURN = r"""
urls:
  description: The URLs of the queues that were found, V(queue) and V(quarantine_queue).
  returned: success
  type: dict
findings:
  description: What was found, in the form of M(leastpriv.iam.permission_check).
  returned: success
  type: list
  elements: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import (
    CONNECTION_OPTIONS,
    MIN_RECEIVES,
    QUEUE_ARGUMENTS,
    depth,
    max_receive_count,
    open_queue,
    resolve_other,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import finding

# So often an alert may fail, or be reviewed, before it is put aside.
RECOMMENDED_RECEIVES = 10
REDRIVE = "docs/queue.md shows how to set a redrive policy."
SUBJECT = "queue"


def check_queue(params, connect):
    """The findings about the queue, and the quarantine queue if any; the URLs of those that are there."""
    options = [params[option] for option in CONNECTION_OPTIONS]
    named = params["queue_url"] or params["queue_name"]
    tried = f"find the queue {named} and read its attributes"
    try:
        queue = open_queue(connect, params["queue_name"], options)
        counts = depth(queue)
        found = f"{queue.url}: {counts.visible} messages visible, {counts.in_flight} in flight"
        findings = [finding(SUBJECT, "ok", tried, found), check_redrive(queue)]
    except LeastprivError as error:
        return [
            finding(SUBJECT, "missing", tried, str(error), "Correct the setting or the permission named there.")
        ], {}
    more, urls = check_quarantine(params["quarantine_queue"], queue, connect, options)
    return [*findings, *more], {"queue": queue.url, **urls}


def check_redrive(queue):
    """Whether alerts that keep failing move to a dead-letter queue, and not too early."""
    receives = max_receive_count(queue)
    tried = f"read the redrive policy of {queue.url}"
    if receives is None:
        advice = f"Give it a dead-letter queue with maxReceiveCount {RECOMMENDED_RECEIVES} or more. {REDRIVE}"
        return finding(
            SUBJECT, "advice", tried, "No dead-letter queue: a failing alert is redelivered indefinitely.", advice
        )
    found = f"A message moves to the dead-letter queue after {receives} receives (maxReceiveCount)."
    if receives >= RECOMMENDED_RECEIVES:
        return finding(SUBJECT, "ok", tried, found)
    advice = f"Set maxReceiveCount to {RECOMMENDED_RECEIVES} or more. {REDRIVE}"
    if receives < MIN_RECEIVES:
        return finding(SUBJECT, "missing", tried, f"{found} A review (--check) is not possible.", advice)
    return finding(SUBJECT, "advice", tried, f"{found} A few reviews and failures use them up.", advice)


def check_quarantine(named, queue, connect, options):
    if not named:
        return [], {}
    tried = f"find the quarantine queue {named} and read its attributes"
    try:
        url = resolve_other(named, queue, connect, options).url
    except LeastprivError as error:
        advice = "Correct remediate_quarantine_queue, or the permission."
        return [finding(SUBJECT, "missing", tried, str(error), advice)], {}
    return [finding(SUBJECT, "ok", tried, f"found {url}")], {"quarantine_queue": url}


def main():
    arguments = {"quarantine_queue": {"type": "str"}, **QUEUE_ARGUMENTS}
    module = AnsibleAWSModule(argument_spec=arguments, default_args=False, supports_check_mode=True)
    findings, urls = check_queue(module.params, module.client)
    module.exit_json(changed=False, findings=findings, urls=urls)


if __name__ == "__main__":
    main()
