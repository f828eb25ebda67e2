# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several calls of SQS at a time: a call takes ten messages at most, and its time is mostly waiting.

A client of boto3 may be shared by threads.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from ..api_calls.background import in_background
from ..api_calls.deadline import REQUEST_SECONDS
from .errors import QueueError

Item = TypeVar("Item")

# A run's default of a hundred alerts.
CALLS_AT_ONCE = 10
# All tries of one call together. The deadline of a request counts in the main thread only.
_MAX_SECONDS = 4 * REQUEST_SECONDS
# A process that is interrupted must end soon.
_MAX_SECONDS_AFTER_INTERRUPTION = 2.0


def side_by_side(call: Callable[[Item], None], items: Iterable[Item], at_once: int = CALLS_AT_ONCE) -> None:
    """Run `call` for each item, in this thread and up to `at_once` - 1 others. A single item starts no other.

    `call` keeps its results itself, also of what has ended when an error is raised here. Raises the first error of a
    call after all have ended, and QueueError if one does not end.
    """
    waiting = deque(items)
    errors: list[Exception] = []
    is_interrupted = threading.Event()

    def work() -> None:
        while not is_interrupted.is_set():
            try:
                item = waiting.popleft()
            except IndexError:
                return
            try:
                call(item)
            except Exception as error:  # raised below
                errors.append(error)

    threads = [in_background(work) for _more in range(min(at_once, len(waiting)) - 1)]
    try:
        work()
        _join(threads, _MAX_SECONDS)
    except BaseException:
        is_interrupted.set()
        _join(threads, _MAX_SECONDS_AFTER_INTERRUPTION)
        raise
    if any(thread.is_alive() for thread in threads):
        raise QueueError(
            f"SQS gave no whole answer to a call within {_MAX_SECONDS} s. Its messages become visible after their "
            "visibility timeout. Check the network, then run again."
        )
    if errors:
        raise errors[0]


def _join(threads: list[threading.Thread], seconds: float) -> None:
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
