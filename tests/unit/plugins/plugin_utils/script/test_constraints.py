# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS's model allows as values."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.constraints import compile_pattern, faults
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.service import iam

# Patterns of the model that Python cannot express: what they forbid, AWS alone refuses.
NOT_EXPRESSIBLE: set[str] = set()

# A shape, a value, and what is wrong with it, if anything is.
VALUES = [
    ("userNameType", "bob.b+c=d,e@f-g_1", None),
    ("userNameType", "", "must be at least 1 characters"),
    ("userNameType", "x" * 64, None),
    ("userNameType", "x" * 65, "must be at most 64 characters"),
    ("userNameType", "é", "must match"),
    ("userNameType", "bob\n", "must match"),
    ("userNameType", 5, "must be a text"),
    ("userNameType", None, "must be a text"),
    ("pathType", "/", None),
    ("pathType", "/a/b/", None),
    ("pathType", "/a", "must match"),
    ("pathType", "//", "must match"),
    ("policyPathType", "/a/b/", None),
    ("policyPathType", "/a b/", "must match"),
    ("accountAliasType", "a-b", None),
    ("accountAliasType", "a--b", "must match"),
    ("tagKeyType", "Kostenstelle größer 名 ٣ a_b:c/d=e+f-g@h.\u00a0", None),
    ("tagKeyType", "a*b", "must match"),
    ("tagKeyType", "e\u0301", "must match"),
    ("tagValueType", "", None),
    ("policyDocumentType", '{"Sid":"${aws:username}","R":"${*}${?}${$}"}\t\r\n\xff', None),
    ("policyDocumentType", "\u0100", "must match"),
    ("policyDocumentType", '{"R":"arn:${resourceId}"}', "placeholder"),
    ("policyDocumentType", "x" * 131073, "must be at most 131072"),
    ("stringType", "<value>", "placeholder"),
    ("stringType", "a < b > c", None),
    ("stringType", "${a/b}", "placeholder"),
    ("statusType", "Active", None),
    ("statusType", "active", "must be one of Active, Inactive"),
    ("passwordReusePreventionType", 24, None),
    ("passwordReusePreventionType", 25, "must be at most 24"),
    ("minimumPasswordLengthType", 5, "must be at least 6"),
    ("minimumPasswordLengthType", True, "must be a whole number"),
    ("minimumPasswordLengthType", 6.0, "must be a whole number"),
    ("booleanType", True, None),
    ("booleanType", "true", "must be true or false"),
    ("tagListType", [{"Key": "a", "Value": "b"}], None),
    ("tagListType", [{"Key": "a"}], "must have Value"),
    ("tagListType", [{"Key": "a", "Value": "b"}, {"Key": "b", "Value": "b"}], None),
    ("tagListType", [{"Key": "a", "Value": "b"}, {"Key": "a", "Value": "c"}], "must have a key of its own"),
    ("tagListType", [{"Key": "a", "Value": "b"}, {"Key": "A", "Value": "c"}], "must have a key of its own"),
    ("tagListType", [{"Key": "a", "Value": "b", "X": 1}], "none of Key, Value"),
    ("tagListType", [[]], "must be a structure"),
    ("tagListType", {}, "must be a list"),
    ("tagListType", [{"Key": f"a{number}", "Value": ""} for number in range(51)], "must be at most 50 items"),
    ("accountPropertiesMapType", {"a": "b"}, None),
    ("accountPropertiesMapType", {"1": "b"}, "must match"),
    ("accountPropertiesMapType", {"a": ""}, "must be at least 1"),
]


@pytest.mark.parametrize(("shape", "value", "expected"), VALUES)
def test_values(shape, value, expected):
    found = [text for _path, text in faults(value, shape, iam().shapes)]
    assert len(found) == (expected is not None), found
    assert all(expected in text for text in found)


def test_a_fault_knows_its_place():
    value = [{"Key": "a", "Value": "b"}, {"Key": "", "Value": 1}]
    assert [path for path, _text in faults(value, "tagListType", iam().shapes)] == [(1, "Key"), (1, "Value")]


def test_a_type_that_is_not_known_is_a_fault():
    assert [text for _path, text in faults(1, "when", {"when": {"type": "timestamp"}})] == [
        "has the type timestamp, which is not supported"
    ]


def test_each_pattern_of_the_model_can_be_expressed_or_is_known():
    patterns = {shape["pattern"] for shape in iam().shapes.values() if "pattern" in shape}
    assert len(patterns) > 30
    assert {pattern for pattern in patterns if compile_pattern(pattern) is None} == NOT_EXPRESSIBLE


@pytest.mark.parametrize("pattern", [r"\p{Alpha}+", "[a-", "(?<x>a)"])
def test_what_cannot_be_expressed_is_left_to_aws(pattern):
    assert compile_pattern(pattern) is None
    assert list(faults("x", "odd", {"odd": {"type": "string", "pattern": pattern}})) == []


def test_the_unicode_classes_are_java_s():
    """\\p{L}, \\p{N} and \\p{Z} by Unicode's categories, over all of Unicode."""
    pattern = compile_pattern(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+")
    allowed = set("_.:/=+-@")
    wrong = [
        char
        for char in map(chr, range(sys.maxunicode + 1))
        if bool(pattern.fullmatch(char)) != (unicodedata.category(char)[0] in "LNZ" or char in allowed)
    ]
    assert [f"U+{ord(char):04X}" for char in wrong] == []


def test_patterns_mean_the_whole_value_in_ascii():
    assert compile_pattern(r"[\w]+").flags & re.ASCII
    assert list(faults("a b", "some", {"some": {"type": "string", "pattern": "a"}})) == [((), "must match a")]
