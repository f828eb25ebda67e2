# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shorthand values. tests/unit/oracle compares many more with the AWS CLI."""

from __future__ import annotations

from contextlib import suppress

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.shorthand import (
    ShorthandError,
    coerce,
    parse_shorthand,
)
from scale import scaled, takes_less

READ = {
    "a=b": {"a": "b"},
    "a=": {"a": ""},
    "a=b,c=d": {"a": "b", "c": "d"},
    "a=b,c,d=e": {"a": ["b", "c"], "d": "e"},
    "a=b,c": {"a": ["b", "c"]},
    "a = b , c = d ": {"a": "b", "c": "d"},
    "a=b c d": {"a": "b c d"},
    "a=b=c": {"a": "b=c"},
    "a=b\\,c": {"a": "b,c"},
    "a='b,c=\\'d',e=f": {"a": "b,c='d", "e": "f"},
    'a="b\\"c\\\\",d=e': {"a": 'b"c\\', "d": "e"},
    "a=[b,c]": {"a": ["b", "c"]},
    "a=[]": {"a": []},
    "a=[ b , 'c,d' ],e=f": {"a": ["b", "c,d"], "e": "f"},
    "a={b=c,d=[e,{f=g}]}": {"a": {"b": "c", "d": ["e", {"f": "g"}]}},
    "a={}": {"a": {}},
    "a.b/c:d-e_f#1=x": {"a.b/c:d-e_f#1": "x"},
    "=b": {"": "b"},
    "a=é名": {"a": "é名"},
}
REFUSED = [
    *("", "a", "a b", "a=b,", " a=b", "a=[b", "a=[b c", "a={b}", "a={b=c", "a='b", 'a="b'),
    *("a=b,a=c", "a@=b", "a=b]", "a=b}", "a=b{c}", "a=\U0001f600"),
]

SHAPES = {
    "number": {"type": "integer"},
    "truth": {"type": "boolean"},
    "text": {"type": "string"},
    "texts": {"type": "list", "member": {"shape": "text"}},
    "numbers": {"type": "list", "member": {"shape": "number"}},
    "named": {"type": "map", "key": {"shape": "text"}, "value": {"shape": "number"}},
    "all": {
        "type": "structure",
        "members": {name: {"shape": name} for name in ("number", "truth", "text", "texts", "numbers", "named")},
    },
}


@pytest.mark.parametrize("text", READ)
def test_read(text):
    assert parse_shorthand(text) == READ[text]


@pytest.mark.parametrize("text", [*REFUSED, "a=" + "[" * 50, "a=" + "{a=" * 50])
def test_refused(text):
    with pytest.raises(ShorthandError):
        parse_shorthand(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("number=5,truth=True,text=5", {"number": 5, "truth": True, "text": "5"}),
        ("truth=maybe", {"truth": "maybe"}),
        ("texts=a,numbers=[1,2]", {"texts": ["a"], "numbers": [1, 2]}),
        ("named={a=1},other=2", {"named": {"a": 1}, "other": "2"}),
    ],
)
def test_values_get_the_types_of_their_shape(text, value):
    assert coerce(parse_shorthand(text), "all", SHAPES) == value


@pytest.mark.parametrize("text", ["number=x", "number=[1]", "truth=[a]", "named={a=b}"])
def test_what_cannot_be_converted_is_an_error(text):
    with pytest.raises((ValueError, TypeError, AttributeError)):
        coerce(parse_shorthand(text), "all", SHAPES)


@pytest.mark.parametrize("piece", ["a,", "b=c,", "'", "\\'", '"', "\\,", "[", "a=[b],", "x "])
def test_time_is_bounded(piece):
    def parse():
        with suppress(ShorthandError):
            parse_shorthand("a=" + piece * scaled(25_000, 100_000))

    assert takes_less(scaled(1, 4), parse)
