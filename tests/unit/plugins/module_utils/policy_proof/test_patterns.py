# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wildcard patterns, against every short text."""

from __future__ import annotations

import re
from itertools import product

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.policy_proof.patterns import (
    contains,
    is_disjoint,
    literal,
    read_pattern,
    variables_in,
)
from scale import scaled

SYMBOLS = "a:*?"
TEXTS = ["".join(chars) for length in range(6) for chars in product("ab:", repeat=length)]
LENGTH = scaled(3, 4)
PATTERNS = ["".join(chars) for length in range(1, LENGTH + 1) for chars in product(SYMBOLS, repeat=length)]


def matched(pattern: str, crosses: bool, is_arn: bool = True) -> frozenset[str]:
    """The short texts that a pattern matches, if a wildcard inside an ARN matches colons or does not."""
    expression = ""
    for place, char in enumerate(pattern, 1):
        far = crosses or not is_arn or pattern[place : place + 1] in ("", ":")
        one = "." if crosses or not is_arn else "[^:]"
        expression += {"*": ".*" if far else "[^:]*", "?": one}.get(char, re.escape(char))
    return frozenset(text for text in TEXTS if re.fullmatch(expression, text))


@pytest.mark.parametrize("crosses", [True, False])
def test_what_contains_another_matches_all_that_it_matches(crosses):
    texts = {pattern: matched(pattern, crosses) for pattern in PATTERNS}
    read = {pattern: read_pattern(pattern, is_arn=True) for pattern in PATTERNS}
    wrong = [
        (wide, narrow)
        for wide, narrow in product(PATTERNS, repeat=2)
        if contains(read[wide], read[narrow]) and not texts[narrow] <= texts[wide]
    ]
    assert wrong == []


def test_containment_is_found_whenever_there_is_one():
    patterns = [pattern for pattern in PATTERNS if len(pattern) <= 3 and not re.search(r":|\*[*?]|\?\*", pattern)]
    texts = {pattern: matched(pattern, True, is_arn=False) for pattern in patterns}
    missed = [
        (wide, narrow)
        for wide, narrow in product(patterns, repeat=2)
        if texts[narrow] <= texts[wide] and not contains(read_pattern(wide), read_pattern(narrow))
    ]
    assert missed == []


def test_disjoint_is_what_has_no_text_in_common():
    patterns = [pattern for pattern in PATTERNS if len(pattern) <= 3]
    texts = {pattern: matched(pattern, True) for pattern in patterns}
    wrong = [
        (one, other)
        for one, other in product(patterns, repeat=2)
        if is_disjoint(read_pattern(one), read_pattern(other)) != texts[one].isdisjoint(texts[other])
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/${aws:username}/x"),
        ("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/${aws:username}/x"),
        ("arn:aws:s3:::*logs/*", "arn:aws:s3:::my-logs/${aws:username}"),
        ("arn:aws:sns:*:1:t", "arn:aws:sns:eu-*:1:t"),
        ("*", "${aws:username}"),
    ],
)
def test_a_variable_is_any_text_to_a_run_at_the_end(wide, narrow):
    assert contains(read_pattern(wide, True, True), read_pattern(narrow, True, True))


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("b/${aws:username}", "b/*"),
        ("b/${aws:username}", "b/ann"),
        ("b/${aws:username}", "b/${aws:userid}"),
        ("b/*/x", "b/${aws:username}/x"),
        ("b/?", "b/${aws:username}"),
        ("b/${aws:username", "b/${aws:usernam"),
        ("a*b", "a:b"),
        ("a?b", "a:b"),
        ("a*b", "a*:b"),
    ],
)
def test_what_is_doubtful_is_not_contained(wide, narrow):
    assert not contains(read_pattern(wide, True, True), read_pattern(narrow, True, True))


def test_in_the_old_version_of_the_language_a_variable_is_text():
    assert contains(read_pattern("${*}"), literal("${aws:username}"))


def test_a_variable_may_be_anything():
    assert not is_disjoint(read_pattern("b/${aws:username}", True), read_pattern("b/ann"))
    assert is_disjoint(read_pattern("b/${aws:username}", True), read_pattern("c/ann"))


def test_letter_case_does_not_tell_patterns_apart_where_that_would_be_a_risk():
    assert not is_disjoint(read_pattern("SECRET/*"), read_pattern("secret/x"))
    assert not contains(read_pattern("SECRET/*"), read_pattern("secret/x"))


def test_a_literal_has_no_wildcards():
    assert contains(read_pattern("a?c"), literal("a*c"))
    assert not contains(literal("a*c"), read_pattern("abc"))
    assert literal("a/${aws:username}", has_variables=True) == ("a", "/", "${aws:username}")


def test_variables_are_found():
    assert variables_in("a/${aws:username}/${aws:userid}") == {"${aws:username}", "${aws:userid}"}
