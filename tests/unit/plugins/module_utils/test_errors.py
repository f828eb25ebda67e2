# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import (
    LeastprivError,
    for_each_alert,
    listed,
    writable,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import read_document


def lost(alert, reason):
    return alert, reason


def looked_up(alert):
    return {"a": 1}[alert]


def test_an_alert_that_cannot_be_taken_costs_nothing_but_itself():
    first, second, third = for_each_alert("looking it up", ["a", "hunter2", "a"], looked_up, lost)
    assert (first, third) == (1, 1)
    assert second[0] == "hunter2"
    assert second[1].startswith("Unexpected error while looking it up: KeyError (test_errors.py, line ")


def test_the_text_of_a_foreign_error_is_left_out_since_it_may_quote_a_secret():
    ((_alert, reason),) = for_each_alert("looking it up", ["hunter2"], looked_up, lost)
    assert "hunter2" not in reason


def fail_for_people(alert):
    raise LeastprivError("the role is gone")


def test_an_error_written_for_people_is_shown_as_it_is():
    assert for_each_alert("observing", [1], fail_for_people, lost) == [(1, "Failed while observing: the role is gone")]


def nest(alert):
    return nest(alert)


def test_nesting_without_end_is_an_error_like_others():
    ((_alert, reason),) = for_each_alert("observing", [1], nest, lost)
    assert "RecursionError" in reason


def test_the_place_is_the_last_line_of_this_collection():
    ((_alert, reason),) = for_each_alert("reading", [1], read_document, lost)
    assert "Failed while reading: it is JSON, but no object" in reason
    ((_alert, reason),) = for_each_alert("writing", [math.nan], writable, lost)
    assert "ValueError" in reason


def interrupt(alert):
    raise KeyboardInterrupt


def test_an_interruption_ends_all():
    with pytest.raises(KeyboardInterrupt):
        for_each_alert("observing", [1], interrupt, lost)


@pytest.mark.parametrize("value", [math.inf, -math.inf, [math.nan], {"a": object()}, {(1, 2): 3}])
def test_what_json_cannot_hold_is_not_writable(value):
    with pytest.raises((ValueError, TypeError)):
        writable(value)


def test_what_json_can_hold_is_returned():
    value = {"a": [1, "\ud800", None, True, 1.5]}
    assert writable(value) is value


def test_a_sentence_names_only_so_many():
    assert [listed("abcd"[:count], 2) for count in range(5)] == ["", "a", "a, b", "a, b and 1 more", "a, b and 2 more"]
