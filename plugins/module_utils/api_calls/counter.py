# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts a run's calls to APIs: each process appends its calls as lines to a file, which is read at the end.

A line has a service, an operation and whether the call was throttled, and nothing of the request or the answer.
Short appended lines of several processes do not mix, and a killed process has already recorded its calls.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from . import deadline

# The file's name in the temporary folder that Ansible has for each run of its own.
FILE_NAME = "leastpriv-api-calls"
# botocore.retries.standard has them, and all other codes of this kind, in a private list.
THROTTLED = (
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottledException",
    "ThrottlingException",
    "TooManyRequestsException",
)
TOO_MANY_REQUESTS = 429


def note_call(file: Path, service: str, operation: str, is_throttled: bool) -> None:
    """Append one call. A call that cannot be recorded is ignored."""
    with suppress(OSError):
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, f"{service} {operation} {int(is_throttled)}\n".encode())
        finally:
            os.close(descriptor)


# Once for a file: who registers twice counts twice.
@cache
def note_aws_calls(file: Path) -> None:
    """Let all boto3 sessions made from now on, here and in processes forked from this one, note their calls.

    Each request has a deadline from then on, too.

    Every try is a call, as AWS counts it: botocore's event `needs-retry` follows each one, with its answer.
    """
    import botocore.handlers

    botocore.handlers.BUILTIN_HANDLERS += [("needs-retry", partial(_note_try, file)), *deadline.handlers()]


def _note_try(file: Path, operation: Any, response: Any = None, **_more: Any) -> None:
    """Note one try. Returns None, since the result of a handler of this event decides whether botocore retries."""
    answer = response[1] if response else {}
    code = answer.get("Error", {}).get("Code")
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    is_throttled = code in THROTTLED or status == TOO_MANY_REQUESTS
    note_call(file, operation.service_model.service_name, operation.name, is_throttled)


def count_calls(file: Path) -> list[dict[str, Any]]:
    """The calls noted so far.

    :returns: one dict of `service`, `operation`, `calls` and `throttled` for each operation, sorted.
    """
    calls: Counter[tuple[str, str]] = Counter()
    throttled: Counter[tuple[str, str]] = Counter()
    with suppress(FileNotFoundError), open(file, encoding="utf-8") as lines:
        for line in lines:
            service, operation, is_throttled = line.split()
            calls[service, operation] += 1
            throttled[service, operation] += int(is_throttled)
    return [
        {"service": service, "operation": operation, "calls": number, "throttled": throttled[service, operation]}
        for (service, operation), number in sorted(calls.items())
    ]
