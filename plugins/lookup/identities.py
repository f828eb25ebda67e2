# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: identities
version_added: 1.0.0
short_description: Learn which identities a run depends on
description:
  - Gives the ARNs of the identities that assume the roles of the accounts, and of the one that reads the queue, for
    M(leastpriv.iam.observe) to protect them in the accounts that they belong to.
  - Roles that the AWS configuration names (C(role_arn) of a profile) are taken from there. STS is asked only who such a
    chain begins with, by one call of GetCallerIdentity for each distinct beginning, most often one for a run.
  - What cannot be learnt is a warning, which says that it is not protected, or an error where O(required) is set.
author:
  - The Leastpriv team (!UNKNOWN)
requirements:
  - boto3 >= 1.34.0
options:
  _terms:
    description: Not used.
  hosts:
    description:
      - How each account is reached, dictionaries with C(profile), C(role_arn), C(region) and C(endpoint_url). With a
        C(role_arn), C(profile) is what assumes it.
    type: list
    elements: dict
    default: []
  queue_profile:
    description: The profile of the queue, empty for AWS's usual chain.
    type: str
    default: ""
  required:
    description: Whether to fail if an identity cannot be learnt.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show whom no script may restrict
  ansible.builtin.debug:
    msg: "{{ query('leastpriv.iam.identities', queue_profile='queue') }}"
"""

RETURN = r"""
_list:
  description: The ARNs, as STS or the AWS configuration names them.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.identities import Identity, learn_identities
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import unset_empty_variables

ACCEPT = "To apply without protecting it, set remediate_unknown_identity: true."
FIELDS = ("profile", "role_arn", "region", "endpoint_url")


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """See DOCUMENTATION."""
        unset_empty_variables()
        self.set_options(var_options=variables, direct=kwargs)
        wanted = [Identity(str(self.get_option("queue_profile") or ""))]
        for host in self.get_option("hosts"):
            fields = {field: str(host.get(field) or "") for field in FIELDS}
            wanted.append(Identity(**fields, is_base=bool(fields["role_arn"])))
        arns, problems = learn_identities(dict.fromkeys(wanted))
        if problems and self.get_option("required"):
            raise AnsibleLookupError(f"The whole run: nothing was received. {' '.join(problems)} {ACCEPT}")
        for problem in problems:
            Display().warning(problem)
        return arns
