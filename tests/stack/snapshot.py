# Copyright: The Leastpriv team
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
    """Gives {users, groups, roles, policies, instance_profiles, ..., settings}, all but the last by name or ARN.

    Every document, attachment, boundary, tag, membership, login profile, provider and status of a credential is in it;
    ids, times and the account's own id are not.
    """
    iam = stack.client("iam", account)
    found, details = _authorization_details(iam), stack.iam_details(account)
    state = {
        "users": {name: user | details["users"][name] for name, user in found["UserDetailList"].items()},
        "groups": found["GroupDetailList"],
        "roles": {name: role | details["roles"][name] for name, role in found["RoleDetailList"].items()},
        "policies": {name: policy | details["policies"][policy["Arn"]] for name, policy in found["Policies"].items()},
        "instance_profiles": _instance_profiles(iam),
        "server_certificates": _server_certificates(iam),
        "providers": _providers(iam),
        "virtual_mfa_devices": _virtual_mfa_devices(iam),
        "settings": _settings(iam),
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


def _instance_profiles(iam: Any) -> dict[str, Any]:
    return {
        profile["InstanceProfileName"]: {
            "Path": profile["Path"],
            "Roles": [role["RoleName"] for role in profile["Roles"]],
            "Tags": profile.get("Tags", []),
        }
        for profile in iam.list_instance_profiles()["InstanceProfiles"]
    }


def _server_certificates(iam: Any) -> dict[str, Any]:
    names = [one["ServerCertificateName"] for one in iam.list_server_certificates()["ServerCertificateMetadataList"]]
    found = {name: iam.get_server_certificate(ServerCertificateName=name)["ServerCertificate"] for name in names}
    return {
        name: {"Path": one["ServerCertificateMetadata"]["Path"], "Tags": one.get("Tags", [])}
        for name, one in found.items()
    }


def _providers(iam: Any) -> dict[str, Any]:
    """OpenID Connect and SAML providers by ARN."""
    connect = [one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    saml = [one["Arn"] for one in iam.list_saml_providers()["SAMLProviderList"]]
    found = {arn: iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn) for arn in connect}
    found |= {arn: iam.get_saml_provider(SAMLProviderArn=arn) for arn in saml}
    members = ("Url", "ClientIDList", "ThumbprintList", "SAMLMetadataDocument", "Tags")
    return {arn: {name: one.get(name) for name in members} for arn, one in found.items()}


def _virtual_mfa_devices(iam: Any) -> dict[str, Any]:
    serials = [one["SerialNumber"] for one in iam.list_virtual_mfa_devices()["VirtualMFADevices"]]
    return {serial: iam.list_mfa_device_tags(SerialNumber=serial)["Tags"] for serial in serials}


def _settings(iam: Any) -> dict[str, Any]:
    return {
        "password_policy": _or_none(iam, lambda: iam.get_account_password_policy()["PasswordPolicy"]),
        "aliases": iam.list_account_aliases()["AccountAliases"],
        "token_version": iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"],
        "outbound_federation": _outbound_federation(iam),
    }


def _outbound_federation(iam: Any) -> bool:
    try:
        return iam.get_outbound_web_identity_federation_info()["JwtVendingEnabled"]
    except iam.exceptions.FeatureDisabledException:
        return False


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
