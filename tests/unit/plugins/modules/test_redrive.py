# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes back and what stays, against real queues; the module as a whole is run by the playbook's own test."""

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import (
    OutgoingMessage,
    QueueError,
    depth,
    move,
    receive,
    resolve_queue,
)
from ansible_collections.leastpriv.iam.plugins.modules.redrive import chooser, redrive
from stack.settings import QUEUE_NAME

EVERYTHING = chooser([], [])


@pytest.fixture
def queue(stack):
    return resolve_queue(stack.client("sqs"), QUEUE_NAME, None)


@pytest.fixture
def create(stack):
    def create_queue(name, **attributes):
        stack.client("sqs").create_queue(QueueName=name, Attributes=attributes)
        return resolve_queue(stack.client("sqs"), name, None)

    return create_queue


def put_away(stack, queue, quarantine, alerts, group_id=None):
    """Send a message per alert (id: disposition), and quarantine it."""
    for alert_id, disposition in alerts.items():
        stack.send(f"body of {alert_id}")
        attributes = {"alert_id": alert_id, "disposition": disposition, "reason": "because", "group_id": group_id}
        attributes = {f"leastpriv.{name}": text for name, text in attributes.items()}
        [message] = receive(queue, 1, 0, 60)
        outgoing = OutgoingMessage(message.message_id, message.receipt_handle, message.body, attributes)
        assert move(queue, quarantine, [outgoing]) == ((), ())


def bodies(stack):
    return sorted(message["body"] for message in stack.messages())


def test_everything_goes_back_as_it_was(stack, queue, create):
    quarantine = create("quarantine")
    put_away(stack, queue, quarantine, {f"I-{number}": "refused" for number in range(12)})
    result = redrive(quarantine, queue, EVERYTHING, 100, 0, check_mode=False)
    assert (result["changed"], len(result["moved"]), result["left"], result["failed_receipts"]) == (True, 12, 0, [])
    assert bodies(stack) == sorted(f"body of I-{number}" for number in range(12))
    assert depth(quarantine).visible + depth(quarantine).in_flight == 0
    assert {frozenset(message.attributes) for message in receive(queue, 10, 0, 60)} == {frozenset()}


@pytest.mark.parametrize(
    ("alert_ids", "dispositions", "moved"),
    [(["I-2", "I-3"], [], ["I-2", "I-3"]), ([], ["invalid"], ["I-1"]), (["I-2"], ["invalid"], [])],
)
def test_only_what_is_chosen(stack, queue, create, alert_ids, dispositions, moved):
    quarantine = create("quarantine")
    put_away(stack, queue, quarantine, {"I-1": "invalid", "I-2": "refused", "I-3": "refused"})
    result = redrive(quarantine, queue, chooser(alert_ids, dispositions), 100, 0, check_mode=False)
    assert [entry["alert_id"] for entry in result["moved"]] == moved
    assert (result["left"], bodies(stack)) == (3 - len(moved), [f"body of {alert_id}" for alert_id in moved])
    assert depth(quarantine).visible == 3 - len(moved), "what is left is visible at once"


def test_check_mode_lists_and_moves_nothing(stack, queue, create):
    quarantine = create("quarantine")
    put_away(stack, queue, quarantine, {"I-1": "invalid", "I-2": "refused"})
    result = redrive(quarantine, queue, chooser(["I-2"], []), 100, 0, check_mode=True)
    [entry] = result["moved"]
    assert (entry["alert_id"], entry["disposition"], entry["reason"]) == ("I-2", "refused", "because")
    assert (result["left"], stack.depth(), depth(quarantine).visible) == (1, (0, 0), 2)


def test_what_cannot_be_sent_stays(stack, queue, create):
    quarantine = create("quarantine")
    put_away(stack, queue, quarantine, {"I-1": "invalid"})
    gone = create("gone")
    stack.client("sqs").delete_queue(QueueUrl=gone.url)
    result = redrive(quarantine, gone, EVERYTHING, 100, 0, check_mode=False)
    assert (result["changed"], result["moved"], result["left"]) == (False, [], 0)
    assert "Could not send messages to the queue" in result["failed_receipts"][0]["reason"]
    assert depth(quarantine).visible == 1


def test_ends_after_so_many_messages_and_when_anything_breaks(stack, queue, create, monkeypatch):
    quarantine = create("quarantine")
    put_away(stack, queue, quarantine, {f"I-{number}": "refused" for number in range(3)})
    assert len(redrive(quarantine, queue, EVERYTHING, 2, 0, check_mode=False)["moved"]) == 2

    def fail(_message):
        raise QueueError("stop")

    with pytest.raises(QueueError):
        redrive(quarantine, queue, fail, 2, 0, check_mode=False)
    assert depth(quarantine).visible == 1


def test_fifo_queues_keep_the_message_group(stack, queue, create):
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    quarantine, target = create("quarantine.fifo", **fifo), create("alerts.fifo", **fifo)
    put_away(stack, queue, quarantine, {f"I-{number}": "refused" for number in range(12)}, group_id="tenant")
    result = redrive(quarantine, target, chooser(["I-11"], []), 100, 0, check_mode=False)
    assert [entry["alert_id"] for entry in result["moved"]] == ["I-11"], "one that is left blocks no other"
    [message] = receive(target, 10, 0, 60)
    assert (message.body, message.group_id) == ("body of I-11", "tenant")
