# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of IAM's mutating operations: what each becomes, what guards it, how it is observed.

One row per operation of botocore's iam model, sorted by name within its kind. To add an operation, move it
from NOT_YET to STEPS with its module and observer, and add a golden pair under tests/fixtures/steps/.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """A module option whose value is chosen by an API parameter's value, e.g. Status -> active."""

    parameter: str
    values: dict


@dataclass(frozen=True)
class Operation:
    """One row.

    :ivar name: the API name, e.g. C(AttachUserPolicy).
    :ivar module: the module that makes the change, or None when the operation is not translated.
    :ivar args: the module's options; C("$UserName") stands for that parameter, C("$live.trust") for what
        observe reads, a C(Choice) for a mapped value, anything else for itself. Absent parameters are left out.
    :ivar observe: the observer of module_utils/observation.py that decides needed, already true or conflict.
    :ivar guards: the ids of the static guardrails that look at it (module_utils/guardrails.py).
    :ivar observed: parameters that only the observer needs.
    :ivar requires: parameters that the CLI lets out and we do not: without them the caller itself is meant.
    :ivar refused: why no setting opens this operation.
    :ivar unsupported: why it is not translated.
    """

    name: str
    module: str | None = None
    args: dict | None = None
    observe: str | None = None
    guards: tuple = ()
    observed: tuple = ()
    requires: tuple = ()
    refused: str | None = None
    unsupported: str | None = None

    @property
    def parameters(self):
        """The names of the API parameters that the step can express."""
        return {name for value in (self.args or {}).values() for name in _parameters_in(value)} | set(self.observed)


def _parameters_in(value):
    if isinstance(value, Choice):
        return [value.parameter]
    if isinstance(value, list):
        return [name for inner in value for name in _parameters_in(inner)]
    return [value[1:]] if isinstance(value, str) and value.startswith("$") and not value.startswith("$live.") else []


def _user(name, observe, guards=(), **options):
    fixed = {"name": "$UserName", "state": "present", "purge_policies": False, "purge_tags": False}
    return Operation(name, "amazon.aws.iam_user", {**fixed, **options}, observe, guards, requires=("UserName",))


def _group(name, observe, guards=(), **options):
    fixed = {"name": "$GroupName", "state": "present", "purge_policies": False, "purge_users": False}
    return Operation(name, "amazon.aws.iam_group", {**fixed, **options}, observe, guards)


def _role(name, observe, guards=(), observed=(), **options):
    fixed = {
        "name": "$RoleName",
        "state": "present",
        "assume_role_policy_document": "$live.trust",
        "create_instance_profile": False,
        "delete_instance_profile": False,
        "purge_policies": False,
        "purge_tags": False,
    }
    return Operation(name, "amazon.aws.iam_role", {**fixed, **options}, observe, guards, observed)


def _put_inline(name, kind):
    options = {"policy_json": "$PolicyDocument", "state": "present", "skip_duplicates": False}
    return _inline(name, kind, "put_inline_policy", ("deny_only",), options)


def _delete_inline(name, kind):
    return _inline(name, kind, "delete_inline_policy", (), {"state": "absent"})


def _inline(name, kind, observe, guards, options):
    named = {"iam_type": kind, "iam_name": f"${kind.capitalize()}Name", "policy_name": "$PolicyName"}
    return Operation(name, "amazon.aws.iam_policy", {**named, **options}, observe, guards)


def _key(name, observe, guards=(), **options):
    named = {"user_name": "$UserName", "id": "$AccessKeyId"}
    return Operation(name, "amazon.aws.iam_access_key", {**named, **options}, observe, guards, requires=("UserName",))


def _profile(name, observe, guards=(), observed=(), **options):
    fixed = {"name": "$InstanceProfileName", "state": "present", "purge_tags": False}
    return Operation(name, "amazon.aws.iam_instance_profile", {**fixed, **options}, observe, guards, observed)


def _detach(name, kind):
    args = {"kind": kind, "name": f"${kind.capitalize()}Name", "policy_arn": "$PolicyArn", "state": "absent"}
    return Operation(name, "leastpriv.iam.policy_attachment", args, "detach_policy")


PASSWORD_POLICY = {
    "min_pw_length": "$MinimumPasswordLength",
    "require_symbols": "$RequireSymbols",
    "require_numbers": "$RequireNumbers",
    "require_uppercase": "$RequireUppercaseCharacters",
    "require_lowercase": "$RequireLowercaseCharacters",
    "allow_pw_change": "$AllowUsersToChangePassword",
    "pw_max_age": "$MaxPasswordAge",
    "pw_reuse_prevent": "$PasswordReusePrevention",
    "pw_expire": "$HardExpiry",
    "state": "present",
}

STEPS = (
    _profile("AddRoleToInstanceProfile", "add_role_to_profile", ("no_creation",), role="$RoleName"),
    _group("AddUserToGroup", "add_member", ("no_membership",), users=["$UserName"]),
    _group("AttachGroupPolicy", "attach_policy", managed_policies=["$PolicyArn"]),
    _role("AttachRolePolicy", "attach_policy", managed_policies=["$PolicyArn"]),
    _user("AttachUserPolicy", "attach_policy", managed_policies=["$PolicyArn"]),
    _group("CreateGroup", "create_group", ("no_creation",), path="$Path"),
    _profile("CreateInstanceProfile", "create_profile", ("no_creation",), path="$Path", tags="$Tags"),
    Operation(
        "CreatePolicy",
        "amazon.aws.iam_managed_policy",
        {
            "name": "$PolicyName",
            "policy": "$PolicyDocument",
            "path": "$Path",
            "description": "$Description",
            "tags": "$Tags",
            "purge_tags": False,
            "state": "present",
        },
        "create_policy",
        ("deny_only",),
    ),
    _role(
        "CreateRole",
        "create_role",
        ("no_creation",),
        assume_role_policy_document="$AssumeRolePolicyDocument",
        path="$Path",
        description="$Description",
        max_session_duration="$MaxSessionDuration",
        boundary="$PermissionsBoundary",
        tags="$Tags",
    ),
    _user("CreateUser", "create_user", ("no_creation",), path="$Path", boundary="$PermissionsBoundary", tags="$Tags"),
    _key("DeleteAccessKey", "delete_access_key", state="absent"),
    Operation(
        "DeleteAccountPasswordPolicy",
        "amazon.aws.iam_password_policy",
        {"state": "absent"},
        "delete_password_policy",
        ("password_policy",),
    ),
    _delete_inline("DeleteGroupPolicy", "group"),
    _user("DeleteLoginProfile", "delete_login_profile", remove_password=True),
    _role("DeleteRolePermissionsBoundary", "delete_boundary", ("keep_boundary",), boundary=""),
    _delete_inline("DeleteRolePolicy", "role"),
    _user("DeleteUserPermissionsBoundary", "delete_boundary", ("keep_boundary",), boundary=""),
    _delete_inline("DeleteUserPolicy", "user"),
    _detach("DetachGroupPolicy", "group"),
    _detach("DetachRolePolicy", "role"),
    _detach("DetachUserPolicy", "user"),
    _put_inline("PutGroupPolicy", "group"),
    _role("PutRolePermissionsBoundary", "put_boundary", boundary="$PermissionsBoundary"),
    _put_inline("PutRolePolicy", "role"),
    _user("PutUserPermissionsBoundary", "put_boundary", boundary="$PermissionsBoundary"),
    _put_inline("PutUserPolicy", "user"),
    _profile("RemoveRoleFromInstanceProfile", "remove_role_from_profile", observed=("RoleName",), role=""),
    Operation(
        "RemoveUserFromGroup",
        "leastpriv.iam.group_membership",
        {"group": "$GroupName", "user": "$UserName", "state": "absent"},
        "remove_member",
    ),
    _profile("TagInstanceProfile", "tag", ("no_tags",), tags="$Tags"),
    _role("TagRole", "tag", ("no_tags",), tags="$Tags"),
    _user("TagUser", "tag", ("no_tags",), tags="$Tags"),
    _key(
        "UpdateAccessKey",
        "update_access_key",
        ("no_activation",),
        active=Choice("Status", {"Active": True, "Inactive": False}),
    ),
    Operation(
        "UpdateAccountPasswordPolicy", "amazon.aws.iam_password_policy", PASSWORD_POLICY, "update_password_policy"
    ),
    _role("UpdateAssumeRolePolicy", "update_trust", ("keep_trust",), assume_role_policy_document="$PolicyDocument"),
    _role("UpdateRole", "update_role", description="$Description", max_session_duration="$MaxSessionDuration"),
    _role("UpdateRoleDescription", "update_role", description="$Description"),
)

MINTS = "it mints or needs a secret, which no alert may do"
DELEGATES = "it delegates access, which no alert may do"
NEEDS_CODES = "it needs the codes of somebody's MFA device"
KEY_MATERIAL = "it brings key material of a sender we do not know"

REFUSED = {
    "AcceptDelegationRequest": DELEGATES,
    "AcquireRole": "it creates roles from a template of somebody else's",
    "AssociateDelegationRequest": DELEGATES,
    "ChangePassword": "it changes the password of the identity that runs this",
    "CreateAccessKey": MINTS,
    "CreateDelegationRequest": DELEGATES,
    "CreateLoginProfile": MINTS,
    "CreateServiceSpecificCredential": MINTS,
    "CreateVirtualMFADevice": MINTS,
    "EnableMFADevice": NEEDS_CODES,
    "RejectDelegationRequest": DELEGATES,
    "ResetServiceSpecificCredential": MINTS,
    "ResyncMFADevice": NEEDS_CODES,
    "SendDelegationToken": DELEGATES,
    "UpdateDelegationRequest": DELEGATES,
    "UpdateLoginProfile": MINTS,
    "UploadSSHPublicKey": KEY_MATERIAL,
    "UploadServerCertificate": KEY_MATERIAL,
    "UploadSigningCertificate": KEY_MATERIAL,
}

NOT_YET = (
    "AddClientIDToOpenIDConnectProvider",
    "CreateAccountAlias",
    "CreateOpenIDConnectProvider",
    "CreatePolicyVersion",
    "CreateSAMLProvider",
    "CreateServiceLinkedRole",
    "DeactivateMFADevice",
    "DeleteAccountAlias",
    "DeleteGroup",
    "DeleteInstanceProfile",
    "DeleteOpenIDConnectProvider",
    "DeletePolicy",
    "DeletePolicyVersion",
    "DeleteRole",
    "DeleteSAMLProvider",
    "DeleteSSHPublicKey",
    "DeleteServerCertificate",
    "DeleteServiceLinkedRole",
    "DeleteServiceSpecificCredential",
    "DeleteSigningCertificate",
    "DeleteUser",
    "DeleteVirtualMFADevice",
    "DisableOrganizationsRootCredentialsManagement",
    "DisableOrganizationsRootSessions",
    "DisableOutboundWebIdentityFederation",
    "EnableOrganizationsRootCredentialsManagement",
    "EnableOrganizationsRootSessions",
    "EnableOutboundWebIdentityFederation",
    "PutAccountProperties",
    "RemoveClientIDFromOpenIDConnectProvider",
    "SetDefaultPolicyVersion",
    "SetSecurityTokenServicePreferences",
    "TagMFADevice",
    "TagOpenIDConnectProvider",
    "TagPolicy",
    "TagSAMLProvider",
    "TagServerCertificate",
    "UntagInstanceProfile",
    "UntagMFADevice",
    "UntagOpenIDConnectProvider",
    "UntagPolicy",
    "UntagRole",
    "UntagSAMLProvider",
    "UntagServerCertificate",
    "UntagUser",
    "UpdateGroup",
    "UpdateOpenIDConnectProvider",
    "UpdateOpenIDConnectProviderThumbprint",
    "UpdateSAMLProvider",
    "UpdateSSHPublicKey",
    "UpdateServerCertificate",
    "UpdateServiceSpecificCredential",
    "UpdateSigningCertificate",
    "UpdateUser",
)

OPERATIONS = {
    **{row.name: row for row in STEPS},
    **{name: Operation(name, refused=why) for name, why in REFUSED.items()},
    **{name: Operation(name, unsupported="it is not translated yet") for name in NOT_YET},
}
