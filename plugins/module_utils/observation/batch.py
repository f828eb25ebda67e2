# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe the alerts of one account: the steps of each, and what no two of them may do at once. Nothing here writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

from ..account.iam_account import IamAccount
from ..account.overlay import AccountOverlay, AttachmentQuota, Conflict, Observation, principal
from ..errors import writable
from ..guardrails.blast_radius import BlastRadius
from ..guardrails.protection import Protection
from ..guardrails.rules import NOT_BY_HAND, Refusal, by_hand, cli_name, how_to_open, is_open, left_by_hand
from ..operations import OPERATIONS
from ..operations.row import ACCOUNT, WIDEN, State
from ..operations.undo import Irreversible
from ..policies.arns import denied_elsewhere, partitions
from ..policies.document import PolicyDocumentError, is_deny_only, pretty, read_document
from ..shapes import AlertOutcome, Step
from .claims import Claim, Claims, claim_of, normalised
from .consolidation import POLICY_NAME, can_consolidate, consolidated_step, principal_of, unconsolidated_step
from .managed_as_code import REFUSE, ManagedAsCode
from .managed_as_code import RULE as MANAGED
from .managed_roles import check_manager
from .missing_principals import missing_principals, say_missing
from .one_step import Touched, changes_of, note_reach, observe, touched
from .reviewed import changes_since, fingerprint
from .simulation import Simulation
from .stored_names import as_stored, renamed_values
from .taken import taken_by
from .taken_access import taken_access
from .undoing import Drift, completed, observe_undo
from .usage import HOLD, Usage
from .usage import RULE as IN_USE

CHANGE_CODE = "Change its code, too (as_code/ of this run): its next deployment may take this change away."
# The disposition of an alert whose step ends like this. After any other end the alert continues.
DECIDES = {"refused": "refused", "failed": "failed", "over_quota": "failed"}


class Batch:
    """The alerts of one account and what they share: facts, protection, and what each of them will write."""

    def __init__(
        self,
        account: IamAccount,
        account_id: str,
        partition: str,
        allow: Collection[str],
        protection: Protection,
        on_quota: str = "fail",
        max_changes: int | None = None,
        looks: Looks | None = None,
    ) -> None:
        self._account = account
        self._place = account_id, partition, allow
        self._partition = partition
        self._protection = protection
        self._on_quota = on_quota
        self._looks = looks or Looks()
        self._blast_radius = BlastRadius(max_changes)
        self._pending: dict[tuple[str, ...], Any] = {}
        self._claims = Claims()
        self._consolidated: dict[Any, Any] = {}
        self._attempt: Attempt

    def observe_alert(self, alert: AlertOutcome) -> AlertOutcome:
        """Observe one alert's steps in order; the first that cannot be applied decides the alert."""
        consolidated = dict(self._consolidated)
        is_applied = False
        try:
            seen = writable(_compared_with_plan(self._observe_alert(alert), alert.get("reviewed")))
            seen = self._within_blast_radius(self._not_held(seen))
            is_applied = seen["disposition"] is None
        finally:
            # Nothing of it will be applied: no other alert is to find it in its way.
            if not is_applied:
                self._consolidated = consolidated
        if is_applied:
            self._claims.take(self._attempt.claims)
            self._pending = self._attempt.overlay.pending
        return seen

    def _not_held(self, seen: AlertOutcome) -> AlertOutcome:
        """Hold an alert back that may be applied by all that its steps are, and is not to be."""
        if seen["disposition"] is not None or not self._attempt.held:
            return seen
        # Access in use first: such an alert is not handed over as code.
        rule, reason = min(self._attempt.held, key=lambda held: held[0] != IN_USE)
        return held_back({**seen, "disposition": "refused", "reason": reason, "rule": rule})

    def _look(
        self, as_found: AccountOverlay, overlay: AccountOverlay, step: Step, principals: Sequence[Touched]
    ) -> None:
        """Look whether code manages what a needed step changes, and whether what it takes away is in use."""
        if "undoes" in step:
            return
        managed, usage = self._looks.managed, self._looks.usage
        clauses = managed.found(as_found, step)
        self._hold_or_note(step, MANAGED, clauses, managed.mode == REFUSE, CHANGE_CODE)
        if usage:
            subjects = {arn: f"{kind} {name}" for kind, name, arn in principals if kind != "group" and arn}
            found = usage.look(subjects, partial(taken_access, as_found, overlay.fork(), overlay.written))
            self._hold_or_note(step, IN_USE, found.in_use, usage.mode == HOLD)
            self._attempt.notes += map(_sentence, found.notes)
            self._attempt.usage[step["index"]] = found.uses

    def _hold_or_note(self, step: Step, rule: str, clauses: list[str], is_held: bool, advice: str = "") -> None:
        if is_held and clauses and not is_open(rule, step["operation"], self._place[2]):
            self._attempt.held.append((rule, _refused(step, Refusal(rule, "; ".join(clauses)))))
        else:
            self._attempt.notes += [f"{_sentence(clause)} {advice}".rstrip() for clause in clauses]

    def _within_blast_radius(self, seen: AlertOutcome) -> AlertOutcome:
        if seen["disposition"] is not None:
            return seen
        try:
            self._blast_radius.take(self._attempt.changes or {("alert", seen["message_id"])})
        except Refusal as refusal:
            return held_back({**seen, "disposition": "refused", "reason": str(refusal)})
        return seen

    def _observe_alert(self, alert: AlertOutcome) -> AlertOutcome:
        self._begin(alert["steps"])
        if self._attempt.missing:
            return self._without_principal(alert)
        seen, is_full = self._observe_steps(alert, alert["steps"])
        if is_full and self._on_quota == "consolidate" and can_consolidate(alert["steps"]):
            step, live = self._consolidate(alert)
            seen, _is_full = self._observe_steps(alert, [step], live)
        if seen["disposition"] is None and all(step["status"] == "unchanged" for step in seen["steps"]):
            seen = {**seen, "disposition": "already_remediated", "reason": "Every step was already true."}
        is_open = seen["disposition"] is None
        seen["steps"] = [{**step, "by_hand": is_open or self._may_be_run_by_hand(step)} for step in seen["steps"]]
        if seen["disposition"] == "refused":
            seen["reason"] = "\n".join([str(seen["reason"]), *_left_to_do(seen["steps"])])
        return {**seen, "notes": list(dict.fromkeys(self._attempt.notes))}

    def _observe_steps(self, alert: AlertOutcome, steps: Sequence[Step], live: Any = None) -> tuple[AlertOutcome, bool]:
        """The observed steps, and whether a principal that can take no further policy stopped them.

        :param live: the consolidated policy as the alerts before this one will have made it.
        """
        overlay = self._begin(steps)
        if live is not None:
            overlay.will_be(live, "inline", *principal(steps[0]), POLICY_NAME)
            overlay.will_be([POLICY_NAME], "inline_names", *principal(steps[0]))
        seen: AlertOutcome = {"message_id": alert["message_id"], "disposition": None, "reason": None, "steps": []}
        is_full = False
        for number, step in enumerate(steps, 1):
            status, reason = "not_run", None
            overlay.following = [(one["operation"], one["parameters"]) for one in steps[number:]]
            if seen["disposition"] is None and self._attempt.managed in (None, step["index"]):
                step, status, reason = self._observe_step(overlay, step, alert["alert_id"])
                is_full = status == "over_quota"
                seen["disposition"] = DECIDES.get(status)
                seen["reason"] = reason
            seen["steps"].append(_named(alert, step, "failed" if status in DECIDES else status))
        return seen, is_full

    def _begin(self, steps: Sequence[Step]) -> AccountOverlay:
        """The account as a script with these steps finds it; what keeps the whole of it from being applied is known."""
        overlay = AccountOverlay(self._account, *self._place, dict(self._pending), self._protection.protects_any)
        self._attempt = Attempt(overlay)
        self._attempt.allowing = _created_allowing(steps)
        # The step that needs it reports what cannot be read.
        with suppress(ClientError, BotoCoreError, PolicyDocumentError):
            self._attempt.managed = _managed_step(overlay, steps)
            if self._attempt.managed is None:
                self._attempt.missing = missing_principals(overlay.fork(), steps)
        return overlay

    def _without_principal(self, alert: AlertOutcome) -> AlertOutcome:
        """The end of an alert whose principals do not exist any more."""
        steps: list[Step] = [{**_named(alert, step, "not_run"), "by_hand": False} for step in alert["steps"]]
        return {
            "message_id": alert["message_id"],
            "disposition": "already_remediated",
            "steps": steps,
            "notes": [],
            "reason": say_missing(self._attempt.missing),
        }

    def _consolidate(self, alert: AlertOutcome) -> tuple[Step, Any]:
        """The step that adds the alert's statements to the one policy of its principal, and that policy before it."""
        steps = [as_stored(AccountOverlay(self._account, *self._place, {}), step) for step in alert["steps"]]
        key = principal_of(steps)
        live = self._consolidated.get(key) or self._account.fact("inline", *key, POLICY_NAME)
        step = consolidated_step(steps, alert["alert_id"], live)
        self._consolidated[key] = read_document(step["parameters"]["PolicyDocument"])
        return step, live

    def _completed(self, overlay: AccountOverlay, step: Step) -> Step:
        """The step with what only the account knows of it."""
        if not _takes_apart(step):
            step = completed(overlay, step)
            stored = as_stored(overlay, step)
            self._attempt.notes += [f"{old} is {new} in IAM." for old, new in renamed_values(step, stored)]
            return stored
        kind, name = key = principal(step)
        live = self._consolidated.get(key, self._account.fact("inline", *key, POLICY_NAME))
        overlay.will_be(live, "inline", kind, name, POLICY_NAME)
        step, was, mine = unconsolidated_step(step, live)
        if mine and mine != was:
            raise Drift("the alert's statements in it are not those that were applied; decide manually")
        return step

    def _observed(self, overlay: AccountOverlay, step: Step, alert_id: str) -> tuple[Observation, dict[str, str]]:
        """What a step that is not forbidden finds."""
        self._check_partition(step)
        check_manager(overlay, step)
        overlay.next_step()
        # Before the overlay has the step's changes: a deleted principal has no ARN any more.
        principals = touched(overlay, step)
        as_found = overlay.fork()
        found = observe_undo(overlay, step) if "undoes" in step else observe(overlay, step)
        if found.status == "needed":
            self._attempt.notes += [*overlay.notes, *note_reach(step, principals), *self._note_partitions(step)]
            self._check_protection(as_found, principals)
            if self._looks.simulation:
                self._attempt.notes += self._looks.simulation.check(as_found, step)
            self._look(as_found, overlay, step, principals)
            self._claim(overlay, found, step, alert_id)
            self._attempt.changes |= changes_of(step, principals, normalised(found.writes))
        if _takes_apart(step):
            self._consolidated[principal(step)] = overlay.fact("inline", *principal(step), POLICY_NAME)
        return found, _to_read_again(as_found, step, overlay.read_again) if found.status == "needed" else {}

    def _observe_step(self, overlay: AccountOverlay, step: Step, alert_id: str) -> tuple[Step, str, str | None]:
        """The step with before, after and completed args; its status; the reason where it stops the alert."""
        try:
            step = self._completed(overlay, step)
            found, observed = self._observed(overlay, step, alert_id)
            args = {**step["args"], **_live_args(overlay, step)}
            taken = _taken(overlay, step, found)
        except Refusal as refusal:
            if refusal.rule in NOT_BY_HAND:
                self._attempt.shut = step["index"]
            return step, "refused", _refused(step, refusal)
        except Drift as drift:
            return step, "refused", f"{_where(step)}: {drift}"
        except AttachmentQuota as conflict:
            return step, "over_quota", f"{_where(step)}: {conflict}"
        except (Conflict, PolicyDocumentError) as conflict:
            return step, "failed", f"{_where(step)}: {conflict}"
        except (ClientError, BotoCoreError) as error:
            return step, "failed", f"{_where(step)}: could not read what is there: {error}"
        depends_on = fingerprint(found.before, overlay.relied_on)
        seen: Step = {"args": args, "before": found.before, "after": found.after}
        seen |= {"fingerprint": depends_on, "observed": observed, "taken": taken}
        if overlay.lost_access:
            seen["lost_access"] = overlay.lost_access
        if usage := self._attempt.usage.get(step["index"]):
            seen["usage"] = usage
        return {**step, **seen}, found.status, None

    def _may_be_run_by_hand(self, step: Step) -> bool:
        """Whether a person may be shown a step that is not applied: not if it widens access or meets the protected."""
        # What widens access again has to be compared with the account first.
        if "undoes" in step or step["index"] == self._attempt.shut or self._attempt.managed is not None:
            return False
        if OPERATIONS[step["operation"]].reach == ACCOUNT and self._protection.protects_any:
            return False
        if OPERATIONS[step["operation"]].effect == WIDEN:
            return False
        if str(step["parameters"].get("PolicyArn")).rpartition("/")[2] in self._attempt.allowing:
            return False
        live = AccountOverlay(self._account, *self._place, {}, self._protection.protects_any)
        try:
            self._check_partition(step)
            self._check_protection(live, touched(live, as_stored(live, step)))
            # The commands before it may have to make what it needs.
            with suppress(Conflict):
                observe(live.fork(), as_stored(live, step))
        except Refusal as refusal:
            return refusal.rule not in NOT_BY_HAND
        # If it cannot be examined, its command is not shown.
        except Exception:
            return False
        return True

    def _check_protection(self, overlay: AccountOverlay, principals: Sequence[Touched]) -> None:
        """Refuse to touch a protected principal, or one whose tags decide and cannot be read."""
        for kind, name, arn in principals:
            self._protection.check(kind, name, arn, partial(_tags_of, overlay, kind, name))

    def _check_partition(self, step: Step) -> None:
        """A script alone does not show the partition of its account."""
        foreign = sorted(partitions(step["parameters"]) - {self._partition})
        if foreign:
            detail = f"it names the partition {foreign[0]}, and the account is in {self._partition}"
            raise Refusal("right_account", detail)

    def _note_partitions(self, step: Step) -> list[str]:
        """The partitions that a Deny is about and the account is not in; accounts are noted with the script."""
        places = denied_elsewhere(step["parameters"], self._place[0], self._partition)
        foreign = [place for place in places if place.startswith("partition ")]
        denied = f"{cli_name(step['operation'])} denies something in {' and '.join(foreign)}"
        return [f"{denied}, and the account is in {self._partition}."] if foreign else []

    def _claim(self, overlay: AccountOverlay, found: Observation, step: Step, alert_id: str) -> None:
        """Make sure that the step neither reverts nor hollows out what another alert of the run does."""
        # Consolidated alerts agree: each adds to what the one before it will have put there.
        shared = "consolidated" if step.get("consolidated") or _takes_apart(step) else None
        claim = claim_of(overlay, step, found, alert_id, shared)
        self._claims.check(claim)
        self._attempt.claims.append(claim)


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What a step is looked at for before it is applied, beside the guardrails; by default for nothing."""

    simulation: Simulation | None = None
    managed: ManagedAsCode = field(default_factory=ManagedAsCode)
    usage: Usage | None = None


class Attempt:
    """What the steps of one alert would do, as far as they are observed."""

    def __init__(self, overlay: AccountOverlay) -> None:
        self.overlay = overlay
        self.claims: list[Claim] = []
        self.changes: set[Any] = set()
        self.notes: list[str] = []
        # The index of the step that a guardrail stopped which nothing opens.
        self.shut: int | None = None
        # The index of the step that changes a role which its owner alone may change.
        self.managed: int | None = None
        # The principals of the script, where none of them exists.
        self.missing: list[str] = []
        # When what a step takes away was last used, by its index.
        self.usage: dict[int, list[dict[str, str]]] = {}
        # Rule and reason of each step that is not to be applied, although nothing else is in its way.
        self.held: list[tuple[str, str]] = []
        # The names of the policies that the script creates and that allow something.
        self.allowing: set[str] = set()


def _tags_of(overlay: AccountOverlay, kind: str, name: str) -> Mapping[str, str]:
    try:
        found = overlay.fact(kind, name)
        problem = "it is not there any more"
    except (ClientError, BotoCoreError, PolicyDocumentError) as error:
        found, problem = None, str(error)
    if found is None:
        detail = f"an entry protects by tag, and the tags of {kind} {name} cannot be read: {problem.rstrip('.')}"
        raise Refusal("protected_principal", detail)
    tags: Mapping[str, str] = found["tags"]
    return tags


def _created_allowing(steps: Sequence[Step]) -> set[str]:
    """The names of the policies that a script creates and that do not only deny."""
    created = [step["parameters"] for step in steps if step["operation"] == "CreatePolicy"]
    return {one["PolicyName"] for one in created if not is_deny_only(read_document(one["PolicyDocument"]))}


def _managed_step(overlay: AccountOverlay, steps: Sequence[Step]) -> int | None:
    """The index of the first step that changes a role which its owner alone may change."""
    for step in steps:
        try:
            if "undoes" not in step:
                check_manager(overlay, step)
        except Refusal:
            return step["index"]
    return None


def _named(alert: AlertOutcome, step: Step, status: str) -> Step:
    return {
        **step,
        "message_id": alert["message_id"],
        "alert_id": alert["alert_id"],
        "label": _label(alert, step),
        "status": status,
    }


def _taken(overlay: AccountOverlay, step: Step, found: Observation) -> dict[str, Any] | None:
    """What an undo will compare; a fork, since a plan's fingerprint is of what the step itself relies on."""
    return taken_by(overlay.fork(), {**step, "before": found.before}) if found.status == "needed" else None


def _to_read_again(overlay: AccountOverlay, step: Step, further: Sequence[State]) -> dict[str, str]:
    """What the step's change replaces or takes away, as it is before the step.

    :param further: the states that its document was compared with, beside those of its row.
    """
    states = OPERATIONS[step["operation"]].read_again
    made_here = (step["parameters"].get("PolicyArn"),) in overlay.overlaid("policy")
    # A policy that the script itself creates is seconds old, and reading it again costs two calls for each alert.
    read = [*([] if made_here else states), *further]
    return {state.name: state.digest(overlay.fact, step["parameters"]) for state in read}


def _takes_apart(step: Step) -> bool:
    """Whether a step takes an alert's statements out of its principal's one policy again."""
    return bool(step.get("undoes", {}).get("consolidated"))


def _compared_with_plan(seen: AlertOutcome, reviewed: Sequence[Mapping[str, Any]] | None) -> AlertOutcome:
    """Exclude an alert that has changed since its review; steps that are true by now do not count."""
    changed = changes_since(reviewed, seen["steps"]) if reviewed and seen["disposition"] is None else []
    if not changed:
        return seen
    reason = f"Changed since it was reviewed: {'; '.join(changed)}. Nothing of it was applied; review it again."
    return held_back({**seen, "disposition": "failed", "reason": reason})


def _label(alert: AlertOutcome, step: Step) -> str:
    """A step in one line: alert, operation and target."""
    label = f"{alert['alert_id']} {cli_name(step['operation'])} {step['target']}".strip()
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in label)


def _left_to_do(steps: Sequence[Step]) -> list[str]:
    """What is left to a person: nothing of the script is applied."""
    left = [step for step in steps if step["status"] != "unchanged"]
    shown = [step for step in left if step["by_hand"] and by_hand(step["command"])]
    withheld = ["must not be run manually either"] * (len(left) - len(shown))
    lasting = [
        cli_name(step["operation"]) for step in shown if isinstance(OPERATIONS[step["operation"]].undo, Irreversible)
    ]
    return left_by_hand([step["command"] for step in shown], withheld, lasting)


def _sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:].rstrip('.')}."


def _refused(step: Step, refusal: Refusal) -> str:
    return f"{_where(step)}: {refusal}. {how_to_open(refusal.rule, step['operation'])}"


def _where(step: Step) -> str:
    place = f" (line {step['line']}, column {step['column']})" if "line" in step else f" {step['target']}".rstrip()
    return f"{cli_name(step['operation'])}{place}"


def _live_args(overlay: AccountOverlay, step: Step) -> dict[str, Any]:
    """The module options that are read from the account: iam_role needs the present trust policy."""
    live = [option for option, value in OPERATIONS[step["operation"]].args.items() if value == "$live.trust"]
    return {
        option: pretty(overlay.fact(*principal(step))["trust"]) for option in live if overlay.fact(*principal(step))
    }


def held_back(alert: AlertOutcome) -> AlertOutcome:
    """The alert with nothing of it to do, by hand either: it is for another run, or to be reviewed again."""
    left = {"needed": "not_run"}
    steps: list[Step] = [
        {**step, "status": left.get(step["status"], step["status"]), "by_hand": False} for step in alert["steps"]
    ]
    return {**alert, "steps": steps}
