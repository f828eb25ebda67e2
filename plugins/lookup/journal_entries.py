# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: journal_entries
version_added: 1.0.0
short_description: Find how to undo the changes of a run
description:
  - Reads C(journal.jsonl) of a run, checks that it is as the run wrote it, and returns its alerts with the steps that
    revert the changes, the last first.
  - Reads nothing but files of the controller; M(leastpriv.iam.observe) compares them with the
    account.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  _terms:
    description:
      - Ids of alerts. Without O(run_id) each is taken from the newest run that changed something for it, undos aside.
        None takes all alerts of O(run_id).
    type: list
    elements: str
  run_id:
    description: The run to undo.
    type: str
    default: ""
extends_documentation_fragment:
  - leastpriv.iam.past_runs
  - leastpriv.iam.past_runs.accounts
"""

EXAMPLES = r"""
- name: Show how an alert would be undone
  ansible.builtin.debug:
    msg: "{{ query('leastpriv.iam.journal_entries', 'I-1', artifacts_dir='runs', accounts=accounts, limit=['prod']) }}"
  vars:
    accounts:
      - name: prod
        account_id: "123456789012"
"""

RETURN = r"""
_list:
  description:
    - Alerts with C(steps) as M(leastpriv.iam.observe) takes them, C(script) (the same as AWS CLI commands, for people),
      C(lost) (what cannot be put back), and C(undoes) (the run that changed it).
  type: list
  elements: dict
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.accounts import account_map
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.past_runs import journal_entries
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo import placed


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        """See DOCUMENTATION. Raises AnsibleLookupError with the reason if nothing can be undone."""
        self.set_options(var_options=variables, direct=kwargs)
        artifacts_dir, run_id = self.get_option("artifacts_dir"), self.get_option("run_id")
        accounts = account_map((one["name"], one["account_id"]) for one in self.get_option("accounts"))
        try:
            alerts = journal_entries(
                artifacts_dir, run_id, [str(alert_id) for alert_id in terms], self.get_option("key")
            )
        except LeastprivError as error:
            raise AnsibleLookupError(f"{error} Nothing was undone.") from None
        return [placed(alert, accounts, self.get_option("limit")) for alert in alerts]
