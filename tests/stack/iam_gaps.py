# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closes the gaps between moto's IAM and the real one that the supported operations would notice.

README.md beside this file lists every gap with its source. `close_gaps()` patches moto's classes once, in
the server's process only.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.serialize import never_return, return_if_not_empty, url_encode
from moto.iam import aws_managed_policies
from moto.iam.exceptions import (
    DeleteConflictException,
    EntityAlreadyExists,
    IAMException,
    LimitExceededException,
    NoSuchEntity,
    ValidationError,
)
from moto.iam.models import AWSManagedPolicy, IAMBackend, ManagedPolicy, User
from moto.iam.responses import IamResponse
from moto.settings import load_iam_aws_managed_policies

from .iam_additions import add_operations, service_specific_credentials

PRINCIPALS = ("user", "role", "group")
GROUPS_PER_USER = 10
DEFAULT_PAGE = 100

# Members of a response that the real service leaves out, or sends URL-encoded.
RESPONSE_MEMBERS = {
    "CreateUserResponse.User.PermissionsBoundary": return_if_not_empty,
    "GetUserResponse.User.PermissionsBoundary": return_if_not_empty,
    "GetGroupResponse.Users.User.PermissionsBoundary": never_return,
    "ListUsersResponse.Users.User.PermissionsBoundary": never_return,
    "GetPolicyVersionResponse.PolicyVersion.Document": url_encode,
    "ListRolesResponse.Roles.Role.AssumeRolePolicyDocument": url_encode,
    "ListPolicyVersionsResponse.Versions.PolicyVersion.Document": never_return,
    "RoleDetailList.RoleDetail.AssumeRolePolicyDocument": url_encode,
    "RoleDetailList.RoleDetail.PermissionsBoundary": return_if_not_empty,
    "UserDetailList.UserDetail.PermissionsBoundary": return_if_not_empty,
}

# What must be gone before a principal can be deleted: (what may be left of it, the service's own words).
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html, API_DeleteGroup.html
DELETE_CONFLICTS: dict[str, list[tuple[Callable[[Any, Any], Any], str]]] = {
    "user": [
        (lambda iam, user: user.password, "must delete login profile first"),
        (lambda iam, user: user.access_keys, "must delete access keys first"),
        (lambda iam, user: user.mfa_devices, "must delete MFA device first"),
        (lambda iam, user: user.signing_certificates, "must delete signing certificates first"),
        (lambda iam, user: user.ssh_public_keys, "must delete public keys first"),
        (lambda iam, user: service_specific_credentials(user), "must delete service specific credentials first"),
        (lambda iam, user: iam.get_groups_for_user(user.name), "must remove users from group first"),
    ],
    "group": [
        (lambda iam, group: group.users, "must remove users from group first"),
        (lambda iam, group: group.managed_policies, "must detach all policies first"),
        (lambda iam, group: group.policies, "must delete policies first"),
    ],
}


def close_gaps() -> None:
    """Patch moto's IAM classes. Call it once, before the first request."""
    IamResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER.update(RESPONSE_MEMBERS)
    IAMBackend._init_aws_policies = lambda self: list(_load_aws_managed_policies(self).values())
    IAMBackend._init_managed_policies = _load_aws_managed_policies
    AWSManagedPolicy.__setattr__ = _change_aws_managed_policy
    _close_boundary_gaps()
    _close_naming_gaps()
    _close_quota_gaps()
    _close_deletion_gaps()
    _close_reading_gaps()
    IamResponse.update_role = _update_role
    _before(IAMBackend, "remove_role_from_instance_profile", _role_must_be_in_profile)
    add_operations()


def _before(cls: type, method: str, check: Callable[..., None]) -> None:
    """Run `check` with the same arguments before `cls.method`; it raises the service's error, or returns."""
    original = getattr(cls, method)

    @functools.wraps(original)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        check(self, *args, **kwargs)
        return original(self, *args, **kwargs)

    setattr(cls, method, checked)


@functools.cache
def _aws_managed_policies(region: str) -> dict[str, ManagedPolicy]:
    documents = json.loads(aws_managed_policies.aws_managed_policies_data)
    made = [AWSManagedPolicy.from_data(name, "aws", region, stored) for name, stored in documents.items()]
    return {policy.arn: policy for policy in made}


@functools.cache
def _policies_of(account_id: str, region: str) -> dict[str, ManagedPolicy]:
    """The copies of one account, which stay after a reset: making them takes longer than all the rest of it."""
    return {arn: _copy_for(account_id, policy) for arn, policy in _aws_managed_policies(region).items()}


def _load_aws_managed_policies(self: IAMBackend) -> dict[str, ManagedPolicy]:
    # moto makes a backend per partition and account: only `aws` is used here, the other five stay empty.
    if self.partition != "aws" or not load_iam_aws_managed_policies():
        return {}
    own = _policies_of(self.account_id, self.region_name)
    for arn in _CHANGED.pop(self.account_id, ()):
        own[arn] = _copy_for(self.account_id, _aws_managed_policies(self.region_name)[arn])
    return dict(own)


# The ARNs of the AWS managed policies whose copy differs from the original, by account.
_CHANGED: dict[str, set[str]] = {}


def _change_aws_managed_policy(self: AWSManagedPolicy, name: str, value: Any) -> None:
    object.__setattr__(self, name, value)
    # Without a version it is an original that is being made.
    if "versions" in vars(self):
        _CHANGED.setdefault(self.account_id, set()).add(self.arn)


def _copy_for(account_id: str, policy: ManagedPolicy) -> ManagedPolicy:
    # An account counts its own attachments; the documents are shared. `copy.copy` takes several times as long.
    own = object.__new__(type(policy))
    own.__dict__.update(policy.__dict__, account_id=account_id)
    return own


# --- permissions boundaries -------------------------------------------------------------------------------------------


def _close_boundary_gaps() -> None:
    User.permissions_boundary_arn = None
    User.permissions_boundary = property(_boundary_of)
    ManagedPolicy.permissions_boundary_usage_count = property(lambda policy: len(_bounded_by(policy)))
    _before(IAMBackend, "put_role_permissions_boundary", _boundary_must_exist)
    IamResponse.put_user_permissions_boundary = _put_user_permissions_boundary
    IamResponse.delete_user_permissions_boundary = _delete_user_permissions_boundary
    IamResponse.create_user = _create_user_with_boundary(IamResponse.create_user)


def _boundary_of(user: User) -> dict[str, str] | None:
    if not user.permissions_boundary_arn:
        return None
    return {
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
        "PermissionsBoundaryArn": user.permissions_boundary_arn,
    }


def _bounded_by(policy: ManagedPolicy) -> list[Any]:
    principals = [*policy.backend.users.values(), *policy.backend.roles.values()]
    return [principal for principal in principals if principal.permissions_boundary_arn == policy.arn]


def _boundary_must_exist(iam: IAMBackend, principal_name: str, permissions_boundary: str) -> None:
    if permissions_boundary not in iam.managed_policies:
        raise NoSuchEntity(f"Policy {permissions_boundary} does not exist or is not attachable.")


def _put_user_permissions_boundary(self: IamResponse) -> ActionResult:
    user = self.backend.get_user(self._get_param("UserName"))
    boundary = self._get_param("PermissionsBoundary")
    _boundary_must_exist(self.backend, user.name, boundary)
    user.permissions_boundary_arn = boundary
    return EmptyResult()


def _delete_user_permissions_boundary(self: IamResponse) -> ActionResult:
    self.backend.get_user(self._get_param("UserName")).permissions_boundary_arn = None
    return EmptyResult()


def _create_user_with_boundary(create_user: Callable[[IamResponse], ActionResult]) -> Callable[..., ActionResult]:
    def create(self: IamResponse) -> ActionResult:
        boundary = self._get_param("PermissionsBoundary")
        if boundary:
            _boundary_must_exist(self.backend, self._get_param("UserName"), boundary)
        created = create_user(self)
        self.backend.get_user(self._get_param("UserName")).permissions_boundary_arn = boundary
        return created

    return create


# --- names ------------------------------------------------------------------------------------------------------------


def _close_naming_gaps() -> None:
    _before(IAMBackend, "create_policy", _policy_name_must_be_free)
    for operation, kind, index, existing in (
        ("create_user", "User", 1, lambda iam: iam.users),
        ("create_group", "Group", 0, lambda iam: iam.groups),
        ("create_role", "Role", 0, lambda iam: [role.name for role in iam.roles.values()]),
        ("create_instance_profile", "Instance Profile", 0, lambda iam: iam.instance_profiles),
    ):
        _before(IAMBackend, operation, _name_must_be_free(kind, index, existing))


def _name_must_be_free(kind: str, index: int, existing: Callable[[IAMBackend], Iterable[str]]) -> Callable[..., None]:
    def check(iam: IAMBackend, *args: Any, **kwargs: Any) -> None:
        named = kwargs.get("user_name") or kwargs.get("role_name") or kwargs.get("name") or args[index]
        if named.lower() in {name.lower() for name in existing(iam)}:
            raise EntityAlreadyExists(f"{kind} with name {named} already exists.")

    return check


def _policy_name_must_be_free(
    iam: IAMBackend, description: str, path: str, policy_document: str, policy_name: str, tags: Any
) -> None:
    # An AWS-managed policy of the same name does not clash: it lives in the account `aws`.
    local = (policy for policy in iam.managed_policies.values() if not isinstance(policy, AWSManagedPolicy))
    if policy_name.lower() in {policy.name.lower() for policy in local}:
        raise EntityAlreadyExists(f"A policy called {policy_name} already exists. Duplicate names are not allowed.")


# --- quotas -----------------------------------------------------------------------------------------------------------


def _close_quota_gaps() -> None:
    for kind in PRINCIPALS:
        setattr(IAMBackend, f"attach_{kind}_policy", _attach_within_quota(kind))
        _before(IAMBackend, f"put_{kind}_policy", _inline_size_must_fit(kind))
    _before(IAMBackend, "create_policy", _managed_size_must_fit)
    _before(IAMBackend, "create_policy_version", _version_size_must_fit)
    _before(IAMBackend, "add_user_to_group", _memberships_must_fit)


def _attach_within_quota(kind: str) -> Callable[[IAMBackend, str, str], None]:
    def attach(iam: IAMBackend, policy_arn: str, principal_name: str) -> None:
        principal = getattr(iam, f"get_{kind}")(principal_name)
        policy = iam.managed_policies.get(policy_arn)
        if policy is None:
            raise NoSuchEntity(f"Policy {policy_arn} does not exist or is not attachable.")
        if policy_arn in principal.managed_policies:
            return
        quota = getattr(iam.account_summary, f"_attached_policies_per_{kind}_quota")
        if len(principal.managed_policies) >= quota:
            raise LimitExceededException(f"Cannot exceed quota for PoliciesPer{kind.title()}: {quota}")
        policy.attach_to(principal)

    return attach


def _characters(document: str) -> int:
    """How the service counts a policy's size: characters other than white space."""
    return len("".join(document.split()))


def _managed_size_must_fit(
    iam: IAMBackend, description: str, path: str, policy_document: str, policy_name: str, tags: Any
) -> None:
    _version_size_must_fit(iam, "", policy_document, True)


def _version_size_must_fit(iam: IAMBackend, policy_arn: str, policy_document: str, set_as_default: bool) -> None:
    quota = iam.account_summary._policy_size_quota
    if _characters(policy_document) > quota:
        raise LimitExceededException(f"Cannot exceed quota for PolicySize: {quota}")


def _inline_size_must_fit(kind: str) -> Callable[[IAMBackend, str, str, str], None]:
    def check(iam: IAMBackend, principal_name: str, policy_name: str, policy_json: str) -> None:
        principal = getattr(iam, f"get_{kind}")(principal_name)
        documents = {**principal.policies, policy_name: policy_json}
        quota = getattr(iam.account_summary, f"_{kind}_policy_size_quota")
        if sum(map(_characters, documents.values())) > quota:
            raise LimitExceededException(f"Maximum policy size of {quota} bytes exceeded for {kind} {principal_name}")

    return check


def _memberships_must_fit(iam: IAMBackend, group_name: str, user_name: str) -> None:
    groups = [group.name for group in iam.get_groups_for_user(user_name)]
    if group_name not in groups and len(groups) >= GROUPS_PER_USER:
        raise LimitExceededException(f"Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER}")


# --- deletions --------------------------------------------------------------------------------------------------------


def _close_deletion_gaps() -> None:
    _before(IAMBackend, "delete_user", _nothing_may_be_left("user"))
    _before(IAMBackend, "delete_group", _nothing_may_be_left("group"))
    _before(IAMBackend, "delete_policy", _policy_must_be_unused)


def _nothing_may_be_left(kind: str) -> Callable[[IAMBackend, str], None]:
    def check(iam: IAMBackend, name: str) -> None:
        principal = getattr(iam, f"get_{kind}")(name)
        for left, words in DELETE_CONFLICTS[kind]:
            if left(iam, principal):
                raise DeleteConflictException(f"Cannot delete entity, {words}.")

    return check


def _policy_must_be_unused(iam: IAMBackend, policy_arn: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html"""
    policy = iam.get_policy(policy_arn)
    if isinstance(policy, AWSManagedPolicy):
        raise _AccessDenied(f"Policy {policy_arn} is managed by AWS and cannot be deleted.")
    if policy.attachment_count or _bounded_by(policy):
        raise DeleteConflictException("Cannot delete a policy attached to entities.")
    if len(policy.versions) > 1:
        raise DeleteConflictException(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's "
            "versions. The default version is deleted with the policy."
        )


class _AccessDenied(IAMException):
    code = "AccessDenied"


# --- changing a role --------------------------------------------------------------------------------------------------


def _update_role(self: IamResponse) -> ActionResult:
    """Without a session length one hour is set: https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html"""
    role = self.backend.get_role(self._get_param("RoleName"))
    role.description = self._get_param("Description", role.description)
    role.max_session_duration = self._get_int_param("MaxSessionDuration", 3600)
    return EmptyResult()


def _role_must_be_in_profile(iam: IAMBackend, profile_name: str, role_name: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveRoleFromInstanceProfile.html"""
    roles = [role.name for role in iam.get_instance_profile(profile_name).roles]
    if role_name not in roles:
        raise NoSuchEntity(f"Role {role_name} in Instance Profile {profile_name} cannot be found.")


# --- reading a whole account ------------------------------------------------------------------------------------------


def _close_reading_gaps() -> None:
    ManagedPolicy.policy_name = property(lambda policy: policy.name)
    ManagedPolicy.policy_id = property(lambda policy: policy.id)
    IamResponse.get_account_authorization_details = _get_account_authorization_details


def _get_account_authorization_details(self: IamResponse) -> ActionResult:
    """One page over users, groups, roles and policies, in this order.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
    """
    found = self.backend.get_account_authorization_details(self._get_param("Filter", []))
    kinds = {"UserDetailList": "users", "GroupDetailList": "groups", "RoleDetailList": "roles"}
    kinds["Policies"] = "managed_policies"
    entities = [(member, entity) for member, kind in kinds.items() for entity in _by_arn(found[kind])]
    start, size = self._get_param("Marker") or "0", self._get_int_param("MaxItems", DEFAULT_PAGE)
    if not start.isdigit():
        raise ValidationError("Invalid Marker.")
    end = int(start) + size
    page = {name: [entity for member, entity in entities[int(start) : end] if member == name] for name in kinds}
    page["IsTruncated"] = end < len(entities)
    if page["IsTruncated"]:
        page["Marker"] = str(end)
    return ActionResult(page)


def _by_arn(entities: Iterable[Any]) -> list[Any]:
    # moto collects the policies in a set: pages need an order that lasts.
    return sorted(entities, key=lambda entity: entity.arn)
