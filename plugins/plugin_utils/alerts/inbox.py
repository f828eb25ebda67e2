# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages a run holds: received until the queue is really empty, duplicates folded, given back when it fails.

Messages of other runs (`filtered`) are given back as soon as this run has looked behind them, and not at its end.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NoReturn

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import attempt
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.errors import QueueError, kind
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import (
    BATCH,
    Message,
    Queue,
    depth,
    give_back,
    receive,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message import Alert, quoted, read_alerts

# An empty answer is not an empty queue; but a count that is never served must not hold a run for ever.
_FRUITLESS_POLLS = 4
# Alerts without work do not count for max_alerts: something else has to end a run on a queue that is full of them.
_MOST_MESSAGES = 1_000
_MOST_PER_ALERT = 10
# Messages of other runs are hidden from these for no longer than it takes to look behind them, in seconds.
_PASSING_SECONDS = 5.0
# Between two looks at a queue that other runs look at, in seconds.
_PAUSE = (0.2, 1.0)
# Whoever holds so many messages works first, and receives again in its next run.
_FULL = ("OverLimit",)
# Not this run's alert, but another's.
OTHERS = "filtered"


class Terminated(BaseException):
    """SIGTERM. No Exception, which botocore would take for a lost connection and try again."""


@dataclass(frozen=True)
class Clock:
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Reception:
    """How messages are received. `max_alerts` counts alerts that are open work, not their duplicates. Times in seconds.

    `is_shared`: other runs take the alerts of other accounts from the same queue, now. `last_receive`: stop when a
    message has been received so often, because the queue would take it away (a review must not cost an alert).
    """

    max_alerts: int
    wait_seconds: int
    visibility_timeout: int
    is_shared: bool = False
    last_receive: int | None = None

    @property
    def most_messages(self) -> int:
        return max(_MOST_MESSAGES, _MOST_PER_ALERT * self.max_alerts)


@dataclass(frozen=True)
class Letter:
    """A message and one alert in it. `part`: the alert's place, from 1, in a message that may hold several."""

    message: Message
    alert: Alert
    part: int = 1

    @property
    def name(self) -> str:
        """Identifies the alert in its run: the message's id, with the place of all but the first alert."""
        return self.message.message_id if self.part == 1 else f"{self.message.message_id}.{self.part}"


@dataclass(frozen=True)
class Held:
    """One alert with all its messages, by message id; the last sent one says what the alert is.

    `is_back`: the messages are in the queue again, so that their receipts are worth nothing any more.
    """

    letters: dict[str, Letter]
    is_back: bool = False

    @property
    def newest(self) -> Letter:
        """The message that was sent last; of two sent at the same time the one received last."""
        return max(reversed(list(self.letters.values())), key=lambda letter: letter.message.sent_ms)

    @property
    def messages(self) -> list[Message]:
        return [] if self.is_back else [letter.message for letter in self.letters.values()]

    @property
    def receive_count(self) -> int:
        return max(letter.message.receive_count for letter in self.letters.values())


@dataclass(frozen=True)
class Inbox:
    """All messages this run has received, by alert.

    `held` are its own; `passed` those of other runs, of which `passing` still has the receipts of the hidden ones.
    """

    queue: Queue
    judge: Callable[[Alert], Alert] = lambda alert: alert
    held: dict[tuple[str, str], Held] = field(default_factory=dict)
    passed: dict[tuple[str, str], Held] = field(default_factory=dict)
    passing: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def collect(self, reception: Reception, clock: Clock | None = None) -> str | None:
        """Receive until nothing new comes or `max_alerts` are held. Raises QueueError.

        Gives None, or why it ended although there may be more: a third of the visibility timeout is over (who receives
        longer gets its own first messages again), or `most_messages` have come.
        """
        try:
            return _Collecting(self, reception, clock or Clock()).run()
        finally:
            self.let_pass()

    def add(self, message: Message) -> None:
        """Put a message to each of its alerts: the one of its account with its id, or one of its own without these.

        A message that comes a second time replaces itself: only its last receipt is sure to be valid. It is another
        run's only if all of its alerts are.
        """
        self.seen.add(message.message_id)
        alerts = self._judged(message)
        is_others = all(alert.disposition == OTHERS for alert in alerts)
        if is_others:
            self.passing[message.message_id] = message.receipt_handle
            message = replace(message, body="")
        pile = self.passed if is_others else self.held
        for part, alert in enumerate(alerts, 1):
            letter = Letter(message, alert, part)
            key = (alert.account_id, alert.alert_id or "") if alert.account_id else ("", letter.name)
            pile.setdefault(key, Held({})).letters[message.message_id] = letter

    def _judged(self, message: Message) -> list[Alert]:
        """The alerts of a message; one that cannot even be looked at has failed, and the others come all the same."""
        alerts = attempt("reading its message", partial(read_alerts, message.body), _unread)
        return [
            attempt("selecting it", partial(self.judge, alert), partial(alert.settled, "failed")) for alert in alerts
        ]

    def let_pass(self) -> None:
        """Give the messages of other runs back."""
        handles = {handle: message_id for message_id, handle in self.passing.items()}
        undone = {each.receipt_handle for each in give_back(self.queue, handles)}
        for handle, message_id in handles.items():
            if handle not in undone:
                del self.passing[message_id]

    def alerts(self) -> Iterator[tuple[Held, Alert]]:
        """Every alert once, with its messages: first the run's own, then those of other runs."""
        yield from in_turn([(held, held.newest.alert) for held in self.held.values()])
        for key, held in self.passed.items():
            if key not in self.held:
                yield replace(held, is_back=self.passing.keys().isdisjoint(held.letters)), held.newest.alert

    def give_all_back(self) -> None:
        """Make every message visible; what SQS refuses comes back by itself after the visibility timeout."""
        own = [message.receipt_handle for held in self.held.values() for message in held.messages]
        give_back(self.queue, dict.fromkeys([*own, *self.passing.values()]))

    @property
    def open_alerts(self) -> int:
        return sum(held.newest.alert.disposition is None for held in self.held.values())


class _Collecting:
    """One run's receiving, with what it has to remember from one receive to the next.

    A round looks behind the messages of other runs by keeping them until nothing new comes. When it has not seen all
    that there is (another run is looking, too, and has its messages) it pauses and looks again, shortly.
    """

    def __init__(self, inbox: Inbox, reception: Reception, clock: Clock) -> None:
        self.inbox, self.reception, self.clock = inbox, reception, clock
        self.deadline = clock.monotonic() + reception.visibility_timeout / 3
        self.received = self.fruitless = 0
        self.looks_again = False
        self.passing_until: float | None = None

    def run(self) -> str | None:
        while (wanted := self._wanted()) > 0 and self.fruitless < _FRUITLESS_POLLS:
            if limit := self._limit():
                return limit
            messages = self._receive(wanted)
            has_news = self._take(messages)
            is_short = len(messages) < wanted
            # By SQS's count nothing may be left, which another poll would wait for; what others hold is no such count.
            asks = not has_news or (is_short and (self.looks_again or not self.reception.is_shared))
            has_seen_all = asks and self._has_seen_all(messages, has_news)
            is_round_over = has_seen_all or not has_news or (is_short and self.looks_again)
            self._let_pass(is_round_over)
            if has_seen_all:
                return None
            if is_round_over:
                self._pause(messages)
        return None

    def _wanted(self) -> int:
        return min(BATCH, self.reception.max_alerts - self.inbox.open_alerts)

    def _limit(self) -> str | None:
        if self.received >= self.reception.most_messages:
            return f"{self.received} messages have come, most of them no work for this run"
        if self.clock.monotonic() >= self.deadline:
            return "a third of the visibility timeout is over"
        return None

    def _receive(self, wanted: int) -> tuple[Message, ...]:
        try:
            return receive(self.inbox.queue, wanted, self._wait_seconds(), self.reception.visibility_timeout)
        except QueueError as error:
            if self.inbox.seen and kind(error.code) in _FULL:
                return ()
            raise

    def _wait_seconds(self) -> int:
        """Once as many have come as the queue had to give, it is asked without waiting; then SQS's count decides."""
        if self.received and self.received >= self.inbox.queue.visible and not self.fruitless:
            return 0
        return min(self.reception.wait_seconds, 1) if self.inbox.passing else self.reception.wait_seconds

    def _take(self, messages: tuple[Message, ...]) -> bool:
        """Add the messages; says whether any is new."""
        has_news = any(message.message_id not in self.inbox.seen for message in messages)
        for message in messages:
            self.inbox.add(message)
        self._check_receives(messages)
        self.received += len(messages)
        self.fruitless = 0 if has_news else self.fruitless + 1
        return has_news

    def _check_receives(self, messages: tuple[Message, ...]) -> None:
        last = self.reception.last_receive
        spent = [message for message in messages if last is not None and message.receive_count >= last]
        if spent:
            named = ", ".join(_named(message) for message in spent)
            raise QueueError(
                f"The review was stopped, and every message is back in the queue: SQS has given out {named} "
                f"{spent[0].receive_count} times, so that another review would send it to the dead-letter queue before "
                "a run can work on it. Run without --check, or raise maxReceiveCount in the queue's redrive policy; "
                "remediate_review_despite_redrive: true reviews all the same."
            )

    def _let_pass(self, is_round_over: bool) -> None:
        """Who waits for these messages must wait neither for this run's pause nor for a long round."""
        now = self.clock.monotonic()
        if self.passing_until is None:
            self.passing_until = now + _PASSING_SECONDS
        if is_round_over or now >= self.passing_until:
            self.inbox.let_pass()
            self.passing_until = None

    def _has_seen_all(self, messages: tuple[Message, ...], has_news: bool) -> bool:
        # The heads of its message groups are all that a FIFO queue gives as long as they are there.
        is_again_the_heads = bool(messages) and not has_news and self.inbox.queue.is_fifo
        return is_again_the_heads or self._unseen() <= 0

    def _pause(self, messages: tuple[Message, ...]) -> None:
        """At random, so that of several runs one looks alone, and finds all that is its own."""
        self.looks_again = self.looks_again or self.reception.is_shared
        if messages or self.looks_again:
            self.clock.sleep(random.uniform(*_PAUSE))

    def _unseen(self) -> int:
        """How many messages this run could still get; where other runs are at it, those that they hold count too."""
        now = depth(self.inbox.queue)
        passed = {message_id for held in self.inbox.passed.values() for message_id in held.letters}
        seen_visible = len(passed) - len(self.inbox.passing)
        if not self.reception.is_shared:
            return now.visible - seen_visible
        return now.visible + now.in_flight - len(self.inbox.seen)


def in_turn(alerts: list[tuple[Held, Alert]]) -> Iterator[tuple[Held, Alert]]:
    """Let an alert of a FIFO queue wait while an earlier one of its message group is work on the same resource.

    The steps of alerts of one run mix; and an earlier alert that fails would be applied after a later one. Alerts of
    one message do not wait for each other: they come together every time.
    """
    first: dict[tuple[Any, ...], tuple[str, Alert]] = {}
    for held, alert in alerts:
        message = held.newest.message
        if message.group_id is None or alert.disposition:
            yield held, alert
            continue
        place = (message.group_id, alert.account_id, alert.resource_id or alert.resource)
        message_id, earlier = first.setdefault(place, (message.message_id, alert))
        is_first = message_id == message.message_id
        yield held, alert if is_first else alert.settled(OTHERS, _waits(earlier, message.group_id))


def _waits(earlier: Alert, group_id: str) -> str:
    return (
        f"waits for its turn: alert {earlier.alert_id} about the same resource is before it in message group "
        f"{quoted(group_id)}; a run after that one is done takes it"
    )


def _unread(reason: str) -> list[Alert]:
    return [Alert().settled("failed", reason)]


def _named(message: Message) -> str:
    alerts = attempt("naming it", partial(read_alerts, message.body), _unread)
    alert_id = next((alert.alert_id for alert in alerts if alert.alert_id), None)
    return f"alert {quoted(alert_id)}" if alert_id else f"message {message.message_id}"


@contextmanager
def held_messages(queue: Queue, judge: Callable[[Alert], Alert] = lambda alert: alert) -> Iterator[Inbox]:
    """An inbox whose messages go back to the queue at once when anything fails, an interrupt included.

    Raises QueueError on SIGTERM.
    """
    inbox = Inbox(queue, judge)
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
