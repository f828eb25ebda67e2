# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a review says about lost access."""

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import read_document
from ansible_collections.leastpriv.iam.plugins.module_utils.policy_proof.lost_access import (
    describe_lost_access,
    lost_access,
)


def allow(*actions, key="Action", **more):
    return {"Effect": "Allow", key: [*actions], "Resource": "*", **more}


def trust(*services):
    return {"Effect": "Allow", "Principal": {"Service": [*services]}, "Action": "sts:AssumeRole"}


MFA = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
CASES = [
    ([allow("s3:GetObject")], [allow("S3:getobject")], None),
    ([allow("s3:GetObject", "s3:PutObject", "iam:PassRole")], [allow("s3:GetObject")], "s3: PutObject; iam: PassRole"),
    ([allow("s3:*")], [allow("s3:GetObject", "s3:List*")], "s3: * (still allowed: s3:GetObject, s3:List*)"),
    (
        [allow("s3:*")],
        [allow("s3:*", Resource="arn:aws:s3:::b")],
        "s3: * (on fewer resources or under more conditions)",
    ),
    ([allow("s3:Get*")], [allow("s3:*", **MFA)], "s3: Get* (on fewer resources or under more conditions)"),
    ([allow("*")], [allow("iam:*", key="NotAction")], "* (still allowed: everything but iam:*)"),
    ([allow("iam:*", key="NotAction")], [allow("s3:*")], "everything but iam:*, in part"),
    ([allow("s3:*"), allow("s3:*", **MFA)], [], "s3: *"),
    (
        [trust("ec2.amazonaws.com", "x.amazonaws.com")],
        [trust("x.amazonaws.com")],
        "sts: AssumeRole for Service:ec2.amazonaws.com",
    ),
    (
        [allow(*(f"s3:A{number}" for number in range(22)))],
        [],
        f"s3: {', '.join(f'A{number}' for number in range(20))} and 2 more",
    ),
]


@pytest.mark.parametrize(("old", "new", "lost"), CASES)
def test_lost_access_is_grouped_by_service(old, new, lost):
    documents = [[read_document({"Version": "2012-10-17", "Statement": one})] if one else [] for one in (old, new)]
    found = lost_access(*documents)
    assert (describe_lost_access("user ann", found) if found else None) == (
        lost and f"User ann loses access to {lost}."
    )
