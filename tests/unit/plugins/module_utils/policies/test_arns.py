# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.arns import arns_in, partitions

ARN = "arn:aws:iam::123456789012:user/x"
ESCAPED = r"\u0061rn:aws:iam::123456789012:user/x"


@pytest.mark.parametrize(
    "value",
    [
        ARN,
        f"see {ARN} and so on",
        [{"Key": "owner", "Value": ARN}],
        f'{{"Resource": "{ESCAPED}"}}',
        f'{{"Resource": "{ESCAPED}", "n": {"1" * 5000}}}',
        f'{{"Condition": {{"ArnLike": {{"{ESCAPED}": "x"}}}}}}',
        f'{{"a": "{ARN}", "a": "the key is there twice"}}',
    ],
)
def test_an_arn_is_found_wherever_it_stands(value):
    assert "123456789012" in [match["account"] for match in arns_in(value)]


@pytest.mark.parametrize(
    ("value", "named"),
    [(ARN, {"aws"}), ("arn:aws-us-gov:iam::aws:policy/x", {"aws-us-gov"}), ("arn:*:s3:::b", set()), ("none", set())],
)
def test_partitions_are_those_that_arns_name(value, named):
    assert partitions({"PolicyArn": value, "UserName": "arn"}) == named
