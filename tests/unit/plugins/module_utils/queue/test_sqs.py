# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every call against a real queue of the emulator; faults are injected on the wire."""

from __future__ import annotations

import json
import time

import boto3
import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.queue import sqs
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import FailedReceipt, OutgoingMessage, QueueError
from botocore.config import Config
from stack.settings import BASE_ACCESS_KEY, BASE_SECRET_KEY, QUEUE_NAME, QUEUE_REGION


def client_of(url, **keys):
    return boto3.client(
        "sqs",
        endpoint_url=url,
        region_name=QUEUE_REGION,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1),
        **{"aws_access_key_id": BASE_ACCESS_KEY, "aws_secret_access_key": BASE_SECRET_KEY, **keys},
    )


@pytest.fixture
def queue(stack):
    return sqs.resolve_queue(client_of(stack.url), QUEUE_NAME, None)


def receive(queue, count=10):
    return sqs.receive(queue, count, 0, 900)


def handles(messages):
    return [message.receipt_handle for message in messages]


def test_queue_by_url_needs_no_name(stack):
    assert sqs.resolve_queue(client_of(stack.url), "other", stack.queue_url).url == stack.queue_url


@pytest.mark.parametrize(("name", "url"), [(None, None), ("", "")])
def test_no_queue_named(stack, name, url):
    with pytest.raises(QueueError, match=r"set queue_name \(SQS_QUEUE_NAME\) or queue_url \(SQS_QUEUE_URL\)"):
        sqs.resolve_queue(client_of(stack.url), name, url)


def test_missing_queue_says_what_to_check(stack):
    for name, url in (("nope", None), (None, f"{stack.url}/123456789012/nope")):
        with pytest.raises(QueueError, match=r"nope in region us-east-1: .*does not exist.* Next: check queue_name"):
            sqs.resolve_queue(client_of(stack.url), name, url)


def test_missing_permission_says_which(stack):
    stack.fault(service="sqs", code="AccessDenied", status=403, message="not authorized")
    with pytest.raises(QueueError, match=r"Could not find the queue .*ReceiveMessage, DeleteMessage") as error:
        sqs.resolve_queue(client_of(stack.url), QUEUE_NAME, None)
    assert error.value.code == "AccessDenied"


def test_unreachable_endpoint():
    with pytest.raises(QueueError, match="check the network, the region, and endpoint_url"):
        sqs.resolve_queue(client_of("http://127.0.0.1:1"), QUEUE_NAME, None)


def test_no_credentials(stack, monkeypatch, tmp_path):
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    client = boto3.Session().client("sqs", endpoint_url=stack.url, region_name=QUEUE_REGION)
    with pytest.raises(QueueError, match="set queue_profile or AWS_PROFILE"):
        sqs.resolve_queue(client, QUEUE_NAME, None)


def test_connection_takes_the_url_s_region_first():
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/q"
    assert sqs.connection(url, "", "us-east-1", "")["region"] == "eu-west-1"
    assert sqs.connection(None, "p", "us-east-1", "http://x") | {"aws_config": 0} == {
        "profile_name": "p",
        "region": "us-east-1",
        "endpoint": "http://x",
        "verify": None,
        "aws_config": 0,
    }
    fips = "https://sqs-fips.us-east-2.amazonaws.com/123456789012/q"
    assert sqs.connection(fips, None, None, None)["endpoint"] == "https://sqs-fips.us-east-2.amazonaws.com"
    assert sqs.connection(fips, None, None, "http://x")["endpoint"] == "http://x"


PROFILES = """
[profile near]
region = eu-west-3
[profile iso]
role_arn = arn:aws-iso:iam::111122223333:role/x
[profile odd]
role_arn = x
"""


@pytest.mark.parametrize(
    ("url", "profile", "given", "environment", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/1/q", "near", "eu-central-1", {"AWS_REGION": "eu-west-2"}, "eu-west-1"),
        (None, "near", "eu-central-1", {"AWS_REGION": "eu-west-2"}, "eu-central-1"),
        (None, "near", None, {"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-north-1"}, "eu-west-2"),
        (None, "near", "", {"AWS_DEFAULT_REGION": "eu-north-1"}, "eu-north-1"),
        (None, "near", None, {}, "eu-west-3"),
        (None, None, None, {"AWS_PROFILE": "near"}, "eu-west-3"),
        (None, "iso", None, {}, "us-iso-east-1"),
        (None, "odd", None, {}, "us-east-1"),
        (None, "no-such", None, {}, "us-east-1"),
        ("http://127.0.0.1:9/q", None, None, {}, "us-east-1"),
    ],
)
def test_the_queue_s_region_is_found_by_the_rule_of_all_calls(
    monkeypatch, tmp_path, url, profile, given, environment, region
):
    (tmp_path / "config").write_text(PROFILES)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"AWS_CONFIG_FILE": str(tmp_path / "config"), **environment}.items():
        monkeypatch.setenv(name, value)
    assert sqs.connection(url, profile, given, None)["region"] == region


def test_receive_hides_and_tells_time_and_count(stack, queue):
    message_id = stack.send("hello ü")
    [message] = receive(queue)
    assert (message.message_id, message.body, message.receive_count) == (message_id, "hello ü", 1)
    assert abs(message.sent_ms / 1000 - time.time()) < 60
    assert stack.depth() == (0, 1)
    assert (sqs.depth(queue).visible, sqs.depth(queue).in_flight) == (0, 1)


def test_receive_never_takes_more_than_asked(stack, queue):
    for number in range(5):
        stack.send(str(number))
    assert len(receive(queue, 2)) == 2
    assert stack.depth() == (3, 2)


def test_delete_and_release_in_batches_of_ten(stack, queue):
    for number in range(23):
        stack.send(str(number))
    messages = [message for _call in range(3) for message in receive(queue)]
    stack.clear_calls()
    assert sqs.release(queue, handles(messages)) == ()
    assert stack.depth() == (23, 0)
    assert len(stack.calls(action="ChangeMessageVisibilityBatch")) == 3
    messages = [message for _call in range(3) for message in receive(queue)]
    assert sqs.delete(queue, handles(messages)) == ()
    assert stack.depth() == (0, 0)
    assert len(stack.calls(action="DeleteMessageBatch")) == 3


def test_extend(stack, queue):
    stack.send("x")
    [message] = receive(queue)
    assert sqs.extend(queue, [message.receipt_handle], 60) == ()
    assert stack.depth() == (0, 1)


def test_nothing_to_do_is_no_call(stack, queue):
    stack.clear_calls()
    assert sqs.delete(queue, []) == sqs.release(queue, []) == ()
    assert stack.calls() == []


def test_unknown_receipt_is_a_failure_for_delete_and_not_for_release(stack, queue):
    stack.send("x")
    [message] = receive(queue)
    [failed] = sqs.delete(queue, ["unknown", message.receipt_handle])
    assert (failed.receipt_handle, failed.code) == ("unknown", "ReceiptHandleIsInvalid")
    assert "not a valid receipt handle" in failed.reason
    assert stack.depth() == (0, 0)
    assert sqs.release(queue, ["unknown"]) == ()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("AWS.SimpleQueueService.MessageNotInflight", ""),
        (
            "InvalidParameterValue",
            "Value AQ… for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
        ),
        ("InvalidParameterValue", "Reason: Message does not exist or is not available for visibility timeout change."),
    ],
)
def test_answers_of_aws_that_mean_is_released(code, reason):
    assert sqs._is_released(FailedReceipt("handle", code, reason))


def test_other_answers_do_not():
    assert not sqs._is_released(FailedReceipt("handle", "InternalError", "InternalError: try again"))


def test_failed_batch_is_tried_once_more(stack, queue):
    for number in range(12):
        stack.send(str(number))
    messages = [*receive(queue), *receive(queue)]
    stack.fault(action="ChangeMessageVisibilityBatch", code="InternalError", status=500)
    assert sqs.release(queue, handles(messages)) == ()
    assert stack.depth() == (12, 0)


def test_batch_that_stays_broken_costs_no_other(stack, queue):
    """Whichever of the two is sent first: they are under way at the same time."""
    for number in range(20):
        stack.send(str(number))
    messages = [*receive(queue), *receive(queue)]
    stack.fault(action="DeleteMessageBatch", code="AccessDenied", status=403)
    stack.fault(action="DeleteMessageBatch", code="AccessDenied", status=403, skip=1)
    failed = sqs.delete(queue, handles(messages))
    assert [each.receipt_handle for each in failed] in (handles(messages[:10]), handles(messages[10:]))
    assert {each.code for each in failed} == {"AccessDenied"}
    assert "Could not delete messages from the queue" in failed[0].reason
    assert stack.depth() == (0, 10)


@pytest.fixture
def other(stack):
    stack.client("sqs").create_queue(QueueName="other")
    return sqs.resolve_queue(client_of(stack.url), "other", None)


@pytest.fixture
def fifo(stack):
    def create(name, **attributes):
        stack.client("sqs").create_queue(QueueName=name, Attributes={"FifoQueue": "true", **attributes})
        return sqs.resolve_queue(client_of(stack.url), name, None)

    return create


def outgoing(messages, **attributes):
    return [
        OutgoingMessage(message.message_id, message.receipt_handle, message.body, attributes) for message in messages
    ]


def test_move_keeps_the_body_and_tells_why(stack, queue, other):
    body = '{"a": "ü\\u0000 {{ 1 }}",\t"b":  1}'
    stack.send(body)
    reason = "no\x00 such \x1b[31mthing\ud800 " + "x" * 9_000
    attributes = {"leastpriv.disposition": "refused", "leastpriv.reason": reason, "leastpriv.alert_id": None}
    assert sqs.move(queue, other, outgoing(receive(queue), **attributes)) == ((), ())
    assert stack.depth() == (0, 0)
    [moved] = receive(other)
    assert moved.body == body
    assert moved.attributes["leastpriv.disposition"] == "refused"
    assert moved.attributes["leastpriv.reason"].startswith("no\ufffd such \ufffd[31mthing\ufffd xxx")
    assert len(moved.attributes["leastpriv.reason"]) == 4_000
    assert "leastpriv.alert_id" not in moved.attributes, "SQS refuses empty attributes"


def test_only_what_was_sent_is_deleted(stack, queue, other):
    for number in range(12):
        stack.send(str(number))
    messages = [*receive(queue), *receive(queue)]
    for skip in (0, 1):
        stack.fault(action="SendMessageBatch", code="KMS.DisabledException", status=400, skip=skip)
    unsent, undeleted = sqs.move(queue, other, outgoing(messages))
    assert ([failed.receipt_handle for failed in unsent], undeleted) == (handles(messages[:10]), ())
    assert "Could not send messages to the queue" in unsent[0].reason
    assert "enable the queue's KMS key" in unsent[0].reason
    assert (len(receive(other)), stack.depth()) == (2, (0, 10))


def test_what_is_not_deleted_is_in_both_queues_and_reported(stack, queue, other):
    stack.send("x")
    stack.fault(action="DeleteMessageBatch", code="AccessDenied", status=403, count=2)
    unsent, [undeleted] = sqs.move(queue, other, outgoing(receive(queue)))
    assert (unsent, undeleted.code) == ((), "AccessDenied")
    assert (len(receive(other)), stack.depth()) == (1, (0, 1))


def test_large_messages_are_sent_in_several_calls_and_reported_about_where_there_is_room(queue, other):
    client = queue.client
    for size in (200_000, 200_000, 1_048_500):
        client.send_message(QueueUrl=queue.url, MessageBody="x" * min(size, 262_000))
    messages = [*receive(queue), *receive(queue)]
    assert sqs.move(queue, other, outgoing(messages, **{"leastpriv.reason": "y" * 100})) == ((), ())
    assert [len(message.body) for message in receive(other)] == [200_000, 200_000, 262_000]
    full = OutgoingMessage("id", "handle", "ü" * 524_200, {"leastpriv.reason": "y" * 300})
    assert sqs._entry(full, other)["MessageAttributes"] == {}
    assert sqs._entry(OutgoingMessage("id", "handle", "x", full.attributes), other)["MessageAttributes"] != {}


def test_fifo_queue_gets_two_equal_messages_and_one_that_is_sent_twice_once(stack, queue, fifo):
    target = fifo("other.fifo", ContentBasedDeduplication="true")
    stack.send("same")
    stack.send("same")
    messages = receive(queue)
    stack.fault(action="DeleteMessageBatch", code="AccessDenied", status=403, count=2)
    for _attempt in range(2):
        assert sqs.move(queue, target, outgoing(messages))[0] == ()
    arrived = receive(target)
    assert [message.body for message in arrived] == ["same", "same"]
    assert [message.group_id for message in arrived] == [message.message_id for message in messages]


def test_fifo_queue_hides_a_group_while_one_of_it_is_in_flight(fifo):
    queue = fifo("other.fifo", ContentBasedDeduplication="true")
    for number, group in enumerate("aabba"):
        queue.client.send_message(QueueUrl=queue.url, MessageBody=str(number), MessageGroupId=group)
    [first] = receive(queue, 1)
    assert (first.body, first.group_id) == ("0", "a")
    assert [message.body for message in receive(queue)] == ["2", "3"]
    assert sqs.release(queue, [first.receipt_handle]) == ()
    assert [message.body for message in receive(queue)] == ["0", "1", "4"]


def test_max_receive_count(queue, other):
    assert sqs.max_receive_count(queue) is None
    arn = sqs._attributes(other, ["QueueArn"])["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "4"})
    queue.client.set_queue_attributes(QueueUrl=queue.url, Attributes={"RedrivePolicy": policy})
    assert sqs.max_receive_count(queue) == 4


def test_second_queue_by_name_and_by_url(stack, queue, other):
    asked = []

    def connect(service, **parameters):
        asked.append(parameters["region"])
        return client_of(stack.url)

    url = "https://sqs.eu-west-1.amazonaws.com/1/q"
    for named in ("other", other.url):
        assert sqs.resolve_other(named, queue, connect, (url, None, "us-east-2", None)).url == other.url
    assert asked == ["eu-west-1", "us-east-2"]


@pytest.mark.parametrize("by_url", [True, False])
def test_queue_is_never_moved_into_itself(stack, queue, by_url):
    named = stack.queue_url if by_url else QUEUE_NAME
    with pytest.raises(QueueError, match="cannot be moved into itself"):
        sqs.resolve_other(named, queue, lambda *_args, **_kwargs: client_of(stack.url), (None,) * 4)


def test_new_messages_are_sent_and_equal_ones_once_in_a_fifo_queue(queue, fifo):
    texts = [(f"I-{number}", f"body {number}") for number in range(12)]
    assert sqs.send(queue, texts) == {}
    assert sorted(message.body for _call in range(2) for message in receive(queue)) == sorted(
        body for _id, body in texts
    )
    ordered = fifo("new.fifo")
    for _time in range(2):
        assert sqs.send(ordered, texts[:1]) == {}
    assert [(message.body, message.group_id) for message in receive(ordered)] == [("body 0", "I-0")]


def test_what_cannot_be_sent_is_named(stack, queue):
    stack.fault(service="sqs", action="SendMessageBatch", code="AccessDenied", status=403, message="no", count=9)
    assert set(sqs.send(queue, [("I-1", "x")])) == {"I-1"}


class Sender:
    """A client that sends everything, but what has a group that SQS does not take."""

    def __init__(self):
        self.sent = []

    def send_message_batch(self, QueueUrl, Entries):
        assert all(0 < len(one["MessageGroupId"]) <= 128 for one in Entries)
        self.sent += Entries
        return {}


def test_alerts_with_one_id_and_alerts_with_a_long_id_are_all_sent():
    client = Sender()
    queue = sqs.Queue(client, "https://sqs.eu-west-1.amazonaws.com/123456789012/q.fifo")
    assert sqs.send(queue, [("I-1", "a"), ("I-1", "b"), ("x" * 129, "c"), ("ü", "d")]) == {}
    assert [one["MessageBody"] for one in client.sent] == ["a", "b", "c", "d"]
    groups = [one["MessageGroupId"] for one in client.sent]
    assert groups[:2] == ["I-1", "I-1"]
    assert len({*groups}) == 3
