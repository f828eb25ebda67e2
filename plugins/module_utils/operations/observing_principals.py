# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observers of users, groups, roles and instance profiles."""

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import tags_of
from ansible_collections.leastpriv.iam.plugins.module_utils.account.overlay import (
    Observation,
    already_exists,
    aws_error,
    changed_fact,
    compared,
    delete_conflict,
    existing,
    existing_principal,
    principal,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.stored_names import stored_name
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import (
    allows_everything,
    is_deny_only,
    meaning,
    pretty,
    read_document,
)

# --- users, groups and roles ---


def put_boundary(script, step):
    kind, name, found = existing_principal(script, step)
    arn = step["parameters"]["PermissionsBoundary"]
    if found["boundary"] not in (None, arn):
        script.guard("keep_boundary", step, f"it replaces the permissions boundary {found['boundary']}")
    if found["boundary"] != arn and script.fact("policy_document", arn) is None:
        raise aws_error(step, "NoSuchEntity", f"Policy {arn} does not exist.")
    if found["boundary"] is None:
        script.note(_note_boundary(f"{kind} {name}", arn, script.fact("policy_document", arn)))
    return changed_fact(script, found, {"boundary": arn}, kind, name)


def _note_boundary(whose, arn, document):
    """What a boundary does to a principal that had none, an administrator for example."""
    if is_deny_only(document):
        return f"The boundary {arn} allows nothing: {whose} loses every permission, even as an administrator."
    if allows_everything(document):
        return f"The boundary {arn} allows everything: it does not restrict {whose}."
    return f"The boundary {arn} limits {whose}, even as an administrator, to what it allows. It grants nothing."


def delete_boundary(script, step):
    kind, name = principal(step)
    found = script.fact(kind, name)
    if found is None:
        return compared({"boundary": None}, {"boundary": None}, (kind, name))
    return changed_fact(script, found, {"boundary": None}, kind, name)


def update_trust(script, step):
    kind, name, found = existing_principal(script, step)
    wanted = read_document(step["parameters"]["PolicyDocument"])
    script.will_be({**found, "trust": wanted}, kind, name)
    before, after = {"trust": pretty(found["trust"])}, {"trust": pretty(wanted)}
    same = meaning(found["trust"]) == meaning(wanted)
    return Observation("unchanged" if same else "needed", before, before if same else after, (kind, name, "trust"))


def update_role(script, step):
    _kind, name, _found = existing_principal(script, step)
    wanted = step["parameters"]
    settings = script.fact("role_settings", name)
    fields = {"Description": "description", "MaxSessionDuration": "max_session_duration"}
    changes = {field: wanted[parameter] for parameter, field in fields.items() if parameter in wanted}
    if changes.get("max_session_duration", 0) > settings["max_session_duration"]:
        detail = f"it lets sessions of {name} last {changes['max_session_duration']} s"
        script.guard("session_duration", step, f"{detail} instead of {settings['max_session_duration']} s")
    return changed_fact(script, settings, changes, "role_settings", name)


def create_user(script, step):
    wanted = {"boundary": step["parameters"].get("PermissionsBoundary")}
    return _create_principal(script, step, "user", wanted)


def create_role(script, step):
    parameters = step["parameters"]
    trust = read_document(parameters["AssumeRolePolicyDocument"])
    seen = _create_principal(script, step, "role", {"boundary": parameters.get("PermissionsBoundary"), "trust": trust})
    name = parameters["RoleName"]
    settings = {
        "description": parameters.get("Description", ""),
        "max_session_duration": parameters.get("MaxSessionDuration", 3600),
    }
    if seen.status == "unchanged" and script.fact("role_settings", name) != settings:
        raise already_exists(step, "role", name)
    script.will_be(settings, "role_settings", name)
    return Observation(seen.status, seen.before, {**seen.after, "trust": pretty(trust)}, seen.writes)


def create_group(script, step):
    return _create_principal(script, step, "group", {})


def _create_principal(script, step, kind, wanted):
    parameters = step["parameters"]
    name = parameters[f"{kind.capitalize()}Name"]
    wanted = {"path": parameters.get("Path", "/"), **wanted}
    if kind != "group":
        wanted["tags"] = tags_of(parameters)
    found = script.fact(kind, name)
    shown = {"name": name, **{field: value for field, value in wanted.items() if field != "trust"}}
    if found is not None:
        if any(not _same_field(found, wanted, field) for field in wanted):
            raise already_exists(step, kind, name)
        return Observation("unchanged", shown, shown, (kind, name))
    _create_facts(script, kind, name, wanted)
    return Observation("needed", {}, shown, (kind, name))


def _same_field(found, wanted, field):
    if field == "trust":
        return meaning(found[field]) == meaning(wanted[field])
    return found[field] == wanted[field]


def _create_facts(script, kind, name, wanted):
    script.will_be({"arn": None, **wanted}, kind, name)
    script.will_be([], "attached", kind, name)
    script.will_be([], "inline_names", kind, name)
    if kind == "user":
        script.will_be([], "groups_of", name)
        script.will_be({}, "access_keys", name)
        script.will_be(None, "login_profile", name)


def add_member(script, step):
    group, user = step["parameters"]["GroupName"], step["parameters"]["UserName"]
    existing(script, step, "group", group)
    existing(script, step, "user", user)
    return _membership(script, user, group, {*script.fact("groups_of", user), group})


def _membership(script, user, group, wanted):
    groups = script.fact("groups_of", user) or []
    if wanted != set(groups):
        script.will_be(sorted(wanted), "groups_of", user)
    return compared({"groups": sorted(groups)}, {"groups": sorted(wanted)}, ("member", group, user))


def remove_member(script, step):
    group, user = step["parameters"]["GroupName"], step["parameters"]["UserName"]
    groups = script.fact("groups_of", user) or []
    if group in groups:
        for act, document in _group_documents(script, group):
            script.guard_denies(step, document, f"it takes {user} out of {group} with {act}")
    return _membership(script, user, group, set(groups) - {group})


def _group_documents(script, group):
    for arn in script.fact("attached", "group", group) or []:
        yield arn, script.fact("policy_document", arn)
    for policy in script.fact("inline_names", "group", group) or []:
        yield f"its inline policy {policy}", script.fact("inline", "group", group, policy)


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


def delete_principal(script, step):
    """Nothing is cascaded: what is left of the principal is AWS's DeleteConflict."""
    kind, name = principal(step)
    found = script.fact(kind, name)
    if found is None:
        return compared({}, {}, (kind, name))
    if found["path"].startswith(SERVICE_LINKED):
        message = f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
        raise aws_error(step, "UnmodifiableEntity", message)
    left = next((words for fact, words in _leftovers(script, kind, name) if fact), None)
    if left:
        raise delete_conflict(step, f"Cannot delete entity, {left}.")
    script.will_be(None, kind, name)
    return compared({"name": name, "path": found["path"]}, {}, (kind, name))


def _leftovers(script, kind, name):
    for family, words in LEFTOVERS[kind].items():
        yield script.fact(family, name), words
    if kind == "group":
        yield members_of(script, name), "must remove users from group first"
    if kind == "role":
        yield _profiles_of(script, name), "must remove roles from instance profile first"
    yield script.fact("attached", kind, name), "must detach all policies first"
    yield script.fact("inline_names", kind, name), "must delete policies first"


def members_of(script, group):
    moved = {user for (user,) in script.overlaid("groups_of")}
    live = {arn.split("/")[-1] for arn in script.fact("members", group) or []}
    return live - moved | {user for user in moved if group in (script.fact("groups_of", user) or [])}


def _profiles_of(script, role):
    changed = {profile for (profile,) in script.overlaid("instance_profile")}
    now = {name for name in changed if (script.fact("instance_profile", name) or {}).get("role") == role}
    return set(script.fact("profiles_of", role) or []) - changed | now


def rename(script, step):
    """Rename or move a user, a group or a server certificate."""
    parameters = step["parameters"]
    kind, name = principal(step) or ("server_certificate", parameters["ServerCertificateName"])
    new_name = next((parameters[key] for key in RENAMES if key in parameters), name)
    found = script.fact(kind, name)
    if found is None and _is_renamed(script, kind, new_name, parameters):
        return compared({"name": new_name}, {"name": new_name}, (kind, name))
    found = existing(script, step, kind, name)
    if new_name.lower() != name.lower() and script.fact(kind, stored_name(script, kind, new_name)) is not None:
        raise aws_error(step, "EntityAlreadyExists", f"{NOUNS[kind]} with name {new_name} already exists.")
    path = parameters.get("NewPath", found["path"])
    if (name, found["path"]) != (new_name, path):
        _will_be_renamed(script, kind, (name, new_name), {**found, "path": path})
    return compared({"name": name, "path": found["path"]}, {"name": new_name, "path": path}, (kind, name))


RENAMES = ("NewUserName", "NewGroupName", "NewServerCertificateName")
NOUNS = {"user": "User", "group": "Group", "server_certificate": "Server Certificate"}


def _is_renamed(script, kind, new_name, parameters):
    renamed = script.fact(kind, stored_name(script, kind, new_name))
    return renamed is not None and parameters.get("NewPath", renamed["path"]) == renamed["path"]


def _will_be_renamed(script, kind, names, found):
    name, new_name = names
    if name != new_name:
        script.will_be_named(kind, new_name, name)
        script.will_be(None, kind, name)
    resource = f"{kind.replace('_', '-')}{found['path']}{new_name}"
    script.will_be({**found, "arn": script.arn(resource)}, kind, new_name)


def delete_server_certificate(script, step):
    name = step["parameters"]["ServerCertificateName"]
    return _gone(script, ("server_certificate", name))


def _gone(script, key):
    found = script.fact(*key)
    if found is None:
        return compared({}, {}, key)
    script.will_be(None, *key)
    return compared({"name": key[1], "path": found["path"], "tags": found["tags"]}, {}, key)


# --- roles of AWS services ---


def create_service_linked_role(script, step):
    """The service names the role; one with the same suffix is the one that was wanted."""
    parameters = step["parameters"]
    service, suffix = parameters["AWSServiceName"], parameters.get("CustomSuffix")
    roles = script.fact("service_roles", service) or {}
    wanted = {"service": service, "suffix": suffix, "description": parameters.get("Description", "")}
    same = [name for name in roles if name.partition("_")[2] == suffix] if suffix else list(roles)
    if not same:
        script.will_be({**roles, f"_{suffix or ''}": wanted["description"]}, "service_roles", service)
        return compared({}, wanted, ("service_roles", service, suffix))
    if "Description" in parameters and parameters["Description"] not in [roles[name] for name in same]:
        message = f"Service role name {same[0]} has been taken in this account, please try a different suffix."
        raise aws_error(step, "InvalidInput", message)
    return compared(wanted, wanted, ("service_roles", service, suffix))


def delete_service_linked_role(script, step):
    name = step["parameters"]["RoleName"]
    found = script.fact("role", name)
    if found is not None and not found["path"].startswith(SERVICE_LINKED):
        raise aws_error(step, "InvalidInput", f"{name} is no service-linked role.")
    if found is None:
        return compared({}, {}, ("role", name))
    before = {"name": name, "path": found["path"], "description": script.fact("role_settings", name)["description"]}
    script.will_be(None, "role", name)
    return compared(before, {}, ("role", name))


# --- instance profiles ---


def create_profile(script, step):
    parameters = step["parameters"]
    name = parameters["InstanceProfileName"]
    wanted = {"path": parameters.get("Path", "/"), "tags": tags_of(parameters)}
    found = script.fact("instance_profile", name)
    if found is not None:
        if {field: found[field] for field in wanted} != wanted:
            raise already_exists(step, "instance profile", name)
        return Observation("unchanged", wanted, wanted, ("instance_profile", name))
    script.will_be({**wanted, "role": None}, "instance_profile", name)
    return Observation("needed", {}, wanted, ("instance_profile", name))


def add_role_to_profile(script, step):
    name, role = step["parameters"]["InstanceProfileName"], step["parameters"]["RoleName"]
    found = existing(script, step, "instance_profile", name)
    existing(script, step, "role", role)
    if found["role"] not in (None, role):
        raise aws_error(step, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    return changed_fact(script, found, {"role": role}, "instance_profile", name)


def remove_role_from_profile(script, step):
    name, role = step["parameters"]["InstanceProfileName"], step["parameters"]["RoleName"]
    found = script.fact("instance_profile", name)
    if found is None:
        return compared({"role": None}, {"role": None}, ("instance_profile", name))
    kept = None if found["role"] == role else found["role"]
    return changed_fact(script, found, {"role": kept}, "instance_profile", name)


def delete_profile(script, step):
    name = step["parameters"]["InstanceProfileName"]
    found = script.fact("instance_profile", name)
    if found is not None and found["role"] is not None:
        raise delete_conflict(step, "Cannot delete entity, must remove roles from instance profile first.")
    return _gone(script, ("instance_profile", name))
