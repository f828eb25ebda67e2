# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages a run holds: received until the queue is really empty, duplicates folded, given back when it fails."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ansible_collections.leastpriv.iam.plugins.module_utils.queue import (
    BATCH,
    Message,
    Queue,
    QueueError,
    depth,
    give_back,
    receive,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.message import Alert, read_alert

# An empty answer is not an empty queue; but a count that is never served must not hold a run for ever.
_EMPTY_POLLS = 4
# Whoever holds so many messages works first, and receives again in its next run.
_FULL = ("OverLimit",)


class Terminated(BaseException):
    """SIGTERM. No Exception, which botocore would take for a lost connection and try again."""


@dataclass(frozen=True)
class Reception:
    """How messages are received; `max_alerts` counts alerts, not their duplicates. Times in seconds."""

    max_alerts: int
    wait_seconds: int
    visibility_timeout: int


@dataclass(frozen=True)
class Held:
    """One alert with all its messages, by message id; the last sent one says what the alert is."""

    messages: dict[str, Message]

    @property
    def newest(self) -> Message:
        """The message that was sent last; of two sent at the same time the one received last."""
        return max(reversed(list(self.messages.values())), key=lambda message: message.sent_ms)

    @property
    def receipts(self) -> list[dict[str, str]]:
        return [
            {"message_id": message.message_id, "receipt_handle": message.receipt_handle}
            for message in self.messages.values()
        ]

    @property
    def receive_count(self) -> int:
        return max(message.receive_count for message in self.messages.values())


@dataclass(frozen=True)
class Inbox:
    """All messages this run has received, by alert."""

    queue: Queue
    held: dict[tuple[str, str], Held] = field(default_factory=dict)

    def collect(self, reception: Reception, monotonic: Callable[[], float]) -> None:
        """Receive until the queue is empty or `max_alerts` are held. Raises QueueError.

        Stops early at a third of the visibility timeout: who receives longer gets its own first messages again.
        """
        deadline = monotonic() + reception.visibility_timeout / 3
        empty_polls = 0
        while len(self.held) < reception.max_alerts and empty_polls < _EMPTY_POLLS and monotonic() < deadline:
            wanted = min(BATCH, reception.max_alerts - len(self.held))
            messages = self._receive(wanted, reception)
            for message in messages:
                self.add(message)
            empty_polls = 0 if messages else empty_polls + 1
            if not messages and not depth(self.queue).visible:
                return

    def add(self, message: Message) -> None:
        """Put a message to its alert: the one of its account with its id, or one of its own when it has neither.

        A message that comes a second time replaces itself: only its last receipt is sure to be valid.
        """
        alert = read_alert(message.body)
        key = (alert.account_id or "", alert.alert_id or "") if alert.account_id else ("", message.message_id)
        self.held.setdefault(key, Held({})).messages[message.message_id] = message

    def alerts(self) -> Iterator[tuple[Held, Alert]]:
        for held in self.held.values():
            yield held, read_alert(held.newest.body)

    def give_all_back(self) -> None:
        """Make every message visible again; what SQS refuses comes back by itself after the visibility timeout."""
        give_back(self.queue, [receipt["receipt_handle"] for held in self.held.values() for receipt in held.receipts])

    def _receive(self, wanted: int, reception: Reception) -> tuple[Message, ...]:
        try:
            return receive(self.queue, wanted, reception.wait_seconds, reception.visibility_timeout)
        except QueueError as error:
            if self.held and (error.code or "").rsplit(".", 1)[-1] in _FULL:
                return ()
            raise


@contextmanager
def held_messages(queue: Queue) -> Iterator[Inbox]:
    """An inbox whose messages go back to the queue at once when anything fails, an interrupt included.

    Raises QueueError on SIGTERM.
    """
    inbox = Inbox(queue)
    try:
        with _raising_on_sigterm():
            yield inbox
    except Terminated:
        inbox.give_all_back()
        raise QueueError("The run was ended while it received alerts. They were all given back; run again.") from None
    except BaseException:
        inbox.give_all_back()
        raise


@contextmanager
def _raising_on_sigterm() -> Iterator[None]:
    """A worker that is told to end would otherwise end on the spot, with the messages in its hands."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    replaced = signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, replaced)


def _raise_terminated(*ignored: Any) -> NoReturn:
    raise Terminated
