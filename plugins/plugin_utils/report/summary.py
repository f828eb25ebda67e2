# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary of a run for the terminal: first what needs attention and why, then the rest, then the next command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import DELETE, fate
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import attempt, for_each_alert, listed
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.exemptions import describe
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import RunReport
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.advice import advice_for
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.next_command import closing_command
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import (
    MOVED,
    WORDS,
    alert_name,
    counted,
    protection_example,
    verdict,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import (
    EMPTY,
    Line,
    Span,
    cut,
    labelled,
    line,
    pad,
    plain,
    wrapped,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.terminal_text import cells, printable

# A review is about the planned alerts.
ORDER = sorted(WORDS, key=lambda word: word != "planned")
# Where the width of the terminal is not known.
COLUMNS = 80
HEAD = ("RESULT", "ALERT", "ACCOUNT", "REASON")
MAX_CELL = 34
# With less room than this beside the other columns, a reason is shown below its row.
MIN_REASON = 36
# More alerts of one reason than this are counted in the row, and named below it.
MAX_IN_ROW = 3
# The maximum number of rows per disposition that does not need attention; the report has all.
MAX_ROWS = 25
# The runs that change nothing.
EFFECTS = {"check": "review", "verify": "verification"}
EXCERPT = "  | "
BY_HAND = "by hand: "
NOTHING = "Nothing to do."
PROTECT = "a script may lock out any user or role (remediate_protected_principals)."

# Alerts that ended in the same way; a row of result, alerts, accounts and reason; a remark of head and text.
Group = Sequence[Mapping[str, Any]]
Row = tuple[str, str, str, str]
Remark = tuple[str, str]


def summary_text(report_data: RunReport, verbose: bool = False) -> str:
    """The summary as text of several lines, for where no terminal is known."""
    return "\n".join(map(plain, summary_of(report_data, COLUMNS, verbose)))


def summary_of(report_data: RunReport, columns: int, verbose: bool = False) -> list[Line]:
    """The same as `summary`, and a line or two of a run whose report cannot be shown."""
    bare = f"Run {report_data['run_id']}: {report_data['totals']}. The report has every alert."
    return attempt(
        "showing it",
        lambda: summary(report_data, columns, verbose),
        lambda reason: wrapped(f"{bare} {reason}", columns),
    )


def summary(report_data: RunReport, columns: int = COLUMNS, verbose: bool = False) -> list[Line]:
    """The run in lines: what needs attention and what to do about it, all other alerts, remarks, the next command.

    :param report_data: what `report` returned.
    :param columns: width of the terminal. Commands and words that are wider stay in one piece.
    :param verbose: True shows every alert, its script and its steps.
    :returns: list of `Line` of plugin_utils/report/screen.py; control characters of the alerts are shown escaped.
    """
    has_notes = verbose or report_data["mode"] == "check"
    parts = (
        _headline(report_data, columns),
        _attention(report_data, columns),
        _others(report_data, columns, verbose),
        _scripts(report_data["alerts"], columns) if verbose else [],
        _notes(report_data["alerts"], columns) if has_notes else [],
        [*_remarks(report_data, columns), *(_protection(report_data) if verbose else [])],
        _ending(report_data, columns),
    )
    first, *others = filter(None, parts)
    return [*first, *(each for part in others for each in (EMPTY, *part))]


def _headline(report_data: RunReport, columns: int) -> list[Line]:
    totals = report_data["totals"]
    counts = [f"{totals[word]} {word}," for word in ORDER if word in totals] or ["no alerts,"]
    undo = f"undoes {' and '.join(report_data['undoes'])}" if report_data["undoes"] else ""
    review = f"({EFFECTS[report_data['mode']]}: nothing was changed)" if report_data["mode"] in EFFECTS else ""
    interrupted = f"({report_data['interrupted']})" if report_data["interrupted"] else ""
    about = " ".join(filter(None, (undo, review, interrupted)))
    words = [*(f"{about}:".split() if about else ()), *counts[:-1], counts[-1].rstrip(",")]
    name = f"Run {report_data['run_id']}{':' * (not about)}"
    return wrapped(words, columns, hanging=2, lead=(name, "strong"))


# --- what needs attention ---------------------------------------------------------------------------------------------


def _attention(report_data: RunReport, columns: int) -> list[Line]:
    """Alerts of one reason are shown once, and what to do once for all that it helps."""
    causes: dict[tuple[str, str], list[Group]] = {}
    for group in _by_reason(report_data["alerts"]):
        if group[0]["disposition"] in report_data["needs_person"]:
            causes.setdefault((group[0]["disposition"], _advice(report_data, group)), []).append(group)
    if not causes:
        return _all_is_well(report_data)
    lines = [line((f"{verdict(report_data)}.", "bad"))]
    for (_word, advice), groups in causes.items():
        problems = for_each_alert("showing it", groups, lambda group: _problem(group, columns), _lost_problem)
        lines += [EMPTY, *(each for problem in problems for each in problem)]
        lines += wrapped(advice, columns, indent=2, lead=("To do:", "strong"))
    return lines


def _all_is_well(report_data: RunReport) -> list[Line]:
    has_ended_well = not (report_data["interrupted"] or report_data["unsettled"] or "planned" in report_data["totals"])
    return [line((f"{verdict(report_data)}.", "good"))] if report_data["alerts"] and has_ended_well else []


def _problem(group: Group, columns: int) -> list[Line]:
    word, named, account, reason = _row(group)
    names = [alert_name(alert) for alert in group]
    lines = wrapped(f" {named}  {account}", columns, hanging=2, lead=(word, "bad"))
    lines += wrapped(listed(names), columns, indent=2) if len(names) > MAX_IN_ROW else []
    return lines + _indented(_reason(reason, columns - 2), 2)


def _lost_problem(group: Group, reason: str) -> list[Line]:
    return [line((group[0]["disposition"], "bad"), f"  {alert_name(group[0])}  {reason}")]


def _by_reason(alerts: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The alerts in lists of those that ended in the same way for the same reason, in the order of dispositions."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for alert in sorted(alerts, key=lambda alert: ORDER.index(alert["disposition"])):
        reason = (alert["reason"] or "").split(f"\n{MOVED}")[0]
        groups.setdefault((alert["disposition"], reason or alert["message_id"]), []).append(alert)
    return [*groups.values()]


def _advice(report_data: RunReport, group: Group) -> str:
    return advice_for(group[0], report_data["mode"] == "undo" or bool(report_data["undoes"]))


# --- all other alerts -------------------------------------------------------------------------------------------------


def _others(report_data: RunReport, columns: int, verbose: bool) -> list[Line]:
    wanting = report_data["needs_person"]
    if not report_data["alerts"]:
        return [line("No alert was received." if report_data["interrupted"] else f"{verdict(report_data)}.")]
    groups = [group for group in _by_reason(report_data["alerts"]) if group[0]["disposition"] not in wanting]
    if not groups:
        return []
    done = {"check": "reviewed", "verify": "verified"}.get(report_data["mode"], "processed")
    head = [line(f"All other alerts were {done}."), EMPTY] if wanting else []
    shown, left_out = (groups, []) if verbose else _shortened(groups)
    return head + _table(shown, columns) + left_out + _hints(report_data, groups, columns)


def _shortened(groups: Sequence[Group]) -> tuple[list[Group], list[Line]]:
    """Of each result the first rows; planned changes are all shown."""
    kept: list[Group] = []
    number: Counter[str] = Counter()
    for group in groups:
        word = group[0]["disposition"]
        number[word] += 1
        if word == "planned" or number[word] <= MAX_ROWS:
            kept.append(group)
    gone = len(groups) - len(kept)
    return kept, [line(f"and {gone} more, see the report")] if gone else []


def _table(groups: Sequence[Group], columns: int) -> list[Line]:
    rows = for_each_alert("showing it", groups, _row, _lost_row)
    *heads, last = HEAD
    widths = [max(cells(row[column]) for row in [heads, *rows]) for column in range(3)]
    start = sum(widths) + 2 * len(widths)
    is_wide = columns - start >= MIN_REASON
    lines = [line((_cells(heads, widths) + (last if is_wide else ""), "strong"))]
    for *row, reason in rows:
        beginning = line((_cells(row[:1], widths), _style(row[0])), _cells(row[1:], widths[1:]))
        beside = _reason(reason, columns - start) if is_wide else []
        lines.append((*beginning, *(beside[0] if beside else ())))
        lines += _indented(beside[1:], start) if is_wide else _indented(_reason(reason, columns - 2), 2)
    return [_stripped(each) for each in lines]


def _cells(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(pad(text, width) + "  " for text, width in zip(texts, widths, strict=False))


def _stripped(each: Line) -> Line:
    return (*each[:-1], Span(each[-1].text.rstrip(), each[-1].style))


def _style(word: str) -> str:
    return "caution" if word == "planned" else "good" if fate(word, False) == DELETE else ""


def _row(group: Group) -> Row:
    """Result, alerts, accounts and reason of alerts that ended in the same way."""
    accounts = list(dict.fromkeys(alert["account"] or alert["account_id"] or "-" for alert in group))
    account = accounts[0] if len(accounts) == 1 else f"{len(accounts)} accounts"
    names = [alert_name(alert) for alert in group]
    named = ", ".join(names) if len(names) <= MAX_IN_ROW else counted(len(names))
    # How it is put back is another command for each.
    lines = [MOVED if row.startswith(MOVED) else row for row in (group[0]["reason"] or "").split("\n")]
    named, account = (cut(printable(text), MAX_CELL) for text in (named, account))
    return printable(group[0]["disposition"]), named, account, "\n".join(lines)


def _lost_row(group: Group, reason: str) -> Row:
    return printable(group[0]["disposition"]), printable(alert_name(group[0])), "-", reason


def _hints(report_data: RunReport, groups: Sequence[Group], columns: int) -> list[Line]:
    """Optional advice for alerts that do not need attention; planned ones have the next command."""
    hints: dict[str, dict[str, bool]] = {}
    for group in groups:
        if group[0]["disposition"] != "planned":
            hints.setdefault(_advice(report_data, group), {})[group[0]["disposition"]] = True
    hints.pop(NOTHING, None)
    advices = [wrapped(advice, columns, lead=(f"{', '.join(words)}:", "")) for advice, words in hints.items()]
    return [EMPTY, *(each for lines in advices for each in lines)] if advices else []


# --- reasons ----------------------------------------------------------------------------------------------------------


def _reason(text: str, columns: int) -> list[Line]:
    """Prose is wrapped, commands stay in one piece, and of a line with a caret the part is shown that it points at."""
    lines, is_command, rows = [], False, text.split("\n")
    for above, row, below in zip(["", *rows], rows, [*rows[1:], ""], strict=False):
        is_command = row.startswith(BY_HAND) or (is_command and not row.startswith(MOVED))
        if row.startswith(EXCERPT):
            code, carets = (above, row) if _is_caret(row) else (row, below)
            lines.append(line(_excerpt(row, code, carets, columns)))
        elif is_command:
            lines.append(line(row))
        elif row:
            indent = len(row) - len(row.lstrip())
            lines += wrapped(row.lstrip(), columns, indent=min(indent, 4))
    return lines


def _is_caret(row: str) -> bool:
    return row.startswith(EXCERPT) and not row[len(EXCERPT) :].strip(" ^")


def _excerpt(row: str, code: str, carets: str, columns: int) -> str:
    """As much of a row as fits, around the carets: of a line of a script, or of the line with its carets."""
    room, start = columns - len(EXCERPT), carets.find("^") if _is_caret(carets) else 0
    left = max(0, min(start - len(EXCERPT) - room // 3, len(code) - columns))
    shown = row[len(EXCERPT) + left :]
    if row is code:
        shown = "…" * bool(left) + shown[bool(left) :]
    return EXCERPT + cut(shown, room)


def _indented(lines: Sequence[Line], columns: int) -> list[Line]:
    return [(Span(" " * columns), *each) for each in lines]


# --- further parts ----------------------------------------------------------------------------------------------------


def _scripts(alerts: Sequence[Mapping[str, Any]], columns: int) -> list[Line]:
    shown = for_each_alert("showing it", alerts, lambda alert: _script(alert, columns), lambda alert, reason: [])
    parts = [part for part in shown if part]
    return [each for number, part in enumerate(parts) for each in ([EMPTY] * (number > 0) + part)]


def _script(alert: Mapping[str, Any], columns: int) -> list[Line]:
    script = alert["script"].strip().split("\n") if alert["script"] else []
    lines = [line("  script:"), *(line(f"    {row}") for row in script)] if script else []
    if alert["steps"]:
        steps = [each for step in alert["steps"] for each in wrapped(step_line(step), columns, indent=4, hanging=2)]
        lines += [line("  steps:"), *steps]
    return [line((f"{alert_name(alert)}:", "strong")), *lines] if lines else []


def step_line(step: Mapping[str, Any]) -> str:
    """A step of a report in one line; untrusted text."""
    options = ", ".join(f"{option}={value!r}" for option, value in step["args"].items())
    return f"{step['status'] or 'not observed':12} {cli_name(step['operation'])} -> {step['module']}: {options}"


def _notes(alerts: Sequence[Mapping[str, Any]], columns: int) -> list[Line]:
    """What the scripts grant or change without naming it, each note once with the alerts that it is about."""
    noted: dict[str, list[str]] = {}
    for alert in alerts:
        for note in alert["notes"]:
            noted.setdefault(note, []).append(alert_name(alert))
    paragraphs = [wrapped(f"{listed(names)}: {note}", columns, indent=2, hanging=2) for note, names in noted.items()]
    return [line(("Notes:", "strong")), *(each for lines in paragraphs for each in lines)] if paragraphs else []


def _remarks(report_data: RunReport, columns: int) -> list[Line]:
    """Remarks on the run itself, one paragraph each."""
    remarks = (
        _of_plan(report_data["plan"]),
        _unprotected(report_data),
        _ending_soon(report_data.get("expiring", ())),
        _lapsed(report_data.get("expired", ())),
        _opened(report_data["opened"]),
        _unfenced(report_data["unfenced"]),
        _quarantine(report_data["quarantine"]),
        *(("Messages were left in flight:", reason) for reason in report_data["unsettled"]),
    )
    shown = [wrapped(text, columns, hanging=2, lead=(head, "caution")) for head, text in filter(None, remarks)]
    return [each for lines in shown for each in lines]


def _unprotected(report_data: RunReport) -> Remark | None:
    is_review = report_data["mode"] == "check" and not report_data["undoes"]
    if not is_review or report_data["protected"] or not report_data["alerts"]:
        return None
    return "No principals are protected:", PROTECT


def _protection(report_data: RunReport) -> list[Line]:
    """An example to paste if no principals are protected."""
    return [line(row) for row in protection_example(report_data).split("\n")] if _unprotected(report_data) else []


def _ending_soon(expiring: Sequence[Mapping[str, Any]]) -> Remark | None:
    named = [f"{describe(entry)} (owner {entry['owner']}, expires {entry['expires']})" for entry in expiring]
    return ("Protection expires soon:", f"{listed(named)}. Renew or remove these entries.") if named else None


def _lapsed(expired: Sequence[Mapping[str, Any]]) -> Remark | None:
    named = [f"{describe(entry)} (owner {entry['owner']}, expired {entry['expires']})" for entry in expired]
    return ("No longer protected:", f"{listed(named)}. Renew or remove these entries.") if named else None


def _opened(opened: Sequence[Mapping[str, Any]]) -> Remark | None:
    """What remediate_allow lets scripts do that guardrails forbid; accounts with the same rules are together."""
    accounts: dict[str, list[str]] = {}
    for one in opened:
        accounts.setdefault(", ".join(one["allow"]), []).append(one["account"])
    relaxed = "; ".join(f"{allow} ({', '.join(names)})" for allow, names in accounts.items())
    return ("Guardrails relaxed:", relaxed) if relaxed else None


def _unfenced(accounts: Sequence[str]) -> Remark | None:
    return ("WITHOUT THE CALL FENCE (remediate_unfenced):", ", ".join(accounts)) if accounts else None


def _quarantine(quarantine: Mapping[str, Any] | None) -> Remark | None:
    if not quarantine:
        return None
    return f"{counted(quarantine['alerts'])} in the quarantine queue", f"{quarantine['queue']}."


def _of_plan(plan: Mapping[str, Any] | None) -> Remark | None:
    if not plan:
        return None
    missing = ", ".join(plan["not_received"])
    gone = f" Not in the queue: {missing} (done, deleted, or received by another run)." if missing else ""
    return "Applying plan", f"{plan['run_id']} ({counted(plan['alerts'])}).{gone}"


def _ending(report_data: RunReport, columns: int) -> list[Line]:
    following = closing_command(report_data)
    return labelled(f"{following.purpose}:", following.command, columns) if following else []
