# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts of an AWS organization, as plain dictionaries that an inventory cache can keep.

Source: the AWS Organizations API Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError

NEEDED = ("ListRoots", "ListAccountsForParent", "ListOrganizationalUnitsForParent")
# The names of roles, with a path in front; an account's name must not lead elsewhere.
ROLE_NAME = re.compile(r"[\w+=,.@/-]{1,512}", re.ASCII)


class RoleNameError(LeastprivError):
    """The template makes no role's name of an account."""


def read_accounts(client: Any, with_tags: bool) -> list[dict[str, Any]]:
    """Read all accounts that are active, in the order of their ids.

    `client` is boto3's for Organizations. An account: id, name, partition, `ous` (the units it is in, the outermost
    first, each its id and path such as workloads/prod) and tags. Raises ClientError and BotoCoreError.
    """
    accounts = [
        account for root in _pages(client, "list_roots", "Roots") for account in _accounts_under(client, root["Id"], [])
    ]
    for account in accounts if with_tags else ():
        tags = _pages(client, "list_tags_for_resource", "Tags", ResourceId=account["id"])
        account["tags"] = {tag["Key"]: tag["Value"] for tag in tags}
    return sorted(accounts, key=lambda account: account["id"])


def _accounts_under(client: Any, parent_id: str, ous: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    for account in _pages(client, "list_accounts_for_parent", "Accounts", ParentId=parent_id):
        # State follows Status, which AWS drops in September 2026.
        if account.get("State", account.get("Status")) == "ACTIVE":
            partition = account["Arn"].split(":")[1]
            yield {"id": account["Id"], "name": account["Name"], "partition": partition, "ous": ous, "tags": {}}
    for ou in _pages(client, "list_organizational_units_for_parent", "OrganizationalUnits", ParentId=parent_id):
        path = "/".join([*(outer["path"] for outer in ous[-1:]), ou["Name"]])
        yield from _accounts_under(client, ou["Id"], [*ous, {"id": ou["Id"], "path": path}])


def _pages(client: Any, operation: str, result: str, **parameters: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator(operation).paginate(**parameters):
        yield from page[result]


def known_as(account: Mapping[str, Any]) -> list[str]:
    """By what an account can be included and excluded: its id and name, the ids and paths of the units it is in."""
    return [account["id"], account["name"], *(name for ou in account["ous"] for name in (ou["id"], ou["path"]))]


def role_arn(account: Mapping[str, Any], template: str) -> str:
    """The role to assume in an account; `{account_id}` and `{account_name}` in the template are put in.

    Raises RoleNameError if the result is not a valid role name.
    """
    account_name = account["name"].replace("/", " ")
    name = template.lstrip("/").replace("{account_id}", account["id"]).replace("{account_name}", account_name)
    if not ROLE_NAME.fullmatch(name):
        raise RoleNameError(f"role_name {template!r} makes no role's name of account {account['id']}: {name!r}")
    return f"arn:{account['partition']}:iam::{account['id']}:role/{name}"
