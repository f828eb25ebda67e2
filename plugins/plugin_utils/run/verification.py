# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Journals -> the applied changes to verify, and what was found -> `verify.json` and messages for the queue."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, cast

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import AlertOutcome, Step
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import INTENT, RESULT
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import NAME as JOURNAL
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.past_runs import REPORTED_FIELDS, NotReported
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.retention import REPORT, Store
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import check_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.standing import (
    RunChanges,
    change_of,
    read_changes,
    standing_changes,
    step_key,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo_calls import cli_command
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import redact_all

VERSION = 1
STEP_FIELDS = (
    "alert_id",
    "index",
    "operation",
    "target",
    "module",
    "parameters",
    "args",
    "consolidated",
    "time",
    "request_id",
)
# The operations of one thing by the noun in their name; all others are by their own noun.
NOUNS = {
    "DefaultPolicyVersion": "Policy",
    "PolicyVersion": "Policy",
    "UserFromGroup": "UserToGroup",
    "RoleFromInstanceProfile": "RoleToInstanceProfile",
}
VERB = re.compile("^[A-Z][a-z]+")
IDENTIFIES = re.compile("(Name|Arn|ARN|Id|Number)$")
# The vendor's names of what the report of the run has, which filters look at.
VENDOR_NAMES = {
    "accountName": "account_name",
    "policyName": "policy",
    "severity": "severity",
    "resourceName": "resource",
    "resourceId": "resource_id",
    "firstSeen": "first_seen",
    "lastSeen": "last_seen",
}
CHANGE_FIELDS = ("operation", "target", "state", "why", "by", "time")


def applied_changes(
    stores: Sequence[Store], run_id: str = "", alert_ids: Collection[str] = (), key: str = ""
) -> list[AlertOutcome]:
    """The alerts of all runs with the steps that they applied and that no undo has reverted.

    :param stores: where runs leave their files (run/stores.py); an earlier one is read first.
    :param run_id: the one run to verify, or empty for all.
    :param alert_ids: the alerts to verify; empty for all.
    :param key: the secret that journals must be signed with, if there is one.
    :returns: alerts with `steps` for `leastpriv.iam.observe`. A journal that cannot be trusted is one with the
        disposition `failed`, named by its run.
    :raises LeastprivError: if a store cannot be read.
    :raises NotReported: if there is no run, or nothing was changed for what is named.
    """
    files = [store.runs() for store in stores]
    known = {one for found in files for one in found}
    if not known:
        raise NotReported(
            f"There is no run in {_named(stores)}. Set remediate_artifacts_dir or remediate_artifacts_s3."
        )
    journals, reports = (_places(stores, files, name) for name in (JOURNAL, REPORT))
    runs, unread = read_changes(sorted(journals), lambda one: journals[one].read(one, JOURNAL), key)
    broken = [_unread(one, why) for one, why in unread.items() if run_id in ("", one)]
    found = [alert for alert in alerts_of(runs) if run_id in ("", alert["run_id"])]
    chosen = [alert for alert in found if not alert_ids or alert["alert_id"] in alert_ids]
    missing = sorted({*alert_ids} - {alert["alert_id"] for alert in chosen})
    if (missing or (run_id and not chosen)) and not broken:
        raise NotReported(_nothing(run_id, missing, stores))
    described = {one: _described(reports[one], one, key) for one in {alert["run_id"] for alert in chosen} & {*reports}}
    return [*(_with_description(alert, described.get(alert["run_id"], {})) for alert in chosen), *broken]


def _places(stores: Sequence[Store], files: Sequence[Mapping[str, Sequence[str]]], name: str) -> dict[str, Store]:
    """The first store that has this file of a run, by run id."""
    found: dict[str, Store] = {}
    for store, runs in zip(stores, files, strict=True):
        for run_id in runs:
            if name in runs[run_id]:
                found.setdefault(run_id, store)
    return found


def _described(store: Store, run_id: str, key: str) -> dict[str, Mapping[str, Any]]:
    """The alerts of a run's report by message id; they are only for people and for filters."""
    try:
        report = json.loads(store.read(run_id, REPORT))
        check_report(report, key)
        return {alert["message_id"]: alert for alert in report["alerts"]}
    except (LeastprivError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _with_description(alert: AlertOutcome, described: Mapping[str, Mapping[str, Any]]) -> AlertOutcome:
    own = described.get(alert["message_id"].partition("/")[2], {})
    return cast(AlertOutcome, {**{name: own.get(name) for name in REPORTED_FIELDS}, **alert})


def _named(stores: Sequence[Store]) -> str:
    return " and ".join(store.name for store in stores)


def _nothing(run_id: str, alert_ids: Sequence[str], stores: Sequence[Store]) -> str:
    what = " and ".join([*([f"run {run_id}"] if run_id else []), *(f"alert {one}" for one in alert_ids)])
    return f"No change of {what} stands by the journals in {_named(stores)}: nothing was changed, or it was undone."


def _unread(run_id: str, why: str) -> AlertOutcome:
    reason = f"{why} Nothing of this run was verified."
    nothing: AlertOutcome = {"steps": [], "script": "", "notes": [], "receipts": [], "by_hand": []}
    named: AlertOutcome = {"alert_id": run_id, "message_id": run_id, "account": None, "account_id": None}  # type: ignore[typeddict-item]
    return {**nothing, **named, "run_id": run_id, "disposition": "failed", "reason": reason}


def alerts_of(runs: Mapping[str, RunChanges]) -> list[AlertOutcome]:
    """The alerts of runs with the steps that they applied and that no undo has reverted, see `applied_changes`."""
    standing = standing_changes(runs)
    applied = [
        (run_id, entry)
        for run_id, run in sorted(runs.items())
        for entry in _applied(run)
        # What was undone entirely and its undo are as if they had never been.
        if change_of(entry) in standing[run_id] and not (run.undoes and change_of(entry) in run.whole)
    ]
    # The last change of a thing counts; that of an undo which did not revert everything is one, too.
    last = {_thing(entry): run_id for run_id, entry in applied}
    ends = {_thing(entry): id(entry) for _run_id, entry in applied}
    alerts: dict[tuple[str, str], list[Step]] = {}
    heads: dict[tuple[str, str], Mapping[str, Any]] = {}
    for run_id, entry in applied:
        if runs[run_id].undoes:
            continue
        later = "" if ends[_thing(entry)] == id(entry) else last[_thing(entry)]
        whose = (run_id, entry["message_id"])
        heads[whose] = entry
        alerts.setdefault(whose, []).append(_step(run_id, entry, later))
    return [_alert(run_id, heads[run_id, message_id], steps) for (run_id, message_id), steps in alerts.items()]


def _applied(run: RunChanges) -> list[Mapping[str, Any]]:
    """The steps that changed something, by the journal."""
    entries = run.journal.entries
    done = {step_key(one): one for one in entries if one["event"] == RESULT and one["result"] == "changed"}
    begun = [one for one in entries if one["event"] == INTENT and step_key(one) in done]
    return [{**one, "request_id": done[step_key(one)].get("request_id")} for one in begun]


def _thing(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a step changes, so that a later step that changes the same is known."""
    operation, parameters = entry["operation"], entry["parameters"]
    if "Tag" in operation or entry.get("consolidated"):
        return entry["account_id"], operation, entry["alert_id"], json.dumps(parameters, sort_keys=True)
    verb = VERB.match(operation)
    noun = operation[verb.end() :] if verb else operation
    names = {name: str(value).lower() for name, value in parameters.items() if IDENTIFIES.search(name)}
    if operation == "CreatePolicy":
        names = {"PolicyArn": str((entry["after"] or {}).get("arn")).lower()}
    # A version that is not the default changes no access.
    if operation != "DeletePolicyVersion" and (operation != "CreatePolicyVersion" or parameters.get("SetAsDefault")):
        names.pop("VersionId", None)
        noun = NOUNS.get(noun, noun)
    return entry["account_id"], noun, tuple(sorted(names.items()))


def _step(run_id: str, entry: Mapping[str, Any], later: str) -> Step:
    step = cast(Step, {field: entry.get(field) for field in STEP_FIELDS})
    return {**step, "run": run_id, "made": entry.get("after"), "superseded": later}


def _alert(run_id: str, entry: Mapping[str, Any], steps: Sequence[Step]) -> AlertOutcome:
    return {
        "alert_id": entry["alert_id"],
        # A message can be in several runs.
        "message_id": f"{run_id}/{entry['message_id']}",
        "account": entry["account"],
        "account_id": entry["account_id"],
        "run_id": run_id,
        "steps": [*steps],
        "script": _script(steps),
        "notes": [],
    }


def _script(steps: Iterable[Step]) -> str:
    return "\n".join(cli_command(step["operation"], step["parameters"]) for step in steps)


def verification(alerts: Iterable[AlertOutcome]) -> dict[str, Any]:
    """The content of `verify.json`.

    :param alerts: the alerts of `applied_changes` with what was found.
    :returns: it has no secrets; documents of the account are among what was found.
    """
    return {"version": VERSION, "alerts": [redact_all(_verified(alert)) for alert in alerts]}


def _verified(alert: AlertOutcome) -> dict[str, Any]:
    fields = ("run_id", "alert_id", "account", "account_id", "disposition", "reason")
    # Without a state the account was not looked at.
    changes = [
        {**{field: step.get(field) for field in CHANGE_FIELDS}, "state": step.get("state", "unknown")}
        for step in alert["steps"]
    ]
    return {**{field: alert.get(field) for field in fields}, "changes": changes}


def messages(alerts: Iterable[AlertOutcome]) -> list[dict[str, Any]]:
    """Messages that put reverted alerts back into the queue, in the vendor's flat shape.

    The journal does not have the vendor's message. The script is made of the steps that all runs applied for the alert,
    without those that a later one replaced or whose principal is gone. That of a consolidated policy is left out, so
    the vendor's API is asked for it.

    :param alerts: the alerts of `applied_changes` with what was found.
    :returns: list of dicts with `alert_id` and `body`, a text.
    """
    merged: dict[tuple[Any, Any], AlertOutcome] = {}
    for alert in alerts:
        if alert["disposition"] == "reverted":
            key = alert["account_id"], alert["alert_id"]
            # The newest run of an alert is the last.
            earlier = merged[key]["steps"] if key in merged else []
            merged[key] = {**alert, "steps": [*earlier, *alert["steps"]]}
    return [{"alert_id": alert["alert_id"], "body": _body(alert)} for alert in merged.values()]


def _body(alert: AlertOutcome) -> str:
    fields = {
        "alertId": alert["alert_id"],
        "alertStatus": "open",
        "accountId": alert["account_id"],
        "cloudType": "aws",
        "policyType": "iam",
        "alertRuleName": f"Leastpriv: reverted since run {alert['run_id']}",
        **{name: alert.get(field) for name, field in VENDOR_NAMES.items() if alert.get(field)},
    }
    if not any(step.get("consolidated") for step in alert["steps"]):
        steps = [step for step in alert["steps"] if not step.get("superseded") and step.get("state") != "gone"]
        fields["alertRemediationCli"] = {"cliScript": _script(steps)}
    return json.dumps(fields)
