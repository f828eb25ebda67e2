# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import json
import os
import signal

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.queue import Message, Queue, QueueError, resolve_queue
from ansible_collections.leastpriv.iam.plugins.plugin_utils.inbox import Inbox, Reception, held_messages
from stack.alerts import integration_test, nested_alert
from stack.settings import QUEUE_NAME

ACCOUNT = "012345678901"


def reception(max_alerts=100):
    return Reception(max_alerts, 0, 900)


@pytest.fixture
def queue(stack):
    return resolve_queue(stack.client("sqs"), QUEUE_NAME, None)


def collect(queue, max_alerts=100, monotonic=lambda: 0.0):
    inbox = Inbox(queue)
    inbox.collect(reception(max_alerts), monotonic)
    return inbox


def test_collects_until_the_queue_is_empty(stack, queue):
    for number in range(25):
        stack.send(nested_alert(f"I-{number}", ACCOUNT))
    assert len(collect(queue).held) == 25
    assert stack.depth() == (0, 25)


def test_receives_no_more_than_needed(stack, queue):
    for number in range(25):
        stack.send(nested_alert(f"I-{number}", ACCOUNT))
    assert len(collect(queue, 13).held) == 13
    assert stack.depth() == (12, 13)


def test_duplicates_do_not_count(stack, queue):
    for number in itertools.chain(range(3), range(3), [7]):
        stack.send(nested_alert(f"I-{number}", ACCOUNT))
    inbox = collect(queue, 4)
    assert len(inbox.held) == 4
    assert sorted(len(held.receipts) for held in inbox.held.values()) == [1, 2, 2, 2]


def message(message_id, sent_ms, alert=None, handle=None, count=1):
    body = json.dumps(alert or nested_alert("I-1", ACCOUNT))
    return Message(message_id, handle or f"handle-{message_id}", body, sent_ms, count)


def test_newest_message_says_what_the_alert_is():
    inbox = Inbox(Queue(None, ""))
    inbox.add(message("new", 200, nested_alert("I-1", ACCOUNT, alertStatus="resolved"), count=1))
    inbox.add(message("old", 100, nested_alert("I-1", ACCOUNT), count=5))
    [(held, alert)] = inbox.alerts()
    assert (held.newest.message_id, alert.alert_status, held.receive_count) == ("new", "resolved", 5)
    assert [receipt["message_id"] for receipt in held.receipts] == ["new", "old"]


def test_of_two_messages_sent_together_the_one_received_last_counts():
    inbox = Inbox(Queue(None, ""))
    inbox.add(message("first", 100))
    inbox.add(message("last", 100))
    [(held, _alert)] = inbox.alerts()
    assert held.newest.message_id == "last"


def test_message_that_comes_twice_keeps_its_last_receipt():
    inbox = Inbox(Queue(None, ""))
    inbox.add(message("one", 100, handle="stale"))
    inbox.add(message("one", 100, handle="fresh"))
    [(held, _alert)] = inbox.alerts()
    assert held.receipts == [{"message_id": "one", "receipt_handle": "fresh"}]


@pytest.mark.parametrize(
    "other",
    [nested_alert("I-1", "111122223333"), nested_alert("I-2", ACCOUNT), integration_test(), nested_alert("I-1", "12")],
)
def test_other_alerts_are_not_folded(other):
    inbox = Inbox(Queue(None, ""))
    inbox.add(message("one", 1))
    inbox.add(message("two", 2, other))
    inbox.add(message("three", 3, integration_test()))
    assert len(inbox.held) == 3


def test_empty_answer_is_not_an_empty_queue(stack, queue, monkeypatch):
    """SQS may answer empty although there are messages: its count says so, and it is asked again."""
    stack.send(nested_alert("I-1", ACCOUNT))
    client, answers = queue.client, iter([{}, {}])
    receive_message = client.receive_message
    monkeypatch.setattr(client, "receive_message", lambda **kwargs: next(answers, None) or receive_message(**kwargs))
    assert len(collect(queue).held) == 1


def test_messages_that_never_come_end_the_collecting(stack, queue, monkeypatch):
    stack.send(nested_alert("I-1", ACCOUNT))
    polls = []
    monkeypatch.setattr(queue.client, "receive_message", lambda **_kwargs: polls.append(1) or {})
    assert collect(queue).held == {}
    assert len(polls) == 4


def test_collecting_ends_before_its_first_messages_come_back(stack, queue):
    for number in range(25):
        stack.send(nested_alert(f"I-{number}", ACCOUNT))
    clock = iter(range(0, 10_000, 160))
    assert len(collect(queue, monotonic=lambda: next(clock)).held) == 10


def test_full_hands_are_enough(stack, queue, monkeypatch):
    for number in range(12):
        stack.send(nested_alert(f"I-{number}", ACCOUNT))
    receive_message, calls = queue.client.receive_message, []

    def over_limit(**kwargs):
        calls.append(1)
        if len(calls) > 1:
            raise queue.client.exceptions.OverLimit({"Error": {"Code": "OverLimit"}}, "ReceiveMessage")
        return receive_message(**kwargs)

    monkeypatch.setattr(queue.client, "receive_message", over_limit)
    assert len(collect(queue).held) == 10


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_everything_goes_back_when_anything_fails(stack, queue, error):
    for number in range(12):
        stack.send(nested_alert(f"I-{number % 6}", ACCOUNT))

    def fail_with_full_hands():
        with held_messages(queue) as inbox:
            inbox.collect(reception(), lambda: 0.0)
            assert stack.depth() == (0, 12)
            raise error("stop")

    with pytest.raises(error):
        fail_with_full_hands()
    assert stack.depth() == (12, 0)


def test_messages_stay_held_when_all_goes_well(stack, queue):
    stack.send(nested_alert("I-1", ACCOUNT))
    with held_messages(queue) as inbox:
        inbox.collect(reception(), lambda: 0.0)
    assert stack.depth() == (0, 1)


def test_a_worker_that_is_told_to_end_gives_everything_back_first(stack, queue):
    for number in range(3):
        stack.send(nested_alert(f"I-{number}", ACCOUNT))
    before = signal.getsignal(signal.SIGTERM)

    def receive_and_be_told_to_end():
        with held_messages(queue) as inbox:
            inbox.collect(reception(), lambda: 0.0)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(QueueError, match="ended while it received"):
        receive_and_be_told_to_end()
    assert stack.depth() == (3, 0)
    assert signal.getsignal(signal.SIGTERM) is before
