# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step that was applied, with what was there before -> the calls that put it back. Pure.

One function per kind of change, by the observer of the operations table. It is given the row's undo, the call's
parameters, and before and after as they were observed: what these do not hold cannot be put back.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.row import Lost
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.arns import resource_of

Calls = list[tuple[str, dict[str, Any]]]


class Irreversible(Exception):
    """What a step took away cannot be given back; the text is a clause that says why."""


def undo_calls(step: Mapping[str, Any]) -> Calls:
    """The calls that undo a step, in their order.

    :param step: C(operation), C(parameters), C(before) and C(after).
    :returns: list of (operation, parameters); observing completes those that name what AWS named.
    :raises Irreversible:
    """
    row = OPERATIONS[step["operation"]]
    if isinstance(row.undo, Lost):
        raise Irreversible(row.undo.reason)
    return CALLS[row.observe](row.undo, step["parameters"], step["before"], step["after"])


def undo_of(step: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether a step can be undone, and how: the operations that do it, or why nothing does.

    :param step: as it was observed, C(status) too. One that changes nothing needs no undo.
    """
    if step["status"] == "unchanged":
        return True, ""
    undo = OPERATIONS[step["operation"]].undo
    # Without what was there before only the table can tell.
    if step.get("before") is None or "parameters" not in step:
        return (False, undo.reason) if isinstance(undo, Lost) else (True, " or ".join(map(cli_name, undo or ())))
    try:
        return True, ", then ".join(cli_name(operation) for operation, _parameters in undo_calls(step))
    except Irreversible as irreversible:
        return False, str(irreversible)


def command(operation: str, parameters: dict[str, Any]) -> str:
    """The AWS CLI's command for a call, for people to read or to run by hand."""
    words = [word for name, value in parameters.items() for word in _option(cli_name(name), value)]
    return shlex.join(["aws", "iam", cli_name(operation), *words])


def _option(name, value):
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, list):
        return [f"--{name}", *(one if isinstance(one, str) else json.dumps(one) for one in value)]
    return [f"--{name}", str(value)]


def _tags(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _optional(**parameters):
    return {name: value for name, value in parameters.items() if value}


def _without(parameters, *names):
    return {name: value for name, value in parameters.items() if name not in names}


def _named(parameters):
    """The parameters that name what a call is about, and not what becomes of it."""
    named = ("UserName", "RoleName", "GroupName", "PolicyArn", "InstanceProfileName")
    return {name: value for name, value in parameters.items() if name in named}


def _same(undo, parameters, before, after):
    return [(undo[0], parameters)]


def _with_name_only(undo, parameters, before, after):
    return [(undo[0], _named(parameters))]


def _opposite(undo, parameters, before, after):
    return [(undo[0], {})]


def _remove_provider(undo, parameters, before, after):
    name = "SAMLProviderArn" if undo[0] == "DeleteSAMLProvider" else "OpenIDConnectProviderArn"
    return [(undo[0], {name: after["arn"]})]


def _delete_policy(undo, parameters, before, after):
    return [(undo[0], {"PolicyArn": after["arn"]})]


def _unmake_version(undo, parameters, before, after):
    """Which version AWS has made is seen when it is observed."""
    arn = {"PolicyArn": parameters["PolicyArn"]}
    back = [(undo[0], {**arn, "VersionId": before["default_version"]})] if "default_version" in before else []
    return [*back, (undo[1], arn)]


def _former_default(undo, parameters, before, after):
    return [(undo[0], {**parameters, "VersionId": before["default_version"]})]


def _former_alias(undo, parameters, before, after):
    former = [(undo[0], {"AccountAlias": alias}) for alias in before["aliases"]]
    return former or [(undo[1], parameters)]


def _former_boundary(undo, parameters, before, after):
    if before["boundary"] is None:
        return [(undo[1], _named(parameters))]
    return [(undo[0], {**parameters, "PermissionsBoundary": before["boundary"]})]


def _former_inline(undo, parameters, before, after):
    if "document" not in before:
        return [(undo[1], _without(parameters, "PolicyDocument"))]
    return [(undo[0], {**parameters, "PolicyDocument": before["document"]})]


def _former_passwords(undo, parameters, before, after):
    """A field that is off, or 0, is left out: the call sets what it does not name to its default."""
    if not before:
        return [(undo[1], {})]
    return [(undo[0], {name: before[name] for name in PASSWORD_FIELDS if before.get(name)})]


PASSWORD_FIELDS = (
    "MinimumPasswordLength",
    "RequireSymbols",
    "RequireNumbers",
    "RequireUppercaseCharacters",
    "RequireLowercaseCharacters",
    "AllowUsersToChangePassword",
    "MaxPasswordAge",
    "PasswordReusePrevention",
    "HardExpiry",
)


def _former_policy(undo, parameters, before, after):
    _policy, path, name = resource_of(parameters["PolicyArn"])
    described = _optional(Path=path, Description=before["description"], Tags=_tags(before["tags"]))
    return [(undo[0], {"PolicyName": name, "PolicyDocument": before["document"], **described})]


def _former_group(undo, parameters, before, after):
    return [(undo[0], {**parameters, "Path": before["path"]})]


def _former_profile(undo, parameters, before, after):
    return [(undo[0], {**parameters, "Path": before["path"], **_optional(Tags=_tags(before["tags"]))})]


def _former_provider(undo, parameters, before, after):
    tags = _optional(Tags=_tags(before["tags"]))
    if "SAMLProviderArn" in parameters:
        name = resource_of(parameters["SAMLProviderArn"])[2]
        return [(undo[0], {"Name": name, "SAMLMetadataDocument": before["metadata"], **tags})]
    lists = _optional(ClientIDList=before["client_ids"], ThumbprintList=before["thumbprints"])
    return [(undo[0], {"Url": f"https://{before['url']}", **lists, **tags})]


def _former_linked_role(undo, parameters, before, after):
    """/aws-service-role/autoscaling.amazonaws.com/ and AWSServiceRoleForAutoScaling_suffix tell the rest."""
    service, suffix = before["path"].split("/")[2], parameters["RoleName"].partition("_")[2]
    described = _optional(Description=before["description"], CustomSuffix=suffix)
    return [(undo[0], {"AWSServiceName": service, **described})]


def _former_name(undo, parameters, before, after):
    """The new name is what it is called now."""
    name = next(name for name in ("UserName", "GroupName", "ServerCertificateName") if name in parameters)
    renamed = {f"New{name}": before["name"]} if before["name"] != after["name"] else {}
    moved = {"NewPath": before["path"]} if before["path"] != after["path"] else {}
    return [(undo[0], {name: after["name"], **renamed, **moved})]


def _former_tags(undo, parameters, before, after):
    """Tags that were overwritten get their values back; those that are new go."""
    carrier = _without(parameters, "Tags")
    overwritten = {key: value for key, value in before["tags"].items() if after["tags"].get(key) != value}
    new = sorted(set(after["tags"]) - set(before["tags"]))
    back = [(undo[0], {**carrier, "Tags": _tags(overwritten)})] if overwritten else []
    return back + ([(undo[1], {**carrier, "TagKeys": new})] if new else [])


def _removed_tags(undo, parameters, before, after):
    gone = {key: value for key, value in before["tags"].items() if key not in after["tags"]}
    return [(undo[0], {**_without(parameters, "TagKeys"), "Tags": _tags(gone)})]


def _former_status(undo, parameters, before, after):
    (status,) = before.values()
    return [(undo[0], {**parameters, "Status": status})]


def _former_field(parameter, field):
    def calls(undo, parameters, before, after):
        return [(undo[0], {**parameters, parameter: before[field]})]

    return calls


def _former_role_settings(undo, parameters, before, after):
    fields = {"description": "Description", "max_session_duration": "MaxSessionDuration"}
    return [(undo[0], {**parameters, **{fields[field]: value for field, value in before.items()}})]


CALLS = {
    "add_client_id": _same,
    "add_member": _same,
    "add_role_to_profile": _same,
    "attach_policy": _same,
    "create_alias": _former_alias,
    "create_group": _with_name_only,
    "create_openid_connect_provider": _remove_provider,
    "create_policy": _delete_policy,
    "create_policy_version": _unmake_version,
    "create_profile": _with_name_only,
    "create_role": _with_name_only,
    "create_saml_provider": _remove_provider,
    # What the service calls it is seen when it is observed.
    "create_service_linked_role": _opposite,
    "create_user": _with_name_only,
    "delete_alias": _same,
    "delete_boundary": _former_boundary,
    "delete_inline_policy": _former_inline,
    "delete_password_policy": _former_passwords,
    "delete_policy": _former_policy,
    "delete_principal": _former_group,
    "delete_profile": _former_profile,
    "delete_provider": _former_provider,
    "delete_service_linked_role": _former_linked_role,
    "detach_policy": _same,
    "put_boundary": _former_boundary,
    "put_inline_policy": _former_inline,
    "remove_client_id": _same,
    "remove_member": _same,
    "remove_role_from_profile": _same,
    "rename": _former_name,
    "set_default_policy_version": _former_default,
    "set_outbound_federation": _opposite,
    "set_token_version": _former_field("GlobalEndpointTokenVersion", "sts_token_version"),
    "tag": _former_tags,
    "untag": _removed_tags,
    "update_credential": _former_status,
    "update_password_policy": _former_passwords,
    "update_role": _former_role_settings,
    "update_saml_metadata": _former_field("SAMLMetadataDocument", "metadata"),
    "update_thumbprints": _former_field("ThumbprintList", "thumbprints"),
    "update_trust": _former_field("PolicyDocument", "trust"),
}
