# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes the steps that undo others: only what is as the run left it is put back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from ..account.overlay import AccountOverlay, Conflict, Observation
from ..errors import LeastprivError
from ..guardrails.rules import NEVER_OPEN, RULES, cli_name
from ..operations import OPERATIONS
from ..operations.undo import Undo
from ..shapes import Step
from .one_step import observe
from .taken import more_than, taken_by

# What undoes a restriction widens access by nature, and a person asked for it: the guardrails of scripts do not apply.
ALLOWED_TO_UNDO = sorted(set(RULES) - set(NEVER_OPEN))
MAX_SHOWN = 300


class Drift(LeastprivError):
    """Something else has changed since the run what would be put back; the text has the difference."""


def observe_undo(overlay: AccountOverlay, step: Step) -> Observation:
    """Observe a step that undoes another.

    :param overlay: the `AccountOverlay` as the steps before it leave the account.
    :param step: `undoes` is the step that was applied; `compares` is false for those after the first that undo it.
    :returns: an `Observation`; `unchanged` when it is undone already.
    :raises Drift: the account is not as the run left it.
    """
    applied, before_it = step["undoes"], overlay.fork()
    try:
        found = observe(overlay, step)
        if not step["compares"] or found.status == "unchanged":
            return found
        left = observe(before_it, cast(Step, applied))
    except Conflict as conflict:
        raise Drift(f"it is not as the run left it: {conflict}") from conflict
    if left.status != "unchanged":
        raise Drift(_differing(applied, left.before))
    _no_more_than_taken(before_it, step)
    return found


def _no_more_than_taken(overlay: AccountOverlay, step: Step) -> None:
    """Check that what is restored by its name has not become more powerful.

    :raises Drift: it has, or its earlier state is not known.
    """
    applied = step["undoes"]
    live = taken_by(overlay, applied)
    if live is None:
        return
    if applied.get("taken") is None:
        raise Drift(
            "the run's journal does not record the access that this would restore (an earlier version wrote it), so "
            "changes since are unknown. Check it, and undo this step manually"
        )
    if more := more_than(applied["taken"], live):
        raise Drift(
            f"since {cli_name(applied['operation'])}, {'; '.join(more)}. {cli_name(step['operation'])} could grant "
            "more access than before the run. Decide manually"
        )


def _differing(applied: Mapping[str, Any], live: Mapping[str, Any]) -> str:
    after = applied["after"]
    fields = [field for field in sorted({*after, *live}) if after.get(field) != live.get(field)]
    changes = [f"{field} was left as {_shown(after.get(field))} and is {_shown(live.get(field))}" for field in fields]
    return f"changed since {cli_name(applied['operation'])}: {'; '.join(changes)}. Decide manually which is right"


def _shown(value: Any) -> str:
    text = json.dumps(_compact(value), sort_keys=True)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _compact(value: Any) -> Any:
    """A document by its meaning, not by its lines."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def completed(overlay: AccountOverlay, step: Step) -> Step:
    """A step, of an undo or not, with the parameters and options that name what AWS itself has named."""
    applied = step.get("undoes")
    undo = OPERATIONS[applied["operation"]].undo if applied else None
    if not isinstance(undo, Undo) or undo.complete is None or step["operation"] != undo.operations[-1]:
        return step
    missing = undo.complete(overlay, applied)
    template = OPERATIONS[step["operation"]].args
    options = {option: missing[value[1:]] for option, value in template.items() if str(value)[1:] in missing}
    return {**step, "parameters": {**step["parameters"], **missing}, "args": {**step["args"], **options}}
