# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users."""

from __future__ import annotations

from ..account.overlay import AccountOverlay, Observation
from ..shapes import Step
from .principals import GONE_ID, create_principal, delete_principal, entity_row, module_row, renaming
from .row import DESTRUCTIVE, WIDEN
from .targets import USER
from .undo import name_only, undone_by


def create_user(overlay: AccountOverlay, step: Step) -> Observation:
    wanted = {"boundary": step["parameters"].get("PermissionsBoundary")}
    return create_principal(overlay, step, "user", wanted)


ROWS = (
    module_row(
        USER,
        name="CreateUser",
        args={"path": "$Path", "boundary": "$PermissionsBoundary", "tags": "$Tags"},
        observe=create_user,
        already_true="it exists with the same path, boundary and tags",
        effect=WIDEN,
        undo=undone_by("DeleteUser", calls=name_only),
        guards=("no_creation",),
        statement="Bound",
        defaults={"Path": "/", "Tags": []},
    ),
    entity_row(
        USER,
        name="DeleteUser",
        args={"state": "absent"},
        observe=delete_principal,
        already_true="there is no such principal",
        effect=DESTRUCTIVE,
        undo=GONE_ID,
        guards=("no_deletion",),
        reads=(
            "GetLoginProfile",
            "GetUser",
            "ListAccessKeys",
            "ListAttachedUserPolicies",
            "ListGroupsForUser",
            "ListMFADevices",
            "ListSSHPublicKeys",
            "ListServiceSpecificCredentials",
            "ListSigningCertificates",
            "ListUserPolicies",
        ),
    ),
    renaming(USER),
)
