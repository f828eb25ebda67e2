# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts about users, roles and groups that do not exist any more: there is nothing to restrict."""

from __future__ import annotations

from collections.abc import Sequence

from ..account.overlay import AccountOverlay, named_principals
from ..shapes import Step

# What a script does besides restricting a principal, useless without one.
BESIDE = ("CreatePolicy", "DeletePolicy", "DeletePolicyVersion")
RENAMES = {"NewUserName": "user", "NewGroupName": "group"}

# Kind and name.
Principal = tuple[str, str]


def missing_principals(overlay: AccountOverlay, steps: Sequence[Step]) -> list[str]:
    """Find the principals of a script where none of those that it would restrict exists.

    :param overlay: the `AccountOverlay` before any of the steps.
    :param steps: all steps of one script; those that undo others have their own words.
    :returns: list as `["user ann"]`; empty where anything is left to do, for another principal as well.
    """
    made = {one for step in steps for one in _made_by(step)}
    missing = []
    for step in steps:
        absent = [one for one in _looked_for(step) if _is_missing(overlay, one, made)]
        if "undoes" in step or _is_renamed_already(overlay, step) or not (absent or step["operation"] in BESIDE):
            return []
        missing += [f"{kind} {name}" for kind, name in absent]
    return list(dict.fromkeys(missing))


def say_missing(missing: Sequence[str]) -> str:
    """The reason for people: `user ann does not exist any more: there is nothing to restrict`."""
    verb = "do" if missing[1:] else "does"
    return f"{' and '.join(missing)} {verb} not exist any more: there is nothing to restrict"


def _made_by(step: Step) -> list[Principal]:
    if step["operation"].startswith("Create"):
        return [(kind, name.lower()) for kind, name in named_principals(step)]
    return [(kind, new_name.lower()) for kind, new_name in _new_names(step)]


def _looked_for(step: Step) -> list[Principal]:
    if step["operation"].startswith("Create"):
        return []
    found: list[Principal] = named_principals(step)
    # Without the group that would restrict, its user still has to be restricted.
    return found[:1] if step["operation"] == "AddUserToGroup" else found


def _is_missing(overlay: AccountOverlay, one: Principal, made: set[Principal]) -> bool:
    kind, name = one
    return (kind, name.lower()) not in made and overlay.fact(kind, overlay.stored_name(kind, name)) is None


def _is_renamed_already(overlay: AccountOverlay, step: Step) -> bool:
    return any(overlay.fact(kind, overlay.stored_name(kind, name)) is not None for kind, name in _new_names(step))


def _new_names(step: Step) -> list[Principal]:
    return [(kind, step["parameters"][name]) for name, kind in RENAMES.items() if step["parameters"].get(name)]
