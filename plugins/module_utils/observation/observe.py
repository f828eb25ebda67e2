# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step would change: needed, already true, or in conflict with what is there.

One observer per kind of change, named in the operations table. An observer reads facts, may refuse by a live
guardrail, and leaves in the overlay what the step will have made, so that the next step of the same script
sees it. Nothing here writes to AWS.
"""

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.module_utils.account.overlay import named_principals
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.protection import principal_of_arn
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import observing_credentials as credentials
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import observing_policies as policies
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import observing_principals as principals
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import observing_providers as providers
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import observing_settings as settings
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import observing_tags as tags

# Steps whose effect reaches everything that the policy is attached to.
POLICY_WIDE = ("CreatePolicyVersion", "SetDefaultPolicyVersion")
MAX_NAMED = 5


def observe(script, step):
    """Observe one step.

    :param script: the `overlay.Script` that it belongs to.
    :param step: a step with `operation`, `parameters` and `module`; the operation's row names the observer.
    :returns: an `overlay.Observation`.
    :raises Conflict: AWS would refuse it, or something different is there.
    :raises Refusal: a live guardrail forbids it.
    """
    return OBSERVERS[OPERATIONS[step["operation"]].observe](script, step)


def touched(script, step):
    """The principals whose access a step changes, as they are before it.

    :returns: list of (kind, name, ARN or None for one that the script itself creates).
    """
    wide = step["operation"] in POLICY_WIDE
    named = script.attached_to(step["parameters"]["PolicyArn"]) if wide else named_principals(step)
    found = [(*one, (script.fact(*one) or {}).get("arn")) for one in named]
    # A change of the group itself reaches its members; of a membership the user stands first.
    groups = [name for kind, name in (named if wide else named[:1]) if kind == "group"]
    members = {arn for group in groups for arn in script.fact("members", group) or []}
    return found + [(*principal_of_arn(arn), arn) for arn in sorted(members)]


def note_reach(step, principals):
    """Whose access a step changes that names none of them, in a list of one note or none.

    :param principals: what `touched` returned for it.
    """
    if step["operation"] not in POLICY_WIDE or not principals:
        return []
    named = [f"{kind} {name}" for kind, name, _arn in principals]
    more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    return [f"The policy is in use: this changes the access of {', '.join(named[:MAX_NAMED])}{more}."]


OBSERVERS = {
    "add_client_id": providers.add_client_id,
    "add_member": principals.add_member,
    "add_role_to_profile": principals.add_role_to_profile,
    "attach_policy": policies.attach_policy,
    "create_alias": settings.create_alias,
    "create_group": principals.create_group,
    "create_openid_connect_provider": providers.create_openid_connect_provider,
    "create_policy": policies.create_policy,
    "create_policy_version": policies.create_policy_version,
    "create_profile": principals.create_profile,
    "create_role": principals.create_role,
    "create_saml_provider": providers.create_saml_provider,
    "create_service_linked_role": principals.create_service_linked_role,
    "create_user": principals.create_user,
    "delete_alias": settings.delete_alias,
    "delete_boundary": principals.delete_boundary,
    "delete_credential": credentials.delete_credential,
    "delete_inline_policy": policies.delete_inline_policy,
    "delete_login_profile": credentials.delete_login_profile,
    "delete_password_policy": settings.delete_password_policy,
    "delete_policy": policies.delete_policy,
    "delete_policy_version": policies.delete_policy_version,
    "delete_principal": principals.delete_principal,
    "delete_profile": principals.delete_profile,
    "delete_provider": providers.delete_provider,
    "delete_server_certificate": principals.delete_server_certificate,
    "delete_service_linked_role": principals.delete_service_linked_role,
    "delete_virtual_mfa_device": credentials.delete_virtual_mfa_device,
    "detach_policy": policies.detach_policy,
    "put_boundary": principals.put_boundary,
    "put_inline_policy": policies.put_inline_policy,
    "remove_client_id": providers.remove_client_id,
    "remove_member": principals.remove_member,
    "remove_role_from_profile": principals.remove_role_from_profile,
    "rename": principals.rename,
    "set_default_policy_version": policies.set_default_policy_version,
    "set_outbound_federation": settings.set_outbound_federation,
    "set_token_version": settings.set_token_version,
    "tag": tags.tag,
    "untag": tags.untag,
    "update_credential": credentials.update_credential,
    "update_password_policy": settings.update_password_policy,
    "update_role": principals.update_role,
    "update_saml_metadata": providers.update_saml_metadata,
    "update_thumbprints": providers.update_thumbprints,
    "update_trust": principals.update_trust,
}
