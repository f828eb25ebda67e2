# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles, their trust policies, and the roles that AWS services own."""

from __future__ import annotations

from typing import Any

from ..account.overlay import (
    AccountOverlay,
    Observation,
    already_exists,
    aws_error,
    changed_fact,
    compared,
    existing_principal,
)
from ..policies.document import canonical, meaning, pretty, read_document
from ..shapes import Step
from .digests import Digest, boundary_digests, policy_digests
from .managed_policies import DOCUMENT_READS
from .principals import GONE_ID, SERVICE_LINKED, create_principal, delete_principal, entity_row, module_row
from .row import DESTRUCTIVE, NEUTRAL, RESTRICT, WIDEN, Fact, Operation, State, Target
from .targets import ROLE
from .undo import Calls, Operations, Parameters, former_field, given, name_only, no_parameters, undone_by

# No role has this name: nothing is left to delete.
NO_ROLE = "-"


def create_role(overlay: AccountOverlay, step: Step) -> Observation:
    parameters = step["parameters"]
    trust = read_document(parameters["AssumeRolePolicyDocument"])
    seen = create_principal(overlay, step, "role", {"boundary": parameters.get("PermissionsBoundary"), "trust": trust})
    name = parameters["RoleName"]
    settings = {
        "description": parameters.get("Description", ""),
        "max_session_duration": parameters.get("MaxSessionDuration", 3600),
    }
    if seen.status == "unchanged" and overlay.fact("role_settings", name) != settings:
        raise already_exists("role", name)
    overlay.will_be(settings, "role_settings", name)
    return Observation(seen.status, seen.before, {**seen.after, "trust": pretty(trust)}, seen.writes)


def update_trust(overlay: AccountOverlay, step: Step) -> Observation:
    kind, name, found = existing_principal(overlay, step)
    wanted = read_document(step["parameters"]["PolicyDocument"])
    same = meaning(found["trust"]) == meaning(wanted)
    if not same:
        act = f"it replaces the trust policy of {name}"
        overlay.guard_replacement(step, "keep_trust", [found["trust"]], wanted, f"role {name}", act)
    overlay.will_be({**found, "trust": wanted}, kind, name)
    before, after = {"trust": pretty(found["trust"])}, {"trust": pretty(wanted)}
    return Observation("unchanged" if same else "needed", before, before if same else after, (kind, name, "trust"))


def update_role(overlay: AccountOverlay, step: Step) -> Observation:
    _kind, name, _found = existing_principal(overlay, step)
    wanted = step["parameters"]
    settings = overlay.fact("role_settings", name)
    fields = {"Description": "description", "MaxSessionDuration": "max_session_duration"}
    changes = {field: wanted[parameter] for parameter, field in fields.items() if parameter in wanted}
    if changes.get("max_session_duration", 0) > settings["max_session_duration"]:
        detail = f"it lets sessions of {name} last {changes['max_session_duration']} s"
        overlay.guard("session_duration", step, f"{detail} instead of {settings['max_session_duration']} s")
    return changed_fact(overlay, settings, changes, "role_settings", name)


def _trust(fact: Fact, parameters: Parameters) -> Any:
    role = fact("role", parameters["RoleName"])
    return role and canonical(role["trust"])


def _role_settings(fact: Fact, parameters: Parameters) -> Any:
    return fact("role_settings", parameters["RoleName"])


def former_role_settings(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    fields = {"description": "Description", "max_session_duration": "MaxSessionDuration"}
    return [(operations[0], {**parameters, **{fields[field]: value for field, value in before.items()}})]


def trusting_role(overlay: AccountOverlay, parameters: Parameters, before: Any) -> list[Digest] | None:
    role = parameters["RoleName"]
    return policy_digests(overlay, "role", role) + boundary_digests(overlay, "role", role)


# --- roles of AWS services ---


def create_service_linked_role(overlay: AccountOverlay, step: Step) -> Observation:
    """The service names the role; one with the same suffix is the one that was wanted."""
    parameters = step["parameters"]
    service, suffix = parameters["AWSServiceName"], parameters.get("CustomSuffix")
    roles = overlay.fact("service_roles", service) or {}
    wanted = {"service": service, "suffix": suffix, "description": parameters.get("Description", "")}
    same = [name for name in roles if name.partition("_")[2] == suffix] if suffix else list(roles)
    if not same:
        overlay.will_be({**roles, f"_{suffix or ''}": wanted["description"]}, "service_roles", service)
        return compared({}, wanted, ("service_roles", service, suffix))
    if "Description" in parameters and parameters["Description"] not in [roles[name] for name in same]:
        message = f"Service role name {same[0]} has been taken in this account, please try a different suffix."
        raise aws_error("InvalidInput", message)
    return compared(wanted, wanted, ("service_roles", service, suffix))


def made_linked_role(overlay: AccountOverlay, applied: Any) -> dict[str, Any]:
    service, suffix = applied["parameters"]["AWSServiceName"], applied["parameters"].get("CustomSuffix", "")
    roles = overlay.fact("service_roles", service) or {}
    made = [name for name in roles if name.partition("_")[2] == suffix]
    return {"RoleName": made[0] if made else NO_ROLE}


def delete_service_linked_role(overlay: AccountOverlay, step: Step) -> Observation:
    name = step["parameters"]["RoleName"]
    found = overlay.fact("role", name)
    if found is not None and not found["path"].startswith(SERVICE_LINKED):
        raise aws_error("InvalidInput", f"{name} is not a service-linked role.")
    if found is None:
        return compared({}, {}, ("role", name))
    before = {"name": name, "path": found["path"], "description": overlay.fact("role_settings", name)["description"]}
    overlay.will_be(None, "role", name)
    return compared(before, {}, ("role", name))


def former_linked_role(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    """/aws-service-role/autoscaling.amazonaws.com/ and AWSServiceRoleForAutoScaling_suffix contain the rest."""
    service, suffix = before["path"].split("/")[2], parameters["RoleName"].partition("_")[2]
    described = given(Description=before["description"], CustomSuffix=suffix)
    return [(operations[0], {"AWSServiceName": service, **described})]


TRUST = State(name="trust", read=_trust, differs="its trust policy differs")
ROLE_SETTINGS = State(name="role_settings", read=_role_settings, differs="its description or session duration differs")
ROLE_POLICY_READS = ("ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy", *DOCUMENT_READS)
LINKED_ROLES = "role/aws-service-role/*"

ROWS = (
    module_row(
        ROLE,
        name="CreateRole",
        args={
            "assume_role_policy_document": "$AssumeRolePolicyDocument",
            "path": "$Path",
            "description": "$Description",
            "max_session_duration": "$MaxSessionDuration",
            "boundary": "$PermissionsBoundary",
            "tags": "$Tags",
        },
        observe=create_role,
        already_true="it exists with the same path, trust policy, description, duration, boundary and tags",
        effect=WIDEN,
        undo=undone_by("DeleteRole", calls=name_only),
        guards=("no_creation",),
        statement="Bound",
        defaults={"Description": "", "MaxSessionDuration": 3600, "Path": "/", "Tags": []},
    ),
    Operation(
        name="CreateServiceLinkedRole",
        module="leastpriv.iam.service_linked_role",
        args={
            "service": "$AWSServiceName",
            "description": "$Description",
            "suffix": "$CustomSuffix",
            "state": "present",
        },
        observe=create_service_linked_role,
        already_true="the service has a role with this suffix",
        effect=WIDEN,
        undo=undone_by("DeleteServiceLinkedRole", calls=no_parameters, complete=made_linked_role),
        guards=("no_creation",),
        target=Target(parameter="AWSServiceName", resource=LINKED_ROLES),
        reads=("ListRoles",),
        defaults={"Description": ""},
    ),
    entity_row(
        ROLE,
        name="DeleteRole",
        args={"state": "absent"},
        observe=delete_principal,
        already_true="there is no such principal",
        effect=DESTRUCTIVE,
        undo=GONE_ID,
        guards=("no_deletion",),
        reads=("GetRole", "ListAttachedRolePolicies", "ListInstanceProfilesForRole", "ListRolePolicies"),
    ),
    Operation(
        name="DeleteServiceLinkedRole",
        module="leastpriv.iam.service_linked_role",
        args={"name": "$RoleName", "state": "absent"},
        observe=delete_service_linked_role,
        already_true="there is no such role",
        effect=DESTRUCTIVE,
        undo=undone_by("CreateServiceLinkedRole", calls=former_linked_role),
        guards=("no_deletion",),
        target=ROLE,
        resource=LINKED_ROLES,
        reads=("GetRole", "GetServiceLinkedRoleDeletionStatus"),
    ),
    module_row(
        ROLE,
        name="UpdateAssumeRolePolicy",
        args={"assume_role_policy_document": "$PolicyDocument"},
        observe=update_trust,
        already_true="the trust policy is equal",
        effect=WIDEN,
        undo=undone_by("UpdateAssumeRolePolicy", calls=former_field("PolicyDocument", "trust")),
        guards=("keep_trust",),
        reads=ROLE_POLICY_READS,
        read_again=(TRUST,),
        takes=trusting_role,
        undeclared="its trust policy differs",
    ),
    Operation(
        name="UpdateRole",
        module="leastpriv.iam.role_settings",
        args={"name": "$RoleName", "description": "$Description", "max_session_duration": "$MaxSessionDuration"},
        observe=update_role,
        already_true="what is given is so",
        effect=RESTRICT,
        undo=undone_by("UpdateRole", calls=former_role_settings),
        target=ROLE,
        read_again=(ROLE_SETTINGS,),
    ),
    Operation(
        name="UpdateRoleDescription",
        module="leastpriv.iam.role_settings",
        args={"name": "$RoleName", "description": "$Description", "only_description": True},
        observe=update_role,
        already_true="what is given is so",
        effect=NEUTRAL,
        undo=undone_by("UpdateRoleDescription", calls=former_role_settings),
        target=ROLE,
        read_again=(ROLE_SETTINGS,),
    ),
)
