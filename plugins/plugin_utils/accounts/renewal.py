# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renews the visibility timeout of a run's messages for as long as the run works on them.

A run that is killed returns nothing to the queue, so its messages stay hidden for the rest of that time. With a renewal
it can be short.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.background import in_background
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import Queue, extend
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.queue_client import open_queue_of

# Messages are renewed when so much of their time has passed: a renewal that fails is repeated in time.
SHARE = 1 / 4
# For a renewal that is under way: its calls, and their retries.
MAX_PAUSE_SECONDS = 30


class Renewal:
    """A process that renews messages, since a module may run for longer than the timeout.

    It is not a thread, since Ansible copies its controller for each task, at a moment when a thread may hold a lock.
    """

    def __init__(self, run: Mapping[str, Any], begin: Callable[[], None]) -> None:
        """Start it.

        :param run: how to reach the queue, as `open_queue_of` takes it, and `visibility_timeout` in seconds.
        :param begin: called in the process first.
        """
        context = multiprocessing.get_context("fork")
        self._held: list[str] = []
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=[theirs, dict(run), begin], daemon=True)
        self._process.start()
        theirs.close()

    def hold(self, handles: Iterable[str]) -> None:
        """Renew these messages from now on, and no others: none of the others is renewed once this returns."""
        wanted = list(handles)
        if wanted == self._held:
            return
        self._held = wanted
        with suppress(OSError, EOFError):
            self._pipe.send(wanted)
            if self._pipe.poll(MAX_PAUSE_SECONDS):
                self._pipe.recv()

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _work(pipe: Connection, run: Mapping[str, Any], begin: Callable[[], None]) -> None:
    begin()
    for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_DFL)
    seconds, queue = int(run["visibility_timeout"]), None
    held: list[str] = []
    while True:
        if pipe.poll(seconds * SHARE):
            held = pipe.recv()
            pipe.send(None)
        elif held:
            # What fails is tried again, and a wave of steps that would begin too late fails in the role itself.
            with suppress(Exception):
                queue = queue or open_queue_of(run)
                extend(queue, held, seconds)


@contextmanager
def renewing(queue: Queue, handles: Iterable[str], seconds: int) -> Iterator[None]:
    """Renew messages in a thread while the block runs: for a worker of Ansible, which may start no process."""
    held, has_ended = list(handles), threading.Event()

    def work() -> None:
        while not has_ended.wait(seconds * SHARE):
            with suppress(Exception):
                extend(queue, held, seconds)

    thread = in_background(work)
    try:
        yield
    finally:
        has_ended.set()
        thread.join(MAX_PAUSE_SECONDS)
