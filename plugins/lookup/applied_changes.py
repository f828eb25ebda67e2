# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: applied_changes
version_added: 1.0.0
short_description: List the changes that runs made and no undo reverted
description:
  - Reads the journals of all runs, or of one, in the artifacts folder and in S3, and checks that they are as the runs
    wrote them. A journal that cannot be trusted is an alert with the disposition V(failed).
  - Whether the changes still hold is for M(leastpriv.iam.observe) to find out.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  _terms:
    description: Ids of alerts. None takes all alerts.
    type: list
    elements: str
  run_id:
    description: The run to take the changes of. Empty takes all runs.
    type: str
    default: ""
extends_documentation_fragment:
  - leastpriv.iam.past_runs
  - leastpriv.iam.past_runs.accounts
  - leastpriv.iam.past_runs.bucket
"""

EXAMPLES = r"""
- name: Show what was changed for an alert
  ansible.builtin.debug:
    msg: "{{ query('leastpriv.iam.applied_changes', 'I-1', artifacts_dir='runs', accounts=accounts, limit=['prod']) }}"
  vars:
    accounts:
      - name: prod
        account_id: "123456789012"
"""

RETURN = r"""
_list:
  description:
    - Alerts with C(run_id) and C(steps) as M(leastpriv.iam.observe) takes them with
      O(leastpriv.iam.observe#module:verify).
  type: list
  elements: dict
"""

from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.counter import FILE_NAME, note_aws_calls
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.queue_client import s3_client
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.accounts import account_map
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.stores import Bucket, Folder
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo import mapped
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.verification import applied_changes


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        """See DOCUMENTATION. Raises AnsibleLookupError when nothing can be verified, and says why."""
        self.set_options(var_options=variables, direct=kwargs)
        accounts = account_map((one["name"], one["account_id"]) for one in self.get_option("accounts"))
        stores = [Folder(self.get_option("artifacts_dir"), follows_links=True)]
        if self.get_option("artifacts_s3"):
            note_aws_calls(Path(constants.DEFAULT_LOCAL_TMP, FILE_NAME))
            stores.append(Bucket(self.get_option("artifacts_s3"), lambda: s3_client(self.get_option("profile"))))
        alert_ids = [str(alert_id) for alert_id in terms]
        try:
            alerts = applied_changes(stores, self.get_option("run_id"), alert_ids, self.get_option("key"))
        except LeastprivError as error:
            raise AnsibleLookupError(f"{error} Nothing was verified.") from None
        return [mapped(alert, accounts, self.get_option("limit")) for alert in alerts]
