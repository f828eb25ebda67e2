# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan.md: a review as tables for a pull request or a ticket. Pure.

Everything that is not a plain English word is shown as code: there, Markdown has no links, mentions, images or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.next_command import next_command
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.plan import REVIEWED
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.terminal_text import printable

WORD = re.compile(r"\(?[A-Za-z]+(?:'[a-z]+|-[a-z]+)?\)?[.,:;]?")
# What can stand around a word of a sentence.
AROUND = re.compile(r"(\(?)(.*[^).,:;])([).,:;]*)")
BACKTICKS = re.compile("`+")
MAX_LENGTH = 600
PLANNED = "planned"


def plan_table(report: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """The text of plan.md.

    :param report: the content of report.json of a review.
    :param plan: the content of plan.json.
    """
    in_plan = {entry["message_id"]: entry for entry in plan["alerts"]}
    planned = [
        alert for alert in report["alerts"] if alert["disposition"] == PLANNED and alert["message_id"] in in_plan
    ]
    done = [alert for alert in report["alerts"] if alert["disposition"] in REVIEWED and alert not in planned]
    others = [alert for alert in report["alerts"] if alert["disposition"] not in REVIEWED]
    head = [
        f"# Plan {as_code(plan['run_id'])}",
        f"{_counted(planned, 'alert')} to apply in {_counted({alert['account'] for alert in planned}, 'account')}. "
        f"Reviewed at {as_code(plan['created'])} by {as_code(_who(plan['who']))}, "
        f"valid until {as_code(plan['expires'])}.",
    ]
    parts = [
        *head,
        *_changes(planned, in_plan),
        *_lost(planned),
        *_others("Already done", done),
        *_others("Not in the plan", others),
    ]
    if following := next_command(report) if planned else None:
        parts += ["## Apply this plan", f"```console\n{printable(following.command)}\n```"]
    return "\n\n".join(parts) + "\n"


def _changes(alerts: Sequence[Mapping[str, Any]], in_plan: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            *_named(alert),
            text(alert["resource"]),
            text(_first_line(alert["reason"])),
            _undo(in_plan[alert["message_id"]]),
        )
        for alert in alerts
    ]
    return ["## Changes", _table(("Account", "Alert", "Severity", "Resource", "Change", "Undo"), rows)] if rows else []


def _undo(entry: Mapping[str, Any]) -> str:
    return "yes" if entry["reversible"] else "**no**"


def _lost(alerts: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [f"- {as_code(alert['alert_id'])}: {text(note)}" for alert in alerts for note in alert["notes"]]
    return ["## Notes", "\n".join(lines)] if lines else []


def _others(heading: str, alerts: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(*_named(alert), text(alert["disposition"]), text(_first_line(alert["reason"]))) for alert in alerts]
    return [f"## {heading}", _table(("Account", "Alert", "Severity", "Outcome", "Reason"), rows)] if rows else []


def _named(alert: Mapping[str, Any]) -> tuple[str, str, str]:
    account = alert["account"] or alert["account_id"]
    return as_code(account), as_code(alert["alert_id"] or alert["message_id"]), text(alert["severity"])


def _who(who: Mapping[str, Any]) -> str:
    return str(who.get("awx_user") or who.get("user") or "unknown")


def _counted(things: Collection[Any], noun: str) -> str:
    return f"{len(things)} {noun}{'s' * (len(things) != 1)}"


def _first_line(reason: Any) -> str:
    return str(reason or "").partition("\n")[0]


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def text(value: Any) -> str:
    """Untrusted text as one line of Markdown."""
    found = "" if value is None else str(value)
    shown = found if len(found) <= MAX_LENGTH else f"{found[:MAX_LENGTH]} …"
    return " ".join(map(_word, shown.split()))


def _word(word: str) -> str:
    if WORD.fullmatch(word) or word == "…":
        return word
    found = AROUND.fullmatch(word)
    return f"{found[1]}{as_code(found[2])}{found[3]}" if found else as_code(word)


def as_code(value: Any) -> str:
    """Untrusted text as a code span that no text can leave, in a table neither."""
    shown = printable("" if value is None else value).replace("|", "\\u007c").strip()
    if not shown:
        return ""
    fence = "`" * (max(map(len, BACKTICKS.findall(shown)), default=0) + 1)
    space = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{space}{shown}{space}{fence}"
