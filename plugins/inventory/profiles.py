# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: profiles
version_added: 1.0.0
short_description: The accounts of the profiles in the AWS config file
description:
  - Makes a host of every profile of the AWS config and credentials files (C(~/.aws), or E(AWS_CONFIG_FILE) and
    E(AWS_SHARED_CREDENTIALS_FILE)), in the group C(aws_accounts), with C(account_id) and C(aws_profile).
  - The account is the one of the profile's C(role_arn), or its C(sso_account_id); for other profiles STS is asked.
  - A host is named after its profile; characters that mean something to Ansible become C(_).
  - Two profiles of one account are warned about. Exclude one of them, since it is not known which one is meant.
  - Uses a YAML configuration file that ends with C(profiles.yml) or C(profiles.yaml).
author:
  - The Leastpriv team (!UNKNOWN)
options:
  plugin:
    description: Marks this as an instance of this plugin.
    required: true
    choices: [leastpriv.iam.profiles]
  include:
    description: Patterns with C(*) and C(?) of profiles' names and account ids to take. Empty takes all.
    type: list
    elements: str
    default: []
  exclude:
    description: Patterns of profiles' names and account ids to leave out.
    type: list
    elements: str
    default: []
  ask_sts:
    description: Whether STS is asked for the account of a profile that does not name it. Without, it is left out.
    type: bool
    default: true
requirements:
  - boto3 >= 1.34.0
seealso:
  - plugin: leastpriv.iam.organization
    plugin_type: inventory
"""

EXAMPLES = r"""
# inventory/profiles.yml
plugin: leastpriv.iam.profiles
include:
  - "*-remediation"
exclude:
  - "999988887777"
"""

import re
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.regions import choose_region
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.account_hosts import (
    GROUP,
    add_accounts_group,
    distinct_names,
    is_chosen,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.role_session import ROLE_ARN
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import unset_empty_variables
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import ending_children

SUFFIXES = ("profiles.yml", "profiles.yaml")
# A pattern that is made for account ids.
ACCOUNT_PATTERN = re.compile(r"[0-9?]*[0-9][0-9*?]*")


class InventoryModule(BaseInventoryPlugin):
    NAME = "leastpriv.iam.profiles"

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and path.endswith(SUFFIXES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add a host for every profile whose account is known."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        unset_empty_variables()
        with ending_children() if self.get_option("ask_sts") else nullcontext():
            accounts = {name: self._account_of(name, settings) for name, settings in self._profiles().items()}
        chosen = {name: account for name, account in accounts.items() if account and self._is_chosen(name, account)}
        self._warn_of_twins(chosen)
        self._add(chosen)

    def _profiles(self) -> dict[str, Mapping[str, str]]:
        """The settings of all profiles that may be chosen: nothing is asked about the others."""
        try:
            import botocore.session
            from botocore.exceptions import BotoCoreError

            profiles = botocore.session.Session().full_config["profiles"]
        except ImportError as error:
            raise AnsibleError(f"leastpriv.iam.profiles needs boto3 and botocore: {error}") from error
        except BotoCoreError as error:
            raise AnsibleError(f"Could not read the AWS config file: {error}") from error
        return {name: settings for name, settings in sorted(profiles.items()) if self._may_be_chosen(name, settings)}

    def _may_be_chosen(self, name: str, settings: Mapping[str, str]) -> bool:
        """Whether the patterns include the profile, without a call to AWS.

        A pattern of digits and wildcards may mean the account of any profile, which STS alone may know.
        """
        named = _named_account(settings)
        include, exclude = self.get_option("include"), self.get_option("exclude")
        may_mean_account = not named and any(ACCOUNT_PATTERN.fullmatch(pattern) for pattern in include)
        return is_chosen([name, *filter(None, [named])], [] if may_mean_account else include, exclude)

    def _is_chosen(self, profile: str, account: str) -> bool:
        return is_chosen([profile, account], self.get_option("include"), self.get_option("exclude"))

    def _account_of(self, profile: str, settings: Mapping[str, str]) -> str | None:
        return _named_account(settings) or (self._ask(profile) if self.get_option("ask_sts") else None)

    def _ask(self, profile: str) -> str | None:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            session = boto3.session.Session(profile_name=profile)
            sts = session.client("sts", choose_region(of_profile=session.region_name))
            return sts.get_caller_identity()["Account"]
        except NoCredentialsError:
            self.display.vvv(f"Profile {profile} has no credentials, so it is not an account.")
        except (BotoCoreError, ClientError) as error:
            self.display.warning(f"Profile {profile} is left out: STS does not return its account: {error}")
        return None

    def _warn_of_twins(self, accounts: Mapping[str, str]) -> None:
        sharers: dict[str, list[str]] = {}
        for profile, account in accounts.items():
            sharers.setdefault(account, []).append(profile)
        for account, profiles in sharers.items():
            if len(profiles) > 1:
                self.display.warning(
                    f"Profiles {', '.join(profiles)} are all of account {account}, so its alerts are worked by none: "
                    "leave all but one out, with exclude."
                )

    def _add(self, accounts: Mapping[str, str]) -> None:
        add_accounts_group(self.inventory)
        hosts = distinct_names(list(accounts.items()))
        for host, (profile, account) in zip(hosts, accounts.items(), strict=True):
            self.inventory.add_host(host, group=GROUP)
            self.inventory.set_variable(host, "account_id", account)
            self.inventory.set_variable(host, "aws_profile", wrap_var(profile))


def _named_account(settings: Mapping[str, str]) -> str | None:
    """The account that the profile itself names."""
    role = ROLE_ARN.fullmatch(settings.get("role_arn", ""))
    return role["account"] if role else settings.get("sso_account_id")
