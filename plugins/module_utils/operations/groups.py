# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups and their members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..account.overlay import AccountOverlay, Observation, compared, existing
from ..policies.document import canonical
from ..shapes import Step
from .digests import Digest, boundary_digests, policy_digests
from .managed_policies import DOCUMENT_READS
from .principals import create_principal, delete_principal, entity_row, module_row, renaming
from .row import DESTRUCTIVE, MEMBER, RESTRICT, WIDEN, Fact, Operation, State
from .targets import GROUP, USER
from .undo import Calls, Operations, Parameters, name_only, undone_by


def create_group(overlay: AccountOverlay, step: Step) -> Observation:
    return create_principal(overlay, step, "group", {})


def former_group(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    return [(operations[0], {**parameters, "Path": before["path"]})]


# --- members ---


def add_member(overlay: AccountOverlay, step: Step) -> Observation:
    group, user = step["parameters"]["GroupName"], step["parameters"]["UserName"]
    existing(overlay, step, "group", group)
    existing(overlay, step, "user", user)
    return _membership(overlay, user, group, {*overlay.fact("groups_of", user), group})


def _membership(overlay: AccountOverlay, user: str, group: str, wanted: Any) -> Observation:
    groups = overlay.fact("groups_of", user) or []
    if wanted != set(groups):
        overlay.will_be(sorted(wanted), "groups_of", user)
    return compared({"groups": sorted(groups)}, {"groups": sorted(wanted)}, ("member", group, user))


def remove_member(overlay: AccountOverlay, step: Step) -> Observation:
    group, user = step["parameters"]["GroupName"], step["parameters"]["UserName"]
    groups = overlay.fact("groups_of", user) or []
    if group in groups:
        for act, document in _group_documents(overlay, group):
            overlay.guard_denies(step, document, f"it takes {user} out of {group} with {act}")
    return _membership(overlay, user, group, set(groups) - {group})


def _group_documents(overlay: AccountOverlay, group: str) -> Iterator[tuple[str, Any]]:
    for arn in overlay.fact("attached", "group", group) or []:
        yield arn, overlay.fact("policy_document", arn)
    for policy in overlay.fact("inline_names", "group", group) or []:
        yield f"its inline policy {policy}", overlay.fact("inline", "group", group, policy)


def _group_policies(fact: Fact, parameters: Parameters) -> Any:
    """What a member of a group gets."""
    name = parameters["GroupName"]
    documents: set[tuple[str, ...]] = {("policy_document", arn) for arn in fact("attached", "group", name) or []}
    documents |= {("inline", "group", name, policy) for policy in fact("inline_names", "group", name) or []}
    return [[*key, canonical(fact(*key) or {})] for key in sorted(documents)]


def group_left(overlay: AccountOverlay, parameters: Parameters, before: Any) -> list[Digest] | None:
    policies = policy_digests(overlay, "group", parameters["GroupName"])
    return policies + boundary_digests(overlay, "user", parameters["UserName"])


GROUP_POLICIES = State(name="group_policies", read=_group_policies, differs="the policies of its group differ")
MEMBER_READS = ("GetUser", "ListGroupsForUser", "ListGroupPolicies", "GetGroupPolicy", *DOCUMENT_READS)

ROWS = (
    module_row(
        GROUP,
        name="AddUserToGroup",
        args={"users": ["$UserName"]},
        observe=add_member,
        already_true="the user is in the group",
        effect=WIDEN,
        undo=undone_by("RemoveUserFromGroup"),
        guards=("no_membership",),
        target=USER,
        resource=GROUP.resource,
        reads=MEMBER_READS,
        read_again=(GROUP_POLICIES,),
        reach=MEMBER,
        phrase="add user {UserName} to group {GroupName}",
    ),
    module_row(
        GROUP,
        name="CreateGroup",
        args={"path": "$Path"},
        observe=create_group,
        already_true="it exists with the same path",
        effect=WIDEN,
        undo=undone_by("DeleteGroup", calls=name_only),
        guards=("no_creation",),
        defaults={"Path": "/"},
    ),
    entity_row(
        GROUP,
        name="DeleteGroup",
        args={"state": "absent"},
        observe=delete_principal,
        already_true="there is no such principal",
        effect=DESTRUCTIVE,
        undo=undone_by("CreateGroup", calls=former_group),
        guards=("no_deletion",),
        reads=("GetGroup", "ListAttachedGroupPolicies", "ListGroupPolicies"),
    ),
    Operation(
        name="RemoveUserFromGroup",
        module="leastpriv.iam.group_membership",
        args={"group": "$GroupName", "user": "$UserName", "state": "absent"},
        observe=remove_member,
        already_true="the user is not in the group",
        effect=RESTRICT,
        undo=undone_by("AddUserToGroup"),
        target=USER,
        resource=GROUP.resource,
        reads=("GetGroup", "ListAttachedGroupPolicies", *MEMBER_READS),
        takes=group_left,
        reach=MEMBER,
        phrase="remove user {UserName} from group {GroupName}",
    ),
    renaming(GROUP),
)
