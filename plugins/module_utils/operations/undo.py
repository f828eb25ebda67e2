# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an operation is undone: the calls that restore the former state, and the functions that several nouns share.

An undo function takes (operations, parameters, before, after): the undoing operations of the row, the parameters of the
call, and the state before and after as it was observed. What these do not contain cannot be restored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Parameters = Mapping[str, Any]
Operations = tuple[str, ...]
Calls = list[tuple[str, dict[str, Any]]]
Complete = Callable[[Any, Any], dict[str, Any]]
UndoFunction = Callable[[Operations, Parameters, Any, Any], Calls]


class Irreversible(Exception):
    """An operation cannot be undone; the text is a clause with the reason."""


@dataclass(frozen=True)
class Undo:
    """How an operation is undone.

    :ivar operations: the undoing operations: the first if something was replaced, the second if nothing was there.
    :ivar calls: the undo function.
    :ivar complete: function of (script, applied step) that returns the parameters of the last operation which only AWS
        knows, such as the id of a new version.
    """

    operations: Operations
    calls: UndoFunction
    complete: Complete | None = None


def same_parameters(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    """The undoing operation with the parameters of the call."""
    return [(operations[0], dict(parameters))]


def undone_by(*operations: str, calls: UndoFunction = same_parameters, complete: Complete | None = None) -> Undo:
    """The `Undo` of a row: its undoing operations, and the undo function that makes their calls."""
    return Undo(operations, calls, complete)


def name_only(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    """The undoing operation with the parameters that name the resource."""
    return [(operations[0], named(parameters))]


def no_parameters(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    """The undoing operation without parameters."""
    return [(operations[0], {})]


def former_field(parameter: str, fact: str) -> UndoFunction:
    """The same call with the former value of one parameter."""

    def calls(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
        return [(operations[0], {**parameters, parameter: before[fact]})]

    return calls


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """A dict of tags as IAM's list."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def given(**parameters: Any) -> dict[str, Any]:
    """The parameters that are not empty."""
    return {name: value for name, value in parameters.items() if value}


def without(parameters: Parameters, *names: str) -> dict[str, Any]:
    """The parameters except these."""
    return {name: value for name, value in parameters.items() if name not in names}


def named(parameters: Parameters) -> dict[str, Any]:
    """The parameters that name the resource of a call."""
    names = ("UserName", "RoleName", "GroupName", "PolicyArn", "InstanceProfileName")
    return {name: value for name, value in parameters.items() if name in names}
