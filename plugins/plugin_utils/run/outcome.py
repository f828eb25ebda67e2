# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome of each alert of an account: translation, observation and module results -> disposition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypedDict

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import attempt, for_each_alert, writable
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import AlertOutcome, Step, StepResult
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import facts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.account_alerts import AccountAlerts, alerts_of
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.playbook_command import playbook_command
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.step_words import sentence
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo import as_undone
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import redact

# Errors of IAM that disappear on retry.
TRANSIENT_CODES = frozenset(
    ("ConcurrentModification", "EntityAlreadyExists", "EntityTemporarilyUnmodifiable", "NoSuchEntity")
)

# By the alert's message_id and the step's index.
_Results = Mapping[tuple[str, int], StepResult]


class AccountResults(TypedDict, total=False):
    """The results of an account's tasks.

    :ivar observed: the `alerts` of `leastpriv.iam.observe`.
    :ivar applied: the loop results of the modules.
    :ivar confirmed: the `alerts` of a second observation, of alerts with a needed step that changed nothing.
    :ivar problem: why the account's work ended early, or None.
    """

    observed: Sequence[AlertOutcome]
    applied: Sequence[StepResult]
    confirmed: Sequence[AlertOutcome]
    problem: str | None


def is_transient(result: Mapping[str, Any]) -> bool:
    """Whether a module failed with a transient error. It can be run again, because it compares before it changes."""
    error = result.get("error") or {}
    return bool(result.get("failed")) and error.get("code") in TRANSIENT_CODES


def outcomes_of_all(
    translated: Mapping[str, AccountAlerts],
    hostvars: Mapping[str, Mapping[str, Any]],
    check_mode: bool = False,
    undo: bool = False,
) -> list[AlertOutcome]:
    """Decide the disposition of every alert by the variables that the role's tasks have set for its account.

    :param translated: the translated alerts by account, see `by_account`.
    :param hostvars: account -> its variables; an account that failed has those it had by then.
    :param check_mode: True if nothing was to be applied.
    :param undo: True for alerts of `undo_alerts`, whose dispositions have other names.
    :returns: the alerts of all accounts, see `outcomes`.
    """
    decided: list[AlertOutcome] = []
    for account, entry in translated.items():
        results = attempt(
            "reading its account's results",
            partial(_results_of, hostvars, account),
            lambda why: AccountResults(problem=why),
        )
        decided += outcomes(alerts_of(entry), **results, check_mode=check_mode)

    def masked(outcome: AlertOutcome) -> AlertOutcome:
        return _masked(as_undone(outcome) if undo else outcome)

    return for_each_alert("masking its outcome", decided, masked, _lost)


def _lost(alert: AlertOutcome, reason: str) -> AlertOutcome:
    return {**alert, "disposition": "failed", "reason": reason}


def _masked(outcome: AlertOutcome) -> AlertOutcome:
    """The outcome with its reason redacted: errors of AWS repeat the parameters of their call."""
    return {**outcome, "reason": redact(outcome["reason"])} if outcome["reason"] else outcome


def _results_of(hostvars: Mapping[str, Mapping[str, Any]], account: str) -> AccountResults:
    known = hostvars[account]
    applied = from_text((known.get(facts.RESULTS) or {}).get("kept") or [])
    max_failures = known[facts.SETTINGS]["max_failures"]
    return {
        "observed": (known.get(facts.OBSERVED) or {}).get("alerts", []),
        "applied": applied,
        "confirmed": (known.get(facts.CONFIRMED) or {}).get("alerts", []),
        "problem": known.get(facts.PROBLEM) or why_it_gave_up(applied, max_failures) or None,
    }


def why_it_gave_up(applied: Sequence[StepResult], max_failures: int) -> str:
    """Why an account has stopped; empty if it has not.

    :param applied: the loop results of the modules, in their order.
    :param max_failures: the number of consecutive failures that stops an account.
    """
    last = applied[-int(max_failures) :]
    if len(last) < int(max_failures) or not all(result.get("failed") for result in last):
        return ""
    return (
        f"Not run: the last {len(last)} steps of this account all failed, the last of them with: "
        f"{last[-1].get('msg') or 'no message'}. This run does not try more there (remediate_max_failures). "
        "Fix the cause, then run again."
    )


def outcomes(
    alerts: Iterable[AlertOutcome],
    observed: Sequence[AlertOutcome] = (),
    applied: Sequence[StepResult] = (),
    confirmed: Sequence[AlertOutcome] = (),
    problem: str | None = None,
    check_mode: bool = False,
) -> list[AlertOutcome]:
    """Decide the disposition of every alert of one account; for the parameters see `AccountResults`.

    :param alerts: the translated alerts; those with a disposition are decided already.
    :param check_mode: True if nothing was to be applied.
    :returns: the alerts with `disposition`, `reason` and `steps` with their `status`.
    """
    seen = {entry["message_id"]: entry for entry in observed}
    results = {(entry["step"]["message_id"], entry["step"]["index"]): entry for entry in applied}
    again = {entry["message_id"]: entry for entry in confirmed}

    def decided(alert: AlertOutcome) -> AlertOutcome:
        return writable(_outcome(alert, seen, results, again, problem, check_mode))

    return for_each_alert("deciding its outcome", alerts, decided, _lost)


def _outcome(
    alert: AlertOutcome,
    seen: Mapping[str, AlertOutcome],
    results: _Results,
    again: Mapping[str, AlertOutcome],
    problem: str | None,
    check_mode: bool,
) -> AlertOutcome:
    message_id = alert["message_id"]
    if alert["disposition"] is not None:
        return alert
    if message_id not in seen:
        return {**alert, "disposition": "failed", "reason": problem or "The account's play did not get to it."}
    observed = seen[message_id]
    notes = [*alert.get("notes", []), *observed.get("notes", [])]
    disposition, reason = observed["disposition"], observed["reason"]
    alert = {**alert, "steps": observed["steps"], "notes": notes, "disposition": disposition, "reason": reason}
    if "rule" in observed:
        alert["rule"] = observed["rule"]
    if alert["disposition"] is not None:
        return alert
    if check_mode:
        return {**alert, "disposition": "planned", "reason": _described(alert["steps"], "needed", is_done=False)}
    return _applied(alert, results, again.get(message_id), problem)


def _applied(alert: AlertOutcome, results: _Results, again: AlertOutcome | None, problem: str | None) -> AlertOutcome:
    own = {step["index"]: results.get((alert["message_id"], step["index"])) for step in alert["steps"]}
    steps = [_with_status(step, own[step["index"]]) for step in alert["steps"]]
    errors = {index: result["msg"] for index, result in own.items() if result and result.get("msg")}
    is_doubtful = any(
        (before["status"], after["status"]) == ("needed", "unchanged")
        for before, after in zip(alert["steps"], steps, strict=True)
    )
    disposition, reason = _verdict(steps, errors, is_doubtful, again, problem)
    if disposition == "failed":
        reason = " ".join([reason, *_left_behind(alert["alert_id"], steps)])
    return {**alert, "steps": steps, "disposition": disposition, "reason": reason}


def _left_behind(alert_id: str, steps: Sequence[Step]) -> list[str]:
    """The policies that steps before a failure created in vain, and the command that removes them."""
    changed = [step for step in steps if step["status"] == "changed" and "undoes" not in step]
    used = {_policy_name(value) for step in changed for value in step.get("parameters", {}).values()}
    made = [step["parameters"]["PolicyName"] for step in changed if step["operation"] == "CreatePolicy"]
    left = [name for name in made if f"/{name}" not in used]
    if not left:
        return []
    named, verb = (f"policy {left[0]}", "is") if len(left) == 1 else (f"policies {' and '.join(left)}", "are")
    command = playbook_command("undo", {"alert_id": alert_id})
    return [f"The {named} {verb} left unattached. Another run continues there. To remove what was created: {command}"]


def _policy_name(value: Any) -> str | None:
    """The end of a policy's ARN, with its slash."""
    return f"/{value.rsplit('/', 1)[1]}" if isinstance(value, str) and ":policy/" in value else None


def _with_status(step: Step, result: StepResult | None) -> Step:
    if step["status"] != "needed":
        return step
    if result is None:
        return {**step, "status": "not_run"}
    if result.get("failed"):
        return {**step, "status": "failed"}
    return {**step, "status": "changed" if result.get("changed") else "unchanged"}


def _verdict(
    steps: Sequence[Step],
    errors: Mapping[int, str],
    is_doubtful: bool,
    again: AlertOutcome | None,
    problem: str | None,
) -> tuple[str, str]:
    """The disposition and its reason, after the steps have run.

    :param errors: the modules' errors by the steps' indexes.
    :param is_doubtful: a needed step changed nothing, so a second observation must confirm it.
    """
    statuses = [step["status"] for step in steps]
    if "failed" in statuses:
        failed = steps[statuses.index("failed")]
        error = errors.get(failed["index"], "the module gave no message")
        return "failed", f"Step {failed['index']} of {len(steps)}, {cli_name(failed['operation'])}: {error}"
    if "not_run" in statuses:
        return "failed", problem or f"Step {statuses.index('not_run') + 1} of {len(steps)} was not run."
    if is_doubtful and again is None:
        return "failed", problem or "A needed step changed nothing, and it was not observed again."
    if is_doubtful and again and again["disposition"] != "already_remediated":
        return "failed", _not_true(again)
    if "changed" in statuses:
        return "remediated", _described(steps, "changed", is_done=True)
    return "already_remediated", "Every step was already true when it was applied."


def _not_true(again: AlertOutcome) -> str:
    open_steps = [cli_name(step["operation"]) for step in again["steps"] if step["status"] == "needed"]
    what = again["reason"] or f"AWS still needs {' and '.join(open_steps)}"
    return (
        f"The modules found nothing to change, but {what}. The alert stays in the queue. Compare the account manually."
    )


def _described(steps: Sequence[Step], status: str, is_done: bool) -> str:
    """The steps with this status in a sentence, and the number of the others."""
    chosen = [step for step in steps if step["status"] == status]
    others = len(steps) - len(chosen)
    rest = f" {others} of {len(steps)} steps {'was' if others == 1 else 'were'} already true." if others else ""
    return sentence(chosen, is_done) + rest
