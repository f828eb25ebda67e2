# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All calls of SQS, one per function.

Works with a boto3 SQS client of AWSLookupBase or AnsibleAWSModule.
Follows https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible.module_utils.basic import env_fallback

from ..api_calls.regions import region_of_profile
from .address import checked_name, checked_url, is_url, queue_endpoint, queue_region
from .errors import QueueError, attempting, kind
from .side_by_side import CALLS_AT_ONCE, side_by_side

# The maximum number of messages per call of SQS.
BATCH = 10
# One call may send 1 MiB. Until 2025 it was 256 KiB, which every partition and emulator accepts.
_MAX_BATCH_BYTES = 262_144
_MAX_MESSAGE_BYTES = 1_048_576

# The receives that a redrive policy must allow: one for the review, one for the run that applies, one for its retry.
MIN_RECEIVES = 3

# botocore's default, five attempts of 60 s, would let a wrong endpoint hang for minutes.
CLIENT_CONFIG = {"connect_timeout": 10, "read_timeout": 40, "retries": {"mode": "standard", "max_attempts": 4}}

# The arguments of modules that name the queue; plugins/doc_fragments/queue.py documents them.
QUEUE_ARGUMENTS = {
    "queue_name": {"type": "str", "fallback": (env_fallback, ["SQS_QUEUE_NAME"])},
    "queue_url": {"type": "str", "fallback": (env_fallback, ["SQS_QUEUE_URL"])},
    "queue_profile": {"type": "str", "aliases": ["profile"]},
    "region": {"type": "str", "aliases": ["aws_region"], "fallback": (env_fallback, ["AWS_REGION"])},
    "endpoint_url": {"type": "str", "fallback": (env_fallback, ["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"])},
}

# The arguments of `connection`, in its order.
CONNECTION_OPTIONS = ("queue_url", "queue_profile", "region", "endpoint_url")

# The message attributes of a moved message.
ATTRIBUTES = (
    "leastpriv.disposition",
    "leastpriv.reason",
    "leastpriv.alert_id",
    "leastpriv.account_id",
    "leastpriv.group_id",
)
_MAX_ATTRIBUTE_LENGTH = 4_000
_NOT_IN_SQS = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# A message that is visible, deleted or received by another run does not need to be released.
_ALREADY_RELEASED = ("MessageNotInflight", "ReceiptHandleIsInvalid")
_GROUP = re.compile("[!-~]{1,128}")
_EXPIRED = re.compile(r"receipt handle has expired|not available for visibility timeout change", re.IGNORECASE)


@dataclass(frozen=True)
class Queue:
    """A queue that exists; `visible` is the number of its visible messages when it was opened, by SQS's count."""

    client: Any
    url: str
    visible: int = 0

    @property
    def is_fifo(self) -> bool:
        return self.url.endswith(".fifo")


@dataclass(frozen=True)
class Message:
    """A received message.

    :ivar sent_ms: the time it was sent, in ms since the epoch.
    :ivar group_id: the message group in a FIFO queue.
    :ivar attributes: those of ATTRIBUTES that it has.
    """

    message_id: str
    receipt_handle: str
    body: str
    sent_ms: int
    receive_count: int
    group_id: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OutgoingMessage:
    """A received message to be sent to another queue, with its unchanged body and its new ATTRIBUTES."""

    message_id: str
    receipt_handle: str
    body: str
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    group_id: str | None = None


@dataclass(frozen=True)
class Depth:
    """The number of messages in the queue, by SQS's approximate count."""

    visible: int
    in_flight: int


@dataclass(frozen=True)
class FailedReceipt:
    """A receipt whose message SQS did not delete, release, extend or send, with the error."""

    receipt_handle: str
    code: str
    reason: str


def connection(
    queue_url: str | None, profile: str | None, region: str | None, endpoint_url: str | None
) -> dict[str, Any]:
    """The extra parameters for `client("sqs", …)` of amazon.aws's base classes.

    The region of an AWS queue URL takes precedence, because a request for that queue must be signed for it. A named
    profile takes precedence over access keys in the environment.
    """
    return {
        "profile_name": profile or None,
        "region": queue_region(queue_url) or region or region_of_profile(profile),
        "endpoint": endpoint_url or queue_endpoint(queue_url),
        "verify": None,
        "aws_config": CLIENT_CONFIG,
    }


def open_queue(connect: Callable[..., Any], name: str | None, options: Sequence[str | None]) -> Queue:
    """Find the queue by its name, or by the URL in `options` (see CONNECTION_OPTIONS), and check that it can be used.

    `connect` makes a client from the result of `connection`. Raises QueueError.
    """
    return resolve_queue(connect("sqs", **connection(*options)), name, options[0])


def resolve_queue(client: Any, name: str | None, url: str | None) -> Queue:
    """Find the queue by URL or, without a URL, by name, and check that it can be used.

    Raises QueueError if it does not exist, may not be read, or is not named.
    """
    if url:
        queue = Queue(client, checked_url(url))
    elif name:
        queue = Queue(client, _queue_url(client, checked_name(name)))
    else:
        raise QueueError("No queue is named: set queue_name (SQS_QUEUE_NAME) or queue_url (SQS_QUEUE_URL).")
    return replace(queue, visible=depth(queue).visible)


def resolve_other(named: str, beside: Queue, connect: Callable[..., Any], options: Sequence[str | None]) -> Queue:
    """Find a second queue by its name or URL, and check that it can be used.

    `connect` and `options` are those of `open_queue` for the first queue: a name means a queue in the same region.
    Raises QueueError, also if both are the same queue.
    """
    if not named:
        raise QueueError("No quarantine queue is named: set quarantine_queue (remediate_quarantine_queue).")
    queue_url, *others = options
    url = named if is_url(named) else None
    client = connect("sqs", **connection(url or queue_url, *others))
    try:
        other = resolve_queue(client, named, url)
    except QueueError as error:
        why = str(error).replace("queue_name or queue_url", "its name")
        text = f"The quarantine queue (remediate_quarantine_queue) cannot be used. {why}"
        raise QueueError(text, error.code) from None
    if other.url == beside.url:
        raise QueueError(
            f"The queue {other.url} cannot be moved into itself: name another queue than that of the alerts."
        )
    return other


def receive(queue: Queue, count: int, wait_seconds: int, visibility_timeout: int) -> tuple[Message, ...]:
    """Receive up to `count` (at most ten) messages by long polling and hide them for `visibility_timeout` seconds."""
    # If an answer is lost, the SDK's retry gets the same messages; otherwise their groups stay locked.
    attempt = {"ReceiveRequestAttemptId": str(uuid.uuid4())} if queue.is_fifo else {}
    with attempting("receive messages from", queue.client, queue.url):
        answer = queue.client.receive_message(
            QueueUrl=queue.url,
            MaxNumberOfMessages=min(count, BATCH),
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=visibility_timeout,
            AttributeNames=["SentTimestamp", "ApproximateReceiveCount", "MessageGroupId"],
            MessageAttributeNames=list(ATTRIBUTES),
            **attempt,
        )
    return tuple(_message(raw) for raw in answer.get("Messages", ()))


def depth(queue: Queue) -> Depth:
    """Read the numbers of visible messages and of messages in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = _attributes(queue, names)
    return Depth(*(int(counts.get(name, 0)) for name in names))


def max_receive_count(queue: Queue) -> int | None:
    """The receives after which a message moves to the dead-letter queue; None without such a queue."""
    policy = _attributes(queue, ["RedrivePolicy"]).get("RedrivePolicy")
    return int(json.loads(policy)["maxReceiveCount"]) if policy else None


def delete(queue: Queue, receipt_handles: Iterable[str]) -> tuple[FailedReceipt, ...]:
    """Delete messages. Returns those that SQS did not delete."""

    def delete_batch(entries: list[dict[str, Any]]) -> Any:
        with attempting("delete messages from", queue.client, queue.url):
            return queue.client.delete_message_batch(QueueUrl=queue.url, Entries=entries)

    return _in_batches(delete_batch, {handle: {"ReceiptHandle": handle} for handle in receipt_handles})


def release(queue: Queue, receipt_handles: Iterable[str]) -> tuple[FailedReceipt, ...]:
    """Make messages visible at once. Returns those that are still hidden.

    A message that is not in flight, or whose receipt has expired, is visible or deleted already. It is not a failure.
    """
    return tuple(failed for failed in extend(queue, receipt_handles, 0) if not _is_released(failed))


def extend(queue: Queue, receipt_handles: Iterable[str], seconds: int) -> tuple[FailedReceipt, ...]:
    """Hide received messages for `seconds` from now. Returns those for which this failed."""

    def extend_batch(entries: list[dict[str, Any]]) -> Any:
        with attempting("change the visibility of messages of", queue.client, queue.url):
            return queue.client.change_message_visibility_batch(QueueUrl=queue.url, Entries=entries)

    wanted = {handle: {"ReceiptHandle": handle, "VisibilityTimeout": seconds} for handle in receipt_handles}
    return _in_batches(extend_batch, wanted)


def move(
    source: Queue, target: Queue, outgoing: Sequence[OutgoingMessage]
) -> tuple[tuple[FailedReceipt, ...], tuple[FailedReceipt, ...]]:
    """Send messages to another queue, and delete those that were sent: a message may be in both, but is never lost.

    Returns those that were not sent, and those that were sent but not deleted.
    """

    def send_batch(entries: list[dict[str, Any]]) -> Any:
        with attempting("send messages to", target.client, target.url):
            return target.client.send_message_batch(QueueUrl=target.url, Entries=entries)

    # One after the other, so that they are in the other queue in the order in which they were here.
    entries = {message.receipt_handle: _entry(message, target) for message in outgoing}
    unsent = _in_batches(send_batch, entries, at_once=1)
    kept = {failed.receipt_handle for failed in unsent}
    return unsent, delete(
        source, [message.receipt_handle for message in outgoing if message.receipt_handle not in kept]
    )


def send(queue: Queue, texts: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Send new messages.

    :param texts: for each message the id of its alert, and its body. In a FIFO queue each alert is a message group.
    :returns: why messages were not sent, by the ids of their alerts.
    """

    def send_batch(entries: list[dict[str, Any]]) -> Any:
        with attempting("send messages to", queue.client, queue.url):
            return queue.client.send_message_batch(QueueUrl=queue.url, Entries=entries)

    def entry(alert_id: str, body: str) -> dict[str, Any]:
        # SQS takes no group of more than 128 characters, and an ARN can be longer.
        group = alert_id if _GROUP.fullmatch(alert_id) else _digest(alert_id)
        of_fifo = {"MessageGroupId": group, "MessageDeduplicationId": _digest(body)} if queue.is_fifo else {}
        return {"MessageBody": body, **of_fifo}

    # By place: alerts of two accounts can have one id.
    unsent = _in_batches(send_batch, {str(place): entry(*text) for place, text in enumerate(texts)}, at_once=1)
    return {texts[int(failed.receipt_handle)][0]: failed.reason for failed in unsent}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _entry(message: OutgoingMessage, target: Queue) -> dict[str, Any]:
    """One entry of SendMessageBatch. SQS limits body and attributes together; the attributes are left out first."""
    entry = {"MessageBody": message.body, "MessageAttributes": _message_attributes(message)}
    if _size(entry) > _MAX_MESSAGE_BYTES:
        entry["MessageAttributes"] = {}
    if target.is_fifo:
        # By the message's id and not its content: two equal messages are both kept, one sent twice is not.
        entry["MessageDeduplicationId"] = message.message_id
        entry["MessageGroupId"] = message.group_id or message.message_id
    return entry


def _message_attributes(message: OutgoingMessage) -> dict[str, Any]:
    """The message attributes, without empty values and invalid characters, and of limited length."""
    texts = {
        name: _NOT_IN_SQS.sub("\ufffd", message.attributes.get(name) or "")[:_MAX_ATTRIBUTE_LENGTH]
        for name in ATTRIBUTES
    }
    return {name: {"DataType": "String", "StringValue": text} for name, text in texts.items() if text}


def _size(entry: Mapping[str, Any]) -> int:
    """The size of an entry by SQS's rules, in bytes: body, and name, type and value of each attribute."""
    attributes = entry.get("MessageAttributes", {}).items()
    texts = [entry.get("MessageBody", ""), *(f"{name}String{value['StringValue']}" for name, value in attributes)]
    return sum(len(text.encode(errors="surrogatepass")) for text in texts)


def _attributes(queue: Queue, names: list[str]) -> Any:
    with attempting("read the attributes of", queue.client, queue.url):
        return queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=names).get("Attributes", {})


def _queue_url(client: Any, name: str) -> Any:
    with attempting("find", client, name):
        return client.get_queue_url(QueueName=name)["QueueUrl"]


def _message(raw: dict[str, Any]) -> Message:
    attributes = raw.get("Attributes", {})
    return Message(
        message_id=raw["MessageId"],
        receipt_handle=raw["ReceiptHandle"],
        body=raw.get("Body", ""),
        sent_ms=int(attributes.get("SentTimestamp", 0)),
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        group_id=attributes.get("MessageGroupId"),
        attributes={name: value.get("StringValue", "") for name, value in raw.get("MessageAttributes", {}).items()},
    )


def _in_batches(
    call: Callable[[list[dict[str, Any]]], dict[str, Any]],
    wanted: Mapping[str, dict[str, Any]],
    at_once: int = CALLS_AT_ONCE,
) -> tuple[FailedReceipt, ...]:
    """Run a batch call over {receipt handle: entry}, and once more over those that failed.

    A failed batch does not stop the next one.
    """
    first = _each_batch(call, wanted, at_once)
    return _each_batch(call, {failed.receipt_handle: wanted[failed.receipt_handle] for failed in first}, at_once)


def _each_batch(
    call: Callable[[list[dict[str, Any]]], dict[str, Any]], wanted: Mapping[str, dict[str, Any]], at_once: int
) -> tuple[FailedReceipt, ...]:
    answered: dict[str, FailedReceipt | None] = {}

    def one_batch(batch: Mapping[str, dict[str, Any]]) -> None:
        failures = {failed.receipt_handle: failed for failed in _one_batch(call, batch)}
        answered.update({handle: failures.get(handle) for handle in batch})

    unanswered = ""
    try:
        side_by_side(one_batch, _batches(wanted), at_once)
    except QueueError as error:
        unanswered = str(error)
    failures = (answered.get(handle, FailedReceipt(handle, "", unanswered)) for handle in wanted)
    return tuple(failed for failed in failures if failed)


def _batches(wanted: Mapping[str, dict[str, Any]]) -> Iterator[dict[str, dict[str, Any]]]:
    """Divide into batches for one call: at most ten entries, and not too large in total."""
    batch: dict[str, dict[str, Any]] = {}
    size = 0
    for handle, entry in wanted.items():
        if len(batch) == BATCH or (batch and size + _size(entry) > _MAX_BATCH_BYTES):
            yield batch
            batch, size = {}, 0
        batch[handle] = entry
        size += _size(entry)
    if batch:
        yield batch


def _one_batch(
    call: Callable[[list[dict[str, Any]]], dict[str, Any]], batch: Mapping[str, dict[str, Any]]
) -> list[FailedReceipt]:
    handles = list(batch)
    try:
        answer = call([{"Id": str(place), **entry} for place, entry in enumerate(batch.values())])
    except QueueError as error:
        return [FailedReceipt(handle, error.code or "", str(error)) for handle in handles]
    return [
        FailedReceipt(handles[int(entry["Id"])], entry["Code"], f"{kind(entry['Code'])}: {entry.get('Message', '')}")
        for entry in answer.get("Failed", ())
    ]


def _is_released(failed: FailedReceipt) -> bool:
    return kind(failed.code) in _ALREADY_RELEASED or bool(_EXPIRED.search(failed.reason))
