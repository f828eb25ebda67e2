# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each row of the faults seen from outside has tests: tests/fixtures/estates/rows.yml."""

from __future__ import annotations

from pathlib import Path

import yaml

TESTS = Path(__file__).parents[1]
ESTATES = TESTS / "fixtures" / "estates"


def test_each_row_names_tests_that_exist():
    rows = yaml.safe_load((ESTATES / "rows.yml").read_text())
    assert list(rows) == [f"B{number}" for number in range(1, 23)] + [f"C{number}" for number in range(1, 18)]
    for row, tests in rows.items():
        for test in tests:
            file, _space, name = test.partition(" ")
            assert f"\ndef {name}" in (TESTS / file).read_text(), f"{row}: {test}"


def test_each_alert_of_the_accounts_says_its_row():
    rows = yaml.safe_load((ESTATES / "accounts.yml").read_text())
    assert {row["row"] for row in rows} >= {"B10", "C1", "C3", "C4", "C8", "C9", "C10", "C17"}
