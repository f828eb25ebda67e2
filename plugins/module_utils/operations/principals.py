# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What operations on users, groups and roles have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..account.iam_account import tags_of
from ..account.overlay import (
    AccountOverlay,
    Observation,
    already_exists,
    aws_error,
    compared,
    delete_conflict,
    existing,
    principal,
)
from ..policies.document import meaning
from ..shapes import Step
from .row import NEUTRAL, Operation, Target
from .undo import Calls, Irreversible, Operations, Parameters, undone_by

GONE_ID = Irreversible("a new one of the same name has another unique id, which policies and trusts may name")
# The module options that keep the modules of amazon.aws from changing more than the step.
FIXED: dict[str, dict[str, Any]] = {
    "User": {"purge_policies": False, "purge_tags": False},
    "Group": {"purge_policies": False, "purge_users": False},
    "Role": {
        "assume_role_policy_document": "$live.trust",
        "create_instance_profile": False,
        "delete_instance_profile": False,
        "purge_policies": False,
        "purge_tags": False,
    },
}


def module_row(of: Target, *, args: Mapping[str, Any], reads: tuple[str, ...] = (), **fields: Any) -> Operation:
    """A row that the module of amazon.aws for users, groups or roles applies.

    :param of: `USER`, `GROUP` or `ROLE`.
    :param args: module options beside the fixed ones.
    :param reads: read actions beside those of the module.
    :param fields: further fields of the `Operation`.
    """
    row: dict[str, Any] = {
        "module": f"amazon.aws.iam_{of.kind}",
        "args": {"name": f"${of.parameter}", "state": "present", **FIXED[of.noun], **args},
        "target": of,
        "reads": (of.read, f"ListAttached{of.noun}Policies", *reads),
    }
    return Operation(**{**row, **fields})


def entity_row(target: Target, *, args: Mapping[str, Any], **fields: Any) -> Operation:
    """A row that the module `entity` applies.

    :param args: module options beside the kind and the name.
    :param fields: further fields of the `Operation`.
    """
    named = {"kind": target.kind, "name": f"${target.parameter}"}
    return Operation(module="leastpriv.iam.entity", target=target, args={**named, **args}, **fields)


def renaming(target: Target) -> Operation:
    """The row that renames or moves a user, a group or a server certificate."""
    return entity_row(
        target,
        name=f"Update{target.noun}",
        args={"new_name": f"$New{target.parameter}", "new_path": "$NewPath", "state": "present"},
        observe=rename,
        already_true="it has this name and path",
        effect=NEUTRAL,
        undo=undone_by(f"Update{target.noun}", calls=former_name),
        guards=("no_renaming",),
        undeclared="its path differs",
    )


def create_principal(overlay: AccountOverlay, step: Step, kind: str, wanted: Any) -> Observation:
    """Observe the creation of a user, group or role. `wanted` has the fields of its fact, except path and tags."""
    parameters = step["parameters"]
    name = parameters[f"{kind.capitalize()}Name"]
    wanted = {"path": parameters.get("Path", "/"), **wanted}
    if kind != "group":
        wanted["tags"] = tags_of(parameters)
    found = overlay.fact(kind, name)
    shown = {"name": name, **{field: value for field, value in wanted.items() if field != "trust"}}
    if found is not None:
        if any(not _same_field(found, wanted, field) for field in wanted):
            raise already_exists(kind, name)
        return Observation("unchanged", shown, shown, (kind, name))
    _create_facts(overlay, kind, name, wanted)
    return Observation("needed", {}, shown, (kind, name))


def _same_field(found: Any, wanted: Any, field: str) -> bool:
    if field == "trust":
        return bool(meaning(found[field]) == meaning(wanted[field]))
    return bool(found[field] == wanted[field])


def _create_facts(overlay: AccountOverlay, kind: str, name: str, wanted: Any) -> None:
    overlay.will_be({"arn": None, **wanted}, kind, name)
    overlay.will_be([], "attached", kind, name)
    overlay.will_be([], "inline_names", kind, name)
    if kind == "user":
        overlay.will_be([], "groups_of", name)
        overlay.will_be({}, "access_keys", name)
        overlay.will_be(None, "login_profile", name)


# --- deleting, renaming and moving ---


# What must be gone before, in the order and the words of IAM.
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html, API_DeleteGroup.html, API_DeleteRole.html
LEFTOVERS = {
    "user": {
        "login_profile": "must delete login profile first",
        "access_keys": "must delete access keys first",
        "mfa_devices": "must delete MFA device first",
        "signing_certificates": "must delete signing certificates first",
        "ssh_public_keys": "must delete public keys first",
        "service_specific_credentials": "must delete service specific credentials first",
        "groups_of": "must remove users from group first",
    },
    "role": {},
    "group": {},
}
SERVICE_LINKED = "/aws-service-role/"
RENAMES = ("NewUserName", "NewGroupName", "NewServerCertificateName")
NOUNS = {"user": "User", "group": "Group", "server_certificate": "Server Certificate"}


def delete_principal(overlay: AccountOverlay, step: Step) -> Observation:
    """Nothing is cascaded: AWS answers DeleteConflict if the principal still has something."""
    kind, name = principal(step)
    found = overlay.fact(kind, name)
    if found is None:
        return compared({}, {}, (kind, name))
    if found["path"].startswith(SERVICE_LINKED):
        message = f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
        raise aws_error("UnmodifiableEntity", message)
    left = next((words for fact, words in _leftovers(overlay, kind, name) if fact), None)
    if left:
        raise delete_conflict(f"Cannot delete entity, {left}.")
    overlay.will_be(None, kind, name)
    return compared({"name": name, "path": found["path"]}, {}, (kind, name))


def _leftovers(overlay: AccountOverlay, kind: str, name: str) -> Iterator[tuple[Any, str]]:
    for family, words in LEFTOVERS[kind].items():
        yield overlay.fact(family, name), words
    if kind == "group":
        yield overlay.members_of(name), "must remove users from group first"
    if kind == "role":
        yield _profiles_of(overlay, name), "must remove roles from instance profile first"
    yield overlay.fact("attached", kind, name), "must detach all policies first"
    yield overlay.fact("inline_names", kind, name), "must delete policies first"


def _profiles_of(overlay: AccountOverlay, role: str) -> set[str]:
    changed = {profile for (profile,) in overlay.overlaid("instance_profile")}
    now = {name for name in changed if (overlay.fact("instance_profile", name) or {}).get("role") == role}
    return set(overlay.fact("profiles_of", role) or []) - changed | now


def rename(overlay: AccountOverlay, step: Step) -> Observation:
    """Rename or move a user, a group or a server certificate."""
    parameters = step["parameters"]
    kind, name = principal(step) or ("server_certificate", parameters["ServerCertificateName"])
    new_name = next((parameters[key] for key in RENAMES if key in parameters), name)
    found = overlay.fact(kind, name)
    if found is None and _is_renamed(overlay, kind, new_name, parameters):
        return compared({"name": new_name}, {"name": new_name}, (kind, name))
    found = existing(overlay, step, kind, name)
    if new_name.lower() != name.lower() and overlay.fact(kind, overlay.stored_name(kind, new_name)) is not None:
        raise aws_error("EntityAlreadyExists", f"{NOUNS[kind]} with name {new_name} already exists.")
    path = parameters.get("NewPath", found["path"])
    if (name, found["path"]) != (new_name, path):
        _will_be_renamed(overlay, kind, (name, new_name), {**found, "path": path})
    return compared({"name": name, "path": found["path"]}, {"name": new_name, "path": path}, (kind, name))


def _is_renamed(overlay: AccountOverlay, kind: str, new_name: str, parameters: Parameters) -> bool:
    renamed = overlay.fact(kind, overlay.stored_name(kind, new_name))
    return renamed is not None and parameters.get("NewPath", renamed["path"]) == renamed["path"]


def _will_be_renamed(overlay: AccountOverlay, kind: str, names: tuple[str, str], found: Any) -> None:
    name, new_name = names
    if name != new_name:
        overlay.will_be_named(kind, new_name, name)
        overlay.will_be(None, kind, name)
    resource = f"{kind.replace('_', '-')}{found['path']}{new_name}"
    overlay.will_be({**found, "arn": overlay.arn(resource)}, kind, new_name)


def former_name(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    """The new name is what it is called now."""
    name = next(name for name in ("UserName", "GroupName", "ServerCertificateName") if name in parameters)
    renamed = {f"New{name}": before["name"]} if before["name"] != after["name"] else {}
    moved = {"NewPath": before["path"]} if before["path"] != after["path"] else {}
    return [(operations[0], {name: after["name"], **renamed, **moved})]
