# Copyright: the Leastpriv authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`iam_state`: everything that IAM holds in one account, in a form in which two accounts can be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
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
    """Gives {users, groups, roles, policies, instance_profiles, password_policy}, the first five by name.

    Every document, attachment, boundary, tag, membership, login profile and key status is in it; ids, times and the
    account's own id are not.
    """
    iam = stack.client("iam", account)
    found = _authorization_details(iam)
    state = {
        "users": {name: user | _sign_in(iam, name) for name, user in found["UserDetailList"].items()},
        "groups": found["GroupDetailList"],
        "roles": {name: role | _role_settings(iam, name) for name, role in found["RoleDetailList"].items()},
        "policies": {name: policy | _tags(iam, policy) for name, policy in found["Policies"].items()},
        "instance_profiles": _instance_profiles(iam),
        "password_policy": _or_none(iam, lambda: iam.get_account_password_policy()["PasswordPolicy"]),
    }
    comparable = _comparable(state)
    return json.loads(json.dumps(comparable, sort_keys=True).replace(stack.account_id(account), ANY_ACCOUNT))


def _authorization_details(iam: Any) -> dict[str, dict[str, dict[str, Any]]]:
    pages = iam.get_paginator("get_account_authorization_details").paginate(
        Filter=["User", "Group", "Role", "LocalManagedPolicy"]
    )
    found: dict[str, dict[str, dict[str, Any]]] = {member: {} for member in DETAILS}
    for page in pages:
        for member, name_key in DETAILS.items():
            found[member] |= {entity[name_key]: entity for entity in page[member]}
    return found


def _sign_in(iam: Any, user: str) -> dict[str, Any]:
    """What a user can sign in with, by status where the id is random."""
    return {
        "LoginProfile": _or_none(iam, lambda: iam.get_login_profile(UserName=user)["LoginProfile"]),
        "AccessKeys": [key["Status"] for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]],
        "SSHPublicKeys": [key["Status"] for key in iam.list_ssh_public_keys(UserName=user)["SSHPublicKeys"]],
        "Certificates": [one["Status"] for one in iam.list_signing_certificates(UserName=user)["Certificates"]],
        "MFADevices": [device["SerialNumber"] for device in iam.list_mfa_devices(UserName=user)["MFADevices"]],
    }


def _role_settings(iam: Any, role: str) -> dict[str, Any]:
    """What GetAccountAuthorizationDetails leaves out of a role."""
    found = iam.get_role(RoleName=role)["Role"]
    return {name: found.get(name) for name in ("Description", "MaxSessionDuration")}


def _tags(iam: Any, policy: dict[str, Any]) -> dict[str, Any]:
    return {"Tags": iam.list_policy_tags(PolicyArn=policy["Arn"])["Tags"], "PolicyArn": policy["Arn"]}


def _instance_profiles(iam: Any) -> dict[str, Any]:
    return {
        profile["InstanceProfileName"]: {
            "Path": profile["Path"],
            "Roles": [role["RoleName"] for role in profile["Roles"]],
            "Tags": profile.get("Tags", []),
        }
        for profile in iam.list_instance_profiles()["InstanceProfiles"]
    }


def _or_none(iam: Any, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except iam.exceptions.NoSuchEntityException:
        return None


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
