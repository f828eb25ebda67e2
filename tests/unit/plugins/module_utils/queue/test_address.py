# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.address import (
    checked_name,
    checked_url,
    is_url,
    queue_endpoint,
    queue_region,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.errors import QueueError
from botocore.session import get_session


@pytest.mark.parametrize("name", ["https://sqs.eu-west-1.amazonaws.com/1/q", "a b", "x" * 81, "arn:aws:sqs:x:1:q", ""])
def test_name_that_is_none(name):
    with pytest.raises(QueueError, match=r"is not a queue name.*queue_url"):
        checked_name(name)


@pytest.mark.parametrize("name", ["prisma_cloud-alerts", "x" * 80, "x" * 75 + ".fifo"])
def test_name(name):
    assert checked_name(name) == name
    assert not is_url(name)


@pytest.mark.parametrize("url", ["prisma", "ftp://x/y", "https://sqs.eu-west-1.amazonaws.com"])
def test_url_that_is_none(url):
    with pytest.raises(QueueError, match="is not a URL: use what"):
        checked_url(url)


@pytest.mark.parametrize(
    ("host", "region", "is_chosen"),
    [
        ("sqs.eu-west-1.amazonaws.com", "eu-west-1", False),
        ("eu-central-1.queue.amazonaws.com", "eu-central-1", False),
        ("queue.amazonaws.com", "us-east-1", False),
        ("sqs.cn-north-1.amazonaws.com.cn", "cn-north-1", False),
        ("cn-northwest-1.queue.amazonaws.com.cn", "cn-northwest-1", False),
        ("sqs.us-gov-west-1.amazonaws.com", "us-gov-west-1", False),
        ("us-gov-east-1.queue.amazonaws.com", "us-gov-east-1", False),
        ("sqs.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1", False),
        ("sqs.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", False),
        ("sqs-fips.us-east-2.amazonaws.com", "us-east-2", True),
        ("sqs.eu-west-1.api.aws", "eu-west-1", True),
        ("sqs-fips.us-west-2.api.aws", "us-west-2", True),
        ("sqs.cn-north-1.api.amazonwebservices.com.cn", "cn-north-1", True),
        ("vpce-1-x.sqs.ap-southeast-2.vpce.amazonaws.com", "ap-southeast-2", True),
        ("vpce-0a-b-us-east-1a.sqs.us-east-1.vpce.amazonaws.com", "us-east-1", True),
        ("vpce-1-x.sqs.cn-north-1.vpce.amazonaws.com.cn", "cn-north-1", True),
    ],
)
def test_hosts_of_aws(host, region, is_chosen):
    url = f"https://{host}/123456789012/q"
    assert is_url(url)
    assert queue_region(url) == region
    assert queue_endpoint(url) == (f"https://{host}" if is_chosen else None)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:5000/123456789012/q",
        "https://sqs.eu-west-1.example.com/123456789012/q",
        "https://sqs-fips.eu-west-1.amazonaws.com.example.com/1/q",
        "https://notamazonaws.com/1/q",
        "https://[broken",
        "",
        None,
    ],
)
def test_other_hosts_name_no_region(url):
    assert (queue_region(url), queue_endpoint(url)) == (None, None)


def test_every_region_that_botocore_knows():
    session = get_session()
    regions = [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("sqs", partition)
    ]
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    endpoints = [session.create_client("sqs", region_name=region, **keys).meta.endpoint_url for region in regions]
    assert len(regions) > 30
    assert [queue_region(f"{endpoint}/1/q") for endpoint in endpoints] == regions
