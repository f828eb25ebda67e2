# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step would change: needed, already true, or in conflict with what is there.

One observer per kind of change, named in the operations table. An observer reads facts, may refuse by a live
guardrail, and leaves in the overlay what the step will have made, so that the next step of the same script
sees it. Nothing here writes to AWS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..account.overlay import AccountOverlay, Observation, named_principals
from ..errors import LeastprivError, listed
from ..guardrails.protection import principal_of_arn
from ..operations import OPERATIONS
from ..operations.row import HOLDERS, MEMBER, NONE
from ..shapes import Step

# Kind, name, and the ARN: a text, or None for a principal that the script creates.
Touched = tuple[str, str, Any]


def observe(overlay: AccountOverlay, step: Step) -> Observation:
    """Observe one step.

    :param overlay: the `AccountOverlay` that it belongs to.
    :param step: a step with `operation`, `parameters` and `module`; the operation's row names the observer.
    :returns: an `Observation`.
    :raises Conflict: AWS would refuse it, or something different is there.
    :raises Refusal: a live guardrail forbids it.
    """
    observer = OPERATIONS[step["operation"]].observe
    if observer is None:
        raise LeastprivError(f"{step['operation']} is never run")
    return observer(overlay, step)


def touched(overlay: AccountOverlay, step: Step) -> list[Touched]:
    """The principals whose access a step changes, as they are before it.

    :returns: list of (kind, name, ARN or None for one that the script itself creates).
    """
    wide = OPERATIONS[step["operation"]].reach == HOLDERS
    named = overlay.attached_to(step["parameters"]["PolicyArn"]) if wide else named_principals(step)
    found = [(*one, (overlay.fact(*one) or {}).get("arn")) for one in named]
    # A change of the group itself reaches its members; of a membership the user is first.
    groups = [name for kind, name in (named if wide else named[:1]) if kind == "group"]
    members = {arn for group in groups for arn in overlay.fact("members", group) or []}
    return found + [(*principal_of_arn(arn), arn) for arn in sorted(members)]


def note_reach(step: Step, principals: Sequence[Touched]) -> list[str]:
    """Whose access a step changes that names none of them, in a list of one note or none.

    :param principals: what `touched` returned for it.
    """
    if OPERATIONS[step["operation"]].reach != HOLDERS or not principals:
        return []
    named = [f"{kind} {name}" for kind, name, _arn in principals]
    return [f"The policy is in use: this changes the access of {listed(named)}."]


def changes_of(step: Step, principals: Sequence[Touched], writes: tuple[Any, ...]) -> set[Any]:
    """What one step changes, as the limit counts it.

    :param principals: what `touched` returned for it.
    :param writes: the key of what it writes, which counts where no principal is concerned.
    :returns: set of keys.
    """
    reach = OPERATIONS[step["operation"]].reach
    if reach == MEMBER:
        # The group itself stays as it is.
        principals = [one for one in principals if one[0] == "user"]
    if reach == NONE:
        return set()
    return {(kind, name.lower()) for kind, name, _arn in principals} or {writes}
