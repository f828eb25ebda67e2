# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: by_account
version_added: 1.0.0
short_description: Gather alerts by account
description:
  - Gathers alerts that have their steps already, as P(leastpriv.iam.translated#filter) does with what it translates.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  _input:
    description:
      - The alerts, as P(leastpriv.iam.journaled#lookup) gives them. Those that have a disposition are left out.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show how many alerts each account has
  ansible.builtin.debug:
    msg: "{{ undone | leastpriv.iam.by_account | dict2items | map(attribute='value.count') }}"
"""

RETURN = r"""
_value:
  description:
    - For each account, by its name in the inventory, its C(account_id), the C(count) of its alerts, and its
      C(alerts), a list as JSON.
  type: dict
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import account_alerts


def by_account(alerts):
    """See DOCUMENTATION."""
    return account_alerts.by_account(alert for alert in alerts if alert["disposition"] is None)


class FilterModule:
    def filters(self):
        return {"by_account": by_account}
