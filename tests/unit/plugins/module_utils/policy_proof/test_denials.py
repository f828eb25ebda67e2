# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Deny statements another document keeps in force for certain."""

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import meaning, read_document
from ansible_collections.leastpriv.iam.plugins.module_utils.policy_proof.denials import lost_denials
from scale import takes_less

TOKENS = {"Effect": "Deny", "Action": "*", "Resource": "*"}


def a_deny(action="s3:GetObject", resource="arn:aws:s3:::b/*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def tokens_before(when, operator="DateLessThan", key="aws:TokenIssueTime"):
    return {**TOKENS, "Condition": {operator: {key: when}}}


def a_document(*statements, version="2012-10-17"):
    return read_document({"Version": version, "Statement": list(statements)})


ALL_BUT = {"Effect": "Deny", "NotAction": ["iam:Get*", "sts:*"], "Resource": "*"}
BY_TEAM = {"StringNotEquals": {"aws:PrincipalTag/team": ["red", "blue"]}}
FROM = {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}
KEPT = {
    "the same with a Sid": (a_deny(), a_deny(Sid="Other")),
    "a Deny of everything": (a_deny(Condition=FROM), TOKENS),
    "a Deny of everything in two words": (ALL_BUT, {**TOKENS, "Action": "*:*"}),
    "tokens of a later time": (tokens_before("2024-01-01T00:00:00Z"), tokens_before("2024-06-01T00:00:00+02:00")),
    "the same time": (tokens_before("2024-01-01T00:00:00Z"), tokens_before("2024-01-01")),
    "a time before which all is denied, now always": (tokens_before("2024-01-01"), TOKENS),
    "from an earlier time on": (
        tokens_before("2024-06-01", "DateGreaterThan"),
        tokens_before("2024-01-01", "DateGreaterThan"),
    ),
    "condition keys in another letter case": (
        tokens_before("2024-01-01"),
        tokens_before("2024-01-01", key="AWS:tokenissuetime"),
    ),
    "actions in another letter case": (a_deny("s3:getobject"), a_deny("S3:GetObject")),
    "more actions": (a_deny("s3:GetObject"), a_deny(["s3:PutObject", "s3:Get*"])),
    "more resources": (a_deny(), a_deny(resource=["arn:aws:s3:::c", "arn:aws:s3:::b*"])),
    "a statement that became two": (a_deny(["s3:GetObject", "s3:PutObject"]), a_deny("s3:Put*"), a_deny()),
    "fewer exceptions": (ALL_BUT, {**ALL_BUT, "NotAction": "iam:GetUser"}),
    "an action that is not among the exceptions": (a_deny("iam:PassRole"), ALL_BUT),
    "no condition any more": (a_deny(Condition=BY_TEAM), a_deny()),
    "fewer teams that are left out": (
        a_deny(Condition=BY_TEAM),
        a_deny(Condition={"StringNotEquals": {"aws:principaltag/team": "red"}}),
    ),
    "more addresses": (
        a_deny(Condition=FROM),
        a_deny(Condition={"IpAddress": {"aws:SourceIp": ["1.1.1.1", "10.0.0.0/8"]}}),
    ),
    "one of two conditions": (a_deny(Condition={**FROM, **BY_TEAM}), a_deny(Condition=FROM)),
    "a variable within what is denied": (a_deny(resource="arn:aws:s3:::b/${aws:username}/x"), a_deny()),
    "a question mark for a character": (a_deny(resource="arn:aws:s3:::b1"), a_deny(resource="arn:aws:s3:::b?")),
}
LOST = {
    "nothing in its place": (a_deny(),),
    "an Allow": (a_deny(), {**a_deny(), "Effect": "Allow"}),
    "another action": (a_deny(), a_deny("s3:PutObject")),
    "fewer actions": (a_deny("s3:*"), a_deny(["s3:Get*", "s3:Put*"])),
    "fewer resources": (a_deny(), a_deny(resource="arn:aws:s3:::b/x")),
    "a resource in another letter case": (a_deny(), a_deny(resource="arn:aws:s3:::B/*")),
    "a condition": (TOKENS, tokens_before("2024-01-01")),
    "a second condition": (a_deny(Condition=FROM), a_deny(Condition={**FROM, **BY_TEAM})),
    "tokens of an earlier time": (tokens_before("2024-06-01"), tokens_before("2024-01-01")),
    "tokens of a time that is a number": (tokens_before("2024-06-01"), tokens_before("20250101")),
    "a condition of another key": (tokens_before("2024-01-01"), tokens_before("2025-01-01", key="aws:CurrentTime")),
    "more teams that are left out": (
        a_deny(Condition={"StringNotEquals": {"aws:PrincipalTag/team": "red"}}),
        a_deny(Condition=BY_TEAM),
    ),
    "fewer addresses": (
        a_deny(Condition={"IpAddress": {"aws:SourceIp": ["1.1.1.1", "10.0.0.0/8"]}}),
        a_deny(Condition=FROM),
    ),
    "more exceptions": (ALL_BUT, {**ALL_BUT, "NotAction": ["iam:*", "sts:*"]}),
    "an action that is among the exceptions": (a_deny("iam:GetUser"), ALL_BUT),
    "a question mark for a star": (a_deny(resource="arn:aws:s3:::b*"), a_deny(resource="arn:aws:s3:::b?")),
    "question marks for a variable": (
        a_deny(resource="arn:aws:s3:::${aws:username}"),
        a_deny(resource="arn:aws:s3:::???????????????"),
    ),
    "an end that a star could pass": (a_deny(resource="ab*"), a_deny(resource="a*b")),
    "pieces that overlap": (a_deny(resource="aba"), a_deny(resource="ab*ba")),
    "only one of two statements": (a_deny("s3:*"), a_deny("s3:*", Condition=FROM), a_deny("sqs:*")),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_denies_at_least_as_much_keeps_a_deny(case):
    before, *after = KEPT[case]
    assert not lost_denials(a_document(before), a_document(*after))


@pytest.mark.parametrize("case", LOST)
def test_what_may_deny_less_does_not(case):
    before, *after = LOST[case]
    assert lost_denials(a_document(before), a_document(*after) if after else None)


def test_a_variable_is_none_in_another_version_of_the_language():
    variable = a_deny(resource="arn:aws:s3:::b/${aws:username}")
    assert lost_denials(a_document(variable), a_document(variable, version="2008-10-17"))
    assert not lost_denials(a_document(variable), a_document(a_deny(), version="2008-10-17"))


def test_a_pattern_of_many_stars_takes_no_time():
    wide, narrow = a_deny(resource="a*" * 2000 + "b"), a_deny(resource="a" * 5000)
    many = a_deny([f"s3:A{number}" for number in range(400)], [f"r{number}" for number in range(400)])
    less = [a_deny(f"s3:A{number}", "r*") for number in range(399)]

    def compare():
        assert lost_denials(a_document(narrow), a_document(wide))
        assert lost_denials(a_document(many), a_document(*less))

    assert takes_less(5, compare)


def test_documents_that_iam_reads_alike_mean_the_same():
    one = a_deny(["s3:GetObject", "*:*"], Condition={"Bool": {"aws:SecureTransport": "false"}})
    other = a_deny(["*", "S3:getobject"], Condition={"Bool": {"AWS:securetransport": ["false"]}})
    assert meaning(a_document(one)) == meaning(a_document(other))
    assert meaning(a_document(one)) != meaning(a_document({**one, "Resource": "arn:aws:s3:::B/*"}))
    doubled = {"Bool": {"k": "a", "K": "b"}}
    assert meaning(a_document(a_deny(Condition=doubled))) != meaning(a_document(a_deny(Condition={"Bool": {"k": "b"}})))
