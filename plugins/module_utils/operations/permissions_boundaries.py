# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permissions boundaries of users and roles."""

from __future__ import annotations

from typing import Any

from ..account.overlay import (
    AccountOverlay,
    Observation,
    aws_error,
    changed_fact,
    compared,
    existing_principal,
    principal,
)
from ..policies.document import allows_everything, is_deny_only
from ..shapes import Step
from .digests import Digest, policy_digest
from .managed_policies import DOCUMENT_READS, POLICY_DOCUMENT
from .principals import module_row
from .row import RESTRICT, WIDEN, Fact, State
from .targets import ROLE, USER
from .undo import Calls, Operations, Parameters, named, undone_by


def put_boundary(overlay: AccountOverlay, step: Step) -> Observation:
    kind, name, found = existing_principal(overlay, step)
    arn = step["parameters"]["PermissionsBoundary"]
    if found["boundary"] not in (None, arn):
        overlay.guard("keep_boundary", step, f"it replaces the permissions boundary {found['boundary']}")
    if found["boundary"] != arn and overlay.fact("policy_document", arn) is None:
        raise aws_error("NoSuchEntity", f"Policy {arn} does not exist.")
    if found["boundary"] is None:
        overlay.note(_note_boundary(f"{kind} {name}", arn, overlay.fact("policy_document", arn)))
    return changed_fact(overlay, found, {"boundary": arn}, kind, name)


def _note_boundary(whose: str, arn: str, document: Any) -> str:
    """What a boundary does to a principal that had none, an administrator for example."""
    if is_deny_only(document):
        return f"The boundary {arn} allows nothing: {whose} loses every permission, even as an administrator."
    if allows_everything(document):
        return f"The boundary {arn} allows everything: it does not restrict {whose}."
    return f"The boundary {arn} limits {whose}, even as an administrator, to what it allows. It grants nothing."


def delete_boundary(overlay: AccountOverlay, step: Step) -> Observation:
    kind, name = principal(step)
    found = overlay.fact(kind, name)
    if found is None:
        return compared({"boundary": None}, {"boundary": None}, (kind, name))
    return changed_fact(overlay, found, {"boundary": None}, kind, name)


def former_boundary(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    if before["boundary"] is None:
        return [(operations[1], named(parameters))]
    return [(operations[0], {**parameters, "PermissionsBoundary": before["boundary"]})]


def _boundary(fact: Fact, parameters: Parameters) -> Any:
    found = fact(*principal({"parameters": parameters}))
    return found and (found.get("boundary") or "")


def _boundary_document(fact: Fact, parameters: Parameters) -> Any:
    return POLICY_DOCUMENT.read(fact, {"PolicyArn": parameters["PermissionsBoundary"]})


def boundary_taken(overlay: AccountOverlay, parameters: Parameters, before: Any) -> list[Digest] | None:
    return [policy_digest(overlay, before["boundary"])] if before["boundary"] else None


BOUNDARY = State(name="boundary", read=_boundary, differs="its permissions boundary differs")
BOUNDARY_DOCUMENT = State(
    name="boundary_document", read=_boundary_document, differs="the document of its new permissions boundary differs"
)

ROWS = (
    # DeleteRolePermissionsBoundary, DeleteUserPermissionsBoundary
    *(
        module_row(
            target,
            name=f"Delete{target.noun}PermissionsBoundary",
            args={"boundary": ""},
            observe=delete_boundary,
            already_true="there is no boundary",
            effect=WIDEN,
            undo=undone_by(f"Put{target.noun}PermissionsBoundary", calls=former_boundary),
            guards=("keep_boundary",),
            reads=DOCUMENT_READS,
            read_again=(BOUNDARY,),
            takes=boundary_taken,
            undeclared="its permissions boundary differs",
            phrase=f"remove the permissions boundary of {target.kind} {{{target.parameter}}}",
        )
        for target in (ROLE, USER)
    ),
    # PutRolePermissionsBoundary, PutUserPermissionsBoundary
    *(
        module_row(
            target,
            name=f"Put{target.noun}PermissionsBoundary",
            args={"boundary": "$PermissionsBoundary"},
            observe=put_boundary,
            already_true="this is the boundary",
            effect=RESTRICT,
            undo=undone_by(
                f"Put{target.noun}PermissionsBoundary", f"Delete{target.noun}PermissionsBoundary", calls=former_boundary
            ),
            reads=DOCUMENT_READS,
            statement="Bound",
            read_again=(BOUNDARY, BOUNDARY_DOCUMENT),
            takes=boundary_taken,
            undeclared="its permissions boundary differs",
            phrase=f"set the permissions boundary of {target.kind} {{{target.parameter}}}",
        )
        for target in (ROLE, USER)
    ),
)
