# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: messages
version_added: 1.0.0
short_description: Keep of alerts what the queue has to know
description:
  - Leaves of each alert only what M(leastpriv.iam.acknowledge) reads, a tenth of it.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  _input:
    description:
      - The alerts, as P(leastpriv.iam.alerts#lookup) or P(leastpriv.iam.outcomes#filter) gives them.
    type: raw
    required: true
  received:
    description:
      - All alerts of the run. A message is left out as long as one of its alerts has no disposition here.
    type: raw
    default: []
  decided:
    description:
      - Alerts that were decided earlier. Those that share a message with one of the alerts are added, with that message
        only.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Acknowledge
  leastpriv.iam.acknowledge:
    alerts: "{{ __remediate_outcomes | leastpriv.iam.messages }}"
"""

RETURN = r"""
_value:
  description: For each alert its C(alert_id), C(account_id), C(message_id), C(disposition), C(reason) and C(receipts).
  type: list
  elements: dict
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text

READ = ("alert_id", "account_id", "message_id", "disposition", "reason", "receipts")


def messages(alerts, received=(), decided=()):
    """See DOCUMENTATION."""
    alerts = from_text(alerts)
    open_ones = _handles(alert for alert in from_text(received) if not alert["disposition"])
    mine = _handles(alerts)
    kept = [
        *(_with_receipts(alert, lambda handle: handle not in open_ones) for alert in alerts),
        *(shared for alert in decided if (shared := _with_receipts(alert, lambda handle: handle in mine))["receipts"]),
    ]
    return [{field: alert.get(field) for field in READ} for alert in kept]


def _handles(alerts):
    return {receipt["receipt_handle"] for alert in alerts for receipt in alert["receipts"]}


def _with_receipts(alert, is_wanted):
    return {**alert, "receipts": [one for one in alert["receipts"] if is_wanted(one["receipt_handle"])]}


class FilterModule:
    def filters(self):
        return {"messages": messages}
