# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import csv
import io

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.csv_report import COLUMNS, cell, csv_report
from hypothesis import given
from hypothesis import strategies as st

from .test_report import STEP, alert, made


def rows(*alerts):
    return [*csv.DictReader(io.StringIO(csv_report(made(*alerts)), newline=""))]


def test_a_row_per_alert_with_its_steps_counted():
    steps = [STEP, {**STEP, "operation": "DeleteUser", "status": "unchanged"}]
    first, second = rows(
        alert("I-2", "remediated", steps=steps), alert("I-3", "refused", 'a "quoted", reason\nby hand: x')
    )
    assert {name: first[name] for name in ("run_id", "mode", "account", "alert_id", "disposition", "policy")} == {
        "run_id": "run-1",
        "mode": "apply",
        "account": "payments",
        "alert_id": "I-2",
        "disposition": "remediated",
        "policy": "",
    }
    assert (first["operations"], first["changes"]) == ("TagUser DeleteUser", "1")
    assert second["reason"] == 'a "quoted", reason by hand: x'


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", " =1", "\uff1d1", '=HYPERLINK("http://x","y")', "=1\r=2"]
)
def test_no_cell_is_a_formula(text):
    [row] = rows(alert(text, "refused", text, resource=text, policy=text, account_name=text))
    for name in ("alert_id", "reason", "resource", "policy", "account_name"):
        assert row[name].startswith("'")
    assert len(csv_report(made(alert(text, "refused", text))).splitlines()) == 2


@pytest.mark.parametrize(("text", "shown"), [("a;=1+1;b", "a;'=1+1;b"), ("a; @b", "a; '@b"), ("a; b=1", "a; b=1")])
def test_a_semicolon_that_begins_a_cell_begins_no_formula(text, shown):
    assert cell(text) == shown


@given(st.text())
def test_any_text_is_one_harmless_cell(text):
    shown = cell(text)
    assert shown.isprintable()
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r"))
    [read] = csv.DictReader(io.StringIO(csv_report(made(alert("I-1", "refused", text))), newline=""))
    assert read["reason"] == shown


def test_a_run_without_alerts_is_a_header():
    assert csv_report(made()) == ",".join(COLUMNS) + "\r\n"
