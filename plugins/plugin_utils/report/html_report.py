# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.json as one HTML page: no network, no template engine of Ansible's, every text escaped."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import BY_WORD
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import for_each_alert
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.exemptions import describe
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import RULES, cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import read_time
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import RunReport
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.selection import SEVERITIES
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.advice import advice_for
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.chart import by_urgency, stacked_bars
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.difference import SKIPPED, Line, difference, readable
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.next_command import (
    NextCommand,
    again_command,
    next_command,
    retry_command,
    undo_command,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import (
    alert_name,
    counted,
    job_name,
    protection_example,
    verdict,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.playbook_command import playbook_command
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.highlighting import pieces
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import can_be_copied
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.terminal_text import printable
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.endpoint import (
    Endpoint,
    EndpointError,
    read_endpoint,
)
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

PAGE = Path(__file__).parent / "page"
# A text of the vendor's is shown up to here, a line of it less far; report.json has the rest.
MAX_TEXT = 20_000
MAX_LINE = 1_000
MAX_DIFF_LINES = 400
MAX_REASONS = 8
PERSON, PLANNED, UNDONE, REMEDIATED, SETTLED, OTHER = "person", "planned", "undone", "remediated", "settled", "other"
# The dispositions in groups for a first look, the most urgent first.
GROUPS = {
    PERSON: "need attention",
    PLANNED: "planned",
    UNDONE: "undone",
    REMEDIATED: "remediated",
    SETTLED: "no action needed",
    OTHER: "skipped",
}
GROUP_OF = {
    "planned": PLANNED,
    "remediated": REMEDIATED,
    "already_remediated": SETTLED,
    "acknowledged": SETTLED,
    "undone": UNDONE,
    "already_undone": SETTLED,
    "holds": SETTLED,
    "gone": SETTLED,
}
NOT_GIVEN = "not given"
NO_ACCOUNT = "no account"
UNKNOWN_CARD = {
    **dict.fromkeys(("policy", "resource", "resource_id", "first_seen", "last_seen", "vendor_account"), ""),
    **dict.fromkeys(("account_id", "messages", "severity", "severity_class", "link", "anchor"), ""),
    **dict.fromkeys(("script", "notes", "steps", "manual"), ()),
    "can_copy": False,
}
MODES = {"check": "review", "apply": "run", "undo": "undo", "verify": "verification"}
WIDER = "Access is wider than before"
VERIFIED = "Nothing was changed: this verified what earlier runs have changed"
HELD = "A change holds if applying it again would change nothing."
# Above the change of a step that was not made.
NOT_MADE = "Planned change, not made:"
# Part of an address within the page.
ANCHOR = re.compile(r"[A-Za-z0-9_-]{1,64}")


def html_report(report: RunReport, api_endpoint: str = "") -> str:
    """The page of one run.

    :param report: what `report` of plugin_utils/report/report.py returned, the content of report.json.
    :param api_endpoint: address of the vendor's API; the alerts are linked to the console that belongs to it, if any.
    :returns: text of one HTML file that loads nothing and, by its own Content-Security-Policy, may load nothing.
    """
    # Ansible's own kinds of dict and list are slow to walk: the page is made of plain ones.
    report = json.loads(json.dumps(report))
    css, js = _resource("report.css"), _resource("report.js")
    template = _environment().get_template("report.html.j2")
    return template.render(
        css=Markup(css),
        js=Markup(js),
        policy=_policy(css, js),
        report=report,
        **_head(report),
        **_alerts(report, _endpoint(api_endpoint)),
    )


@cache
def _environment() -> Environment:
    return Environment(
        autoescape=True,
        finalize=_visible,
        loader=FunctionLoader(_template),
        undefined=StrictUndefined,
    )


def _template(name: str) -> str:
    """A template without its newlines: as text between tags they would be a third of what a browser keeps and sorts."""
    return re.sub(r"\n\s*", "", (PAGE / name).read_text(encoding="utf-8"))


def _visible(value: Any) -> Any:
    """Escape a value for the page: invisible and bidirectional control characters, too."""
    if isinstance(value, Markup) or not isinstance(value, str) or value.isprintable():
        return value
    return "\n".join(line if line.isprintable() else printable(line) for line in value.split("\n"))


@cache
def _resource(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _policy(css: str, js: str) -> str:
    """Content Security Policy Level 3: nothing but the page's own style and script, named by their hashes."""
    style, script = (f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in (css, js))
    return (
        f"default-src 'none'; style-src {style}; script-src {script}; img-src data:; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _endpoint(text: str) -> Endpoint | None:
    try:
        return read_endpoint(text)
    except EndpointError:
        return None


# the head


def _head(report: RunReport) -> dict[str, Any]:
    wanted = sum(report["needs_person"].values()) or report["interrupted"] or report["unsettled"]
    return {
        "kind": " of an ".join(filter(None, [MODES[report["mode"]], "undo" if _reviewed_undo(report) else ""])),
        "tone": PERSON if wanted else UNDONE if "undone" in report["totals"] else "calm",
        "verdict": _headline(report),
        "run_facts": _run_facts(report),
        "notices": _notices(report),
        # How to repeat a run that ended early is in its notice.
        "next_command": _copyable(next_command(report) or (None if report["interrupted"] else retry_command(report))),
        "undo_command": _copyable(undo_command(report)),
        "tiles": _tiles(report),
        "groups": _groups_in(report),
        "opened": _opened(report["opened"]),
        "exemption_name": describe,
        "protection_example": protection_example(report),
    }


def _headline(report: RunReport) -> str:
    undone = report["totals"].get("undone", 0)
    if not undone or report["needs_person"]:
        return verdict(report)
    return f"{counted(undone)} undone"


def _reviewed_undo(report: RunReport) -> bool:
    return report["mode"] == "check" and bool(report["undoes"])


def _run_facts(report: RunReport) -> list[str]:
    started, finished = (read_time(report[end]) for end in ("started", "finished"))
    facts = [f"{started:%Y-%m-%d %H:%M:%S} UTC", f"{(finished - started).total_seconds():.0f} s", job_name(report)]
    return [fact for fact in facts if fact]


class Notice(NamedTuple):
    """What the reader must know before the alerts. The tone is one of the groups, which decides the colour."""

    tone: str
    title: str
    text: str = ""
    items: Sequence[str] = ()
    command: NextCommand | None = None


def _notices(report: RunReport) -> list[dict[str, Any]]:
    """The notices of a run, the most urgent first."""
    found = (find(report) for find in (_interrupted, _unsettled, _effect, _not_received, _quarantined))
    return [{**notice._asdict(), "command": _copyable(notice.command)} for notice in found if notice]


def _interrupted(report: RunReport) -> Notice | None:
    if not report["interrupted"]:
        return None
    released = "" if report["unsettled"] else " Its remaining messages were returned to the queue."
    return Notice(PERSON, report["interrupted"], f"The run ended early.{released}", command=again_command(report))


def _unsettled(report: RunReport) -> Notice | None:
    text = "They return to the queue after the visibility timeout."
    return Notice(PERSON, "Messages were left in flight", text, report["unsettled"]) if report["unsettled"] else None


def _effect(report: RunReport) -> Notice | None:
    runs = " and ".join(report["undoes"])
    if _reviewed_undo(report):
        return Notice(UNDONE, "Nothing was changed: this was a review", f"To undo {runs} makes access wider.")
    if report["mode"] == "check":
        return Notice(PLANNED, "Nothing was changed: this was a review")
    if report["mode"] == "verify":
        return Notice(PLANNED, VERIFIED, f"{HELD} verify.json has every change.", _reverted(report))
    return Notice(UNDONE, WIDER, f"This undo reverted changes of {runs}.") if "undone" in report["totals"] else None


def _reverted(report: RunReport) -> list[str]:
    """The reverted changes, one line for each alert; their cards have the differences."""
    reverted = [alert for alert in report["alerts"] if alert["disposition"] == "reverted"]
    return [_line(f"{alert_name(alert)}: {(alert['reason'] or '').split(chr(10))[0]}") for alert in reverted]


def _not_received(report: RunReport) -> Notice | None:
    plan = report["plan"]
    if not plan or not plan["not_received"]:
        return None
    title = f"{len(plan['not_received'])} of the plan's {plan['alerts']} alerts were not in the queue"
    text = "They are done, deleted, or received by another run:"
    return Notice(PLANNED, title, text, plan["not_received"])


def _quarantined(report: RunReport) -> Notice | None:
    quarantine = report["quarantine"]
    if not quarantine:
        return None
    redrive = NextCommand("After a fix, to put them back", playbook_command("redrive", {}, report["awx"]))
    return Notice(
        OTHER, f"{counted(quarantine['alerts'])} moved to the quarantine queue {quarantine['queue']}", command=redrive
    )


def _copyable(following: NextCommand | None) -> dict[str, Any] | None:
    """A command with its purpose. In AWX the text names what to launch, so it is not for copying."""
    if not following:
        return None
    can_copy = following.command.startswith("ansible-playbook ") and can_be_copied(following.command)
    return {"purpose": following.purpose, "text": following.command, "can_copy": can_copy}


def _groups_in(report: RunReport) -> list[dict[str, str]]:
    groups = {_group(word, report) for word in report["totals"]}
    return [{"name": name, "label": label} for name, label in GROUPS.items() if name in groups]


def _group(word: str, report: RunReport) -> str:
    return PERSON if word in report["needs_person"] else GROUP_OF.get(word, OTHER)


def _tiles(report: RunReport) -> list[dict[str, Any]]:
    by_group = {name: [word for word in report["totals"] if _group(word, report) == name] for name in GROUPS}
    count = len(report["alerts"])
    tiles = [{"group": "all", "count": count, "label": "alert" if count == 1 else "alerts", "parts": (), "note": ""}]
    for name, words in by_group.items():
        # Shown even if it is zero: the reader looks for it.
        if words or name == PERSON:
            count = sum(report["totals"][word] for word in words)
            label = "needs attention" if name == PERSON and count == 1 else GROUPS[name]
            parts = [(report["totals"][word], word) for word in words] if words != [name] else ()
            note = WIDER.lower() if name == UNDONE else ""
            tiles.append({"group": name, "count": count, "label": label, "parts": parts, "note": note})
    return tiles


def _opened(opened: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Each word of remediate_allow once, with the rule that it opens and the accounts."""
    accounts: dict[str, list[str]] = {}
    for one in opened:
        for word in one["allow"]:
            accounts.setdefault(word, []).append(one["account"])
    meaning = "the guardrails of this operation"
    return [
        {"word": word, "meaning": RULES.get(word, meaning), "accounts": ", ".join(names)}
        for word, names in accounts.items()
    ]


# the alerts


def _alerts(report: RunReport, endpoint: Endpoint | None) -> dict[str, Any]:
    cards = for_each_alert(
        "showing it", report["alerts"], partial(_card, report, endpoint), partial(_lost_card, report)
    )
    order = list(GROUPS)
    by_account, by_severity = _counts(cards, "account"), _by_rank(_counts(cards, "severity_row"))
    group_of = {word: _group(word, report) for word in report["totals"]}
    words = sorted(group_of, key=lambda word: order.index(group_of[word]))
    urgent = {word for word in words if group_of[word] == PERSON}
    return {
        "cards": sorted(cards, key=lambda card: (order.index(card["group"]), card["rank"])),
        "accounts": dict(sorted((card["account"], card["account_id"]) for card in cards)),
        "severities": list(by_severity),
        "reasons": _common_reasons(cards),
        "by_account": stacked_bars("account", by_urgency(by_account, urgent), words, group_of),
        "by_severity": stacked_bars("severity", by_severity, words, group_of),
    }


def _common_reasons(cards: Sequence[Mapping[str, Any]]) -> list[tuple[int, str, str]]:
    """Reasons that several alerts need attention for, as (number of alerts, disposition, reason), the most first."""
    counts = Counter((card["disposition"], card["gist"]) for card in cards if card["group"] == PERSON)
    return [(count, word, gist) for (word, gist), count in counts.most_common(MAX_REASONS) if count > 1]


def _counts(cards: Sequence[Mapping[str, Any]], field: str) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for card in cards:
        counts.setdefault(card[field], Counter())[card["disposition"]] += 1
    return counts


def _by_rank(counts: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
    """Severities from the worst down; the vendor's text is not believed to be one of them."""
    known = [word for word in (*SEVERITIES, NOT_GIVEN) if word in counts]
    return {word: counts[word] for word in [*known, *sorted(set(counts) - set(known))]}


def _card(report: RunReport, endpoint: Endpoint | None, alert: Mapping[str, Any]) -> dict[str, Any]:
    link = endpoint.alert_page(alert["alert_id"]) if endpoint else ""
    return _rendered({**_described(report, alert), "link": link})


def _rendered(card: Mapping[str, Any]) -> dict[str, Any]:
    severity = card["severity"]
    card = {**card, "rank": SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)}
    return {**card, "html": Markup(_environment().get_template("card.html.j2").render(card=card))}


def _lost_card(report: RunReport, alert: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """The card of an alert that cannot be shown: its name, its disposition, and where the rest is."""
    word = alert["disposition"] if alert["disposition"] in BY_WORD else "failed"
    text = f"This alert cannot be shown here; report.json has it. {reason}"
    known = {
        "name": _line(str(alert["alert_id"] or alert["message_id"])),
        "disposition": word,
        "group": _group(word, report),
        "account": _line(str(alert["account"] or alert["account_id"] or NO_ACCOUNT)),
        "gist": text,
        "reason": _paragraphs(text),
        "advice": BY_WORD[word].advice,
        "severity_row": NOT_GIVEN,
    }
    return _rendered({**UNKNOWN_CARD, **known})


def _described(report: RunReport, alert: Mapping[str, Any]) -> dict[str, Any]:
    word, severity = alert["disposition"], _line(alert["severity"])
    reason = (alert["reason"] or BY_WORD[word].meaning).partition("\nby hand: ")[0]
    script = _clipped(alert["script"] or "")
    return {
        "name": _line(alert_name(alert)),
        "anchor": alert["alert_id"] if ANCHOR.fullmatch(alert["alert_id"] or "") else "",
        "disposition": word,
        "group": _group(word, report),
        "account": _line(alert["account"] or alert["account_id"] or NO_ACCOUNT),
        "account_id": _line(alert["account_id"] if alert["account"] else ""),
        "vendor_account": _line(" · ".join(filter(None, (alert["account_id"], alert["account_name"])))),
        "gist": _line(reason.split("\n")[0]),
        "reason": _paragraphs(_clipped(reason)),
        "advice": advice_for(alert, bool(report["undoes"])),
        "manual": alert["by_hand"],
        **{field: _line(alert[field]) for field in ("policy", "resource", "resource_id", "first_seen", "last_seen")},
        "severity": severity,
        "severity_row": severity or NOT_GIVEN,
        "severity_class": severity if severity in SEVERITIES else "",
        "messages": _line(alert["message_id"]) + (f" and {more} more" if (more := alert["messages"] - 1) > 0 else ""),
        "script": _fewer(pieces(script)),
        "can_copy": script == alert["script"] and can_be_copied(script),
        "notes": [_line(note) for note in alert["notes"]],
        "steps": [_step(step) for step in alert["steps"]],
    }


def _fewer(found: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pieces of a script with neighbours of one kind, and the blanks beside them, joined."""
    joined: list[tuple[str, str]] = []
    for kind, text in found:
        if joined and (kind == joined[-1][0] or text.isspace()):
            kind, text = joined[-1][0], joined.pop()[1] + text
        joined.append((kind, text))
    return joined


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    lines = difference(step["before"], step["after"]) if step["after"] is not None else []
    if len(lines) > MAX_DIFF_LINES:
        left_out = f"{len(lines) - MAX_DIFF_LINES} more lines, which report.json has"
        lines = [*lines[:MAX_DIFF_LINES], Line(SKIPPED, left_out)]
    return {
        "command": cli_name(step["operation"]),
        "module": step["module"],
        "status": step["status"],
        "undo": _line(step["undo"]),
        "caption": NOT_MADE if step["status"] in ("failed", "not_run") else "",
        "args": [(name, _clipped(readable(value))) for name, value in step["args"].items()],
        "lost": [
            (
                _line(lost["principal"]),
                [(_line(name), _line(", ".join(texts))) for name, texts in lost["services"].items()],
            )
            for lost in step.get("lost_access", ())
        ],
        "used": [_line(f"{use['principal']}: {use['action']} on {use['last_used']}") for use in step.get("usage", ())],
        "difference": [Line(line.sign, _line(line.text)) for line in lines],
    }


def _paragraphs(text: str) -> list[tuple[str, str]]:
    """The lines of a reason: prose may wrap, a script's line with its caret below may not."""
    found: list[tuple[str, str]] = []
    for line in text.split("\n"):
        kind = "code" if line.startswith("  | ") else "prose"
        if found and found[-1][0] == kind == "code":
            found[-1] = (kind, f"{found[-1][1]}\n{line[4:]}")
        else:
            found.append((kind, line[4:] if kind == "code" else line))
    return found


def _line(text: str | None) -> str:
    return _clipped(text or "", MAX_LINE)


def _clipped(text: str, limit: int = MAX_TEXT) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]} … and {len(text) - limit} more characters, which report.json has"
