# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles that IAM lets only their owner change: those of IAM Identity Center and of AWS services.

Source: "Service-linked roles" in the IAM User Guide, "Referencing permission sets" in that of IAM Identity Center.
"""

from __future__ import annotations

import re

from ..account.overlay import AccountOverlay
from ..guardrails.rules import Refusal
from ..shapes import Step

RULE = "managed_role"
RESERVED, SERVICE_LINKED = "/aws-reserved/", "/aws-service-role/"
IDENTITY_CENTER = "/aws-reserved/sso.amazonaws.com/"
PERMISSION_SET = re.compile(r"AWSReservedSSO_(?P<name>.+)_[0-9a-f]{16}", re.IGNORECASE)
# What IAM lets an account do to a service-linked role.
TO_SERVICE_LINKED = ("CreateServiceLinkedRole", "DeleteServiceLinkedRole", "TagRole", "UntagRole")


def check_manager(overlay: AccountOverlay, step: Step) -> None:
    """Refuse a step that changes a role whose owner alone may change it.

    :param overlay: the `AccountOverlay` as the steps before it leave the account.
    :raises Refusal: naming the owner.
    """
    name = step["parameters"].get("RoleName")
    found = overlay.fact("role", overlay.stored_name("role", name)) if name else None
    owner = _owner(str(name), found["path"], step) if found else None
    if owner:
        raise Refusal(RULE, f"role {name} is managed by {owner}")


def _owner(name: str, path: str, step: Step) -> str | None:
    if path.startswith(IDENTITY_CENTER):
        match = PERMISSION_SET.fullmatch(name)
        return f"IAM Identity Center: change permission set {match['name'] if match else name}"
    if path.startswith(RESERVED):
        return f"AWS ({_service(path)}): change it there"
    if path.startswith(SERVICE_LINKED) and not _may_be_changed(step):
        return f"the service {_service(path)}, which it is linked to: change it there"
    return None


def _may_be_changed(step: Step) -> bool:
    """Of a service-linked role IAM lets the description and the tags be changed."""
    describes = step["operation"].startswith("UpdateRole") and "MaxSessionDuration" not in step["parameters"]
    return describes or step["operation"] in TO_SERVICE_LINKED


def _service(path: str) -> str:
    return path.split("/")[2]
