# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a queue is, read from what a person wrote. Pure.

Follows https://docs.aws.amazon.com/general/latest/gr/sqs-service.html and botocore's partitions.json for the hosts.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from .errors import QueueError

_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d+")
# The hosts of every partition; the second of each pair also answers over IPv6.
_AWS_DOMAINS = (
    "amazonaws.com", "api.aws",
    "amazonaws.com.cn", "api.amazonwebservices.com.cn",
    "amazonaws.eu", "api.amazonwebservices.eu",
    "c2s.ic.gov", "api.aws.ic.gov",
    "sc2s.sgov.gov", "api.aws.scloud",
    "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov", "api.aws.hci.ic.gov",
)  # fmt: skip
_LEGACY_US_EAST_1 = "queue.amazonaws.com"
# The user's choice of endpoint for these hosts; the SDK knows all other addresses itself.
_CHOSEN_HOST = re.compile(r"(?:vpce-|sqs-fips\.)|\.api\.(?:aws|amazonwebservices|cloud-aws)\b")


def queue_region(queue_url: str | None) -> str | None:
    """Read the region out of an AWS queue URL; None when it names none (an emulator, a proxy)."""
    host = _aws_host(queue_url)
    if host == _LEGACY_US_EAST_1:
        return "us-east-1"
    return next((label for label in host.split(".") if _REGION.fullmatch(label)), None)


def queue_endpoint(queue_url: str | None) -> str | None:
    """The endpoint that a queue URL chooses by its host: a VPC endpoint, FIPS, or IPv6; else None.

    The SDK sends a request to the region's endpoint whatever the URL of the queue is.
    """
    host = _aws_host(queue_url)
    return f"https://{host}" if _CHOSEN_HOST.search(host) else None


def is_url(text: str) -> bool:
    """Whether the text is meant as a URL; a queue's name cannot hold such characters."""
    return ":" in text or "/" in text


def checked_url(url: str) -> str:
    """The same URL. Raises QueueError when it is none."""
    if not re.match(r"https?://[^/\s]+/\S+", url):
        raise QueueError(f"queue_url is {url!r}, which is not a URL: use what 'aws sqs get-queue-url' prints.")
    return url


def checked_name(name: str) -> str:
    """The same name. Raises QueueError when no queue can have it."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo", name):
        raise QueueError(
            f"queue_name is {name!r}, which is not a queue name: use up to 80 letters, digits, '-' and '_' "
            "(a URL belongs into queue_url or SQS_QUEUE_URL)."
        )
    return name


def _aws_host(queue_url: str | None) -> str:
    try:
        host = urlsplit(queue_url or "").hostname or ""
    except ValueError:
        return ""
    return host if host.endswith(tuple(f".{domain}" for domain in _AWS_DOMAINS)) else ""
