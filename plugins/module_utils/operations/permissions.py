# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IAM actions that a step needs: what observe reads for it, what its module reads, and the change itself.

C({noun}) stands for User, Role or Group, whichever the operation is about. The actions of the amazon.aws modules
are those that the modules were seen to call; a test holds this table against the calls of real runs.
"""

from __future__ import annotations

import re

PRINCIPAL = ("Get{noun}",)
DOCUMENT = ("GetPolicy", "GetPolicyVersion")
VERSIONS = ("ListPolicyVersions", "GetPolicy", "GetPolicyVersion")
# A version reaches whoever has the policy, and the members of the groups that have it: each is checked for protection.
REACHED = ("ListEntitiesForPolicy", "GetUser", "GetRole", "GetGroup")
ATTACHED = tuple(f"ListAttached{noun}Policies" for noun in ("Group", "Role", "User"))
OIDC, SAML = ("GetOpenIDConnectProvider",), ("GetSAMLProvider",)
PROFILE = ("GetInstanceProfile",)
CARRIERS = {
    "Group": "GetGroup",
    "InstanceProfile": "GetInstanceProfile",
    "MFADevice": "ListMFADeviceTags",
    "OpenIDConnectProvider": "GetOpenIDConnectProvider",
    "Policy": "GetPolicy",
    "Role": "GetRole",
    "SAMLProvider": "GetSAMLProvider",
    "ServerCertificate": "GetServerCertificate",
    "User": "GetUser",
}
HELD = {
    "AccessKey": "ListAccessKeys",
    "MFADevice": "ListMFADevices",
    "SSHPublicKey": "ListSSHPublicKeys",
    "ServiceSpecificCredential": "ListServiceSpecificCredentials",
    "SigningCertificate": "ListSigningCertificates",
}
ROLE_POLICIES = ("ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy", *DOCUMENT)
GROUP_POLICIES = ("ListAttachedGroupPolicies", "ListGroupPolicies", "GetGroupPolicy", *DOCUMENT)

# What an observer of module_utils/observation/observe.py reads.
OBSERVED = {
    "add_client_id": OIDC,
    "add_member": ("GetGroup", "GetUser", "ListGroupsForUser", *GROUP_POLICIES),
    "add_role_to_profile": (*PROFILE, "GetRole"),
    "attach_policy": (*PRINCIPAL, "ListAttached{noun}Policies", *DOCUMENT, "GetAccountSummary"),
    "create_alias": ("ListAccountAliases",),
    "create_group": PRINCIPAL,
    "create_openid_connect_provider": OIDC,
    "create_policy": ("ListPolicies", *DOCUMENT, "GetAccountSummary"),
    "create_policy_version": (*VERSIONS, *REACHED, *ATTACHED),
    "create_profile": PROFILE,
    "create_role": PRINCIPAL,
    "create_saml_provider": SAML,
    "create_service_linked_role": ("ListRoles",),
    "create_user": PRINCIPAL,
    "delete_alias": ("ListAccountAliases",),
    "delete_boundary": (*PRINCIPAL, *DOCUMENT),
    "delete_credential": ("GetUser", "{held}"),
    "delete_inline_policy": (*PRINCIPAL, "Get{noun}Policy", "List{noun}Policies"),
    "delete_login_profile": ("GetUser", "GetLoginProfile"),
    "delete_password_policy": ("GetAccountPasswordPolicy",),
    "delete_policy": (*VERSIONS, *REACHED, *ATTACHED),
    "delete_policy_version": ("ListPolicyVersions", "GetPolicyVersion"),
    "delete_principal": (*PRINCIPAL, "ListAttached{noun}Policies", "List{noun}Policies", "{leftovers}"),
    "delete_profile": PROFILE,
    "delete_provider": ("{carrier}",),
    "delete_server_certificate": ("GetServerCertificate",),
    "delete_service_linked_role": ("GetRole",),
    "delete_virtual_mfa_device": ("ListVirtualMFADevices", "ListMFADevices"),
    "detach_policy": (*PRINCIPAL, "ListAttached{noun}Policies", *DOCUMENT),
    "put_boundary": (*PRINCIPAL, *DOCUMENT),
    "put_inline_policy": (*PRINCIPAL, "Get{noun}Policy", "List{noun}Policies"),
    "remove_client_id": OIDC,
    "remove_member": ("GetGroup", "GetUser", "ListGroupsForUser", *GROUP_POLICIES),
    "remove_role_from_profile": (*PROFILE, "GetRole", *ROLE_POLICIES),
    "rename": ("{carrier}",),
    "set_default_policy_version": (*VERSIONS, *REACHED, *ATTACHED),
    "set_outbound_federation": ("GetOutboundWebIdentityFederationInfo",),
    "set_token_version": ("GetAccountSummary",),
    "tag": ("{carrier}",),
    "untag": ("{carrier}",),
    "update_credential": ("GetUser", "{held}"),
    "update_password_policy": ("GetAccountPasswordPolicy",),
    "update_role": ("GetRole",),
    "update_saml_metadata": SAML,
    "update_thumbprints": OIDC,
    "update_trust": ("GetRole", *ROLE_POLICIES),
}
LEFTOVERS = {
    "Group": ("GetGroup",),
    "Role": ("ListInstanceProfilesForRole",),
    "User": (
        "GetLoginProfile",
        "ListAccessKeys",
        "ListGroupsForUser",
        "ListMFADevices",
        "ListSSHPublicKeys",
        "ListServiceSpecificCredentials",
        "ListSigningCertificates",
    ),
}

# What a module reads on its own before and after the change.
MODULES = {
    "amazon.aws.iam_access_key": ("ListAccessKeys",),
    "amazon.aws.iam_group": ("GetGroup", "ListAttachedGroupPolicies"),
    "amazon.aws.iam_instance_profile": ("GetInstanceProfile",),
    "amazon.aws.iam_managed_policy": ("ListPolicies", "GetPolicy"),
    "amazon.aws.iam_password_policy": ("GetAccountPasswordPolicy",),
    "amazon.aws.iam_policy": ("List{noun}Policies", "Get{noun}Policy"),
    "amazon.aws.iam_role": ("GetRole", "ListAttachedRolePolicies"),
    "amazon.aws.iam_user": ("GetUser", "ListAttachedUserPolicies"),
    "leastpriv.iam.account_setting": (),
    "leastpriv.iam.credential": (),
    "leastpriv.iam.entity": ("{carrier}",),
    "leastpriv.iam.group_membership": (),
    "leastpriv.iam.identity_provider": (),
    "leastpriv.iam.policy_attachment": (),
    "leastpriv.iam.policy_version": (),
    "leastpriv.iam.role_settings": (),
    "leastpriv.iam.service_linked_role": (),
    "leastpriv.iam.tags": (),
}
# Where the change is made by more than the one action. PassRole is no operation: IAM asks for it where a role is handed
# on.
CHANGES = {
    "AddRoleToInstanceProfile": ("AddRoleToInstanceProfile", "PassRole"),
    "DeleteServiceLinkedRole": ("DeleteServiceLinkedRole", "GetServiceLinkedRoleDeletionStatus"),
}
# What is looked through where a name is not found as it is written, see module_utils/observation/stored_names.py.
BY_NAME = {
    "GetGroup": "ListGroups",
    "GetInstanceProfile": "ListInstanceProfiles",
    "GetPolicy": "ListPolicies",
    "GetRole": "ListRoles",
    "GetServerCertificate": "ListServerCertificates",
    "GetUser": "ListUsers",
    "ListPolicyVersions": "ListPolicies",
}


def permissions(row):
    """The IAM actions for one step of the table.

    :param row: an C(operation_rows.Operation) that has a module.
    :returns: sorted list of C(iam:Action).
    """
    observed = {action for template in OBSERVED[row.observe] for action in _actions(template, row.name)}
    observed |= {BY_NAME[action] for action in observed if action in BY_NAME}
    templates = {*MODULES[row.module], *CHANGES.get(row.name, (row.name,))}
    others = {action for template in templates for action in _actions(template, row.name)}
    return sorted(f"iam:{action}" for action in observed | others)


def _actions(template, operation):
    if template == "{leftovers}":
        return LEFTOVERS[_noun(operation)]
    tables = {"{carrier}": CARRIERS, "{held}": HELD}
    if template in tables:
        return [next(action for noun, action in tables[template].items() if noun in operation)]
    return [template.format(noun=_noun(operation))]


def _noun(operation):
    found = re.search("User|Role|Group", operation)
    return found.group() if found else ""
