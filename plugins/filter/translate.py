# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: translate
version_added: 1.0.0
short_description: Translate the scripts of alerts, account by account
description:
  - Returns the undecided alerts by account, each with the steps of its script, see P(leastpriv.iam.steps#filter).
  - Never fails because of one alert.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input, settings
options:
  _input:
    description:
      - The alerts, as P(leastpriv.iam.alerts#lookup) or P(leastpriv.iam.journal_entries#lookup) returns them. Those
        that have a disposition are left out, and those of the latter have their steps already.
    type: raw
    required: true
  settings:
    description:
      - What P(leastpriv.iam.settings#lookup) returned for each account.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show how many alerts each account has
  ansible.builtin.debug:
    msg: "{{ translated | dict2items | map(attribute='value.count') }}"
  vars:
    translated: "{{ received | leastpriv.iam.translate }}"
"""

RETURN = r"""
_value:
  description:
    - For each account, by its name in the inventory, its C(account_id), the C(count) of its alerts, and its
      C(alerts), a list as JSON, each with C(disposition), C(reason), C(notes) and C(steps) as
      P(leastpriv.iam.steps#filter) returns them.
  type: dict
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.account_alerts import by_account
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.translation import translate_alerts


def translate(alerts, settings=()):
    """See DOCUMENTATION."""
    return by_account(translate_alerts(from_text(alerts), settings))


class FilterModule:
    def filters(self):
        return {"translate": translate}
