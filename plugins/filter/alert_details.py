# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: alert_details
version_added: 1.0.0
short_description: Tell at length what a run reported about an alert
description:
  - The vendor's script to copy, its translation, and why it was applied or not.
  - Control characters are escaped, so they cannot control a terminal.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - What P(leastpriv.iam.report_entry#lookup) returns.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the outcome of an alert
  ansible.builtin.debug:
    msg: "{{ lookup('leastpriv.iam.report_entry', 'I-1', artifacts_dir='artifacts') | leastpriv.iam.alert_details }}"
"""

RETURN = r"""
_value:
  description: The text, several lines.
  type: str
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.alert_details import alert_details


class FilterModule:
    def filters(self):
        return {"alert_details": alert_details}
