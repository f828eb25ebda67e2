# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step would change: needed, already true, or in conflict with what is there.

One observer per kind of change, named in the operations table. An observer reads facts, may refuse by a live
guardrail, and leaves in the overlay what the step will have made, so that the next step of the same script
sees it. Nothing here writes to AWS.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails import Refusal, is_open
from ansible_collections.leastpriv.iam.plugins.module_utils.iam_account import tags_of
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.module_utils.policy_document import (
    canonical,
    denies,
    is_deny_only,
    pretty,
    read_document,
    size,
)

# IAM's default quotas; GetAccountSummary tells the account's own where they matter.
ATTACHED_QUOTA = 10
POLICY_SIZE_QUOTA = 6144
INLINE_SIZE_QUOTA = {"user": 2048, "role": 10240, "group": 5120}
# What AWS enforces while an account has no password policy of its own.
NO_PASSWORD_POLICY = {"MinimumPasswordLength": 8}
PASSWORD_DEFAULTS = {
    "MinimumPasswordLength": 6,
    "RequireSymbols": False,
    "RequireNumbers": False,
    "RequireUppercaseCharacters": False,
    "RequireLowercaseCharacters": False,
    "AllowUsersToChangePassword": False,
    "MaxPasswordAge": 0,
    "PasswordReusePrevention": 0,
    "HardExpiry": False,
}


class Conflict(LeastprivError):
    """A step cannot be applied as things are; the text says why, in AWS's own words where it has any."""


@dataclass(frozen=True)
class Observation:
    """What one step finds.

    :ivar status: C(needed) or C(unchanged).
    :ivar before: the part of the account that the step is about, as it is.
    :ivar after: the same as it will be.
    :ivar writes: the key of what the step writes, for telling two alerts that write the same thing.
    """

    status: str
    before: dict
    after: dict
    writes: tuple


class Script:
    """The account as one script finds it: live facts, overlaid with what its earlier steps will have made.

    :param account: a C(iam_account.IamAccount).
    :param account_id: 12 digits.
    :param partition: C(aws), C(aws-cn), C(aws-us-gov), ...
    :param allow: the user's C(remediate_allow).
    :param pending: attachments that earlier alerts of this run will have made, key -> count.
    """

    def __init__(self, account, account_id, partition, allow, pending):
        self._account = account
        self._overlay = {}
        self._account_id = account_id
        self._partition = partition
        self._allow = allow
        self.pending = pending

    def fact(self, *key):
        return self._overlay[key] if key in self._overlay else self._account.fact(*key)

    def will_be(self, value, *key):
        self._overlay[key] = value

    def policy_arn(self, path, name):
        return f"arn:{self._partition}:iam::{self._account_id}:policy{path}{name}"

    def guard(self, rule, step, detail):
        """Refuse a step unless the user opened the rule for it.

        :raises Refusal:
        """
        if not is_open(rule, step["operation"], self._allow):
            raise Refusal(rule, detail)


def observe(script, step):
    """Observe one step.

    :param script: the C(Script) that it belongs to.
    :param step: a step with C(operation), C(parameters) and C(module); the operation's row names the observer.
    :returns: an C(Observation).
    :raises Conflict: AWS would refuse it, or something different is there.
    :raises Refusal: a live guardrail forbids it.
    """
    return OBSERVERS[OPERATIONS[step["operation"]].observe](script, step)


def principal(step):
    """The (kind, name) of the principal that a step changes, or None: C(("user", "bob"))."""
    parameters = step["parameters"]
    # A membership names both: the user is the one whose access changes.
    for kind in ("user", "role", "group"):
        if f"{kind.capitalize()}Name" in parameters:
            return kind, parameters[f"{kind.capitalize()}Name"]
    return None


def _aws_error(step, code, message):
    return Conflict(f"An error occurred ({code}) when calling the {step['operation']} operation: {message}")


def _existing(script, step, kind, name):
    found = script.fact(kind, name)
    if found is None:
        words = {"instance_profile": "Instance Profile {0} cannot be found."}
        message = words.get(kind, f"The {kind} with name {{0}} cannot be found.").format(name)
        raise _aws_error(step, "NoSuchEntity", message)
    return found


def _existing_principal(script, step):
    kind, name = principal(step)
    return kind, name, _existing(script, step, kind, name)


def _result(before, after, writes):
    return Observation("unchanged" if before == after else "needed", before, after, writes)


# --- managed policies ---


def _create_policy(script, step):
    wanted = step["parameters"]
    name, path = wanted["PolicyName"], wanted.get("Path", "/")
    arn = script.policy_arn(path, name)
    document = read_document(wanted["PolicyDocument"])
    after = {"arn": arn, "document": pretty(document)}
    known = script.fact("policy_names").get(name.lower(), [])
    if known:
        _equal_policy(script, step, arn, known, document)
        return Observation("unchanged", after, after, ("policy", arn))
    if size(wanted["PolicyDocument"]) > POLICY_SIZE_QUOTA:
        raise _aws_error(step, "LimitExceeded", f"Cannot exceed quota for PolicySize: {POLICY_SIZE_QUOTA}")
    script.will_be({**script.fact("policy_names"), name.lower(): [arn]}, "policy_names")
    script.will_be(document, "policy_document", arn)
    script.will_be({"description": wanted.get("Description", ""), "tags": tags_of(wanted)}, "policy", arn)
    return Observation("needed", {}, after, ("policy", arn))


def _equal_policy(script, step, arn, known, document):
    name = step["parameters"]["PolicyName"]
    if known != [arn]:
        raise Conflict(
            f"the name {name} is taken by {' and '.join(known)}; policy names are unique in an account whatever their "
            f"path or letter case, and {step['module']} finds policies by name"
        )
    if canonical(script.fact("policy_document", arn) or {}) != canonical(document):
        raise _aws_error(
            step,
            "EntityAlreadyExists",
            f"A policy called {name} already exists. Its document is another one, and it is never overwritten.",
        )
    _equal_description(script, step, arn)


def _equal_description(script, step, arn):
    wanted = step["parameters"]
    for parameter, fact, value in (
        ("Description", "description", wanted.get("Description")),
        ("Tags", "tags", tags_of(wanted)),
    ):
        if wanted.get(parameter) and script.fact("policy", arn)[fact] != value:
            message = f"A policy called {wanted['PolicyName']} already exists, with other {fact}."
            raise _aws_error(step, "EntityAlreadyExists", message)


def _attach_policy(script, step):
    kind, name, _found = _existing_principal(script, step)
    arn = step["parameters"]["PolicyArn"]
    attached = script.fact("attached", kind, name)
    before, after = _attachment(attached, sorted({*attached, arn}))
    if arn not in attached:
        _guard_attached(script, step, arn)
        _attachment_quota(script, step, kind, name, len(attached))
        script.will_be([*attached, arn], "attached", kind, name)
    return _result(before, after, ("attached", kind, name, arn))


def _attachment(attached, wanted):
    return {"attached_policies": sorted(attached)}, {"attached_policies": sorted(wanted)}


def _guard_attached(script, step, arn):
    document = script.fact("policy_document", arn)
    if document is None:
        raise _aws_error(step, "NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")
    if not is_deny_only(document):
        script.guard("attach_deny_only", step, f"it attaches {arn}, which allows something")


def _attachment_quota(script, step, kind, name, attached):
    key = kind, name
    count = attached + script.pending.get(key, 0)
    if count >= ATTACHED_QUOTA:
        quota = script.fact("summary").get(f"AttachedPoliciesPer{kind.capitalize()}Quota", ATTACHED_QUOTA)
        if count >= quota:
            message = f"Cannot exceed quota for PoliciesPer{kind.capitalize()}: {quota}."
            raise _aws_error(step, "LimitExceeded", f"{message} Detach one that {name} needs no more.")
    script.pending[key] = script.pending.get(key, 0) + 1


def _detach_policy(script, step):
    kind, name = principal(step)
    arn = step["parameters"]["PolicyArn"]
    attached = script.fact("attached", kind, name) or []
    if arn in attached:
        _guard_denies(script, step, script.fact("policy_document", arn), f"it detaches {arn}")
        script.will_be([one for one in attached if one != arn], "attached", kind, name)
    before, after = _attachment(attached, set(attached) - {arn})
    return _result(before, after, ("attached", kind, name, arn))


def _guard_denies(script, step, document, act, kept=frozenset()):
    """Refuse to take away Deny statements; a document that cannot be read might hold one."""
    if document is None:
        script.guard("keep_deny", step, f"{act}, whose document cannot be read")
    elif denies(document) - kept:
        script.guard("keep_deny", step, f"{act}, which denies something")


# --- inline policies ---


def _put_inline_policy(script, step):
    kind, name, _found = _existing_principal(script, step)
    policy = step["parameters"]["PolicyName"]
    wanted = read_document(step["parameters"]["PolicyDocument"])
    live = script.fact("inline", kind, name, policy)
    before = {"document": pretty(live)} if live else {}
    after = {"document": pretty(wanted)}
    writes = ("inline", kind, name, policy)
    if live and canonical(live) == canonical(wanted):
        return Observation("unchanged", before, before, writes)
    if live:
        _guard_denies(script, step, live, f"it replaces the inline policy {policy}", denies(wanted))
    _inline_quota(script, step, kind, name)
    script.will_be(wanted, "inline", kind, name, policy)
    script.will_be(sorted({*script.fact("inline_names", kind, name), policy}), "inline_names", kind, name)
    return Observation("needed", before, after, writes)


def _inline_quota(script, step, kind, name):
    others = set(script.fact("inline_names", kind, name)) - {step["parameters"]["PolicyName"]}
    documents = [pretty(script.fact("inline", kind, name, other)) for other in sorted(others)]
    quota = INLINE_SIZE_QUOTA[kind]
    if size(step["parameters"]["PolicyDocument"]) + sum(size(document) for document in documents) > quota:
        message = f"Maximum policy size of {quota} bytes exceeded for {kind} {name}"
        raise _aws_error(step, "LimitExceeded", message)


def _delete_inline_policy(script, step):
    kind, name = principal(step)
    policy = step["parameters"]["PolicyName"]
    live = script.fact("inline", kind, name, policy)
    writes = ("inline", kind, name, policy)
    if live is None:
        return Observation("unchanged", {}, {}, writes)
    _guard_denies(script, step, live, f"it deletes the inline policy {policy}")
    script.will_be(None, "inline", kind, name, policy)
    script.will_be(
        [one for one in script.fact("inline_names", kind, name) if one != policy], "inline_names", kind, name
    )
    return Observation("needed", {"document": pretty(live)}, {}, writes)


# --- users, groups and roles ---


def _changed_fact(script, found, changes, *key):
    """Overlay some fields of a fact; before and after are these fields alone."""
    script.will_be({**found, **changes}, *key)
    return _result({field: found[field] for field in changes}, changes, key)


def _put_boundary(script, step):
    kind, name, found = _existing_principal(script, step)
    arn = step["parameters"]["PermissionsBoundary"]
    if found["boundary"] not in (None, arn):
        script.guard("keep_boundary", step, f"it replaces the permissions boundary {found['boundary']}")
    if found["boundary"] != arn and script.fact("policy_document", arn) is None:
        raise _aws_error(step, "NoSuchEntity", f"Policy {arn} does not exist.")
    return _changed_fact(script, found, {"boundary": arn}, kind, name)


def _delete_boundary(script, step):
    kind, name = principal(step)
    found = script.fact(kind, name) or {"boundary": None}
    return _changed_fact(script, found, {"boundary": None}, kind, name)


def _tag(script, step):
    kind, name = principal(step) or ("instance_profile", step["parameters"]["InstanceProfileName"])
    found = _existing(script, step, kind, name)
    return _changed_fact(script, found, {"tags": {**found["tags"], **tags_of(step["parameters"])}}, kind, name)


def _update_trust(script, step):
    kind, name, found = _existing_principal(script, step)
    wanted = read_document(step["parameters"]["PolicyDocument"])
    script.will_be({**found, "trust": wanted}, kind, name)
    before, after = {"trust": pretty(found["trust"])}, {"trust": pretty(wanted)}
    same = canonical(found["trust"]) == canonical(wanted)
    return Observation("unchanged" if same else "needed", before, before if same else after, (kind, name, "trust"))


def _update_role(script, step):
    _kind, name, _found = _existing_principal(script, step)
    wanted = step["parameters"]
    settings = script.fact("role_settings", name)
    fields = {"Description": "description", "MaxSessionDuration": "max_session_duration"}
    changes = {field: wanted[parameter] for parameter, field in fields.items() if parameter in wanted}
    if changes.get("max_session_duration", 0) > settings["max_session_duration"]:
        detail = f"it lets sessions of {name} last {changes['max_session_duration']} s"
        script.guard("session_duration", step, f"{detail} instead of {settings['max_session_duration']} s")
    return _changed_fact(script, settings, changes, "role_settings", name)


def _create_user(script, step):
    wanted = {"boundary": step["parameters"].get("PermissionsBoundary")}
    return _create_principal(script, step, "user", wanted)


def _create_role(script, step):
    parameters = step["parameters"]
    trust = read_document(parameters["AssumeRolePolicyDocument"])
    seen = _create_principal(script, step, "role", {"boundary": parameters.get("PermissionsBoundary"), "trust": trust})
    name = parameters["RoleName"]
    settings = {
        "description": parameters.get("Description", ""),
        "max_session_duration": parameters.get("MaxSessionDuration", 3600),
    }
    if seen.status == "unchanged" and script.fact("role_settings", name) != settings:
        raise _already_exists(step, "role", name)
    script.will_be(settings, "role_settings", name)
    return Observation(seen.status, seen.before, {**seen.after, "trust": pretty(trust)}, seen.writes)


def _create_group(script, step):
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
            raise _already_exists(step, kind, name)
        return Observation("unchanged", shown, shown, (kind, name))
    _create_facts(script, kind, name, wanted)
    return Observation("needed", {}, shown, (kind, name))


def _same_field(found, wanted, field):
    if field == "trust":
        return canonical(found[field]) == canonical(wanted[field])
    return found[field] == wanted[field]


def _already_exists(step, kind, name):
    return _aws_error(step, "EntityAlreadyExists", f"{kind.capitalize()} with name {name} already exists, and differs.")


def _create_facts(script, kind, name, wanted):
    script.will_be({"arn": None, **wanted}, kind, name)
    script.will_be([], "attached", kind, name)
    script.will_be([], "inline_names", kind, name)
    if kind == "user":
        script.will_be([], "groups_of", name)
        script.will_be({}, "access_keys", name)
        script.will_be(None, "login_profile", name)


def _add_member(script, step):
    group, user = step["parameters"]["GroupName"], step["parameters"]["UserName"]
    _existing(script, step, "group", group)
    _existing(script, step, "user", user)
    return _membership(script, user, group, {*script.fact("groups_of", user), group})


def _membership(script, user, group, wanted):
    groups = script.fact("groups_of", user) or []
    script.will_be(sorted(wanted), "groups_of", user)
    return _result({"groups": sorted(groups)}, {"groups": sorted(wanted)}, ("member", group, user))


def _remove_member(script, step):
    group, user = step["parameters"]["GroupName"], step["parameters"]["UserName"]
    groups = script.fact("groups_of", user) or []
    if group in groups:
        for act, document in _group_documents(script, group):
            _guard_denies(script, step, document, f"it takes {user} out of {group} with {act}")
    return _membership(script, user, group, set(groups) - {group})


def _group_documents(script, group):
    for arn in script.fact("attached", "group", group) or []:
        yield arn, script.fact("policy_document", arn)
    for policy in script.fact("inline_names", "group", group) or []:
        yield f"its inline policy {policy}", script.fact("inline", "group", group, policy)


# --- credentials ---


def _delete_login_profile(script, step):
    user = step["parameters"]["UserName"]
    before = {"login_profile": bool(script.fact("login_profile", user))}
    script.will_be(None, "login_profile", user)
    return _result(before, {"login_profile": False}, ("login_profile", user))


def _update_access_key(script, step):
    user, key, status = (step["parameters"][name] for name in ("UserName", "AccessKeyId", "Status"))
    _existing(script, step, "user", user)
    keys = script.fact("access_keys", user)
    if key not in keys:
        raise _aws_error(step, "NoSuchEntity", f"The Access Key with id {key} cannot be found.")
    script.will_be({**keys, key: status}, "access_keys", user)
    return _result({key: keys[key]}, {key: status}, ("access_key", user, key))


def _delete_access_key(script, step):
    user, key = step["parameters"]["UserName"], step["parameters"]["AccessKeyId"]
    keys = script.fact("access_keys", user) or {}
    script.will_be({one: status for one, status in keys.items() if one != key}, "access_keys", user)
    before = {key: keys[key]} if key in keys else {}
    return _result(before, {}, ("access_key", user, key))


# --- instance profiles ---


def _create_profile(script, step):
    parameters = step["parameters"]
    name = parameters["InstanceProfileName"]
    wanted = {"path": parameters.get("Path", "/"), "tags": tags_of(parameters)}
    found = script.fact("instance_profile", name)
    if found is not None:
        if {field: found[field] for field in wanted} != wanted:
            raise _already_exists(step, "instance profile", name)
        return Observation("unchanged", wanted, wanted, ("instance_profile", name))
    script.will_be({**wanted, "role": None}, "instance_profile", name)
    return Observation("needed", {}, wanted, ("instance_profile", name))


def _add_role_to_profile(script, step):
    name, role = step["parameters"]["InstanceProfileName"], step["parameters"]["RoleName"]
    found = _existing(script, step, "instance_profile", name)
    _existing(script, step, "role", role)
    if found["role"] not in (None, role):
        raise _aws_error(step, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    return _changed_fact(script, found, {"role": role}, "instance_profile", name)


def _remove_role_from_profile(script, step):
    name, role = step["parameters"]["InstanceProfileName"], step["parameters"]["RoleName"]
    found = script.fact("instance_profile", name) or {"role": None}
    kept = None if found["role"] == role else found["role"]
    return _changed_fact(script, found, {"role": kept}, "instance_profile", name)


# --- the account's password policy ---


def _update_password_policy(script, step):
    live = script.fact("password_policy")
    before = {field: live.get(field, default) for field, default in PASSWORD_DEFAULTS.items()} if live else {}
    after = {**PASSWORD_DEFAULTS, **step["parameters"]}
    weaker = _weaker_fields({**PASSWORD_DEFAULTS, **NO_PASSWORD_POLICY, **before}, after)
    if weaker:
        script.guard("password_policy", step, f"it weakens {' and '.join(weaker)}")
    script.will_be(after, "password_policy")
    return _result(before, after, ("password_policy",))


def _weaker_fields(before, after):
    """The fields that protect less after than before; 0 is "never" for an age and "none" for a history."""
    strength = {
        "MaxPasswordAge": lambda days: -days if days else float("-inf"),
        "AllowUsersToChangePassword": lambda _allowed: 0,
    }
    return [
        field
        for field in PASSWORD_DEFAULTS
        if strength.get(field, int)(after[field]) < strength.get(field, int)(before[field])
    ]


def _delete_password_policy(script, step):
    live = script.fact("password_policy")
    script.will_be(None, "password_policy")
    return _result(live or {}, {}, ("password_policy",))


OBSERVERS = {
    "add_member": _add_member,
    "add_role_to_profile": _add_role_to_profile,
    "attach_policy": _attach_policy,
    "create_group": _create_group,
    "create_policy": _create_policy,
    "create_profile": _create_profile,
    "create_role": _create_role,
    "create_user": _create_user,
    "delete_access_key": _delete_access_key,
    "delete_boundary": _delete_boundary,
    "delete_inline_policy": _delete_inline_policy,
    "delete_login_profile": _delete_login_profile,
    "delete_password_policy": _delete_password_policy,
    "detach_policy": _detach_policy,
    "put_boundary": _put_boundary,
    "put_inline_policy": _put_inline_policy,
    "remove_member": _remove_member,
    "remove_role_from_profile": _remove_role_from_profile,
    "tag": _tag,
    "update_access_key": _update_access_key,
    "update_password_policy": _update_password_policy,
    "update_role": _update_role,
    "update_trust": _update_trust,
}
