# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One alert of a report in detail, for a terminal: the vendor's script, the steps, and the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import BY_WORD
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.advice import advice_for
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import alert_name
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import step_line
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import can_be_copied
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.terminal_text import printable

FACTS = ("policy", "severity", "resource", "resource_id", "first_seen", "last_seen")
MODES = {"check": "a review, nothing was changed", "apply": "applied", "undo": "an undo", "verify": "verified later"}
LEFT = "Commands to run manually, in this order, if the script is correct:"
AS_IT_IS = "Vendor's script, to copy (never run by Leastpriv):"
UNDOING = "The undo as AWS CLI commands (a run uses modules instead):"
NOT_TO_COPY = (
    "Vendor's script, NOT to copy: "
    "it contains characters that a terminal does not show (escaped here) or a secret (masked):"
)


def alert_details(found: Mapping[str, Any]) -> str:
    """Describe what a run reported of an alert.

    :param found: what `reported` of plugin_utils/run/past_runs.py returned.
    :returns: text of several lines; nothing of it can steer a terminal.
    """
    alert = found["alert"]
    word = alert["disposition"]
    script = alert["script"] or ""
    parts = [
        (f"{alert_name(alert)}: {word}, {BY_WORD[word].meaning}", _facts(found)),
        ("Why:", (alert["reason"] or "").partition("\nby hand: ")[0].split("\n")),
        ("What to do:", [advice_for(alert, found["mode"] == "undo")]),
        (_script_head(script, found["mode"]), script.split("\n") if script else []),
        ("Steps:", [*map(step_line, alert["steps"])]),
        ("Notes:", alert["notes"]),
        (LEFT, [line for text in alert["by_hand"] for line in text.split("\n")]),
    ]
    shown = (_part(head, lines) for head, lines in parts if lines)
    return "\n\n".join(shown) if script else "\n\n".join([*shown, "The run did not get a script for this alert."])


def _script_head(script: str, mode: str) -> str:
    if not can_be_copied(script):
        return NOT_TO_COPY
    return UNDOING if mode == "undo" else AS_IT_IS


def _facts(found: Mapping[str, Any]) -> list[str]:
    alert = found["alert"]
    account = " ".join(filter(None, (alert["account"], alert["account_id"], alert["account_name"])))
    facts = [("run", f"{found['run_id']}, {MODES[found['mode']]}"), ("account", account)]
    facts += [(name.replace("_", " "), alert[name]) for name in FACTS]
    return [f"{name:12}{value}" for name, value in facts if value]


def _part(head: str, lines: Sequence[str]) -> str:
    return "\n".join([printable(head), *(f"  {printable(line)}" for line in lines)])
