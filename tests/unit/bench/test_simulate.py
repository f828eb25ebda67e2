# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulation of docs/scaling.md: it loses no alert, and is as slow as its limits."""

from __future__ import annotations

import importlib
from collections import Counter

import pytest
from stack import ROOT

HOUR = 3_600.0


@pytest.fixture
def simulate(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    return importlib.import_module("simulate")


@pytest.fixture
def costs(simulate):
    return simulate.Costs(run=4, host=0.1, account=0.3, alert=0.1, calls_per_alert=20, calls_per_account=5)


def test_every_alert_is_done_once_and_the_same_every_time(simulate, costs):
    scenario = simulate.Scenario(10, 1_000, HOUR)
    day = simulate.simulate(scenario, costs, simulate.Limits(), 3)
    assert len(day.waits) == 1_000
    assert min(day.waits) > costs.run
    assert day == simulate.simulate(scenario, costs, simulate.Limits(), 3)


def test_more_runs_help_where_runs_are_what_is_missing(simulate, costs):
    scenario = simulate.Scenario(1_000, 10_000, HOUR)
    one, many = (simulate.simulate(scenario, costs, simulate.Limits(), runs).after(0.99) for runs in (1, 16))
    assert one > HOUR > many


def test_no_number_of_runs_is_faster_than_iam_lets_one_account_be(simulate, costs):
    scenario = simulate.Scenario(2, 1_000, HOUR)
    busiest = max(Counter(account for _time, account in simulate.arrivals(scenario)).values())
    day = simulate.simulate(scenario, costs, simulate.Limits(iam=1.0), 16)
    assert day.waits[-1] + HOUR > busiest * costs.calls_per_alert


def test_no_number_of_runs_is_faster_than_the_vendor(simulate, costs):
    day = simulate.simulate(simulate.Scenario(10, 1_000, HOUR), costs, simulate.Limits(vendor=0.001), 16)
    assert day.waits[-1] + HOUR > day.runs / 0.001


def test_the_costs_are_those_of_the_tables(simulate):
    measured = simulate.measured()
    assert all(value > 0 for value in vars(measured).values())
