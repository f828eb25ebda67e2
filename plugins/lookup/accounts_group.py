# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: accounts_group
version_added: 1.0.0
short_description: The group of all accounts, for the hosts of a play
description:
  - Returns V(aws_accounts). It fails if the run would work in no account, and names the likely cause. Ansible itself
    skips a play without hosts and ends with exit status 0.
  - It also unsets environment variables of AWS, the queue and the API that are set and empty, before any plugin or
    module reads them.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  _terms:
    description: Not used.
"""

EXAMPLES = r"""
- name: Work in every account
  hosts: "{{ lookup('leastpriv.iam.accounts_group') }}"
  roles:
    - leastpriv.iam.remediate
"""

RETURN = r"""
_list:
  description: One host pattern.
  type: list
  elements: str
"""

import os
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.account_hosts import GROUP
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.no_accounts import Surroundings, why_no_accounts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import unset_empty_variables


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """See DOCUMENTATION. Raises AnsibleLookupError with one sentence."""
        unset_empty_variables()
        variables = variables or {}
        accounts = variables.get("groups", {}).get(GROUP, [])
        # What Ansible has left of the inventory by --limit.
        chosen = variables.get("ansible_play_hosts_all")
        if accounts and (chosen is None or set(accounts) & set(chosen)):
            return [GROUP]
        raise AnsibleLookupError(why_no_accounts(surroundings(variables, has_accounts=bool(accounts))))


def surroundings(variables: dict[str, Any], has_accounts: bool) -> Surroundings:
    """How this run of Ansible was started."""
    here = Path.cwd()
    return Surroundings(
        inventories=tuple(str(source) for source in variables.get("ansible_inventory_sources") or ()),
        limit=str(context.CLIARGS.get("subset") or "") if has_accounts else "",
        config_file=str(constants.CONFIG_FILE or ""),
        chosen_config=os.environ.get("ANSIBLE_CONFIG", ""),
        folder=str(here),
        is_writable_by_all=(here / "ansible.cfg").exists() and bool(here.stat().st_mode & 0o002),
        has_hosts=any(host not in ("localhost",) for host in variables.get("groups", {}).get("all", [])),
    )
