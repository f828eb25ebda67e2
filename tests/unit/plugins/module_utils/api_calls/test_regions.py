# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.regions import choose_region

BOTH = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}


@pytest.mark.parametrize(
    ("given", "environment", "of_profile", "region"),
    [
        ("eu-central-1", BOTH, "eu-west-3", "eu-central-1"),
        ("", BOTH, "eu-west-3", "eu-west-1"),
        (None, {"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-3", "eu-west-2"),
        (None, {}, "eu-west-3", "eu-west-3"),
        (None, {}, None, "us-east-1"),
    ],
)
def test_the_strongest_that_names_a_region_decides(given, environment, of_profile, region):
    assert choose_region(given, of_profile, environment=environment) == region


@pytest.mark.parametrize(
    ("partition", "region"),
    [
        ("aws", "us-east-1"),
        ("aws-cn", "cn-north-1"),
        ("aws-us-gov", "us-gov-west-1"),
        ("aws-eusc", "eusc-de-east-1"),
        ("aws-iso", "us-iso-east-1"),
        ("aws-iso-b", "us-isob-east-1"),
        ("aws-iso-e", "eu-isoe-west-1"),
        ("aws-iso-f", "us-isof-south-1"),
        ("aws-moon", "us-east-1"),
    ],
)
def test_a_partition_has_a_region_of_its_own(partition, region):
    assert choose_region(partition=partition, environment={}) == region
