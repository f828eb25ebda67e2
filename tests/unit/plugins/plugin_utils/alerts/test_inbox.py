# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import Message, Queue, QueueError, resolve_queue
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.inbox import (
    AlertMessages,
    Clock,
    Inbox,
    ReceivedMessage,
    Reception,
    Terminated,
    held_messages,
    in_turn,
)
from stack.alerts import integration_test, nested_alert
from stack.settings import QUEUE_NAME

ACCOUNT = "012345678901"


OTHER = "111122223333"


def reception(max_alerts=100, **more):
    return Reception(max_alerts, 0, 900, **more)


def only(*account_ids):
    """The judgement of a run that is limited to these accounts."""
    return lambda alert: alert if alert.account_id in account_ids else alert.settled("filtered", "outside --limit")


@pytest.fixture
def queue(stack):
    return resolve_queue(stack.client("sqs"), QUEUE_NAME, None)


def collect(queue, max_alerts=100, monotonic=lambda: 0.0, judge=lambda alert: alert, **more):
    inbox = Inbox(queue, judge)
    inbox.collect(reception(max_alerts, **more), Clock(monotonic, lambda _seconds: None))
    return inbox


def send(stack, numbers, account=ACCOUNT, **more):
    for number in numbers:
        stack.send(nested_alert(f"I-{number}", account, **more))


def own(inbox):
    return [alert.alert_id for _held, alert in inbox.alerts() if alert.disposition is None]


def receive_counts(stack, account):
    return {message["receive_count"] for message in stack.messages() if account in message["body"]}


def test_collects_until_the_queue_is_empty(stack, queue):
    for number in range(25):
        stack.send(nested_alert(f"I-{number}", ACCOUNT))
    assert len(collect(queue).own) == 25
    assert stack.depth() == (0, 25)


@pytest.fixture
def waits(queue, monkeypatch):
    """How long each receive was to wait. One that is not to wait finds nothing once, as SQS asks few of its servers."""
    waits, receive_message = [], queue.client.receive_message

    def receive(**asked):
        waits.append(asked["WaitTimeSeconds"])
        return {} if waits.count(0) == 1 and waits[-1] == 0 else receive_message(**asked)

    monkeypatch.setattr(queue.client, "receive_message", receive)
    return waits


def test_a_queue_that_has_given_what_it_had_is_not_waited_for(stack, queue, waits):
    send(stack, range(20))
    opened = resolve_queue(queue.client, QUEUE_NAME, None)
    inbox = Inbox(opened)
    assert inbox.collect(Reception(100, 5, 900)) is None
    assert (len(inbox.own), waits) == (20, [5, 5, 0])


@pytest.mark.parametrize(("more", "expected"), [({}, [10, 10, 5]), ({"is_shared": True}, [10])])
def test_as_many_calls_at_once_as_the_queue_has_messages_for_them(stack, queue, monkeypatch, more, expected):
    """Another run may take them first; then one call asks for the next."""
    send(stack, range(25))
    opened = resolve_queue(queue.client, QUEUE_NAME, None)
    asked, receive_message = [], opened.client.receive_message
    meeting = threading.Barrier(len(expected))

    def receive(**request):
        asked.append(request["MaxNumberOfMessages"])
        if len(asked) <= len(expected):
            meeting.wait(5)
        return receive_message(**request)

    monkeypatch.setattr(opened.client, "receive_message", receive)
    assert sorted(own(collect(opened, **more))) == sorted(f"I-{number}" for number in range(25))
    assert asked[: len(expected)] == expected
    assert stack.depth() == (0, 25)


@pytest.mark.parametrize("error", [Terminated(), QueueError("no access", "AccessDenied")])
def test_what_the_other_calls_have_received_is_released_too(stack, queue, monkeypatch, error):
    send(stack, range(25))
    opened = resolve_queue(queue.client, QUEUE_NAME, None)
    receive_message = opened.client.receive_message

    def receive(**request):
        if threading.current_thread() is threading.main_thread():
            time.sleep(0.3)
            raise error
        return receive_message(**request)

    monkeypatch.setattr(opened.client, "receive_message", receive)
    with pytest.raises(QueueError), held_messages(opened) as inbox:
        inbox.collect(reception())
    assert len(inbox.own) >= 10
    assert stack.depth() == (25, 0)


def test_what_comes_meanwhile_is_received_too(stack, queue, waits):
    send(stack, range(10))
    opened = resolve_queue(queue.client, QUEUE_NAME, None)
    send(stack, range(10, 25))
    inbox = Inbox(opened)
    inbox.collect(Reception(100, 5, 900))
    assert (len(inbox.own), waits) == (25, [5, 0, 5, 0])


def test_receives_no_more_than_needed(stack, queue):
    for number in range(25):
        stack.send(nested_alert(f"I-{number}", ACCOUNT))
    assert len(collect(queue, 13).own) == 13
    assert stack.depth() == (12, 13)


def test_duplicates_do_not_count(stack, queue):
    for number in itertools.chain(range(3), range(3), [7]):
        stack.send(nested_alert(f"I-{number}", ACCOUNT))
    inbox = collect(queue, 4)
    assert len(inbox.own) == 4
    assert sorted(len(messages.held) for messages in inbox.own.values()) == [1, 2, 2, 2]


def message(message_id, sent_ms, alert=None, handle=None, count=1):
    body = json.dumps(alert or nested_alert("I-1", ACCOUNT))
    return Message(message_id, handle or f"handle-{message_id}", body, sent_ms, count)


def test_newest_message_says_what_the_alert_is():
    inbox = Inbox(Queue(None, ""))
    inbox.add(message("new", 200, nested_alert("I-1", ACCOUNT, alertStatus="resolved"), count=1))
    inbox.add(message("old", 100, nested_alert("I-1", ACCOUNT), count=5))
    [(messages, alert)] = inbox.alerts()
    assert (messages.newest.message.message_id, alert.alert_status, messages.receive_count) == ("new", "resolved", 5)
    assert [each.message_id for each in messages.held] == ["new", "old"]


def test_of_two_messages_sent_together_the_one_received_last_counts():
    inbox = Inbox(Queue(None, ""))
    inbox.add(message("first", 100))
    inbox.add(message("last", 100))
    [(messages, _alert)] = inbox.alerts()
    assert messages.newest.message.message_id == "last"


def test_message_that_comes_twice_keeps_its_last_receipt():
    inbox = Inbox(Queue(None, ""))
    inbox.add(message("one", 100, handle="stale"))
    inbox.add(message("one", 100, handle="fresh"))
    [(messages, _alert)] = inbox.alerts()
    assert [(each.message_id, each.receipt_handle) for each in messages.held] == [("one", "fresh")]


@pytest.mark.parametrize(
    "other",
    [nested_alert("I-1", "111122223333"), nested_alert("I-2", ACCOUNT), integration_test(), nested_alert("I-1", "12")],
)
def test_other_alerts_are_not_folded(other):
    inbox = Inbox(Queue(None, ""))
    inbox.add(message("one", 1))
    inbox.add(message("two", 2, other))
    inbox.add(message("three", 3, integration_test()))
    assert len(inbox.own) == 3


def test_each_alert_of_a_message_has_it(stack, queue):
    body = [nested_alert("I-1", ACCOUNT), nested_alert("I-2", ACCOUNT), {}, nested_alert("I-1", ACCOUNT)]
    stack.send(json.dumps(body))
    inbox = collect(queue)
    shown = [(messages.newest.name.partition(".")[2], alert.alert_id) for messages, alert in inbox.alerts()]
    assert shown == [("4", "I-1"), ("2", "I-2"), ("3", None)]
    assert len({message.receipt_handle for messages, _alert in inbox.alerts() for message in messages.held}) == 1
    inbox.release_all()
    assert stack.depth() == (1, 0)


def test_a_message_is_another_run_s_only_if_all_its_alerts_are(stack, queue):
    stack.send(json.dumps([nested_alert("I-1", ACCOUNT), nested_alert("I-2", OTHER)]))
    stack.send(json.dumps([nested_alert("I-3", OTHER), nested_alert("I-4", OTHER)]))
    inbox = collect(queue, judge=only(ACCOUNT))
    assert {alert.alert_id: bool(messages.held) for messages, alert in inbox.alerts()} == {
        "I-1": True, "I-2": True, "I-3": False, "I-4": False,
    }  # fmt: skip
    assert stack.depth() == (1, 1)


def test_alerts_of_one_message_do_not_wait_for_each_other(fifo):
    queue, _send_to = fifo
    queue.client.send_message(
        QueueUrl=queue.url,
        MessageBody=json.dumps([nested_alert("I-1", ACCOUNT), nested_alert("I-2", ACCOUNT)]),
        MessageGroupId="a",
        MessageDeduplicationId="1",
    )
    assert own(collect(queue)) == ["I-1", "I-2"]


def test_empty_answer_is_not_an_empty_queue(stack, queue, monkeypatch):
    """SQS may answer empty although there are messages: its count says so, and it is asked again."""
    stack.send(nested_alert("I-1", ACCOUNT))
    client, answers = queue.client, iter([{}, {}])
    receive_message = client.receive_message
    monkeypatch.setattr(client, "receive_message", lambda **kwargs: next(answers, None) or receive_message(**kwargs))
    assert len(collect(queue).own) == 1


def test_messages_that_never_come_end_the_collecting(stack, queue, monkeypatch):
    stack.send(nested_alert("I-1", ACCOUNT))
    polls = []
    monkeypatch.setattr(queue.client, "receive_message", lambda **_kwargs: polls.append(1) or {})
    assert collect(queue).own == {}
    assert len(polls) == 4


def test_collecting_ends_before_its_first_messages_come_back(stack, queue):
    for number in range(25):
        stack.send(nested_alert(f"I-{number}", ACCOUNT))
    clock = iter(range(0, 10_000, 160))
    assert len(collect(queue, monotonic=lambda: next(clock)).own) == 10


@pytest.mark.parametrize("messages_when_opened", [0, 20])
def test_full_hands_are_enough(stack, queue, monkeypatch, messages_when_opened):
    """Also where the limit is reached by one of the first calls, made at the same time."""
    send(stack, range(20))
    receive_message, calls = queue.client.receive_message, []

    def over_limit(**kwargs):
        calls.append(1)
        if len(calls) > 1:
            raise queue.client.exceptions.OverLimit({"Error": {"Code": "OverLimit"}}, "ReceiveMessage")
        return receive_message(**kwargs)

    monkeypatch.setattr(queue.client, "receive_message", over_limit)
    assert len(collect(replace(queue, visible=messages_when_opened)).own) == 10


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_everything_goes_back_when_anything_fails(stack, queue, error):
    for number in range(12):
        stack.send(nested_alert(f"I-{number % 6}", ACCOUNT))

    def fail_with_full_hands():
        with held_messages(queue) as inbox:
            inbox.collect(reception())
            assert stack.depth() == (0, 12)
            raise error("stop")

    with pytest.raises(error):
        fail_with_full_hands()
    assert stack.depth() == (12, 0)


def test_messages_stay_held_when_all_goes_well(stack, queue):
    stack.send(nested_alert("I-1", ACCOUNT))
    with held_messages(queue) as inbox:
        inbox.collect(reception())
    assert stack.depth() == (0, 1)


def test_alerts_of_other_runs_are_back_at_once_and_received_once(stack, queue):
    """The run's own are behind them, and it ends as soon as it has seen everything."""
    send(stack, range(25), OTHER)
    send(stack, range(100, 103))
    inbox = collect(queue, judge=only(ACCOUNT), is_shared=True)
    assert own(inbox) == ["I-100", "I-101", "I-102"]
    assert stack.depth() == (25, 3)
    assert receive_counts(stack, OTHER) == {1}
    others = [messages for messages, alert in inbox.alerts() if alert.disposition == "filtered"]
    assert len(others) == 25
    assert [messages.held for messages in others] == [[]] * 25, "another run may hold them by now: no receipt is kept"


def test_queue_of_nothing_but_other_runs_alerts_ends_a_run(stack, queue):
    send(stack, range(30), OTHER)
    inbox = collect(queue, judge=only(ACCOUNT), is_shared=True)
    assert (own(inbox), stack.depth()) == ([], (30, 0))
    assert receive_counts(stack, OTHER) == {1}


def test_alerts_that_are_released_and_keep_coming_end_a_run(stack, queue):
    """Something is in flight elsewhere, so the run has to poll again, but not endlessly."""
    send(stack, range(3), OTHER)
    send(stack, [7])
    [taken] = queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=1)["Messages"]
    naps = []
    inbox = Inbox(queue, only(ACCOUNT))
    inbox.collect(reception(is_shared=True), Clock(sleep=naps.append))
    assert own(inbox) == ["I-7"]
    assert 1 < len(naps) <= 4, "a few more looks, each after a pause"
    assert "I-0" in taken["Body"]
    assert stack.depth() == (2, 2)


def test_alerts_without_work_do_not_take_the_place_of_others(stack, queue):
    send(stack, range(25), OTHER)
    send(stack, range(100, 102))
    nowhere = {OTHER: "unmapped_account"}
    inbox = collect(queue, 2, judge=lambda alert: replace(alert, disposition=nowhere.get(alert.account_id)))
    assert own(inbox) == ["I-100", "I-101"]
    assert (len(inbox.own), stack.depth()) == (27, (0, 27))


def test_run_ends_after_so_many_messages_and_says_so(stack, queue, monkeypatch):
    monkeypatch.setattr("ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.inbox._MAX_MESSAGES", 10)
    send(stack, range(25), OTHER)
    inbox = Inbox(queue, only(ACCOUNT))
    assert "10 messages were received" in inbox.collect(reception(1))
    assert stack.depth() == (25, 0)


def test_other_runs_alerts_are_not_hidden_for_a_long_round(stack, queue):
    send(stack, range(40), OTHER)
    depths = []
    seconds = itertools.count(0, 2)

    def judge(alert):
        depths.append(stack.depth()[1])
        return alert.settled("filtered", "outside --limit")

    collect(queue, judge=judge, monotonic=lambda: next(seconds))
    assert max(depths) < 40
    assert stack.depth() == (40, 0)


def test_three_runs_at_once_each_get_their_own(stack, queue):
    accounts = [ACCOUNT, OTHER, "444455556666"]
    for number in range(30):
        send(stack, [number], accounts[number % 3])

    def run(account):
        inbox = Inbox(queue, only(account))
        inbox.collect(Reception(100, 1, 900, is_shared=True))
        return inbox

    with ThreadPoolExecutor(3) as pool:
        inboxes = list(pool.map(run, accounts))
    assert [sorted(own(inbox)) for inbox in inboxes] == [
        sorted(f"I-{number}" for number in range(first, 30, 3)) for first in range(3)
    ]
    assert stack.depth() == (0, 30)


def test_review_stops_at_a_message_that_has_no_receive_to_spare(stack, queue):
    send(stack, range(12))
    first = collect(queue, 1)
    first.release_all()
    with (
        pytest.raises(QueueError, match=r'alert "I-0" was received 2 times.*remediate_review_despite_redrive'),
        held_messages(replace(queue, visible=12)) as inbox,
    ):
        # Ten messages at a time, although the queue has more: each receive counts.
        inbox.collect(reception(last_receive=2))
    assert stack.depth() == (12, 0)
    assert [message["receive_count"] for message in stack.messages()] == [2] + [1] * 9 + [0] * 2


@pytest.fixture
def fifo(stack):
    sqs = stack.client("sqs")
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = sqs.create_queue(QueueName="alerts.fifo", Attributes=attributes)["QueueUrl"]

    def send_to(group_id, alert_id, account=ACCOUNT, **more):
        body = json.dumps(nested_alert(alert_id, account, **more))
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group_id)

    return resolve_queue(sqs, None, url), send_to


def test_bad_head_of_a_message_group_blocks_no_other_group(fifo):
    queue, send_to = fifo
    send_to("a", "no id", "not an account")
    send_to("a", "I-1", name="alice")
    send_to("b", "I-2", name="bob")
    inbox = collect(queue)
    assert [alert.disposition for _held, alert in inbox.alerts()] == ["invalid", None, None]
    assert own(inbox) == ["I-1", "I-2"], "nor the alerts behind it that are about something else"


def test_alert_waits_for_an_earlier_one_of_its_group_about_the_same_resource(fifo):
    queue, send_to = fifo
    for group_id, alert_id, name in [
        ("a", "I-1", "alice"),
        ("a", "I-2", "bob"),
        ("a", "I-3", "alice"),
        ("b", "I-4", "alice"),
    ]:
        send_to(group_id, alert_id, name=name)
    inbox = collect(queue)
    assert own(inbox) == ["I-1", "I-2", "I-4"]
    [(messages, waiting)] = [pair for pair in inbox.alerts() if pair[1].disposition]
    assert (waiting.alert_id, waiting.disposition, len(messages.held)) == ("I-3", "filtered", 1)
    assert 'alert I-1 about the same resource is before it in message group "a"' in waiting.reason


def test_alert_waits_for_none_that_is_no_work_and_never_in_a_standard_queue():
    done = {"I-0": "acknowledged"}
    inbox = Inbox(Queue(None, ""), lambda alert: replace(alert, disposition=done.get(alert.alert_id)))
    for number in range(3):
        inbox.add(message(f"m{number}", number, nested_alert(f"I-{number}", ACCOUNT)))
    assert own(inbox) == ["I-1", "I-2"]
    received = [messages.newest for messages in inbox.own.values()]
    grouped = [
        (AlertMessages({"m": ReceivedMessage(replace(each.message, group_id="g"), each.alert)}), each.alert)
        for each in received
    ]
    assert [alert.disposition for _held, alert in in_turn(grouped)] == ["acknowledged", None, "filtered"]


def test_heads_of_a_fifo_queue_that_were_released_are_not_received_again_and_again(fifo):
    queue, send_to = fifo
    for number in range(12):
        send_to("a", f"I-{number}", OTHER)
    naps = []
    inbox = Inbox(queue, only(ACCOUNT))
    inbox.collect(reception(is_shared=True), Clock(sleep=naps.append))
    assert len(naps) == 1
    received = queue.client.receive_message(
        QueueUrl=queue.url, MaxNumberOfMessages=1, AttributeNames=["ApproximateReceiveCount"]
    )["Messages"]
    assert [each["Attributes"]["ApproximateReceiveCount"] for each in received] == ["3"], "twice by the run, and here"


def test_a_worker_that_gets_sigterm_releases_everything_first(stack, queue):
    for number in range(3):
        stack.send(nested_alert(f"I-{number}", ACCOUNT))
    before = signal.getsignal(signal.SIGTERM)

    def receive_and_get_sigterm():
        with held_messages(queue) as inbox:
            inbox.collect(reception())
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(QueueError, match="terminated while it received"):
        receive_and_get_sigterm()
    assert stack.depth() == (3, 0)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_message_that_cannot_be_judged_has_failed_and_the_others_come_all_the_same(stack, queue):
    def judge(alert):
        if alert.alert_id == "I-1":
            raise ZeroDivisionError("nobody knows this fault")
        return alert

    send(stack, range(3))
    alerts = {alert.alert_id: alert for _held, alert in collect(queue, judge=judge).alerts()}
    assert {alert_id: alert.disposition for alert_id, alert in alerts.items()} == {
        "I-0": None,
        "I-1": "failed",
        "I-2": None,
    }
    assert "Unexpected error while selecting it: ZeroDivisionError" in alerts["I-1"].reason
