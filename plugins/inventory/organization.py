# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: organization
version_added: 1.0.0
short_description: The accounts of an AWS organization, each with a role to assume
description:
  - Makes a host of every active account of an organization, in the group C(aws_accounts). Accounts that are suspended,
    closed or not yet activated are left out.
  - A host is named after its account. Characters that mean something to Ansible become C(_); where two accounts would
    have one name, both names end with the account's id.
  - Each organizational unit is a group, named C(ou_) and its path (C(ou_workloads_prod)), which contains
    the groups of the units in it. Each tag of an account is a group C(tag_<key>_<value>).
  - Names and tags are set by others, so they are never templates. Who may tag or move accounts decides what is in a
    group, and with that which variables in C(group_vars) and which C(--limit) hold for it.
  - Uses a YAML configuration file that ends with C(organization.yml) or C(organization.yaml).
author:
  - The Leastpriv team (!UNKNOWN)
options:
  plugin:
    description: Marks this as an instance of this plugin.
    required: true
    choices: [leastpriv.iam.organization]
  role_name:
    description:
      - The name of the role to assume in each account, with its path where it has one.
      - C({account_id}) and C({account_name}) are replaced. An account without a valid role name is left out,
        with a warning.
    type: str
    required: true
  include:
    description:
      - Patterns with C(*) and C(?); an account is taken when one of them is like its id, its name, or the id or path of
        an organizational unit that it is in. Empty takes all.
    type: list
    elements: str
    default: []
  exclude:
    description: Patterns as in O(include); matching accounts are left out.
    type: list
    elements: str
    default: []
  tags:
    description: Whether tags are read, which is one call per account.
    type: bool
    default: true
notes:
  - Needs C(organizations:ListRoots), C(organizations:ListAccountsForParent),
    C(organizations:ListOrganizationalUnitsForParent) and, with O(tags), C(organizations:ListTagsForResource), in the
    management account or as a delegated administrator.
  - The management account has no role that it did not make itself. Make one, or exclude it.
  - A O(profile) in the file is used whatever keys are in the environment; without one, keys in the environment go
    before E(AWS_PROFILE).
seealso:
  - plugin: leastpriv.iam.profiles
    plugin_type: inventory
extends_documentation_fragment:
  - inventory_cache
  - constructed
  - amazon.aws.boto3
  - amazon.aws.common.plugins
  - amazon.aws.region.plugins
  - amazon.aws.assume_role.plugins
"""

EXAMPLES = r"""
# inventory/organization.yml
plugin: leastpriv.iam.organization
role_name: leastpriv/remediation
exclude:
  - "999988887777"    # the management account
  - sandboxes/*       # all units in the unit sandboxes
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/leastpriv
cache_timeout: 3600

# Settings of all accounts are in group_vars/aws_accounts.yml, or here:
# compose:
#   external_id: "'4711'"
"""

from itertools import pairwise
from typing import Any

from ansible.errors import AnsibleError
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.amazon.aws.plugins.plugin_utils.inventory import AWSInventoryBase
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.account_hosts import (
    GROUP,
    RESERVED,
    add_accounts_group,
    distinct_names,
    is_chosen,
    safe_name,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.organization import (
    NEEDED,
    RoleNameError,
    known_as,
    read_accounts,
    role_arn,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import ending_children

KEYS = ("access_key", "secret_key", "session_token")
# Organizations allows a few calls a second.
PATIENT = {"retries": {"mode": "adaptive", "max_attempts": 12}}


class InventoryModule(AWSInventoryBase):
    NAME = "leastpriv.iam.organization"
    INVENTORY_FILE_SUFFIXES = ("organization.yml", "organization.yaml")

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Read the organization, or what the cache has of it, and add its accounts."""
        super().parse(inventory, loader, path, cache=cache)
        is_cached, accounts = self.get_cached_result(path, cache)
        if not is_cached:
            with ending_children():
                accounts = self._read()
            self.update_cached_result(path, cache, accounts)
        chosen = [one for one in accounts if is_chosen(known_as(one), *map(self.get_option, ("include", "exclude")))]
        self._add(chosen)

    def _read_config_data(self, path: str) -> Any:
        config = super()._read_config_data(path)
        # amazon.aws refuses a profile beside keys, whatever their source.
        is_profile_meant = config.get("profile") or config.get("aws_profile")
        for option in KEYS if is_profile_meant else ("profile",) if self.get_option("access_key") else ():
            self.set_option(option, "")
        return config

    def _read(self) -> list[dict[str, Any]]:
        from botocore.exceptions import BotoCoreError, ClientError

        with_tags = self.get_option("tags")
        try:
            return read_accounts(self.client("organizations", aws_config=PATIENT), with_tags)
        except (BotoCoreError, ClientError) as error:
            needed = ", ".join([*NEEDED, "ListTagsForResource"] if with_tags else NEEDED)
            raise AnsibleError(
                f"Could not read the organization: {error}. It takes organizations: {needed}, in the management "
                "account or as a delegated administrator."
            ) from error

    def _add(self, accounts: list[dict[str, Any]]) -> None:
        add_accounts_group(self.inventory)
        units = self._add_units(accounts)
        hosts = distinct_names([(one["name"], one["id"]) for one in accounts], [*RESERVED, *units.values()])
        for host, account in zip(hosts, accounts, strict=True):
            try:
                self._add_account(host, account, units)
            except RoleNameError as error:
                self.warn(f"{error}; the account is left out.")

    def _add_units(self, accounts: list[dict[str, Any]]) -> dict[str, str]:
        """Add a group for every unit that contains an account; returns their names by the units' ids."""
        found = {ou["id"]: ou["path"] for account in accounts for ou in account["ous"]}
        names = distinct_names([(f"ou_{path}", ou_id) for ou_id, path in found.items()])
        units = dict(zip(found, names, strict=True))
        for account in accounts:
            for ou in account["ous"]:
                self.inventory.add_group(units[ou["id"]])
            for outer, inner in pairwise(account["ous"]):
                self.inventory.add_child(units[outer["id"]], units[inner["id"]])
        return units

    def _add_account(self, host: str, account: dict[str, Any], units: dict[str, str]) -> None:
        variables = {
            "account_id": account["id"],
            "account_name": wrap_var(account["name"]),
            "account_tags": wrap_var(account["tags"]),
            "organizational_unit": wrap_var(account["ous"][-1]["path"] if account["ous"] else ""),
            "role_arn": role_arn(account, self.get_option("role_name")),
        }
        tags = [safe_name(f"tag_{key}_{value}") for key, value in account["tags"].items()]
        for group in [GROUP, *(units[ou["id"]] for ou in account["ous"][-1:]), *tags]:
            self.inventory.add_group(group)
            self.inventory.add_host(host, group=group)
        for name, value in variables.items():
            self.inventory.set_variable(host, name, value)
        self._construct(host, self.inventory.get_host(host).get_vars())

    def _construct(self, host: str, variables: dict[str, Any]) -> None:
        """The account by the user's own configuration."""
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)
