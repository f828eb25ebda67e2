# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a row of the operations table is, and the shapes that rows of one module share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# What an operation does to access when it does what its guardrails let pass; with these opened it may do more.
RESTRICT, WIDEN, DESTRUCTIVE, SECRET, NEUTRAL = "restrict", "widen", "destructive", "secret", "neutral"
EFFECTS = (RESTRICT, WIDEN, DESTRUCTIVE, SECRET, NEUTRAL)


@dataclass(frozen=True)
class Choice:
    """A module option whose value is chosen by an API parameter's value, e.g. Status -> active."""

    parameter: str
    values: dict


@dataclass(frozen=True)
class Lost:
    """Why an operation cannot be undone, as a clause."""

    reason: str


@dataclass(frozen=True)
class Operation:
    """One row.

    :ivar name: the API name, e.g. C(AttachUserPolicy).
    :ivar module: the module that makes the change, or None when the operation is not translated.
    :ivar args: the module's options; C("$UserName") stands for that parameter, C("$live.trust") for what
        observe reads, a C(Choice) for a mapped value, anything else for itself. Absent parameters are left out.
    :ivar observe: the observer of module_utils/observation/observe.py that decides needed, already true or conflict.
    :ivar effect: one of C(EFFECTS).
    :ivar undo: the operations that put things back: the first of them where something was replaced, the second
        where there was nothing before; or C(Lost).
    :ivar guards: the ids of the static guardrails that look at it (module_utils/guardrails/rules.py).
    :ivar observed: parameters that only the observer needs.
    :ivar requires: parameters that the CLI lets out and we do not: without them the caller itself is meant.
    :ivar calls: function of the observed step that gives the calls the module needs, each an (operation, parameters);
        by default the one call that the script names.
    :ivar read_again: what is read again right before the change, kinds of module_utils/operations/states.py.
    :ivar refused: why no setting opens this operation.
    :ivar unsupported: why it is not translated.
    """

    name: str
    module: str | None = None
    args: dict | None = None
    observe: str | None = None
    effect: str | None = None
    undo: tuple | Lost | None = None
    guards: tuple = ()
    observed: tuple = ()
    requires: tuple = ()
    calls: Callable | None = None
    read_again: tuple = ()
    refused: str | None = None
    unsupported: str | None = None

    @property
    def parameters(self):
        """The names of the API parameters that the step can express."""
        return {name for value in (self.args or {}).values() for name in _parameters_in(value)} | set(self.observed)


def _parameters_in(value):
    if isinstance(value, Choice):
        return [value.parameter]
    if isinstance(value, list):
        return [name for inner in value for name in _parameters_in(inner)]
    return [value[1:]] if isinstance(value, str) and value.startswith("$") and not value.startswith("$live.") else []


def as_undo(undo):
    """C("DetachUserPolicy") -> C(("DetachUserPolicy",)); tuples and C(Lost) stay."""
    return (undo,) if isinstance(undo, str) else undo


# What is read again right before a change, by operation or observer: what it replaces or takes away, since IAM can make
# none of that conditional.
READ_AGAIN = {
    # iam_role sets tags before it compares the trust policy, which stops it.
    "TagRole": ("trust",),
    "add_member": ("group_policies",),
    "attach_policy": ("policy_document",),
    "create_policy_version": ("policy_document",),
    "delete_boundary": ("boundary",),
    "delete_inline_policy": ("inline",),
    "delete_password_policy": ("password_policy",),
    "detach_policy": ("policy_document",),
    "put_boundary": ("boundary", "boundary_document"),
    "put_inline_policy": ("inline",),
    "set_default_policy_version": ("policy_document",),
    "update_password_policy": ("password_policy",),
    "update_role": ("role_settings",),
    "update_saml_metadata": ("saml_metadata",),
    "update_thumbprints": ("thumbprints",),
    "update_trust": ("trust",),
}


def _tag_what_differs(step):
    """The modules of amazon.aws leave out the tags that are already there."""
    there = (step.get("before") or {}).get("tags") or {}
    differ = [tag for tag in step["parameters"]["Tags"] if there.get(tag["Key"]) != tag["Value"]]
    return [(step["operation"], {**step["parameters"], "Tags": differ})]


CALLS = dict.fromkeys(("TagInstanceProfile", "TagRole", "TagUser"), _tag_what_differs)


def row(operation, module, observe, effect, undo, guards=(), requires=(), observed=(), /, **args):
    """A row whose module options are its keywords, C(name) among them."""
    kinds = READ_AGAIN.get(operation) or READ_AGAIN.get(observe, ())
    calls = CALLS.get(operation)
    return Operation(
        operation, module, args, observe, effect, as_undo(undo), guards, observed, requires, calls, read_again=kinds
    )


def user(operation, observe, effect, undo, guards=(), /, **options):
    fixed = {"name": "$UserName", "state": "present", "purge_policies": False, "purge_tags": False}
    return row(operation, "amazon.aws.iam_user", observe, effect, undo, guards, ("UserName",), **{**fixed, **options})


def group(operation, observe, effect, undo, guards=(), /, **options):
    fixed = {"name": "$GroupName", "state": "present", "purge_policies": False, "purge_users": False}
    return row(operation, "amazon.aws.iam_group", observe, effect, undo, guards, **{**fixed, **options})


def role(operation, observe, effect, undo, guards=(), /, **options):
    fixed = {
        "name": "$RoleName",
        "state": "present",
        "assume_role_policy_document": "$live.trust",
        "create_instance_profile": False,
        "delete_instance_profile": False,
        "purge_policies": False,
        "purge_tags": False,
    }
    return row(operation, "amazon.aws.iam_role", observe, effect, undo, guards, **{**fixed, **options})


def put_inline(kind):
    noun = kind.capitalize()
    options = {"policy_json": "$PolicyDocument", "state": "present", "skip_duplicates": False}
    undo = f"Put{noun}Policy", f"Delete{noun}Policy"
    return _inline(f"Put{noun}Policy", kind, "put_inline_policy", undo, ("deny_only",), options)


def delete_inline(kind):
    noun = kind.capitalize()
    undo = f"Put{noun}Policy"
    return _inline(f"Delete{noun}Policy", kind, "delete_inline_policy", undo, (), {"state": "absent"})


def _inline(name, kind, observe, undo, guards, options):
    named = {"iam_type": kind, "iam_name": f"${kind.capitalize()}Name", "policy_name": "$PolicyName"}
    return row(name, "amazon.aws.iam_policy", observe, RESTRICT, undo, guards, **named, **options)


def access_key(name, observe, undo, guards=(), **options):
    named = {"user_name": "$UserName", "id": "$AccessKeyId"}
    return row(name, "amazon.aws.iam_access_key", observe, RESTRICT, undo, guards, ("UserName",), **named, **options)


def profile(operation, observe, effect, undo, guards=(), observed=(), /, **options):
    fixed = {"name": "$InstanceProfileName", "state": "present", "purge_tags": False}
    args = {**fixed, **options}
    return row(operation, "amazon.aws.iam_instance_profile", observe, effect, undo, guards, (), observed, **args)


def detach(kind):
    noun = kind.capitalize()
    args = {"kind": kind, "name": f"${noun}Name", "policy_arn": "$PolicyArn", "state": "absent"}
    module = "leastpriv.iam.policy_attachment"
    return row(f"Detach{noun}Policy", module, "detach_policy", RESTRICT, f"Attach{noun}Policy", **args)


def version(name, observe, undo, guards=(), **options):
    args = {"policy_arn": "$PolicyArn", **options}
    return row(name, "leastpriv.iam.policy_version", observe, RESTRICT, undo, guards, **args)


def entity(name, observe, effect, undo, guards, kind, parameter, **options):
    args = {"kind": kind, "name": f"${parameter}", **options}
    return row(name, "leastpriv.iam.entity", observe, effect, undo, guards, **args)


def deletion(noun, undo, observe="delete_principal"):
    kind = {"InstanceProfile": "instance_profile"}.get(noun, noun.lower())
    guards = ("no_deletion",)
    return entity(f"Delete{noun}", observe, DESTRUCTIVE, undo, guards, kind, f"{noun}Name", state="absent")


def renaming(noun, kind):
    args = {"new_name": f"$New{noun}Name", "new_path": "$NewPath", "state": "present"}
    undo = f"Update{noun}"
    return entity(undo, "rename", NEUTRAL, undo, ("no_renaming",), kind, f"{noun}Name", **args)


def tag(noun, kind, parameter):
    args = {"kind": kind, "name": f"${parameter}", "tags": "$Tags", "state": "present"}
    undo = f"Tag{noun}", f"Untag{noun}"
    return row(f"Tag{noun}", "leastpriv.iam.tags", "tag", WIDEN, undo, ("no_tags",), **args)


def untag(noun, kind, parameter, requires=()):
    args = {"kind": kind, "name": f"${parameter}", "tag_keys": "$TagKeys", "state": "absent"}
    return row(f"Untag{noun}", "leastpriv.iam.tags", "untag", WIDEN, f"Tag{noun}", ("no_tags",), requires, **args)


CREDENTIAL_STATUS = {"Active": "Active", "Inactive": "Inactive"}


def credential(name, kind, parameter, undo):
    """Updating or deleting what a user signs in with; without a user name the caller's own is meant."""
    args = {"kind": kind, "user": "$UserName", "id": f"${parameter}"}
    module, observe, guards = "leastpriv.iam.credential", "delete_credential", ()
    if name.startswith("Update"):
        args["status"] = Choice("Status", CREDENTIAL_STATUS)
        observe, guards = "update_credential", ("no_activation",)
    return row(name, module, observe, RESTRICT, undo, guards, ("UserName",), state=_state(name), **args)


def _state(name):
    return "present" if name.startswith("Update") else "absent"


def provider(operation, observe, effect, undo, guards, kind, /, **args):
    return row(operation, "leastpriv.iam.identity_provider", observe, effect, undo, guards, kind=kind, **args)


def setting(name, observe, effect, undo, guards=(), **args):
    return row(name, "leastpriv.iam.account_setting", observe, effect, undo, guards, **args)
