# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deadline for each HTTP request to AWS, from the connection to the last byte of the answer.

botocore's read_timeout begins again with each byte. The time counts between two public events of botocore, each try for
itself. A late call fails like a time-out, so botocore's own retries and their limit apply.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any, NoReturn

# Longer than any answer of IAM, STS or SQS takes, a page of a whole account's IAM included.
REQUEST_SECONDS = 120

# What SIGALRM did before the request that is under way; empty while there is none.
_replaced: list[Any] = []


def handlers() -> list[tuple[str, Callable[..., None]]]:
    """The handlers for botocore's list of what each new session has: (event, handler)."""
    return [("before-send", _begin), ("response-received", _end)]


def _begin(request: Any, **_more: Any) -> None:
    """Start the clock, where nothing else in this process waits for its alarm."""
    if threading.current_thread() is not threading.main_thread() or signal.getitimer(signal.ITIMER_REAL)[0]:
        return

    def give_up(*_ignored: Any) -> NoReturn:
        # botocore converts this error; its own one is an OSError, which urllib3 would take for a broken connection.
        from urllib3.exceptions import ReadTimeoutError

        raise ReadTimeoutError(None, request.url, f"no whole answer within {REQUEST_SECONDS} s")

    _replaced[:] = [signal.signal(signal.SIGALRM, give_up)]
    signal.setitimer(signal.ITIMER_REAL, REQUEST_SECONDS)


def _end(**_more: Any) -> None:
    if _replaced and threading.current_thread() is threading.main_thread():
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, _replaced.pop())
