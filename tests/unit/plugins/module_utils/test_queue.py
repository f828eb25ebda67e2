# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every call against a real queue of the emulator; faults are injected on the wire."""

from __future__ import annotations

import time

import boto3
import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils import queue as sqs
from ansible_collections.leastpriv.iam.plugins.module_utils.queue import QueueError, Undone
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


@pytest.mark.parametrize("name", ["https://sqs.eu-west-1.amazonaws.com/1/q", "a b", "x" * 81, "arn:aws:sqs:x:1:q"])
def test_name_that_is_none(stack, name):
    with pytest.raises(QueueError, match=r"is no queue name.*queue_url"):
        sqs.resolve_queue(client_of(stack.url), name, None)


@pytest.mark.parametrize("url", ["prisma", "ftp://x/y", "https://sqs.eu-west-1.amazonaws.com"])
def test_url_that_is_none(stack, url):
    with pytest.raises(QueueError, match="is no URL: use what"):
        sqs.resolve_queue(client_of(stack.url), None, url)


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


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/q", "eu-west-1"),
        ("https://eu-central-1.queue.amazonaws.com/123456789012/q", "eu-central-1"),
        ("https://queue.amazonaws.com/123456789012/q", "us-east-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q", "cn-north-1"),
        ("https://sqs.us-gov-west-1.amazonaws.com/123456789012/q", "us-gov-west-1"),
        ("https://sqs-fips.us-east-2.amazonaws.com/123456789012/q", "us-east-2"),
        ("https://sqs.eu-west-1.api.aws/123456789012/q", "eu-west-1"),
        ("https://vpce-1-x.sqs.ap-southeast-2.vpce.amazonaws.com/123456789012/q", "ap-southeast-2"),
        ("http://127.0.0.1:5000/123456789012/q", None),
        ("https://sqs.eu-west-1.example.com/123456789012/q", None),
        ("https://[broken", None),
        ("", None),
        (None, None),
    ],
)
def test_region_in_a_queue_url(url, region):
    assert sqs.queue_region(url) == region


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


def test_delete_and_give_back_in_batches_of_ten(stack, queue):
    for number in range(23):
        stack.send(str(number))
    messages = [message for _call in range(3) for message in receive(queue)]
    stack.clear_calls()
    assert sqs.give_back(queue, handles(messages)) == ()
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
    assert sqs.delete(queue, []) == sqs.give_back(queue, []) == ()
    assert stack.calls() == []


def test_unknown_receipt_is_told_for_delete_and_no_failure_for_give_back(stack, queue):
    stack.send("x")
    [message] = receive(queue)
    [undone] = sqs.delete(queue, ["unknown", message.receipt_handle])
    assert (undone.receipt_handle, undone.code) == ("unknown", "ReceiptHandleIsInvalid")
    assert "not a valid receipt handle" in undone.reason
    assert stack.depth() == (0, 0)
    assert sqs.give_back(queue, ["unknown"]) == ()


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
def test_answers_of_aws_that_mean_already_back(code, reason):
    assert sqs._already_back(Undone("handle", code, reason))


def test_other_answers_do_not():
    assert not sqs._already_back(Undone("handle", "InternalError", "InternalError: try again"))


def test_failed_batch_is_tried_once_more(stack, queue):
    for number in range(12):
        stack.send(str(number))
    messages = [*receive(queue), *receive(queue)]
    stack.fault(action="ChangeMessageVisibilityBatch", code="InternalError", status=500)
    assert sqs.give_back(queue, handles(messages)) == ()
    assert stack.depth() == (12, 0)


def test_batch_that_stays_broken_costs_no_other(stack, queue):
    for number in range(12):
        stack.send(str(number))
    messages = [*receive(queue), *receive(queue)]
    stack.fault(action="DeleteMessageBatch", code="AccessDenied", status=403)
    stack.fault(action="DeleteMessageBatch", code="AccessDenied", status=403, skip=1)
    undone = sqs.delete(queue, handles(messages))
    assert [each.receipt_handle for each in undone] == handles(messages[:10])
    assert {each.code for each in undone} == {"AccessDenied"}
    assert "Could not delete messages from the queue" in undone[0].reason
    assert stack.depth() == (0, 10)
