# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.plan_table import as_code, plan_table, text
from hypothesis import given
from hypothesis import strategies as st

from .test_report import alert, made

WHO = {"user": "ann", "awx_user": None, "awx_job": None}
# A code span: as many backticks at its end as at its beginning, and not more.
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)


def table(*alerts, reversible=True):
    report = made(*alerts, check_mode=True)
    entries = [
        {"message_id": one["message_id"], "reversible": reversible}
        for one in report["alerts"]
        if one["disposition"] in ("planned", "already_remediated")
    ]
    plan = {"run_id": "run-1", "created": "2026-01-01T00:00:09Z", "expires": "2026-01-02T00:00:09Z", "who": WHO}
    return plan_table(report, {**plan, "alerts": entries})


def test_a_plan_reads_well():
    reason = "Will create policy alice-prisma-restrictions-I-1 and attach it to user alice."
    note = "User alice loses access to s3: * (still allowed: s3:GetObject)."
    shown = table(
        alert("I-1", "planned", reason, severity="high", resource="alice", notes=[note]),
        alert("I-2", "refused", "guardrail deny_only: it allows s3:*\nby hand: aws iam x", severity="low"),
        alert("I-3", "already_remediated", "Nothing to do."),
    )
    assert shown == (
        "# Plan `run-1`\n\n"
        "1 alert to apply in 1 account. Reviewed at `2026-01-01T00:00:09Z` by `ann`, "
        "valid until `2026-01-02T00:00:09Z`.\n\n"
        "## Changes\n\n"
        "| Account | Alert | Severity | Resource | Change | Undo |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| `payments` | `I-1` | high | alice | Will create policy `alice-prisma-restrictions-I-1` and attach it to "
        "user alice. | yes |\n\n"
        "## Notes\n\n"
        "- `I-1`: User alice loses access to `s3`: `*` (still allowed: `s3:GetObject`).\n\n"
        "## Already done\n\n"
        "| Account | Alert | Severity | Outcome | Reason |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| `payments` | `I-3` |  | `already_remediated` | Nothing to do. |\n\n"
        "## Not in the plan\n\n"
        "| Account | Alert | Severity | Outcome | Reason |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| `payments` | `I-2` | low | refused | guardrail `deny_only`: it allows `s3:*` |\n\n"
        "## Apply this plan\n\n"
        "```console\n"
        "ansible-playbook remediate.yml -e remediate_plan=run-1\n"
        "```\n"
    )


def test_what_cannot_be_undone_stands_out():
    assert "| **no** |" in table(alert("I-1", "planned"), reversible=False)


def test_nothing_planned_has_no_command():
    shown = table(alert("I-1", "refused"))
    assert "0 alerts to apply" in shown
    assert "Apply" not in shown


HOSTILE = [
    "<script>alert(1)</script>",
    "![x](https://evil.example/pixel.png)",
    "[click](javascript:alert(1))",
    "@everyone #123 GH-1 user/repo#4",
    "https://evil.example www.evil.example",
    "a | b\n| --- | --- |",
    "`` ` ``` | `",
    "\\| \\` \\",
    "**bold** _it_ ~~x~~ &lt;b&gt;",
    "\u202eevil\u2028\x1b[2J",
    "0123456789abcdef0123456789abcdef01234567",
]


def outside_of_code(line):
    return SPAN.sub("", line)


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_text_of_an_alert_stays_in_its_cell_and_is_no_markup(hostile):
    shown = table(
        alert(hostile, "planned", hostile, resource=hostile, severity=hostile, account=hostile, notes=[hostile])
    )
    lines = shown.splitlines()
    row = lines[lines.index("| --- | --- | --- | --- | --- | --- |") + 1]
    assert row.count("|") == 7
    assert all(line.isprintable() for line in lines)
    for line in lines[: lines.index("## Apply this plan")]:
        assert not re.search(r"[<>\[\]!@#\\&~`]|://|\*\*b|www\.", outside_of_code(line).lstrip("#")), line


@given(st.text())
def test_any_text_is_plain_words_and_code(given):
    for shown in (text(given), as_code(given)):
        assert shown.isprintable()
        assert "|" not in shown
        assert re.fullmatch(r"[A-Za-z()'.,:;… -]*", outside_of_code(shown))
