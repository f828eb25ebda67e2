# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read-only view of one account's IAM as facts, each read at most once.

A fact is asked for by its key, e.g. `("user", "bob")` or `("attached", "role", "ci")`; what does not exist
is None. `preload` fetches the facts of all principals in a few pages, for batches that touch many of them.
Source: the IAM API Reference; every call here is a Get or a List.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import ClientError

from ..policies.document import PolicyDocumentError, stored_document
from .new_access import NewAccess

PAGE = 1000
# The owner of the root user's MFA device: no name of a user begins so.
ROOT = ":root"


class IamAccount:
    """One account's live IAM facts.

    :param client: a boto3 IAM client of that account.
    :param new_access: asked what the local proof cannot decide, if given.
    """

    def __init__(self, client: Any, new_access: NewAccess | None = None) -> None:
        self._client = client
        self.new_access = new_access
        self._facts: dict[tuple[str, ...], Any] = {}
        self._complete: set[str] = set()

    def fact(self, *key: str) -> Any:
        """The fact of a key; None when IAM knows no such thing.

        :raises botocore.exceptions.ClientError: when AWS does not let it be read.
        """
        if key not in self._facts:
            known_absent = key[0] in self._complete
            self._facts[key] = None if known_absent else _absent_as_none(_READERS[key[0]], self._client, *key[1:])
        return self._facts[key]

    def preload(self) -> None:
        """Read all users, roles, groups, their policies and the customer-managed documents at once."""
        pages = self._client.get_paginator("get_account_authorization_details").paginate(
            Filter=["User", "Role", "Group", "LocalManagedPolicy"], PaginationConfig={"PageSize": PAGE}
        )
        for page in pages:
            for kind in ("user", "role", "group"):
                for detail in page[f"{kind.capitalize()}DetailList"]:
                    self._facts.update(_principal_facts(kind, detail))
            for policy in page["Policies"]:
                self._facts["policy_document", policy["Arn"]] = _default_document(policy)
        # AWS-managed policies are not among them, so a missing document proves nothing.
        self._complete = {"user", "role", "group", "attached", "inline", "inline_names", "groups_of"}
        for kind in ("user", "role", "group"):
            names = [key[1] for key in self._facts if key[0] == kind]
            self._facts["names", kind] = {name.lower(): name for name in names if self._facts[kind, name] is not None}


def _absent_as_none(read: Callable[..., Any], *args: Any) -> Any:
    try:
        return read(*args)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return None
        raise
    except RecursionError as error:
        # botocore reads the documents in an answer itself.
        named = " ".join(map(str, args[1:]))
        raise PolicyDocumentError(f"a policy document of {named} cannot be read: it is nested too deeply") from error


def _pages(client: Any, operation: str, result: str, **parameters: Any) -> list[Any]:
    paginator = client.get_paginator(operation)
    pages = paginator.paginate(PaginationConfig={"PageSize": PAGE}, **parameters)
    return [entry for page in pages for entry in page[result]]


def tags_of(entity: Mapping[str, Any]) -> dict[str, str]:
    """IAM's list of tags as a dict."""
    return {tag["Key"]: tag["Value"] for tag in entity.get("Tags") or []}


def without_tags(tags: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """The tags that are left without some keys; IAM takes keys that differ in letter case alone for the same."""
    gone = {key.lower() for key in keys}
    return {key: value for key, value in tags.items() if key.lower() not in gone}


def _names(client: Any, kind: str) -> dict[str, str]:
    """Lower-cased name -> the name, of all users, roles, groups, instance profiles or server certificates."""
    noun = "".join(part.capitalize() for part in kind.split("_"))
    result = "ServerCertificateMetadataList" if kind == "server_certificate" else f"{noun}s"
    named = [entry[f"{noun}Name"] for entry in _pages(client, f"list_{kind}s", result)]
    return {name.lower(): name for name in named}


def _user(client: Any, name: str) -> dict[str, Any]:
    return _user_fact(client.get_user(UserName=name)["User"])


def _user_fact(user: Mapping[str, Any]) -> dict[str, Any]:
    return {"arn": user["Arn"], "path": user["Path"], "boundary": _boundary(user), "tags": tags_of(user)}


def _boundary(principal: Mapping[str, Any]) -> str | None:
    return (principal.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")


def _role(client: Any, name: str) -> dict[str, Any]:
    return _role_fact(client.get_role(RoleName=name)["Role"])


def _role_fact(role: Mapping[str, Any]) -> dict[str, Any]:
    trust = stored_document(role["AssumeRolePolicyDocument"], f"the trust policy of role {role['RoleName']}")
    return {**_user_fact(role), "trust": trust}


def _role_settings(client: Any, name: str) -> dict[str, Any]:
    role = client.get_role(RoleName=name)["Role"]
    return {"description": role.get("Description", ""), "max_session_duration": role["MaxSessionDuration"]}


def _group(client: Any, name: str) -> dict[str, Any]:
    return _group_fact(client.get_group(GroupName=name, MaxItems=1)["Group"])


def _group_fact(group: Mapping[str, Any]) -> dict[str, Any]:
    return {"arn": group["Arn"], "path": group["Path"]}


def _members(client: Any, group: Any) -> list[str]:
    """The ARNs of a group's users."""
    return [user["Arn"] for user in _pages(client, "get_group", "Users", GroupName=group)]


def _attached(client: Any, kind: str, name: str) -> list[str]:
    named = {f"{kind.capitalize()}Name": name}
    return [
        entry["PolicyArn"] for entry in _pages(client, f"list_attached_{kind}_policies", "AttachedPolicies", **named)
    ]


def _inline(client: Any, kind: str, name: str, policy: Any) -> dict[str, Any]:
    answer = getattr(client, f"get_{kind}_policy")(**{f"{kind.capitalize()}Name": name, "PolicyName": policy})
    return _inline_document(answer["PolicyDocument"], kind, name, policy)


def _inline_document(text: Any, kind: str, name: str, policy: Any) -> dict[str, Any]:
    return stored_document(text, f"the inline policy {policy} of {kind} {name}")


def _inline_names(client: Any, kind: str, name: str) -> list[str]:
    return _pages(client, f"list_{kind}_policies", "PolicyNames", **{f"{kind.capitalize()}Name": name})


def _policy(client: Any, arn: str) -> dict[str, Any]:
    policy = client.get_policy(PolicyArn=arn)["Policy"]
    return {
        "version": policy["DefaultVersionId"],
        "description": policy.get("Description", ""),
        "tags": tags_of(policy),
    }


def _policy_document(client: Any, arn: str) -> Any:
    return _version_document(client, arn, client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"])


def _policy_versions(client: Any, arn: str) -> Any:
    """Version id -> whether it is the default."""
    versions = _pages(client, "list_policy_versions", "Versions", PolicyArn=arn)
    return {version["VersionId"]: version["IsDefaultVersion"] for version in versions}


def _version_document(client: Any, arn: str, version: str) -> Any:
    found = client.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
    return _managed_document(found["Document"], arn, version)


def _managed_document(text: Any, arn: str, version: str) -> dict[str, Any]:
    return stored_document(text, f"the policy {arn}, version {version},")


def _policy_entities(client: Any, arn: str) -> Any:
    """The (kind, name) of every principal that a policy is attached to or bounds."""
    pages = client.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn)
    kinds = ("User", "Role", "Group")
    return [(kind.lower(), one[f"{kind}Name"]) for page in pages for kind in kinds for one in page[f"Policy{kind}s"]]


def _policy_names(client: Any) -> dict[str, list[str]]:
    """Lower-cased name -> ARNs of the account's own policies; their names are unique, letter case and path aside."""
    named: dict[str, list[str]] = {}
    for policy in _pages(client, "list_policies", "Policies", Scope="Local"):
        named.setdefault(policy["PolicyName"].lower(), []).append(policy["Arn"])
    return named


def _login_profile(client: Any, user: Any) -> Any:
    client.get_login_profile(UserName=user)
    return True


def _access_keys(client: Any, user: Any) -> Any:
    return {
        key["AccessKeyId"]: key["Status"]
        for key in _pages(client, "list_access_keys", "AccessKeyMetadata", UserName=user)
    }


def _mfa_devices(client: Any, user: Any) -> Any:
    return {one["SerialNumber"]: "assigned" for one in _pages(client, "list_mfa_devices", "MFADevices", UserName=user)}


def _virtual_mfa_devices(client: Any) -> Any:
    """Serial number -> the name of the device's user, `ROOT`, or None."""
    devices = _pages(client, "list_virtual_mfa_devices", "VirtualMFADevices")
    return {one["SerialNumber"]: one["User"].get("UserName", ROOT) if one.get("User") else None for one in devices}


def _mfa_device(client: Any, serial: str) -> Any:
    return {"tags": tags_of(client.list_mfa_device_tags(SerialNumber=serial))}


def _ssh_public_keys(client: Any, user: Any) -> Any:
    keys = _pages(client, "list_ssh_public_keys", "SSHPublicKeys", UserName=user)
    return {key["SSHPublicKeyId"]: key["Status"] for key in keys}


def _signing_certificates(client: Any, user: Any) -> Any:
    certificates = _pages(client, "list_signing_certificates", "Certificates", UserName=user)
    return {one["CertificateId"]: one["Status"] for one in certificates}


def _service_specific_credentials(client: Any, user: Any) -> Any:
    found = client.list_service_specific_credentials(UserName=user)["ServiceSpecificCredentials"]
    return {one["ServiceSpecificCredentialId"]: one["Status"] for one in found}


def _groups_of(client: Any, user: Any) -> list[str]:
    return [group["GroupName"] for group in _pages(client, "list_groups_for_user", "Groups", UserName=user)]


def _instance_profile(client: Any, name: str) -> Any:
    profile = client.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    roles = [role["RoleName"] for role in profile["Roles"]]
    role = roles[0] if roles else None
    return {"arn": profile["Arn"], "path": profile["Path"], "role": role, "tags": tags_of(profile)}


def _profiles_of(client: Any, role: Any) -> list[str]:
    profiles = _pages(client, "list_instance_profiles_for_role", "InstanceProfiles", RoleName=role)
    return [profile["InstanceProfileName"] for profile in profiles]


def _service_roles(client: Any, service: str) -> Any:
    """Name -> description of the roles that are linked to a service."""
    roles = _pages(client, "list_roles", "Roles", PathPrefix=f"/aws-service-role/{service}/")
    return {role["RoleName"]: role.get("Description", "") for role in roles}


def _server_certificate(client: Any, name: str) -> Any:
    certificate = client.get_server_certificate(ServerCertificateName=name)["ServerCertificate"]
    described = certificate["ServerCertificateMetadata"]
    return {"arn": described["Arn"], "path": described["Path"], "tags": tags_of(certificate)}


def _openid_connect_provider(client: Any, arn: str) -> Any:
    provider = client.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    lists = {"client_ids": "ClientIDList", "thumbprints": "ThumbprintList"}
    found = {field: sorted(provider.get(member) or []) for field, member in lists.items()}
    return {**found, "url": provider["Url"], "tags": tags_of(provider)}


def _saml_provider(client: Any, arn: str) -> Any:
    provider = client.get_saml_provider(SAMLProviderArn=arn)
    return {"metadata": provider["SAMLMetadataDocument"], "tags": tags_of(provider)}


def _provider_arns(client: Any, kind: str) -> Any:
    """Lower-cased ARN -> ARN of all identity providers of a kind."""
    if kind == "saml_provider":
        providers = client.list_saml_providers()["SAMLProviderList"]
    else:
        providers = client.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    return {one["Arn"].lower(): one["Arn"] for one in providers}


def _aliases(client: Any) -> list[str]:
    return _pages(client, "list_account_aliases", "AccountAliases")


def _outbound_federation(client: Any) -> Any:
    try:
        return client.get_outbound_web_identity_federation_info()["JwtVendingEnabled"]
    except ClientError as error:
        if error.response["Error"]["Code"].startswith("FeatureDisabled"):
            return False
        raise


def _password_policy(client: Any) -> Any:
    return client.get_account_password_policy()["PasswordPolicy"]


def _summary(client: Any) -> Any:
    return client.get_account_summary()["SummaryMap"]


_READERS: dict[str, Callable[..., Any]] = {
    "access_keys": _access_keys,
    "aliases": _aliases,
    "attached": _attached,
    "group": _group,
    "groups_of": _groups_of,
    "inline": _inline,
    "inline_names": _inline_names,
    "instance_profile": _instance_profile,
    "login_profile": _login_profile,
    "members": _members,
    "mfa_device": _mfa_device,
    "mfa_devices": _mfa_devices,
    "names": _names,
    "openid_connect_provider": _openid_connect_provider,
    "outbound_federation": _outbound_federation,
    "password_policy": _password_policy,
    "policy": _policy,
    "policy_document": _policy_document,
    "policy_entities": _policy_entities,
    "policy_names": _policy_names,
    "policy_versions": _policy_versions,
    "profiles_of": _profiles_of,
    "provider_arns": _provider_arns,
    "role": _role,
    "role_settings": _role_settings,
    "saml_provider": _saml_provider,
    "server_certificate": _server_certificate,
    "service_roles": _service_roles,
    "service_specific_credentials": _service_specific_credentials,
    "signing_certificates": _signing_certificates,
    "ssh_public_keys": _ssh_public_keys,
    "summary": _summary,
    "user": _user,
    "version_document": _version_document,
    "virtual_mfa_devices": _virtual_mfa_devices,
}


def _principal_facts(kind: str, detail: Mapping[str, Any]) -> dict[tuple[str, ...], Any]:
    """The facts in one entry of GetAccountAuthorizationDetails."""
    name = detail[f"{kind.capitalize()}Name"]
    inline = {
        entry["PolicyName"]: entry["PolicyDocument"] for entry in detail.get(f"{kind.capitalize()}PolicyList", [])
    }
    facts: dict[tuple[str, ...], Any] = {
        ("inline", kind, name, policy): _inline_document(text, kind, name, policy) for policy, text in inline.items()
    }
    facts["inline_names", kind, name] = list(inline)
    facts["attached", kind, name] = [entry["PolicyArn"] for entry in detail["AttachedManagedPolicies"]]
    if kind == "user":
        facts["groups_of", name] = detail["GroupList"]
    facts[kind, name] = {"user": _user_fact, "role": _role_fact, "group": _group_fact}[kind](detail)
    return facts


def _default_document(policy: Mapping[str, Any]) -> dict[str, Any] | None:
    default = [version for version in policy["PolicyVersionList"] if version["IsDefaultVersion"]]
    return _managed_document(default[0]["Document"], policy["Arn"], default[0]["VersionId"]) if default else None
