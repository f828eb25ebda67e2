# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How problems are described."""

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.problem import (
    MAX_COLUMNS,
    MAX_SHOWN,
    Problem,
    describe,
    line_and_column,
    unsupported,
)


@pytest.mark.parametrize(
    ("text", "offset", "place"),
    [
        ("abc", 0, (1, 1)),
        ("abc", 2, (1, 3)),
        ("a\nbc", 2, (2, 1)),
        ("a\r\nbc", 4, (2, 2)),
        ("a\n\nb", 3, (3, 1)),
        ("", 0, (1, 1)),
        ("a\n", 2, (2, 1)),
    ],
)
def test_line_and_column(text, offset, place):
    assert line_and_column(text, offset) == place


def test_a_problem_shows_its_place_and_what_to_do():
    text = "aws iam create-user\naws iam get-user || true"
    output = describe(text, [Problem("unsupported", "`||` is not", 37, 2, "Use &&.")])
    assert output.splitlines() == [
        "line 2, column 18: `||` is not",
        "  | aws iam get-user || true",
        "  |                  ^^",
        "  hint: Use &&.",
    ]


@pytest.mark.parametrize(
    ("text", "mark", "before"),
    [
        ("\taws\tx", "x", " aws "),
        ("aws 名前 x", "x", "aws ____ "),
        ("aws e\u0301 x", "x", "aws _ "),
        ("aws \x1b[31m x", "x", "aws _[31m "),
        ("aws \u202e x", "x", "aws _ "),
        ("aws \U0001f600 x", "x", "aws __ "),
    ],
)
def test_the_caret_stands_below_its_character(text, mark, before):
    caret = describe(text, [unsupported("here", text.index(mark), text.index(mark) + 1)]).splitlines()[2]
    assert caret == f"  | {' ' * len(before)}^"


@pytest.mark.parametrize("offset", [0, 30, 49, 50, 51, 500, 940, 990, 999])
def test_a_long_line_is_cut_around_the_place(offset):
    text = "".join(str(number % 10) for number in range(1000))
    _where, shown, caret = describe(text, [unsupported("here", offset, offset + 1)]).splitlines()
    assert len(shown) <= MAX_COLUMNS + len("  | ……")
    assert shown[caret.index("^")] == text[offset]
    assert shown.startswith("  | …") == (offset > MAX_COLUMNS // 2)
    assert shown.endswith("…") == (offset < 1000 - MAX_COLUMNS // 2)


def test_a_long_mark_is_cut_with_the_line():
    _where, shown, caret = describe("x" * 500, [unsupported("here", 10, 490)]).splitlines()
    assert len(caret) <= len(shown)


def test_a_mark_ends_with_its_line():
    assert describe("ab\ncd", [unsupported("here", 1, 5)]).splitlines()[2] == "  |  ^"


@pytest.mark.parametrize("offset", [5, 6, 99])
def test_a_place_at_or_after_the_end_is_no_error(offset):
    assert "here" in describe("a b c", [unsupported("here", offset, offset + 1)])


def test_problems_are_reported_in_the_order_of_the_text_and_not_all_of_many():
    text = "x" * 100
    output = describe(text, [unsupported(f"problem {at}", at, at + 1) for at in reversed(range(MAX_SHOWN + 3))])
    assert [line.split(": ")[1] for line in output.splitlines() if line.startswith("line ")] == [
        f"problem {at}" for at in range(MAX_SHOWN)
    ]
    assert output.splitlines()[-1] == "and 3 more problems after these"


def test_no_problems_are_no_text():
    assert describe("aws", []) == ""


def test_secrets_are_masked():
    text = "aws iam create-login-profile --password hunter2 | cat"
    output = describe(text, [unsupported("the pipe", text.index("|"), text.index("|") + 1)])
    assert "hunter2" not in output
    assert "--password ******* | cat" in output
