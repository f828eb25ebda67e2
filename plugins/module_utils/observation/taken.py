# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of the access that a step removes by reference, and of its principals: an undo restores it only unchanged.

A detached policy, a group that a user left or a former boundary is put back by its name, and its content may have
changed in between. Steps that are put back by value (a document, a tag) need only who would get it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..account.overlay import AccountOverlay
from ..operations import OPERATIONS


def taken_by(overlay: AccountOverlay, step: Mapping[str, Any]) -> dict[str, Any] | None:
    """Digest what a step takes away and what only its undo would reach.

    :param overlay: the `AccountOverlay`, before or after the step.
    :param step: `operation`, `parameters` and `before`.
    :returns: {name: `sha256`, None if its document cannot be read; `grants` and `restricts`}; None if nothing that an
        undo restores may have changed.
    """
    takes = OPERATIONS[step["operation"]].takes
    found = takes(overlay, step["parameters"], step["before"]) if takes else None
    return None if found is None else dict(found)


def more_than(taken: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """Compare the access that an undo would restore with the access that the step removed.

    :returns: list of clauses for a person: what cannot be read, has changed, grants and is new, or restricted and is
        gone.
    """
    changes = [f"{name} {clause}" for name in sorted(live) if (clause := _difference(taken.get(name), live[name]))]
    gone = [name for name in sorted({*taken} - {*live}) if taken[name].get("restricts", True)]
    return changes + [f"{name} is gone" for name in gone]


def _difference(then: Mapping[str, Any] | None, now: Mapping[str, Any]) -> str | None:
    if now["sha256"] is None:
        return "cannot be read"
    if then is None:
        return "is new" if now["grants"] else None
    return None if then.get("sha256") == now["sha256"] else "was changed"
