# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`iam_state`: everything that IAM holds in one account, in a form in which two accounts can be compared."""

from __future__ import annotations

import json
from typing import Any

from .process import Stack

ANY_ACCOUNT = "ACCOUNT"
# Ids and times differ by nature; a count of attachments follows from the attachments themselves.
LEFT_OUT = (
    "UserId", "GroupId", "RoleId", "PolicyId", "InstanceProfileId", "CreateDate", "UpdateDate", "Arn",
    "RoleLastUsed", "PasswordLastUsed", "AttachmentCount", "PermissionsBoundaryUsageCount",
)  # fmt: skip
DETAILS = {
    "UserDetailList": "UserName",
    "GroupDetailList": "GroupName",
    "RoleDetailList": "RoleName",
    "Policies": "PolicyName",
}


def iam_state(stack: Stack, account: str) -> dict[str, Any]:
    """Gives {users, groups, roles, policies, instance_profiles, ..., settings}, all but the last by name or ARN.

    Every document, attachment, boundary, tag, membership, login profile, provider and status of a credential is in it;
    ids, times and the account's own id are not.
    """
    found, details = _authorization_details(stack.client("iam", account)), stack.iam_details(account)
    state = {
        **details,
        "users": {name: user | details["users"][name] for name, user in found["UserDetailList"].items()},
        "groups": found["GroupDetailList"],
        "roles": {name: role | details["roles"][name] for name, role in found["RoleDetailList"].items()},
        "policies": {name: policy | details["policies"][policy["Arn"]] for name, policy in found["Policies"].items()},
    }
    comparable = _comparable(state)
    return json.loads(json.dumps(comparable, sort_keys=True).replace(stack.account_id(account), ANY_ACCOUNT))


def attached(stack: Stack, account: str, kind: str, name: str) -> list[str]:
    """The names of the managed policies of a user, role or group."""
    list_attached = getattr(stack.client("iam", account), f"list_attached_{kind}_policies")
    return [policy["PolicyName"] for policy in list_attached(**{f"{kind.capitalize()}Name": name})["AttachedPolicies"]]


def _authorization_details(iam: Any) -> dict[str, dict[str, dict[str, Any]]]:
    pages = iam.get_paginator("get_account_authorization_details").paginate(
        Filter=["User", "Group", "Role", "LocalManagedPolicy"]
    )
    found: dict[str, dict[str, dict[str, Any]]] = {member: {} for member in DETAILS}
    for page in pages:
        for member, name_key in DETAILS.items():
            found[member] |= {entity[name_key]: entity for entity in page[member]}
    return found


def _comparable(value: Any) -> Any:
    """Drop what differs by nature; a list's order means nothing in IAM's answers, but does inside documents."""
    if isinstance(value, dict):
        return {
            key: member if key in ("Document", "PolicyDocument", "AssumeRolePolicyDocument") else _comparable(member)
            for key, member in value.items()
            if key not in LEFT_OUT
        }
    if isinstance(value, list):
        return sorted((_comparable(member) for member in value), key=lambda member: json.dumps(member, sort_keys=True))
    return value
