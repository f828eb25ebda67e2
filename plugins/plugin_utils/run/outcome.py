# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each alert of an account: translation, observation and module results -> disposition."""

from __future__ import annotations

import shlex
from functools import partial

from ansible_collections.leastpriv.iam.plugins.module_utils.each_alert import attempt, for_each_alert, writable
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails import cli_name
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.account_alerts import alerts_of
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.step_words import sentence
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo import as_undone
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import redact

# Errors of IAM that pass by themselves.
TRANSIENT_CODES = frozenset(
    ("ConcurrentModification", "EntityAlreadyExists", "EntityTemporarilyUnmodifiable", "NoSuchEntity")
)


def is_transient(result):
    """Whether a module failed by an error that passes by itself: it looks first, and can be run again."""
    error = result.get("error") or {}
    return bool(result.get("failed")) and error.get("code") in TRANSIENT_CODES


def outcomes_of_all(translated, hostvars, check_mode=False, undo=False):
    """Decide the disposition of every alert, from what the role's tasks have left in the variables of each account.

    :param translated: the alerts as translated, by account, see C(by_account).
    :param hostvars: account -> its variables; those of an account that dropped out are what it had by then.
    :param check_mode: True when nothing was to be applied.
    :param undo: True for alerts of C(undo_alerts), which have other words for what became of them.
    :returns: the alerts of all accounts, as C(outcomes) gives them.
    """
    decided = []
    for account, entry in translated.items():
        left = attempt("reading what its account has left", partial(_left_by_host, hostvars, account), _nothing_left)
        decided += outcomes(alerts_of(entry), **left, check_mode=check_mode)

    def said(outcome):
        return _masked(as_undone(outcome) if undo else outcome)

    return for_each_alert("saying what became of it", decided, said, _lost)


def _left_by_host(hostvars, account):
    return _left_by(hostvars[account])


def _nothing_left(reason):
    return {"problem": reason}


def _lost(alert, reason):
    return {**alert, "disposition": "failed", "reason": reason}


def _masked(outcome):
    """An outcome whose reason can be shown anywhere: errors of AWS repeat what they were sent."""
    return {**outcome, "reason": redact(outcome["reason"])} if outcome["reason"] else outcome


def _left_by(facts):
    applied = (facts.get("__remediate_results") or {}).get("kept") or []
    max_failures = facts["__remediate_settings"]["max_failures"]
    return {
        "observed": (facts.get("__remediate_observed") or {}).get("alerts", []),
        "applied": applied,
        "confirmed": (facts.get("__remediate_confirmed") or {}).get("alerts", []),
        "problem": facts.get("__remediate_problem") or why_it_gave_up(applied, max_failures) or None,
    }


def why_it_gave_up(applied, max_failures):
    """Tell why nothing more is tried in an account; empty while it is worked on.

    :param applied: the loop results of the modules, in their order.
    :param max_failures: how many failures in a row are too many.
    """
    last = applied[-int(max_failures) :]
    if len(last) < int(max_failures) or not all(result.get("failed") for result in last):
        return ""
    return (
        f"Not run: the last {len(last)} steps of this account all failed, the last of them with: "
        f"{last[-1].get('msg') or 'no message'}. Nothing more is tried there in this run (remediate_max_failures); "
        "find out why, and run again."
    )


def outcomes(alerts, observed=(), applied=(), confirmed=(), problem=None, check_mode=False):
    """Decide the disposition of every alert of one account.

    :param alerts: the alerts as translated: those with a disposition are decided already.
    :param observed: the C(alerts) of M(leastpriv.iam.observe).
    :param applied: the loop results of the modules, each with its C(step).
    :param confirmed: the C(alerts) of a second observation, of alerts with a needed step that changed nothing.
    :param problem: why the account's work broke off, or None.
    :param check_mode: True when nothing was to be applied.
    :returns: the alerts with C(disposition), C(reason) and C(steps) with their C(status).
    """
    seen = {entry["message_id"]: entry for entry in observed}
    results = {(entry["step"]["message_id"], entry["step"]["index"]): entry for entry in applied}
    again = {entry["message_id"]: entry for entry in confirmed}

    def decided(alert):
        return writable(_outcome(alert, seen, results, again, problem, check_mode))

    return for_each_alert("deciding what became of it", alerts, decided, _lost)


def _outcome(alert, seen, results, again, problem, check_mode):
    message_id = alert["message_id"]
    if alert["disposition"] is not None:
        return alert
    if message_id not in seen:
        return {**alert, "disposition": "failed", "reason": problem or "The account's play did not get to it."}
    observed = seen[message_id]
    alert = {**alert, **{field: observed[field] for field in ("steps", "disposition", "reason")}}
    alert["notes"] = [*alert.get("notes", []), *observed.get("notes", [])]
    if alert["disposition"] is not None:
        return alert
    if check_mode:
        return {**alert, "disposition": "planned", "reason": _planned(alert["steps"])}
    return _applied(alert, results, again.get(message_id), problem)


def _applied(alert, results, again, problem):
    steps = [_step_result(step, results.get((alert["message_id"], step["index"]))) for step in alert["steps"]]
    is_doubtful = any(
        (before["status"], after["status"]) == ("needed", "unchanged")
        for before, after in zip(alert["steps"], steps, strict=True)
    )
    disposition, reason = _verdict(steps, is_doubtful, again, problem)
    if disposition == "failed":
        reason = " ".join([reason, *_left_behind(alert["alert_id"], steps)])
    steps = [{key: value for key, value in step.items() if key != "error"} for step in steps]
    return {**alert, "steps": steps, "disposition": disposition, "reason": reason}


def _left_behind(alert_id, steps):
    """What the steps before a failure have made that is of no use alone, and the command that removes it."""
    changed = [step for step in steps if step["status"] == "changed" and "undoes" not in step]
    used = {_policy_name(value) for step in changed for value in step.get("parameters", {}).values()}
    made = [step["parameters"]["PolicyName"] for step in changed if step["operation"] == "CreatePolicy"]
    left = [name for name in made if f"/{name}" not in used]
    if not left:
        return []
    named, verb = (f"policy {left[0]}", "is") if len(left) == 1 else (f"policies {' and '.join(left)}", "are")
    command = f"ansible-playbook playbooks/undo.yml -e alert_id={shlex.quote(alert_id)}"
    return [f"The {named} {verb} left unattached: another run continues there, and `{command}` removes what was made."]


def _policy_name(value):
    """The end of a policy's ARN, with its slash."""
    return f"/{value.rsplit('/', 1)[1]}" if isinstance(value, str) and ":policy/" in value else None


def _step_result(step, result):
    if step["status"] != "needed":
        return step
    if result is None:
        return {**step, "status": "not_run"}
    if result.get("failed"):
        return {**step, "status": "failed", "error": result.get("msg") or "the module gave no message"}
    return {**step, "status": "changed" if result.get("changed") else "unchanged"}


def _verdict(steps, is_doubtful, again, problem):
    """(disposition, reason) of an alert whose steps have run as far as they did.

    :param is_doubtful: a step that was needed changed nothing: only a second observation makes it true.
    """
    statuses = [step["status"] for step in steps]
    if "failed" in statuses:
        failed = steps[statuses.index("failed")]
        return "failed", f"Step {failed['index']} of {len(steps)}, {cli_name(failed['operation'])}: {failed['error']}"
    if "not_run" in statuses:
        return "failed", problem or f"Step {statuses.index('not_run') + 1} of {len(steps)} was not run."
    if is_doubtful and again is None:
        return "failed", problem or "A needed step changed nothing, and it was not observed again."
    if is_doubtful and again["disposition"] != "already_remediated":
        return "failed", _not_true(again)
    if "changed" in statuses:
        return "remediated", _did(steps)
    return "already_remediated", "Every step was already true when it was applied."


def _not_true(again):
    open_steps = [cli_name(step["operation"]) for step in again["steps"] if step["status"] == "needed"]
    what = again["reason"] or f"AWS still needs {' and '.join(open_steps)}"
    return f"The modules found nothing to change, but {what}. Nothing was acknowledged; compare by hand."


def _planned(steps):
    return f"{_said(steps, 'needed', is_done=False)}{_rest(steps, 'needed')}"


def _did(steps):
    return f"{_said(steps, 'changed', is_done=True)}{_rest(steps, 'changed')}"


def _said(steps, status, is_done):
    return sentence([step for step in steps if step["status"] == status], is_done)


def _rest(steps, status):
    others = sum(step["status"] != status for step in steps)
    return f" {others} of {len(steps)} steps {'was' if others == 1 else 'were'} already true." if others else ""
