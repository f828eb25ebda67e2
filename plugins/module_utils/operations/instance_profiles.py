# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instance profiles."""

from __future__ import annotations

from typing import Any

from ..account.iam_account import tags_of
from ..account.overlay import (
    AccountOverlay,
    Observation,
    already_exists,
    aws_error,
    changed_fact,
    compared,
    delete_conflict,
    existing,
    removed_fact,
)
from ..shapes import Step
from .digests import Digest, policy_digests, reached
from .principals import entity_row
from .roles import ROLE_POLICY_READS
from .row import DESTRUCTIVE, RESTRICT, WIDEN, Operation
from .targets import INSTANCE_PROFILE, ROLE
from .undo import Calls, Operations, Parameters, given, name_only, tag_list, undone_by


def create_profile(overlay: AccountOverlay, step: Step) -> Observation:
    parameters = step["parameters"]
    name = parameters["InstanceProfileName"]
    wanted = {"path": parameters.get("Path", "/"), "tags": tags_of(parameters)}
    found = overlay.fact("instance_profile", name)
    if found is not None:
        if {field: found[field] for field in wanted} != wanted:
            raise already_exists("instance profile", name)
        return Observation("unchanged", wanted, wanted, ("instance_profile", name))
    overlay.will_be({**wanted, "role": None}, "instance_profile", name)
    return Observation("needed", {}, wanted, ("instance_profile", name))


def add_role_to_profile(overlay: AccountOverlay, step: Step) -> Observation:
    name, role = step["parameters"]["InstanceProfileName"], step["parameters"]["RoleName"]
    found = existing(overlay, step, "instance_profile", name)
    existing(overlay, step, "role", role)
    if found["role"] not in (None, role):
        raise aws_error("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    return changed_fact(overlay, found, {"role": role}, "instance_profile", name)


def remove_role_from_profile(overlay: AccountOverlay, step: Step) -> Observation:
    name, role = step["parameters"]["InstanceProfileName"], step["parameters"]["RoleName"]
    found = overlay.fact("instance_profile", name)
    if found is None:
        return compared({"role": None}, {"role": None}, ("instance_profile", name))
    kept = None if found["role"] == role else found["role"]
    return changed_fact(overlay, found, {"role": kept}, "instance_profile", name)


def delete_profile(overlay: AccountOverlay, step: Step) -> Observation:
    name = step["parameters"]["InstanceProfileName"]
    found = overlay.fact("instance_profile", name)
    if found is not None and found["role"] is not None:
        raise delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
    return removed_fact(overlay, "instance_profile", name)


def former_profile(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    return [(operations[0], {**parameters, "Path": before["path"], **given(Tags=tag_list(before["tags"]))})]


def role_of_profile(overlay: AccountOverlay, parameters: Parameters, before: Any) -> list[Digest] | None:
    role = parameters["RoleName"]
    return [*policy_digests(overlay, "role", role), *reached(overlay, "role", role)]


MODULE = "amazon.aws.iam_instance_profile"
FIXED = {"name": "$InstanceProfileName", "state": "present", "purge_tags": False}

ROWS = (
    Operation(
        name="AddRoleToInstanceProfile",
        module=MODULE,
        args={**FIXED, "role": "$RoleName"},
        observe=add_role_to_profile,
        already_true="the profile has the role",
        effect=WIDEN,
        undo=undone_by("RemoveRoleFromInstanceProfile"),
        guards=("no_creation",),
        target=ROLE,
        resource=INSTANCE_PROFILE.resource,
        reads=("GetInstanceProfile", "GetRole"),
        # IAM checks it if a role is passed.
        also=("PassRole",),
    ),
    Operation(
        name="CreateInstanceProfile",
        module=MODULE,
        args={**FIXED, "path": "$Path", "tags": "$Tags"},
        observe=create_profile,
        already_true="it exists with the same path and tags",
        effect=WIDEN,
        undo=undone_by("DeleteInstanceProfile", calls=name_only),
        guards=("no_creation",),
        target=INSTANCE_PROFILE,
        defaults={"Path": "/", "Tags": []},
    ),
    entity_row(
        INSTANCE_PROFILE,
        name="DeleteInstanceProfile",
        args={"state": "absent"},
        observe=delete_profile,
        already_true="there is no such profile",
        effect=DESTRUCTIVE,
        undo=undone_by("CreateInstanceProfile", calls=former_profile),
        guards=("no_deletion",),
    ),
    Operation(
        name="RemoveRoleFromInstanceProfile",
        module=MODULE,
        args={**FIXED, "role": ""},
        observe=remove_role_from_profile,
        already_true="the profile has another role or none",
        effect=RESTRICT,
        undo=undone_by("AddRoleToInstanceProfile"),
        target=ROLE,
        resource=INSTANCE_PROFILE.resource,
        reads=("GetInstanceProfile", "GetRole", *ROLE_POLICY_READS),
        observed=("RoleName",),
        takes=role_of_profile,
    ),
)
