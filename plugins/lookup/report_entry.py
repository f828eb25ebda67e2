# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: report_entry
version_added: 1.0.0
short_description: Find what a run reported about an alert
description:
  - Finds an alert in the newest C(report.json) that contains it.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  _terms:
    description: Ids of alerts.
    type: list
    elements: str
    required: true
  run_id:
    description: Look in the report of this run only.
    type: str
    default: ""
extends_documentation_fragment:
  - leastpriv.iam.past_runs
"""

EXAMPLES = r"""
- name: Show the outcome of an alert
  ansible.builtin.debug:
    msg: "{{ lookup('leastpriv.iam.report_entry', 'I-1', artifacts_dir='artifacts').text.splitlines() }}"
"""

RETURN = r"""
_list:
  description: One dictionary per term.
  type: list
  elements: dict
  contains:
    alert:
      description: The alert as C(report.json) has it, see docs/report.md.
      type: dict
    run_id:
      description: The run whose report it is.
      type: str
    mode:
      description: V(check) or V(apply).
      type: str
    text:
      description:
        - The vendor's script to copy, its translation, and why it was applied or not, several lines. Control characters
          are escaped, so they cannot control a terminal.
      type: str
    finished:
      description: When the run ended, ISO 8601 in UTC.
      type: str
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.alert_details import alert_details
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.past_runs import NotReported, report_entry


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        """See DOCUMENTATION. Raises AnsibleLookupError when no report knows an alert."""
        self.set_options(var_options=variables, direct=kwargs)
        artifacts_dir, run_id = self.get_option("artifacts_dir"), self.get_option("run_id")
        try:
            found = [report_entry(str(alert_id), artifacts_dir, run_id, self.get_option("key")) for alert_id in terms]
        except NotReported as error:
            raise AnsibleLookupError(str(error)) from None
        return [{**entry, "text": alert_details(entry)} for entry in found]
