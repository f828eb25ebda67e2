# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second actor, who changes the account between observing and applying: what each does about a step's target.

Each is a function of (IAM client, account id, API parameters of the step) and gives whether there was anything to do.
"""

from __future__ import annotations

import contextlib

from stack.furnishing import a_document

KINDS = ("User", "Role", "Group")
TIGHT_TRUST = a_document("Deny", "sts:AssumeRole", Principal={"AWS": "*"})
OTHER = a_document("Deny", "ec2:*", Resource="*")
DENY_MORE = a_document("Deny", "iam:*", Resource="*")


def principals(parameters):
    """The (kind, name) of the users, roles and groups that a step names: `("User", "bob")`."""
    return [(kind, parameters[f"{kind}Name"]) for kind in KINDS if parameters.get(f"{kind}Name")]


def deletes_the_principal(iam, _account_id, parameters):
    return any([_delete(iam, *one) for one in principals(parameters)])


def creates_the_principal_again(iam, account_id, parameters):
    if not deletes_the_principal(iam, account_id, parameters):
        return False
    for kind, name in principals(parameters):
        more = {"AssumeRolePolicyDocument": TIGHT_TRUST} if kind == "Role" else {}
        getattr(iam, f"create_{kind.lower()}")(**{f"{kind}Name": name}, **more)
    return True


def edits_the_trust(iam, _account_id, parameters):
    roles = [name for kind, name in principals(parameters) if kind == "Role" and _exists(iam, kind, name)]
    for name in roles:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=TIGHT_TRUST)
    return bool(roles)


def adds_a_default_version(iam, account_id, parameters):
    arn = parameters.get("PolicyArn") or _arn_of(account_id, parameters)
    if not arn or not _policy_exists(iam, arn):
        return False
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=OTHER, SetAsDefault=True)
    return True


def adds_a_policy_of_the_name(iam, account_id, parameters):
    """Under another path, since IAM takes a name once."""
    if "PolicyDocument" not in parameters or not _arn_of(account_id, parameters):
        return False
    iam.create_policy(PolicyName=parameters["PolicyName"], Path="/other/", PolicyDocument=OTHER)
    return True


def changes_the_inline_policy(iam, _account_id, parameters):
    found = principals(parameters)
    if not found or "PolicyName" not in parameters:
        return False
    kind, name = found[0]
    named = {f"{kind}Name": name, "PolicyName": parameters["PolicyName"], "PolicyDocument": DENY_MORE}
    getattr(iam, f"put_{kind.lower()}_policy")(**named)
    return True


def sets_a_password_policy(iam, _account_id, parameters):
    if not {"MinimumPasswordLength", "MaxPasswordAge"} & set(parameters) and parameters:
        return False
    iam.update_account_password_policy(MinimumPasswordLength=20, RequireSymbols=True)
    return True


def puts_a_boundary(iam, account_id, parameters):
    found = [one for one in principals(parameters) if one[0] != "Group" and _exists(iam, *one)]
    if not found or "PermissionsBoundary" not in parameters:
        return False
    kind, name = found[0]
    boundary = f"arn:aws:iam::{account_id}:policy/denies-more"
    getattr(iam, f"put_{kind.lower()}_permissions_boundary")(**{f"{kind}Name": name, "PermissionsBoundary": boundary})
    return True


def opens_the_group(iam, _account_id, parameters):
    if "GroupName" not in parameters or not _exists(iam, "Group", parameters["GroupName"]):
        return False
    iam.put_group_policy(
        GroupName=parameters["GroupName"], PolicyName="more", PolicyDocument=a_document("Allow", "*", Resource="*")
    )
    return True


def opens_the_new_boundary(iam, account_id, parameters):
    return adds_a_default_version(iam, account_id, {"PolicyArn": parameters.get("PermissionsBoundary")})


def changes_the_settings(iam, _account_id, parameters):
    if not {"MaxSessionDuration", "Description"} & set(parameters) or "RoleName" not in parameters:
        return False
    if not _exists(iam, "Role", parameters["RoleName"]):
        return False
    iam.update_role(RoleName=parameters["RoleName"], Description="by somebody else", MaxSessionDuration=3600)
    return True


ACTORS = (
    deletes_the_principal,
    creates_the_principal_again,
    edits_the_trust,
    adds_a_default_version,
    adds_a_policy_of_the_name,
    changes_the_inline_policy,
    sets_a_password_policy,
    puts_a_boundary,
    opens_the_group,
    opens_the_new_boundary,
    changes_the_settings,
)


def _arn_of(account_id, parameters):
    """The policy that CreatePolicy makes; an inline policy has none."""
    if "PolicyName" not in parameters or principals(parameters):
        return None
    return f"arn:aws:iam::{account_id}:policy{parameters.get('Path', '/')}{parameters['PolicyName']}"


def _exists(iam, kind, name):
    try:
        getattr(iam, f"get_{kind.lower()}")(**{f"{kind}Name": name})
    except iam.exceptions.NoSuchEntityException:
        return False
    return True


def _policy_exists(iam, arn):
    try:
        iam.get_policy(PolicyArn=arn)
    except iam.exceptions.NoSuchEntityException:
        return False
    return not arn.startswith("arn:aws:iam::aws:")


def _delete(iam, kind, name):
    """Delete a principal with all that it holds, as a console does."""
    if not _exists(iam, kind, name):
        return False
    lower, named = kind.lower(), {f"{kind}Name": name}
    for policy in getattr(iam, f"list_attached_{lower}_policies")(**named)["AttachedPolicies"]:
        getattr(iam, f"detach_{lower}_policy")(**named, PolicyArn=policy["PolicyArn"])
    for policy in getattr(iam, f"list_{lower}_policies")(**named)["PolicyNames"]:
        getattr(iam, f"delete_{lower}_policy")(**named, PolicyName=policy)
    {"User": _empty_user, "Role": _empty_role, "Group": _empty_group}[kind](iam, name)
    getattr(iam, f"delete_{lower}")(**named)
    return True


def _empty_group(iam, name):
    for user in iam.get_group(GroupName=name)["Users"]:
        iam.remove_user_from_group(GroupName=name, UserName=user["UserName"])


def _empty_role(iam, name):
    for profile in iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=profile["InstanceProfileName"], RoleName=name)


def _empty_user(iam, name):
    for group in iam.list_groups_for_user(UserName=name)["Groups"]:
        iam.remove_user_from_group(GroupName=group["GroupName"], UserName=name)
    for listed, entries, key in HELD_BY_USERS:
        for one in getattr(iam, f"list_{listed}")(UserName=name)[entries]:
            deletion = "deactivate_mfa_device" if key == "SerialNumber" else f"delete_{listed[:-1]}"
            getattr(iam, deletion)(UserName=name, **{key: one[key]})
    with contextlib.suppress(iam.exceptions.NoSuchEntityException):
        iam.delete_login_profile(UserName=name)


HELD_BY_USERS = (
    ("access_keys", "AccessKeyMetadata", "AccessKeyId"),
    ("mfa_devices", "MFADevices", "SerialNumber"),
    ("service_specific_credentials", "ServiceSpecificCredentials", "ServiceSpecificCredentialId"),
    ("signing_certificates", "Certificates", "CertificateId"),
    ("ssh_public_keys", "SSHPublicKeys", "SSHPublicKeyId"),
)
