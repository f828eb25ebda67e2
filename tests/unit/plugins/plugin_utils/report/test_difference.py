# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.difference import Line, difference, readable

DOCUMENT = {"Statement": [{"Resource": "*", "Action": "s3:*", "Effect": "Deny"}], "Version": "2012-10-17"}


def shown(before, after):
    return [f"{line.sign} {line.text}" for line in difference(before, after)]


def test_what_is_new_is_added_and_what_goes_is_removed():
    assert shown({}, {"a": 1}) == ["+ {", '+   "a": 1', "+ }"]
    assert shown({"a": 1}, None) == ["- {", '-   "a": 1', "- }"]
    assert shown({"a": 1}, {"a": 2}) == ["  {", '-   "a": 1', '+   "a": 2', "  }"]


def test_equal_parts_are_shown_as_they_are():
    assert shown({"a": []}, {"a": []}) == ["  {", '    "a": []', "  }"]
    assert shown({}, None) == []


def test_a_policy_document_is_unfolded_in_the_order_that_people_write():
    lines = readable({"document": json.dumps(DOCUMENT)}).split("\n")
    assert [line.split('"')[1] for line in lines if '":' in line] == [
        "document", "Version", "Statement", "Effect", "Action", "Resource",
    ]  # fmt: skip


def test_the_order_of_members_is_no_difference():
    before, after = json.dumps(DOCUMENT), json.dumps(dict(reversed(DOCUMENT.items())))
    assert before != after
    assert {line.sign for line in difference({"d": before}, {"d": after})} == {" "}


def test_a_text_that_can_be_read_in_two_ways_stays_a_text():
    twice = '{"Effect": "Deny", "Effect": "Allow"}'
    assert readable(twice) == twice
    assert readable("{{ 7 * 7 }}") == "{{ 7 * 7 }}"


def test_numbers_and_words_are_shown_as_json_and_texts_as_they_are():
    assert [readable(value) for value in (True, None, 1, "a")] == ["true", "null", "1", "a"]
    assert readable('{"a": 1.5}') == '{\n  "a": 1.5\n}'


def test_long_unchanged_stretches_are_left_out_and_counted():
    before = [f"line {number}" for number in range(100)]
    lines = difference(before, [*before[:50], "new", *before[50:]])
    assert [line for line in lines if line.sign == "…"] == [
        Line("…", "48 unchanged lines"),
        Line("…", "48 unchanged lines"),
    ]
    assert len(lines) == 9


def test_enormous_parts_take_no_enormous_time(at_most):
    with at_most(2):
        lines = difference([f"a{n % 7}" for n in range(20_000)], [f"b{n % 5}" for n in range(20_000)])
    assert {line.sign for line in lines} == {"+", "-"}


def test_an_entry_that_gets_a_neighbour_is_the_same_entry():
    lines = difference({"attached": ["a"]}, {"attached": ["a", "b"]})
    assert [line.text.strip() for line in lines if line.sign == "-"] == []
    assert [line.text.strip() for line in lines if line.sign == "+"] == ['"b"']
