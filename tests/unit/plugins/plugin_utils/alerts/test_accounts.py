# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
import yaml
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.accounts import account_map


def test_ids_are_mapped_to_hosts():
    found = account_map([("a", "012345678901"), ("b", 123456789012), ("c", " 210987654321 ")])
    assert found.hosts == {"012345678901": "a", "123456789012": "b", "210987654321": "c"}
    assert found.problems == ()
    assert found.host_of("012345678901") == "a"
    assert found.host_of("000000000000") is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("012345670123", ("012345670123", "001402433619")),
        ("12345678901", ("12345678901", "012345678901")),
        ("001234567012", ("001234567012", "000175304202")),
    ],
)
def test_unquoted_number_is_reported_with_what_to_write(written, meant):
    value = yaml.safe_load(written)
    assert isinstance(value, int)
    [problem] = account_map([("prod", value)]).problems
    assert f"host prod: account_id is the number {value}; YAML drops leading zeros" in problem.reason
    assert meant[1] in problem.meant
    if written.startswith("0"):
        assert f'write account_id: "{written}"' in problem.reason
        assert written in problem.meant


def test_problem_is_found_by_the_id_that_was_meant():
    found = account_map([("prod", yaml.safe_load("012345670123"))])
    assert [problem.host for problem in found.problems_of("012345670123")] == ["prod"]
    assert found.problems_of("123456789012") == ()


def test_two_hosts_with_one_id_are_both_problems():
    found = account_map([("a", "012345678901"), ("b", "012345678901"), ("c", "123456789012")])
    assert found.hosts == {"123456789012": "c"}
    assert [problem.host for problem in found.problems] == ["a", "b"]
    assert all("hosts a and b have the same account_id 012345678901" in problem.reason for problem in found.problems)
    assert len(found.problems_of("012345678901")) == 2


@pytest.mark.parametrize("value", [None, ""])
def test_missing_account_id(value):
    [problem] = account_map([("a", value)]).problems
    assert "host a: account_id is missing" in problem.reason


@pytest.mark.parametrize("value", ["12345", "1234-5678-9012", 1234567890123, 1.5, True, [], {}, "{{ x }}", -5])
def test_other_values_are_problems(value):
    [problem] = account_map([("a", value)]).problems
    assert "host a: account_id" in problem.reason
    assert "not the 12 digits" in problem.reason
