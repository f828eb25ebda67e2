# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The row of one IAM operation: what it becomes, what guards it, how it is observed and undone.

A row holds functions and values. All that they need is in the noun's file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..account.overlay import AccountOverlay, Observation
from ..policies.document import canonical_text
from ..shapes import Step
from .undo import Irreversible, Parameters, Undo

# The effect of an operation on access within its guardrails; with these opened it may be more.
RESTRICT, WIDEN, DESTRUCTIVE, SECRET, NEUTRAL = "restrict", "widen", "destructive", "secret", "neutral"
EFFECTS = (RESTRICT, WIDEN, DESTRUCTIVE, SECRET, NEUTRAL)
# Whose access an operation changes: the principals that it names (of a membership the user alone), all that have the
# policy, all in the account, or none.
NAMED, MEMBER, HOLDERS, ACCOUNT, NONE = "named", "member", "holders", "account", "none"
# The list that is searched for a name if IAM has it in another letter case, see observation/stored_names.py.
SEARCHED = {
    "GetGroup": "ListGroups",
    "GetInstanceProfile": "ListInstanceProfiles",
    "GetOpenIDConnectProvider": "ListOpenIDConnectProviders",
    "GetPolicy": "ListPolicies",
    "GetRole": "ListRoles",
    "GetSAMLProvider": "ListSAMLProviders",
    "GetServerCertificate": "ListServerCertificates",
    "GetUser": "ListUsers",
    "ListPolicyVersions": "ListPolicies",
}
# What IAM may show to the next call a moment later.
AWAITED = ("CreateGroup", "CreateInstanceProfile", "CreateRole", "CreateUser")
# Reads a fact by its key, see account/iam_account.py.
Fact = Callable[..., Any]
_LEFT_OUT = object()


@dataclass(frozen=True)
class Choice:
    """A module option whose value depends on the value of an API parameter, e.g. Status -> active."""

    parameter: str
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Target:
    """The kind of resource that an operation changes.

    :ivar parameter: the API parameter that names it; "" for the account itself.
    :ivar resource: its pattern in an account role's policy, after the account; "*" if IAM cannot limit it.
    :ivar noun: its word in names of operations, e.g. `User`.
    :ivar kind: its word in options of modules and keys of facts, e.g. `user`.
    :ivar read: the action that reads it.
    """

    parameter: str = ""
    resource: str = "*"
    noun: str = ""
    kind: str = ""
    read: str = ""


@dataclass(frozen=True, kw_only=True)
class State:
    """A part of the account that a change replaces or removes: read again right before, since IAM compares nothing.

    :ivar name: its key in plans, journals and declarations.
    :ivar read: function of (fact, parameters): `fact` as in `iam_account.IamAccount`, the API parameters of the call.
    :ivar differs: a clause for people, if somebody else has changed it.
    """

    name: str
    read: Callable[[Fact, Parameters], Any]
    differs: str

    def digest(self, fact: Fact, parameters: Parameters) -> str:
        """The SHA-256 of the state, 64 hex digits."""
        return hashlib.sha256(canonical_text(self.read(fact, parameters)).encode()).hexdigest()


ACCOUNT_ITSELF = Target()


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One row.

    :ivar name: the API name, e.g. `AttachUserPolicy`.
    :ivar effect: one of `EFFECTS`.
    :ivar module: the module that makes the change; "" for an operation that never runs.
    :ivar args: the module's options: "$UserName" is the value of that parameter, "$live.trust" the trust policy that
        observe reads, a `Choice` a mapped value. Options of absent parameters are left out.
    :ivar observe: function of (overlay, step) that decides: needed, already true or conflict.
    :ivar already_true: when the step changes nothing, as a clause.
    :ivar undo: how it is undone, or why it cannot be.
    :ivar guards: the ids of the static guardrails that check it (guardrails/rules.py).
    :ivar target: the kind of the resource that it changes, by the parameter that people know it by.
    :ivar resource: the resource that IAM checks, if it is not that of the target.
    :ivar reads: the read actions of observe and of the module; by default that of the target.
    :ivar also: further actions that IAM checks.
    :ivar statement: the Sid of its statement in the account role's policy; all but `Change` can have a condition.
    :ivar requires: parameters that are optional in the CLI and not here: without them the caller itself is changed.
    :ivar observed: parameters that only the observer needs.
    :ivar calls: function of the observed step that returns the module's calls as (operation, parameters); by default
        the call of the script.
    :ivar unasked: the module's reads that are not sent, with what answers them: name -> answer. What they look for is
        what makes IAM refuse the call.
    :ivar is_there: function of (fact, parameters), for a call refused so: whether what it would create is there.
    :ivar read_again: the states that are compared right before the change.
    :ivar takes: function of (overlay, parameters, before) that returns digests of the access that the step removes by
        reference; by default none.
    :ivar reach: whose access it changes.
    :ivar defaults: the API's values of absent parameters. Source: the IAM API Reference.
    :ivar undeclared: a clause for people, if a module wants to make this call and the script does not.
    :ivar phrase: what it does, in words, if its name and target are not clear enough. Fields are API parameters.
    :ivar refused: why no setting opens it.
    :ivar unsupported: why this version does not know it.
    """

    name: str
    effect: str = ""
    module: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    observe: Callable[[AccountOverlay, Step], Observation] | None = None
    already_true: str = ""
    undo: Undo | Irreversible | None = None
    guards: tuple[str, ...] = ()
    target: Target = ACCOUNT_ITSELF
    resource: str = ""
    reads: tuple[str, ...] | None = None
    also: tuple[str, ...] = ()
    statement: str = "Change"
    requires: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    calls: Callable[[Step], list[tuple[str, dict[str, Any]]]] | None = None
    unasked: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_there: Callable[[Fact, Parameters], bool] | None = None
    read_again: tuple[State, ...] = ()
    takes: Callable[[AccountOverlay, Parameters, Mapping[str, Any]], list[Any] | None] | None = None
    reach: str = NAMED
    defaults: Mapping[str, Any] = field(default_factory=dict)
    undeclared: str = "it is not as it was"
    phrase: str = ""
    refused: str = ""
    unsupported: str = ""

    @property
    def parameters(self) -> set[str]:
        """The names of the API parameters that the step can express."""
        return {name for value in self.args.values() for name in _parameters_in(value)} | set(self.observed)

    @property
    def policy_resource(self) -> str:
        """The pattern of what it changes in an account role's policy, after the account."""
        return self.resource or self.target.resource

    @property
    def ends(self) -> bool:
        """Whether its module has done its work with the last call.

        The modules of amazon.aws then only read back what they have changed. Where they create a principal, they wait
        until IAM shows it.
        """
        return self.module.startswith("amazon.aws.") and self.name not in AWAITED

    @property
    def permissions(self) -> list[str]:
        """The IAM actions that a step needs: reads, the change itself and what IAM checks besides, sorted."""
        reads = (self.target.read,) if self.reads is None else self.reads
        searched = {SEARCHED[action] for action in reads if action in SEARCHED}
        return sorted(f"iam:{action}" for action in {self.name, *reads, *searched, *self.also})

    def module_args(self, parameters: Parameters) -> dict[str, Any]:
        """The module's options for a call; those of absent parameters are left out, those that observe reads as well.

        :param parameters: the API parameters, e.g. `{"UserName": "bob", "Tags": [{"Key": "a", "Value": "b"}]}`.
        """
        filled = {option: _fill(value, parameters) for option, value in self.args.items()}
        return {option: value for option, value in filled.items() if value is not _LEFT_OUT}

    def inexpressible(self, parameters: Parameters) -> list[str]:
        """The given parameters that the module has no option or value for, sorted."""
        choices = [value for value in self.args.values() if isinstance(value, Choice)]
        unknown = {one.parameter for one in choices if parameters.get(one.parameter) not in one.values}
        return sorted({*parameters} - self.parameters | unknown)


def _parameters_in(value: Any) -> list[str]:
    if isinstance(value, Choice):
        return [value.parameter]
    if isinstance(value, list):
        return [name for inner in value for name in _parameters_in(inner)]
    return [value[1:]] if isinstance(value, str) and value.startswith("$") and not value.startswith("$live.") else []


def _fill(value: Any, parameters: Parameters) -> Any:
    if isinstance(value, Choice):
        return value.values[parameters[value.parameter]]
    if isinstance(value, list):
        return [_fill(inner, parameters) for inner in value]
    if isinstance(value, str) and value.startswith("$"):
        return _module_value(parameters.get(value[1:], _LEFT_OUT))
    return value


def _module_value(value: Any) -> Any:
    """Modules take a dict for IAM's list of tags, and all other values as they are."""
    if isinstance(value, list) and all(isinstance(one, dict) and set(one) == {"Key", "Value"} for one in value):
        return {one["Key"]: one["Value"] for one in value}
    return value
