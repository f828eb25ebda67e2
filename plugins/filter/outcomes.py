# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: outcomes
version_added: 1.0.0
short_description: Decide the outcome of each alert
description:
  - Joins translation, observation and the results of the modules into one disposition per alert.
  - Uses the variables of each account, also if it dropped out.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input, hostvars
options:
  _input:
    description:
      - The alerts by account, as P(leastpriv.iam.translate#filter) returns them.
    type: dict
    required: true
  hostvars:
    description:
      - Ansible's C(hostvars), which hold the facts that the role sets in each account.
    type: dict
    required: true
  check_mode:
    description:
      - Whether nothing was to be applied.
    type: bool
    default: false
  undo:
    description:
      - Whether the alerts are those of P(leastpriv.iam.journal_entries#lookup), which are undone.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show the dispositions
  ansible.builtin.debug:
    msg: "{{ __remediate_translated | leastpriv.iam.outcomes(hostvars) | from_json | map(attribute='disposition') }}"
"""

RETURN = r"""
_value:
  description: The alerts with RV(ignore:disposition), RV(ignore:reason) and the status of each step, a list as JSON.
  type: str
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import to_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.outcome import outcomes_of_all


def outcomes(translated, hostvars, check_mode=False, undo=False):
    """See DOCUMENTATION."""
    return to_text(outcomes_of_all(translated, hostvars, check_mode, undo))


class FilterModule:
    def filters(self):
        return {"outcomes": outcomes}
