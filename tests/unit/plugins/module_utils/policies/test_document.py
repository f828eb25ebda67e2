# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import (
    PolicyDocumentError,
    canonical,
    canonical_text,
    check_grammar,
    denies,
    is_deny_only,
    pretty,
    read_document,
    same_document,
    size,
    statements,
    stored_document,
)

DENY = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def document(*statements, **changes):
    return {"Version": "2012-10-17", "Statement": list(statements), **changes}


def nested(levels):
    value = {}
    for _level in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("{'Version': 1}", "not JSON"),
        ("[1]", "no object"),
        ('{"Statement": 1, "Statement": 2}', "is twice in"),
        ('{"Statement": [{"Effect": "Deny", "Effect": "Allow"}]}', "'Effect' is twice"),
        ('{"Statement": NaN}', "NaN is not JSON"),
        ('{"NumericEquals": {"s3:max-keys": 1e999}}', "the number 1e999 is too large for any program"),
        ('{"NumericEquals": {"s3:max-keys": -1e999}}', "the number -1e999 is too large for any program"),
        ('{"a": ' + "1" * 5_000 + "}", "a number of 5000 digits"),
        ('{"a": 1' + "0" * 5_000 + ".5}", "is too large for any program"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' * 40 + "1" + "}" * 40, "nested too deeply"),
        ('{"a": ' + "[" * 400 + "]" * 400 + "}", "nested too deeply"),
        ('{"Statement": "\\ud800"}', "lone surrogate"),
    ],
)
def test_unreadable_documents_say_why(text, says):
    with pytest.raises(PolicyDocumentError, match=says):
        read_document(text)


@pytest.mark.parametrize(
    "given", [{"a": float("inf")}, {"a": float("nan")}, {"a": 10**5000}, {"a": b""}, None, ["x"], nested(2_000)]
)
def test_what_boto3_has_made_of_a_document_is_read_as_strictly(given):
    with pytest.raises(PolicyDocumentError):
        read_document(given)


def test_many_keys_are_read_in_a_moment(at_most):
    keys = ", ".join(f'"k{number}": 1' for number in range(50_000))
    with at_most(2):
        assert len(read_document(f"{{{keys}}}")) == 50_000


def test_a_value_in_an_error_is_shortened():
    with pytest.raises(PolicyDocumentError) as error:
        check_grammar({"Version": "x" * 100_000})
    assert len(str(error.value)) < 200


def test_a_stored_document_that_cannot_be_read_stops_only_who_looks_into_it():
    stored = stored_document('{"a": 1e999}', "the inline policy p of user bob")
    assert stored
    assert stored == stored_document('{"a": 1e999}', "the same again")
    assert stored != stored_document('{"b": 1e999}', "the inline policy p of user bob")
    for look in (pretty, canonical, denies, is_deny_only, check_grammar, statements, list, len):
        with pytest.raises(PolicyDocumentError, match=r"^the inline policy p of user bob cannot be read: the number"):
            look(stored)
    assert canonical_text([stored]) != canonical_text([stored_document('{"b": 1e999}', "another")])


def test_documents_that_iam_encoded_are_read():
    assert read_document("%7B%22Statement%22%3A%5B%5D%7D") == {"Statement": []}


@pytest.mark.parametrize(
    "given",
    [
        document(DENY),
        {"Statement": DENY},
        document({**DENY, "Sid": "one", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
        document({"Effect": "Deny", "NotAction": ["iam:*", "sts:*"], "NotResource": "*"}),
        document(DENY, Id="x"),
    ],
)
def test_what_iam_takes_is_taken(given):
    check_grammar(read_document(json.dumps(given)))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (document(DENY, Version="2020-01-01"), "Version"),
        (document(DENY, Foo=1), "'Foo'"),
        (document(), "no Statement"),
        ({"Version": "2012-10-17"}, "no Statement"),
        (document("x"), "statement 1: it is not an object"),
        (document(DENY, {**DENY, "Effect": "deny"}), "statement 2: Effect is 'deny'"),
        (document({**DENY, "Principal": "*"}), "'Principal'"),
        (document({**DENY, "NotAction": "s3:*"}), "exactly one of Action and NotAction"),
        (document({"Effect": "Deny", "Action": "s3:*"}), "exactly one of Resource and NotResource"),
        (document({**DENY, "Action": []}), "Action must be"),
        (document({**DENY, "Action": "everything"}), "'everything' is not an action"),
        (document({**DENY, "Resource": 7}), "Resource must be"),
        (document({**DENY, "Condition": ["x"]}), "Condition"),
        (document({**DENY, "Condition": {"StringEquals": {"k": [["x"]]}}}), "values of a Condition"),
        (document({**DENY, "Condition": {"StringEquals": {"k": {"Effect": "Allow"}}}}), "values of a Condition"),
        (document({**DENY, "Sid": "not-alphanumeric"}), "Sid"),
        (document({**DENY, "Sid": {"Effect": "Allow"}}), "Sid"),
        (document({**DENY, "Sid": "one"}, {**DENY, "Sid": "one"}), "the Sid 'one' is used twice"),
        (document(DENY, Id={"Effect": "Allow"}), "Id must be"),
    ],
)
def test_what_iam_refuses_is_refused(given, says):
    with pytest.raises(PolicyDocumentError, match=says):
        check_grammar(read_document(json.dumps(given)))


def test_deny_only_looks_at_every_statement():
    assert is_deny_only(document(DENY, DENY))
    assert is_deny_only({"Statement": DENY})
    assert not is_deny_only(document(DENY, ALLOW))
    assert not is_deny_only(document({"Effect": "deny"}))
    assert not is_deny_only(document("x"))
    assert not is_deny_only(document()), "no statement is none that denies"


def test_only_statements_that_deny_count_as_denies():
    assert not denies(document(ALLOW))
    assert denies(document(ALLOW, DENY)) == denies(document(DENY))
    assert denies(document({**DENY, "Effect": "DENY"})), "a doubtful Effect must count"


def test_a_deny_of_another_language_version_is_another_deny():
    variable = {**DENY, "Resource": "arn:aws:s3:::${aws:username}/*"}
    assert not denies(document(variable)) & denies(document(variable, Version="2008-10-17"))
    assert denies({"Statement": variable}) == denies(document(variable, Version="2008-10-17")), "2008 is the default"


SAME = [
    (document(DENY), {"Statement": DENY, "Version": "2012-10-17"}),
    (document({**DENY, "Action": ["a:b", "c:d"]}), document({**DENY, "Action": ["c:d", "a:b"]})),
    (document(DENY, ALLOW), document(ALLOW, DENY)),
    (document({**DENY, "Condition": {"Bool": {"k": "v"}}}), document({**DENY, "Condition": {"Bool": {"k": ["v"]}}})),
    (
        document({"Effect": "Allow", "Principal": {"AWS": "x"}}),
        document({"Effect": "Allow", "Principal": {"AWS": ["x"]}}),
    ),
]
DIFFERENT = [
    (document(DENY), document(ALLOW)),
    (document(DENY), document(DENY, Version="2008-10-17")),
    (document({**DENY, "Resource": "A"}), document({**DENY, "Resource": "a"})),
    (document({**DENY, "Condition": {"N": {"k": 1.5}}}), document({**DENY, "Condition": {"N": {"k": 2.5}}})),
    (document({**DENY, "Condition": {"N": {"k": 1}}}), document({**DENY, "Condition": {"N": {"k": "1"}}})),
    (document({**DENY, "Condition": {"N": {"k": None}}}), document({**DENY, "Condition": {"N": {}}})),
    (document({**DENY, "Condition": {"N": {"k": True}}}), document({**DENY, "Condition": {"N": {"k": "true"}}})),
    (
        document({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}),
        document({"Effect": "Allow", "Principal": {"AWS": "123456789012"}}),
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_documents_that_iam_takes_for_the_same_are_the_same(one, other):
    assert same_document(one, json.dumps(other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_documents_that_differ_for_iam_differ(one, other):
    assert canonical(read_document(one)) != canonical(read_document(other))


def test_white_space_is_free_and_pretty_keeps_numbers():
    assert size(' { "a" : 1 }\n') == 7
    assert json.loads(pretty(read_document('{"a": 1, "b": [1.5, null]}'))) == {"a": 1, "b": [1.5, None]}
