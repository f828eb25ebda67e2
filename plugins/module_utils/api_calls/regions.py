# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The region of a call, by one rule for queue, STS and accounts.

Sources: "Regions" in the AWS CLI User Guide; botocore's data files partitions.json and endpoints.json.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping

AWS = "aws"
# The environment variables that name a region, the stronger one first. botocore reads only the second.
VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


def choose_region(
    given: str | None = None,
    of_profile: str | None = None,
    partition: str = AWS,
    environment: Mapping[str, str] | None = None,
) -> str:
    """The region to use.

    :param given: the region of the inventory or an option (`aws_region`); it is first.
    :param of_profile: the region of the profile, used after the environment.
    :param partition: the partition whose own region is used where nothing names one.
    :returns: a region's name, such as `us-east-1`.
    """
    environment = os.environ if environment is None else environment
    named = [given, *(environment.get(name) for name in VARIABLES), of_profile]
    return next((region for region in named if region), None) or partition_region(partition)


def region_of_profile(profile: str | None = None) -> str:
    """The region for calls with a profile, by the same rule; the profile's role names the partition.

    :param profile: its name; None for that of the environment.

    A profile that cannot be read has no region of its own; creating a client with it raises the error.
    """
    # Only now: most often a region is named.
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    try:
        settings = Session(profile=profile or None).get_scoped_config()
    except (BotoCoreError, UnicodeError):
        settings = {}
    partition = settings.get("role_arn", f"arn:{AWS}:").split(":")[1:2] or [AWS]
    return choose_region(of_profile=settings.get("region"), partition=partition[0])


def partition_region(partition: str) -> str:
    """The region in which a partition's global services are, such as IAM; an unknown partition has that of `aws`."""
    regions = _partition_regions()
    return regions.get(partition) or regions[AWS]


@functools.cache
def _partition_regions() -> dict[str, str]:
    # Only now: most often a region is named.
    from botocore.loaders import create_loader

    load = create_loader().load_data
    regions = {each["id"]: each["outputs"].get("implicitGlobalRegion") for each in load("partitions")["partitions"]}
    # More exact if it has an entry: China's global region for other services is not the one that signs for IAM.
    for each in load("endpoints")["partitions"]:
        iam = each["services"].get("iam", {})
        scope = iam.get("endpoints", {}).get(iam.get("partitionEndpoint"), {}).get("credentialScope", {})
        regions[each["partition"]] = scope.get("region") or regions.get(each["partition"])
    return regions
