# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether applied steps still hold: each is observed again, in the account as it is now. Nothing here writes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

from ..account.iam_account import IamAccount
from ..account.overlay import AccountOverlay, Conflict, named_principals
from ..errors import writable
from ..guardrails.rules import Refusal, cli_name
from ..policies.document import PolicyDocumentError
from ..shapes import AlertOutcome, Step
from .consolidation import POLICY_NAME, unconsolidated_step
from .one_step import observe
from .stored_names import as_stored
from .undoing import ALLOWED_TO_UNDO

HOLDS, REVERTED, GONE, SUPERSEDED, UNKNOWN = "holds", "reverted", "gone", "superseded", "unknown"
# The status of a step in the report by its state.
STATUSES = {HOLDS: "unchanged", REVERTED: "needed", GONE: "not_run", SUPERSEDED: "not_run", UNKNOWN: "failed"}
# What takes something away still holds if that does not exist at all.
REMOVES = re.compile("(Deactivate|Delete|Detach|Disable|Remove|Untag)[A-Z]")
NOT_THERE = "what it made does not exist any more"
MAX_SHOWN = 200

# Function of a reverted step that returns who reverted it, a sentence, or "".
WhoReverted = Callable[[Step], str]


class Verification:
    """The alerts of one account.

    :ivar account: the account as it is.
    :ivar place: the account's id and its partition.
    :ivar who: asked for every reverted step.
    """

    def __init__(self, account: IamAccount, place: tuple[str, str], who: WhoReverted) -> None:
        self._account = account
        self._place = place
        self._who = who

    def verify_alert(self, alert: AlertOutcome) -> AlertOutcome:
        """Verify the applied steps of an alert.

        :param alert: its `steps` are those of the journal; those with `superseded` are not looked at.
        :returns: the alert with `holds`, `reverted`, `gone` or `failed`, and each step with its `state` and `why`.
        """
        steps = [self._with_who(step) for step in _without_principals([self._verified(one) for one in alert["steps"]])]
        states = [step["state"] for step in steps]
        failed = "failed" if UNKNOWN in states else None
        disposition = REVERTED if REVERTED in states else failed or (GONE if GONE in states else HOLDS)
        reason = "\n".join(_sentence(step) for step in steps if step["state"] not in (HOLDS, SUPERSEDED))
        ending = "Every change still holds." if HOLDS in states else "Later runs replaced every change."
        seen: AlertOutcome = {"message_id": alert["message_id"], "disposition": disposition, "notes": []}
        seen |= {"reason": reason or ending, "steps": steps}
        return writable(seen)

    def _verified(self, step: Step) -> Step:
        if step.get("superseded"):
            return _stated(step, SUPERSEDED, f"run {step['superseded']} changed it later")
        overlay = AccountOverlay(self._account, *self._place, ALLOWED_TO_UNDO, {})
        try:
            stated = self._consolidated(step) if step.get("consolidated") else self._observed(overlay, step)
            # Not in the overlay, which has the principal as the step would leave it.
            live = AccountOverlay(self._account, *self._place, ALLOWED_TO_UNDO, {})
            if stated["state"] == REVERTED and (missing := _missing(live, step)):
                return _stated(step, GONE, f"{missing} does not exist any more")
        except (ClientError, BotoCoreError, PolicyDocumentError) as error:
            return _stated(step, UNKNOWN, f"could not read what is there: {error}")
        return stated

    def _with_who(self, step: Step) -> Step:
        by = self._who(step) if step["state"] == REVERTED else ""
        return {**step, "by": by} if by else step

    def _observed(self, overlay: AccountOverlay, step: Step) -> Step:
        try:
            found = observe(overlay, as_stored(overlay, step))
        except Conflict as conflict:
            if conflict.code == "NoSuchEntity" and REMOVES.match(step["operation"]):
                return _stated(step, HOLDS, "")
            # A key is deactivated first and deleted later.
            if conflict.code == "NoSuchEntity" and step["parameters"].get("Status") == "Inactive":
                return _stated(step, GONE, "what it deactivated does not exist any more")
            return _stated(step, REVERTED, f"applying it again {conflict}")
        except Refusal as refusal:
            return _stated(step, REVERTED, f"it was changed since: {refusal}")
        if found.status == "unchanged":
            return _stated(step, HOLDS, "", found.before, found.after)
        return _stated(step, REVERTED, _difference(found.before, found.after), found.before, found.after)

    def _consolidated(self, step: Step) -> Step:
        """The statements of the alert in the one inline policy of its principal, whatever else is in there."""
        kind, name = named_principals(step)[0]
        live = self._account.fact("inline", kind, name, POLICY_NAME)
        _step, was, mine = unconsolidated_step({"undoes": {**step}}, live)
        if mine == was:
            return _stated(step, HOLDS, "")
        why = f"its statements in {POLICY_NAME} {'were changed' if mine else 'are not there any more'}"
        return _stated(step, REVERTED, why, {"statements": mine}, {"statements": was})


def _stated(step: Step, state: str, why: str, before: Any = None, after: Any = None) -> Step:
    seen: Step = {**step, "status": STATUSES[state], "before": before, "after": after, "by_hand": False}
    return {**seen, "state": state, "why": why}


def _sentence(step: Step) -> str:
    by = f" {step['by']}" if step.get("by") else ""
    return f"{cli_name(step['operation'])} {step.get('target') or ''}".strip() + f": {step['why'].rstrip('.')}.{by}"


def _missing(overlay: AccountOverlay, step: Step) -> str:
    """The principal whose access a step restricted, if it does not exist; of a membership that is the user."""
    # What a step made is reverted if it does not exist.
    for kind, name in [] if step["operation"].startswith("Create") else named_principals(step)[:1]:
        if overlay.fact(kind, overlay.stored_name(kind, name)) is None:
            return f"{kind} {name}"
    return ""


def _without_principals(steps: Sequence[Step]) -> list[Step]:
    """What a script made for principals that do not exist any more is not missed: its policies may be deleted."""
    named = [step["state"] for step in steps if named_principals(step)]
    if GONE not in named or {HOLDS, REVERTED, UNKNOWN} & {*named}:
        return [*steps]
    return [
        _stated(step, GONE, "its principal does not exist any more") if step["state"] == REVERTED else step
        for step in steps
    ]


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What is not as the step left it, as a clause.

    :param before: the part of the account as it is, and `after` as the step would make it again.
    """
    if not before:
        return NOT_THERE
    fields = [field for field in sorted({*before, *after}) if before.get(field) != after.get(field)]
    return ", ".join(_field(field, before.get(field), after.get(field)) for field in fields)


def _field(field: str, live: Any, wanted: Any) -> str:
    if isinstance(live, list) and isinstance(wanted, list):
        lacks, has = ([one for one in some if one not in others] for some, others in ((wanted, live), (live, wanted)))
        parts = [f"{verb} {_shown(what)}" for verb, what in (("lacks", lacks), ("has again", has)) if what]
        return f"{field} {' and '.join(parts)}"
    return f"{field} is {_shown(live)} and was left as {_shown(wanted)}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    text = " ".join(text.split())
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
