# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of runs over a hundred accounts in docs/scaling.md."""

from __future__ import annotations

import importlib

import pytest
from stack import ROOT


@pytest.fixture
def growth(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    return importlib.import_module("growth")


def test_a_run_is_a_row_with_what_an_alert_costs(growth):
    cost = {"status": 0, "seconds": 9.0, "cpu_seconds": 200.0, "megabytes": 150.4, "stragglers": 0}
    raced = {**cost, "world": "many", "size": 1_000, "way": "Leastpriv", "emulator_seconds": 1.0, "calls": 4_400}
    sizes = {"report.json": 3_500_000, "report.html": 4_500_000, "journal.jsonl": 4_200_000}
    row = growth.Grown(**raced, sizes=sizes, lines=365).row()
    assert row == "| 1,000 | Leastpriv | 200 | 200 | 150 | 4.4 | 3.5 | 4.5 |  | 4.2 | 365 |"
    assert row.count("|") == growth.HEAD.split("\n")[0].count("|")
