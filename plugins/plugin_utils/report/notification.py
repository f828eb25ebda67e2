# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as a message for a chat: JSON that Slack's incoming webhooks take, and most of those made like them.

Source: docs.slack.dev, "Formatting message text" (what must be escaped) and "Blocks" (the size of a block). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import for_each_alert, listed
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import RunReport
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import alert_name, job_name, verdict
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.terminal_text import printable

# A section has at most 3,000 characters.
MAX_TEXT = 2_900
MAX_LINE = 200
# Alerts of one reason that are named; the others are counted.
MAX_NAMED = 3
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
MODES = {
    "check": "Review: nothing was changed.",
    "apply": "Applied.",
    "undo": "Undone.",
    "verify": "Verified: nothing was changed.",
}
WIDER = "Undone: access is wider than before."


def notification(report_data: RunReport, report_file: str, report_url: str = "") -> dict[str, Any]:
    """Summarize a run in a few lines.

    :param report_data: what `report` of plugin_utils/report/report.py returned.
    :param report_file: where the run's page is.
    :param report_url: address under which the folder of all runs can be read by people, or empty.
    :returns: dict of `text` and `blocks`, the body of the request, without secrets.
    """
    headline, run_id = verdict(report_data), report_data["run_id"]
    totals = ", ".join(f"{count} {word}" for word, count in report_data["totals"].items()) or "No alerts"
    where = f"<{report_url.rstrip('/')}/{run_id}/report.html|report.html>" if report_url else _escaped(report_file)
    run = _escaped(", ".join(filter(None, (f"Run {run_id}", job_name(report_data)))))
    sections = [f"{_effect(report_data)} {totals}.", _wanted(report_data), _unsettled(report_data["unsettled"])]
    return {
        "text": f"Leastpriv: {headline}. {sections[0]} Run {run_id}.",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": headline, "emoji": False}},
            *({"type": "section", "text": _markdown(text)} for text in sections if text),
            {"type": "context", "elements": [_markdown(f"{run}, report: {where}")]},
        ],
    }


def _effect(report_data: RunReport) -> str:
    return WIDER if "undone" in report_data["totals"] else MODES[report_data["mode"]]


def _wanted(report_data: RunReport) -> str:
    """A line for each reason that alerts need attention for, as many as fit."""
    wanted = [alert for alert in report_data["alerts"] if alert["disposition"] in report_data["needs_person"]]
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for alert in wanted:
        groups.setdefault((alert["disposition"], _first_line(alert["reason"])), []).append(alert)
    return _fitting(for_each_alert("listing it", groups.values(), _group_line, _lost_line))


def _first_line(reason: str | None) -> str:
    return str(reason or "").split("\n", maxsplit=1)[0]


def _lost_line(alerts: Sequence[Mapping[str, Any]], reason: str) -> str:
    return f"{alerts[0]['alert_id'] or alerts[0]['message_id']} {alerts[0]['disposition']}: {reason}"


def _group_line(alerts: Sequence[Mapping[str, Any]]) -> str:
    word, reason = alerts[0]["disposition"], _first_line(alerts[0]["reason"])
    if len(alerts) == 1:
        where = alerts[0]["account"] or alerts[0]["account_id"] or "no account"
        return f"{alert_name(alerts[0])} ({where}) {word}: {reason}"
    return f"{len(alerts)} alerts {word} ({listed([*map(alert_name, alerts)], MAX_NAMED)}): {reason}"


def _unsettled(reasons: Sequence[str]) -> str:
    return _fitting([f"Messages were left in flight: {reason}" for reason in reasons])


def _fitting(lines: Sequence[str]) -> str:
    escaped = [f"• {_escaped(line)}" for line in lines]
    shown, room = [], MAX_TEXT
    for line in escaped:
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
    if len(shown) < len(lines):
        shown.append(f"and {len(lines) - len(shown)} more reasons in the report")
    return "\n".join(shown)


def _escaped(text: str) -> str:
    shown = printable(text)
    return (shown if len(shown) <= MAX_LINE else f"{shown[: MAX_LINE - 1]}…").translate(ESCAPES)


def _markdown(text: str) -> dict[str, Any]:
    # verbatim: Slack makes no links and no mentions of what only looks like one.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
