# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run's report as text, for the terminal."""

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import DISPOSITIONS
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import attempt, for_each_alert
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import cli_name
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.advice import advice_for
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.next_command import next_command
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import (
    MOVED,
    alert_name,
    counted,
    protection_example,
    put_back,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import printable

WORDS = [row.word for row in DISPOSITIONS]
REASON_WIDTH = 160
MAX_NAMED = 5
# More alerts of one reason than this are counted in the table, and named below it.
MAX_IN_ROW = 3


def summary_of(report_data, verbose=False):
    """The same as `summary`, and a line or two of a run whose report cannot be shown."""
    bare = f"Run {report_data['run_id']}: {report_data['totals']}. The report has every alert."
    return attempt("showing it", lambda: summary(report_data, verbose), lambda reason: f"{bare} {reason}")


def summary(report_data, verbose=False):
    """The run as text: one line per alert, the totals, and what to do about each kind that is left.

    :param report_data: what `report` returned.
    :param verbose: True adds every alert's script and steps.
    :returns: text of several lines; control characters of the alerts are shown escaped.
    """
    alerts = report_data["alerts"]
    lines = [_headline(report_data), ""]
    nothing = "No alert was received." if report_data["interrupted"] else "The queue was empty."
    lines += _table(report_data) if alerts else [nothing]
    lines += _details(alerts, verbose)
    lines += _notes(alerts) if verbose or report_data["mode"] == "check" else []
    lines += ["", *_advice(report_data)] if alerts else []
    lines += _next_command(report_data)
    lines += _unprotected(report_data, verbose)
    lines += _lapsed(report_data.get("expired", ()))
    lines += _opened(report_data["opened"])
    lines += _unfenced(report_data["unfenced"])
    lines += _quarantine(report_data)
    lines += _of_plan(report_data["plan"])
    lines += [f"Messages were left in flight: {printable(reason)}" for reason in report_data["unsettled"]]
    return "\n".join(lines)


def _headline(report_data):
    totals = ", ".join(f"{count} {word}" for word, count in report_data["totals"].items()) or "no alerts"
    undo = f" undoes {' and '.join(report_data['undoes'])}" if report_data["undoes"] else ""
    review = " (review: nothing was changed)" if report_data["mode"] == "check" else ""
    interrupted = f" ({report_data['interrupted']})" if report_data["interrupted"] else ""
    return f"Run {report_data['run_id']}{undo}{review}{interrupted}: {totals}"


def _table(report_data):
    groups = _by_reason(report_data["alerts"])
    groups.sort(key=lambda group: group[0]["disposition"] not in report_data["needs_person"])
    rows = [("ACCOUNT", "ALERT", "RESULT", "REASON")]
    rows += for_each_alert("showing it", groups, _row, lambda group, reason: _lost_row(group[0], reason))
    account, alert, disposition = (max(len(row[column]) for row in rows) for column in range(3))
    return [f"{row[0]:{account}}  {row[1]:{alert}}  {row[2]:{disposition}}  {row[3]}".rstrip() for row in rows]


def _by_reason(alerts):
    """The alerts in lists of those that ended in the same way for the same reason."""
    groups = {}
    for alert in alerts:
        # How it is put back is another line for each; what is said of the queue has it for all of them.
        reason = (alert["reason"] or "").split(f"\n{MOVED}")[0]
        groups.setdefault((alert["disposition"], reason or alert["message_id"]), []).append(alert)
    return [*groups.values()]


def _row(group):
    first_line = (group[0]["reason"] or "").split("\n")[0]
    clipped = first_line[: REASON_WIDTH - 1] + "…" if len(first_line) > REASON_WIDTH else first_line
    accounts = list(dict.fromkeys(alert["account"] or alert["account_id"] or "-" for alert in group))
    account = accounts[0] if len(accounts) == 1 else f"{len(accounts)} accounts"
    names = [alert_name(alert) for alert in group]
    named = ", ".join(names) if len(names) <= MAX_IN_ROW else counted(len(names))
    cells = (account, named, group[0]["disposition"], clipped)
    return tuple(printable(cell) for cell in cells)


def _lost_row(alert, reason):
    return "-", printable(alert["alert_id"] or alert["message_id"]), printable(alert["disposition"]), reason


def _details(alerts, verbose):
    """What a row of the table has no room for: alerts of a large group, long reasons and carets once for each group."""
    reasons = for_each_alert("showing it", _by_reason(alerts), _group_details, lambda group, reason: [])
    scripts = for_each_alert("showing it", alerts if verbose else (), _script_details, lambda alert, reason: [])
    return [line for lines in [*reasons, *scripts] for line in lines]


def _group_details(group):
    reason = (group[0]["reason"] or "").split("\n")
    reason = reason if len(group) == 1 else [line for line in reason if not line.startswith(MOVED)]
    lines = [f"    {line}" for line in reason] if len(reason) > 1 or len(reason[0]) > REASON_WIDTH else []
    if not lines and len(group) <= MAX_IN_ROW:
        return []
    names = [alert_name(alert) for alert in group]
    number = f"{counted(len(names))}: " if len(names) > MAX_IN_ROW else ""
    return ["", printable(f"{number}{_some(names)}{':' * bool(lines)}"), *(printable(line) for line in lines)]


def _script_details(alert):
    lines = ["  script:", *(f"    {line}" for line in alert["script"].strip().split("\n"))] if alert["script"] else []
    if alert["steps"]:
        lines += ["  steps:", *(f"    {step_line(step)}" for step in alert["steps"])]
    return ["", *(printable(line) for line in (f"{alert_name(alert)}:", *lines))] if lines else []


def _notes(alerts):
    """What the scripts grant or change beyond their letter, each note once with the alerts that it is about."""
    noted = {}
    for alert in alerts:
        for note in alert["notes"]:
            noted.setdefault(note, []).append(alert_name(alert))
    lines = [f"  {printable(_some(names))}: {printable(note)}" for note, names in noted.items()]
    return ["", "Notes:", *lines] if lines else []


def _some(names):
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def step_line(step):
    """A step of a report in one line; untrusted text."""
    options = ", ".join(f"{option}={value!r}" for option, value in step["args"].items())
    return f"{step['status'] or 'not observed':12} {cli_name(step['operation'])} -> {step['module']}: {options}"


def _advice(report_data):
    """One line for each thing to do, with the number of alerts; first those that need attention."""
    wanting, is_undo = report_data["needs_person"], report_data["mode"] == "undo" or report_data["undoes"]
    counts = {}
    for alert in sorted(report_data["alerts"], key=lambda alert: WORDS.index(alert["disposition"])):
        key = alert["disposition"], advice_for(alert, is_undo)
        counts[key] = counts.get(key, 0) + 1
    lines = [
        f"  {count} {word}{' (needs attention)' if word in wanting else ''}: {advice}"
        for (word, advice), count in sorted(counts.items(), key=lambda item: item[0][0] not in wanting)
    ]
    return ["What to do:", *lines]


def _next_command(report_data):
    following = next_command(report_data)
    return [printable(f"{following.purpose}: {following.command}")] if following else []


def _unprotected(report_data, verbose):
    """One line of a review where nobody is protected; when asked for, with what to paste."""
    is_review = report_data["mode"] == "check" and not report_data["undoes"]
    if not is_review or report_data["protected"] or not report_data["alerts"]:
        return []
    line = "No principals are protected: a script may lock out any user or role (remediate_protected_principals)."
    return [line, *(protection_example(report_data).split("\n") if verbose else [])]


def _lapsed(expired):
    """One line for entries of remediate_protected_principals that protect no more: renew or remove them."""
    named = [f"{entry['arn']} (owner {entry['owner']}, expired {entry['expires']})" for entry in expired]
    return [printable(f"No longer protected: {_some(named)}. Renew or remove these entries.")] if named else []


def _opened(opened):
    """One line if remediate_allow lets scripts do what guardrails forbid; accounts with the same rules are together."""
    accounts = {}
    for one in opened:
        accounts.setdefault(", ".join(one["allow"]), []).append(one["account"])
    told = "; ".join(f"{allow} ({', '.join(names)})" for allow, names in accounts.items())
    return [f"Guardrails relaxed: {printable(told)}"] if told else []


def _unfenced(accounts):
    if not accounts:
        return []
    return [printable(f"WITHOUT THE CALL FENCE where it cannot stand (remediate_unfenced): {', '.join(accounts)}")]


def _quarantine(report_data):
    quarantine = report_data["quarantine"]
    if not quarantine:
        return []
    waiting = f"{counted(quarantine['alerts'])} in the quarantine queue {quarantine['queue']}."
    return [printable(f"{waiting} {put_back(report_data['awx'])}")]


def _of_plan(plan):
    if not plan:
        return []
    missing = ", ".join(plan["not_received"])
    gone = f" Not in the queue: {missing} (done, deleted, or received by another run)." if missing else ""
    return [printable(f"Applying plan {plan['run_id']} ({counted(plan['alerts'])}).{gone}")]
