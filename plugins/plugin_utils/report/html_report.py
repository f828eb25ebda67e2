# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.json as one HTML page: no network, no template engine of Ansible's, every text escaped."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import BY_WORD
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import for_each_alert
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import RULES, cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import read_time
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.advice import advice_for
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.chart import by_urgency, stacked_bars
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.difference import SKIPPED, Line, difference, readable
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import (
    alert_name,
    job_name,
    protection_example,
    verdict,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import printable
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.highlighting import pieces
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import can_be_copied
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.endpoint import EndpointError, read_endpoint
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

PAGE = Path(__file__).parent / "page"
# A text of the vendor's is shown up to here, a line of it less far; report.json has the rest.
MOST_TEXT = 20_000
MOST_LINE = 1_000
MOST_DIFF_LINES = 400
PERSON, PLANNED, REMEDIATED, SETTLED, LEFT = "person", "planned", "remediated", "settled", "left"
# What all the words come to for somebody who looks for two seconds, the most urgent first.
GROUPS = {
    PERSON: "need attention",
    PLANNED: "planned",
    REMEDIATED: "remediated",
    SETTLED: "nothing to do",
    LEFT: "left alone",
}
GROUP_OF = {
    "planned": PLANNED,
    "remediated": REMEDIATED,
    "already_remediated": SETTLED,
    "acknowledged": SETTLED,
    "undone": SETTLED,
    "already_undone": SETTLED,
}
SEVERITIES = ("critical", "high", "medium", "low", "informational")
SERIOUS = SEVERITIES[:2]
NOT_GIVEN = "not given"
NO_ACCOUNT = "no account"
UNKNOWN_CARD = {
    **dict.fromkeys(
        ("policy", "resource", "resource_id", "first_seen", "last_seen", "vendor_account", "messages", "link"), ""
    ),
    **dict.fromkeys(("messages", "severity", "severity_class", "link"), ""),
    **dict.fromkeys(("script", "notes", "steps", "by_hand"), ()),
    "can_copy": False,
}
MODES = {"check": ("review", "Nothing was changed: this was a review."), "apply": ("run", ""), "undo": ("undo", "")}
CAPTIONS = {
    "needed": "Would change",
    "changed": "Changed",
    "unchanged": "As it is",
    "failed": "Was to change",
    "not_run": "Was to change",
}


def html_report(report, api_endpoint=""):
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
def _environment():
    return Environment(
        autoescape=True,
        finalize=_visible,
        loader=FileSystemLoader(PAGE),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )


def _visible(value):
    """Every value on its way into the page: what cannot be seen, or would turn the writing direction, is spelt out."""
    if isinstance(value, Markup) or not isinstance(value, str) or value.isprintable():
        return value
    return "\n".join(line if line.isprintable() else printable(line) for line in value.split("\n"))


@cache
def _resource(name):
    return (PAGE / name).read_text(encoding="utf-8")


def _policy(css, js):
    """Content Security Policy Level 3: nothing but the page's own style and script, named by their hashes."""
    style, script = (f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in (css, js))
    return (
        f"default-src 'none'; style-src {style}; script-src {script}; img-src data:; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _endpoint(text):
    try:
        return read_endpoint(text)
    except EndpointError:
        return None


# the head


def _head(report):
    kind, effect = MODES[report["mode"]]
    wanted = sum(report["needs_person"].values())
    groups = {_group(word, report) for word in report["totals"]}
    return {
        "kind": kind,
        "effect": effect,
        "wanted": wanted or report["interrupted"] or report["unsettled"],
        "verdict": verdict(report),
        "when": _when(report),
        "tiles": _tiles(report),
        "groups": [{"name": name, "label": label} for name, label in GROUPS.items() if name in groups],
        "opened": _opened(report["opened"]),
        "protection_example": protection_example(report),
    }


def _when(report):
    started, finished = (read_time(report[end]) for end in ("started", "finished"))
    told = [f"{started:%Y-%m-%d %H:%M:%S} UTC", f"{(finished - started).total_seconds():.0f} s", job_name(report)]
    return ", ".join(filter(None, told))


def _group(word, report):
    return PERSON if word in report["needs_person"] else GROUP_OF.get(word, LEFT)


def _tiles(report):
    by_group = {name: [word for word in report["totals"] if _group(word, report) == name] for name in GROUPS}
    # The first two stand there even when they are zero: that is what the reader came to know.
    tiles = [{"group": "all", "count": len(report["alerts"]), "label": "alerts", "detail": ""}]
    for name, words in by_group.items():
        if words or name == PERSON:
            detail = ", ".join(f"{report['totals'][word]} {word}" for word in words if words != [name])
            count = sum(report["totals"][word] for word in words)
            label = "needs attention" if name == PERSON and count == 1 else GROUPS[name]
            tiles.append({"group": name, "count": count, "label": label, "detail": detail})
    return tiles


def _opened(opened):
    """Each word of remediate_allow once, with what is normally forbidden and the accounts where it is not."""
    accounts = {}
    for one in opened:
        for word in one["allow"]:
            accounts.setdefault(word, []).append(one["account"])
    meaning = "the guardrails of this operation"
    return [
        {"word": word, "meaning": RULES.get(word, meaning), "accounts": ", ".join(names)}
        for word, names in accounts.items()
    ]


# the alerts


def _alerts(report, endpoint):
    cards = for_each_alert(
        "showing it", report["alerts"], partial(_card, report, endpoint), partial(_lost_card, report)
    )
    order = list(GROUPS)
    by_account = _counts(cards, "account")
    group_of = {word: _group(word, report) for word in report["totals"]}
    words = sorted(group_of, key=lambda word: order.index(group_of[word]))
    urgent = {word for word in words if group_of[word] == PERSON}
    return {
        "cards": sorted(cards, key=lambda card: order.index(card["group"])),
        "accounts": sorted(by_account),
        "by_account": stacked_bars("account", by_urgency(by_account, urgent), words, group_of),
        "by_severity": stacked_bars("severity", _by_rank(_counts(cards, "severity_row")), words, group_of),
    }


def _counts(cards, field):
    counts = {}
    for card in cards:
        counts.setdefault(card[field], Counter())[card["disposition"]] += 1
    return counts


def _by_rank(counts):
    """Severities from the worst down; the vendor's text is not believed to be one of them."""
    known = [word for word in (*SEVERITIES, NOT_GIVEN) if word in counts]
    return {word: counts[word] for word in [*known, *sorted(set(counts) - set(known))]}


def _card(report, endpoint, alert):
    link = endpoint.alert_page(alert["alert_id"]) if endpoint else ""
    return _rendered({**_described(report, alert), "link": link})


def _rendered(card):
    return {**card, "html": Markup(_environment().get_template("card.html.j2").render(card=card))}


def _lost_card(report, alert, reason):
    """The card of an alert that cannot be shown: which one it is, what became of it, and where the rest is."""
    word = alert["disposition"] if alert["disposition"] in BY_WORD else "failed"
    told = f"This alert cannot be shown here; report.json has it. {reason}"
    known = {
        "name": _line(str(alert["alert_id"] or alert["message_id"])),
        "disposition": word,
        "group": _group(word, report),
        "account": _line(str(alert["account"] or alert["account_id"] or NO_ACCOUNT)),
        "gist": told,
        "reason": _paragraphs(told),
        "advice": BY_WORD[word].advice,
        "severity_row": NOT_GIVEN,
    }
    return _rendered({**UNKNOWN_CARD, **known})


def _described(report, alert):
    word, severity = alert["disposition"], _line(alert["severity"])
    reason = (alert["reason"] or BY_WORD[word].meaning).partition("\nby hand: ")[0]
    script = _clipped(alert["script"] or "")
    return {
        "name": _line(alert_name(alert)),
        "disposition": word,
        "group": _group(word, report),
        "account": _line(alert["account"] or alert["account_id"] or NO_ACCOUNT),
        "vendor_account": _line(" · ".join(filter(None, (alert["account_id"], alert["account_name"])))),
        "gist": _line(reason.split("\n")[0]),
        "reason": _paragraphs(_clipped(reason)),
        "advice": advice_for(alert, bool(report["undoes"])),
        "by_hand": alert["by_hand"],
        **{field: _line(alert[field]) for field in ("policy", "resource", "resource_id", "first_seen", "last_seen")},
        "severity": severity,
        "severity_row": severity or NOT_GIVEN,
        "severity_class": "serious" if severity in SERIOUS else "",
        "messages": _line(alert["message_id"]) + (f" and {more} more" if (more := alert["messages"] - 1) > 0 else ""),
        "script": pieces(script),
        "can_copy": script == alert["script"] and can_be_copied(script),
        "notes": [_line(note) for note in alert["notes"]],
        "steps": [_step(step) for step in alert["steps"]],
    }


def _step(step):
    lines = difference(step["before"], step["after"]) if step["after"] is not None else []
    if len(lines) > MOST_DIFF_LINES:
        left_out = f"{len(lines) - MOST_DIFF_LINES} more lines, which report.json has"
        lines = [*lines[:MOST_DIFF_LINES], Line(SKIPPED, left_out)]
    return {
        "command": cli_name(step["operation"]),
        "module": step["module"],
        "status": step["status"],
        "caption": CAPTIONS.get(step["status"], "Compared"),
        "args": [(name, _clipped(readable(value))) for name, value in step["args"].items()],
        "difference": [Line(line.sign, _line(line.text)) for line in lines],
    }


def _paragraphs(text):
    """The lines of a reason: prose may wrap, a script's line with its caret below may not."""
    found = []
    for line in text.split("\n"):
        kind = "code" if line.startswith("  | ") else "prose"
        if found and found[-1][0] == kind == "code":
            found[-1] = (kind, f"{found[-1][1]}\n{line[4:]}")
        else:
            found.append((kind, line[4:] if kind == "code" else line))
    return found


def _line(text):
    return _clipped(text or "", MOST_LINE)


def _clipped(text, most=MOST_TEXT):
    if len(text) <= most:
        return text
    return f"{text[:most]} … and {len(text) - most} more characters, which report.json has"
