# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages of a run: received until the queue is empty, duplicates merged, released if the run fails.

Messages of other runs (`filtered`) are released as soon as this run has received those behind them, not at its end.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NoReturn

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import attempt
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.errors import QueueError, kind
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.side_by_side import CALLS_AT_ONCE, side_by_side
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import (
    BATCH,
    Message,
    Queue,
    depth,
    receive,
    release,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message import Alert, quoted, read_alerts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message_shapes import Shape

# An empty answer does not mean an empty queue, but a wrong count must not keep a run polling forever.
_FRUITLESS_POLLS = 4
# Alerts without work do not count for max_alerts, so a queue that is full of them needs another limit.
_MAX_MESSAGES = 1_000
_MAX_PER_ALERT = 10
# Messages of other runs are hidden only while this run receives the messages behind them.
_MAX_HIDDEN_SECONDS = 5.0
# Between two polls of a queue that is shared with other runs: the least and the most.
_PAUSE_SECONDS = (0.2, 1.0)
# A run with too many messages in flight for SQS works on them first; the next run receives more.
_LIMIT_CODES = ("OverLimit",)
# The disposition of another run's alert.
OF_OTHER_RUN = "filtered"


class Terminated(BaseException):
    """SIGTERM. It is not an Exception, because botocore would take that for a lost connection and retry."""


@dataclass(frozen=True)
class Clock:
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Reception:
    """How messages are received. Times are in seconds.

    :ivar max_alerts: the maximum number of alerts that are open work, without duplicates.
    :ivar is_shared: other runs are receiving alerts of other accounts from the same queue.
    :ivar last_receive: stop at a message with this receive count, because the next receive would move it to the
        dead-letter queue, and a review must not lose an alert.
    """

    max_alerts: int
    wait_seconds: int
    visibility_timeout: int
    is_shared: bool = False
    last_receive: int | None = None

    @property
    def max_messages(self) -> int:
        return max(_MAX_MESSAGES, _MAX_PER_ALERT * self.max_alerts)


@dataclass(frozen=True)
class ReceivedMessage:
    """A message and one of its alerts.

    :ivar part: the alert's place in the message, from 1.
    """

    message: Message
    alert: Alert
    part: int = 1

    @property
    def name(self) -> str:
        """Identifies the alert in its run: the message's id, with the place of all but the first alert."""
        return self.message.message_id if self.part == 1 else f"{self.message.message_id}.{self.part}"


@dataclass(frozen=True)
class AlertMessages:
    """One alert with all its messages, by message id. The message that was sent last describes the alert.

    :ivar is_released: the messages are released, so their receipts are not valid any more.
    """

    received: dict[str, ReceivedMessage]
    is_released: bool = False

    @property
    def newest(self) -> ReceivedMessage:
        """The message that was sent last; of two with the same time, the one received last."""
        return max(reversed(list(self.received.values())), key=lambda one: one.message.sent_ms)

    @property
    def held(self) -> list[Message]:
        """The messages with valid receipts."""
        return [] if self.is_released else [one.message for one in self.received.values()]

    @property
    def receive_count(self) -> int:
        return max(one.message.receive_count for one in self.received.values())


@dataclass(frozen=True)
class Inbox:
    """All messages that this run has received, by alert.

    :ivar own: the alerts of this run, and `others` those of other runs.
    :ivar open: the keys of the run's own alerts that are open work.
    :ivar hidden: the receipts of other runs' messages that are not released yet, by message id.
    :ivar seen: the ids of all messages.
    :ivar shapes: the messages of other senders.
    """

    queue: Queue
    judge: Callable[[Alert], Alert] = lambda alert: alert
    shapes: Sequence[Shape] = ()
    own: dict[tuple[str, str], AlertMessages] = field(default_factory=dict)
    others: dict[tuple[str, str], AlertMessages] = field(default_factory=dict)
    open: set[tuple[str, str]] = field(default_factory=set)
    hidden: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def collect(self, reception: Reception, clock: Clock | None = None) -> str | None:
        """Receive until there is nothing new or the run has `max_alerts`. Raises QueueError.

        :returns: None, or why it stopped early: a third of the visibility timeout is over (after all of it, the first
            messages would be received again), or `max_messages` were received.
        """
        try:
            return _Collecting(self, reception, clock or Clock()).run()
        finally:
            self.release_others()

    def add(self, message: Message) -> None:
        """Add a message to each of its alerts, which is known by account and id; without these it is a new alert.

        A message that is received again replaces itself: only its last receipt is sure to be valid. It belongs to
        another run only if all of its alerts do.
        """
        self.seen.add(message.message_id)
        alerts = self._judged(message)
        is_others = all(alert.disposition == OF_OTHER_RUN for alert in alerts)
        if is_others:
            self.hidden[message.message_id] = message.receipt_handle
            message = replace(message, body="")
        pile = self.others if is_others else self.own
        for part, alert in enumerate(alerts, 1):
            received = ReceivedMessage(message, alert, part)
            key = (alert.account_id, alert.alert_id or "") if alert.account_id else ("", received.name)
            messages = pile.setdefault(key, AlertMessages({}))
            messages.received[message.message_id] = received
            if not is_others:
                # Counted here: to look at all alerts before each receive would take longer the more there are.
                (self.open.add if messages.newest.alert.disposition is None else self.open.discard)(key)

    def _judged(self, message: Message) -> list[Alert]:
        """The alerts of a message; an alert that raises an error has failed, and the others are kept."""
        alerts = attempt("reading its message", partial(read_alerts, message.body, self.shapes), _unread)
        return [
            attempt("selecting it", partial(self.judge, alert), partial(alert.settled, "failed")) for alert in alerts
        ]

    def release_others(self) -> None:
        """Release the messages of other runs."""
        handles = {handle: message_id for message_id, handle in self.hidden.items()}
        failed = {each.receipt_handle for each in release(self.queue, handles)}
        for handle, message_id in handles.items():
            if handle not in failed:
                del self.hidden[message_id]

    def alerts(self) -> Iterator[tuple[AlertMessages, Alert]]:
        """Every alert once, with its messages: the run's own first, then those of other runs."""
        yield from in_turn([(messages, messages.newest.alert) for messages in self.own.values()])
        for key, messages in self.others.items():
            if key not in self.own:
                is_released = self.hidden.keys().isdisjoint(messages.received)
                yield replace(messages, is_released=is_released), messages.newest.alert

    def release_all(self) -> None:
        """Release every message; those that SQS refuses become visible after the visibility timeout."""
        release(self.queue, dict.fromkeys([*self.own_handles, *self.hidden.values()]))

    @property
    def own_handles(self) -> list[str]:
        """The receipt handles of the run's own messages."""
        return [message.receipt_handle for messages in self.own.values() for message in messages.held]


class _Collecting:
    """The state of receiving between two receives.

    A round keeps the messages of other runs hidden until there is nothing new, so it reaches the messages behind them.
    If messages are left (another run is receiving, and hides them), it pauses and polls again without waiting.
    """

    def __init__(self, inbox: Inbox, reception: Reception, clock: Clock) -> None:
        self.inbox, self.reception, self.clock = inbox, reception, clock
        self.deadline = clock.monotonic() + reception.visibility_timeout / 3
        self.received = self.fruitless = 0
        self.looks_again = False
        self.hidden_until: float | None = None

    def run(self) -> str | None:
        while (wanted := self._wanted()) > 0 and self.fruitless < _FRUITLESS_POLLS:
            if limit := self._limit():
                return limit
            messages = self._receive(wanted)
            has_news = self._take(messages)
            is_short = len(messages) < wanted
            # SQS's count can show that nothing is left, which saves a poll; with other runs it is not reliable.
            asks = not has_news or (is_short and (self.looks_again or not self.reception.is_shared))
            has_seen_all = asks and self._has_seen_all(messages, has_news)
            is_round_over = has_seen_all or not has_news or (is_short and self.looks_again)
            self._release_others(is_round_over)
            if has_seen_all:
                return None
            if is_round_over:
                self._pause(messages)
        return None

    def _wanted(self) -> int:
        """As many messages as one call can return, or several calls while the queue has as many for them."""
        at_once = BATCH
        # Another run may take them first, a FIFO queue returns the messages of a group in turn, and a review may have
        # to stop before the next receive.
        is_limited = self.reception.is_shared or self.inbox.queue.is_fifo or self.reception.last_receive is not None
        if not (is_limited or self.fruitless):
            at_once = max(BATCH, min(BATCH * CALLS_AT_ONCE, self.inbox.queue.visible - self.received))
        return min(at_once, self.reception.max_alerts - len(self.inbox.open))

    def _limit(self) -> str | None:
        if self.received >= self.reception.max_messages:
            return f"{self.received} messages were received, most of them without work for this run"
        if self.clock.monotonic() >= self.deadline:
            return "a third of the visibility timeout is over"
        return None

    def _receive(self, wanted: int) -> list[Message]:
        messages: list[Message] = []
        wait_seconds = self._wait_seconds()

        def receive_some(count: int) -> None:
            messages.extend(receive(self.inbox.queue, count, wait_seconds, self.reception.visibility_timeout))

        try:
            side_by_side(receive_some, [min(BATCH, wanted - place) for place in range(0, wanted, BATCH)])
        except BaseException as error:
            has_work = self.inbox.seen or messages
            if isinstance(error, QueueError) and has_work and kind(error.code) in _LIMIT_CODES:
                return messages
            # Kept, so that they are released.
            for message in messages:
                self.inbox.add(message)
            raise
        return sorted(messages, key=lambda message: message.sent_ms)

    def _wait_seconds(self) -> int:
        """After as many messages as the queue had, poll without waiting; then SQS's count decides."""
        if self.received and self.received >= self.inbox.queue.visible and not self.fruitless:
            return 0
        return min(self.reception.wait_seconds, 1) if self.inbox.hidden else self.reception.wait_seconds

    def _take(self, messages: Sequence[Message]) -> bool:
        """Add the messages; True if any is new."""
        has_news = any(message.message_id not in self.inbox.seen for message in messages)
        for message in messages:
            self.inbox.add(message)
        self._check_receives(messages)
        self.received += len(messages)
        self.fruitless = 0 if has_news else self.fruitless + 1
        return has_news

    def _check_receives(self, messages: Sequence[Message]) -> None:
        last = self.reception.last_receive
        spent = [message for message in messages if last is not None and message.receive_count >= last]
        if spent:
            named = ", ".join(_named(message, self.inbox.shapes) for message in spent)
            raise QueueError(
                f"The review was stopped, and every message was returned to the queue: {named} was received "
                f"{spent[0].receive_count} times, so another review would move it to the dead-letter queue before a "
                "run can work on it. Run without --check, or raise maxReceiveCount in the queue's redrive policy. To "
                "review anyway, set remediate_review_despite_redrive: true."
            )

    def _release_others(self, is_round_over: bool) -> None:
        """Release other runs' messages before a pause and during a long round, so those runs need not wait."""
        now = self.clock.monotonic()
        if self.hidden_until is None:
            self.hidden_until = now + _MAX_HIDDEN_SECONDS
        if is_round_over or now >= self.hidden_until:
            self.inbox.release_others()
            self.hidden_until = None

    def _has_seen_all(self, messages: Sequence[Message], has_news: bool) -> bool:
        # A FIFO queue returns only the first messages of its groups until these are deleted.
        is_again_the_heads = bool(messages) and not has_news and self.inbox.queue.is_fifo
        return is_again_the_heads or self._unseen() <= 0

    def _pause(self, messages: Sequence[Message]) -> None:
        """Pause for a random time, so one of several runs polls alone and finds all its messages."""
        self.looks_again = self.looks_again or self.reception.is_shared
        if messages or self.looks_again:
            self.clock.sleep(random.uniform(*_PAUSE_SECONDS))

    def _unseen(self) -> int:
        """The number of messages that this run could still receive, including those that other runs hold."""
        now = depth(self.inbox.queue)
        others = {message_id for messages in self.inbox.others.values() for message_id in messages.received}
        seen_visible = len(others) - len(self.inbox.hidden)
        if not self.reception.is_shared:
            return now.visible - seen_visible
        return now.visible + now.in_flight - len(self.inbox.seen)


def in_turn(alerts: list[tuple[AlertMessages, Alert]]) -> Iterator[tuple[AlertMessages, Alert]]:
    """Postpone an alert of a FIFO queue if an earlier one of its message group is about the same resource.

    The order of steps of one run's alerts is not fixed, and a failed alert would be applied after a later one. Alerts
    of one message do not wait for each other: they are always received together.
    """
    first: dict[tuple[Any, ...], tuple[str, Alert]] = {}
    for messages, alert in alerts:
        message = messages.newest.message
        if message.group_id is None or alert.disposition:
            yield messages, alert
            continue
        place = (message.group_id, alert.account_id, alert.resource_id or alert.resource)
        message_id, earlier = first.setdefault(place, (message.message_id, alert))
        is_first = message_id == message.message_id
        yield messages, alert if is_first else alert.settled(OF_OTHER_RUN, _waits(earlier, message.group_id))


def _waits(earlier: Alert, group_id: str) -> str:
    return (
        f"postponed: alert {earlier.alert_id} about the same resource is before it in message group "
        f"{quoted(group_id)}; a later run takes it"
    )


def _unread(reason: str) -> list[Alert]:
    return [Alert().settled("failed", reason)]


def _named(message: Message, shapes: Sequence[Shape]) -> str:
    alerts = attempt("naming it", partial(read_alerts, message.body, shapes), _unread)
    alert_id = next((alert.alert_id for alert in alerts if alert.alert_id), None)
    return f"alert {quoted(alert_id)}" if alert_id else f"message {message.message_id}"


@contextmanager
def held_messages(
    queue: Queue, judge: Callable[[Alert], Alert] = lambda alert: alert, shapes: Sequence[Shape] = ()
) -> Iterator[Inbox]:
    """An inbox that releases its messages if anything fails or interrupts the run.

    Raises QueueError on SIGTERM.
    """
    inbox = Inbox(queue, judge, shapes)
    try:
        with _raising_on_sigterm():
            yield inbox
    except Terminated:
        inbox.release_all()
        raise QueueError(
            "The run was terminated while it received alerts. All of them were released. Run again."
        ) from None
    except BaseException:
        inbox.release_all()
        raise


@contextmanager
def _raising_on_sigterm() -> Iterator[None]:
    """Without a handler, a worker would end at once and leave its messages hidden."""
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
