# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is ever said to SQS, one call per function.

Works with a boto3 SQS client of AWSLookupBase or AnsibleAWSModule.
Follows https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible.module_utils.basic import env_fallback
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.address import (
    checked_name,
    checked_url,
    is_url,
    queue_endpoint,
    queue_region,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.errors import QueueError, attempting, kind

# SQS takes and gives at most ten messages per call.
BATCH = 10
# One call sends at most 1 MiB; 256 KiB, as it was until 2025, is what every partition and emulator takes.
_BATCH_SIZE = 262_144
_MESSAGE_SIZE = 1_048_576

# What a redrive policy must let pass: a receive for the review, one for the run that applies, one for its second try.
LEAST_RECEIVES = 3

# botocore's own 60 s to connect, five times over, would let a wrong endpoint hang for minutes.
CLIENT_CONFIG = {"connect_timeout": 10, "read_timeout": 40, "retries": {"mode": "standard", "max_attempts": 4}}

# How a module is told which queue, as plugins/doc_fragments/queue.py documents it.
QUEUE_ARGUMENTS = {
    "queue_name": {"type": "str", "fallback": (env_fallback, ["SQS_QUEUE_NAME"])},
    "queue_url": {"type": "str", "fallback": (env_fallback, ["SQS_QUEUE_URL"])},
    "queue_profile": {"type": "str", "aliases": ["profile"]},
    "region": {"type": "str", "aliases": ["aws_region"], "fallback": (env_fallback, ["AWS_REGION"])},
    "endpoint_url": {"type": "str", "fallback": (env_fallback, ["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"])},
}

# Those of them that say how the queue is reached, in the order in which `connection` takes them.
REACH = ("queue_url", "queue_profile", "region", "endpoint_url")

# What a message that was moved tells about itself, as message attributes.
TOLD = ("leastpriv.disposition", "leastpriv.reason", "leastpriv.alert_id", "leastpriv.account_id", "leastpriv.group_id")
_TOLD_LENGTH = 4_000
_NOT_IN_SQS = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# A message that is visible, deleted or received by someone else is already what giving back wants it to be.
_NOTHING_TO_GIVE_BACK = ("MessageNotInflight", "ReceiptHandleIsInvalid")
_EXPIRED = re.compile(r"receipt handle has expired|not available for visibility timeout change", re.IGNORECASE)


@dataclass(frozen=True)
class Queue:
    """A queue that was seen to exist; `visible` is how many messages it had to give then, by SQS's count."""

    client: Any
    url: str
    visible: int = 0

    @property
    def is_fifo(self) -> bool:
        return self.url.endswith(".fifo")


@dataclass(frozen=True)
class Message:
    """A received message; `sent_ms` is the time it was sent, in ms since the epoch.

    `group_id` is the message group in a FIFO queue; `told` are the attributes that `move` gave it, by their names.
    """

    message_id: str
    receipt_handle: str
    body: str
    sent_ms: int
    receive_count: int
    group_id: str | None = None
    told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Parcel:
    """A received message on its way to another queue: its body as it was, and what to tell about it (see TOLD)."""

    message_id: str
    receipt_handle: str
    body: str
    told: Mapping[str, str | None] = field(default_factory=dict)
    group_id: str | None = None


@dataclass(frozen=True)
class Depth:
    """How many messages the queue holds, by SQS's own approximate count."""

    visible: int
    in_flight: int


@dataclass(frozen=True)
class Undone:
    """A receipt for which SQS did not do what was asked, and why."""

    receipt_handle: str
    code: str
    reason: str


def connection(
    queue_url: str | None, profile: str | None, region: str | None, endpoint_url: str | None
) -> dict[str, Any]:
    """Give the extra parameters for `client("sqs", …)` of amazon.aws's base classes.

    The region of an AWS queue URL comes first, because a request for that queue can be signed for no other. Whatever
    is None is left to boto3's usual chain. A named profile wins over access keys in the environment.
    """
    return {
        "profile_name": profile or None,
        "region": queue_region(queue_url) or region or None,
        "endpoint": endpoint_url or queue_endpoint(queue_url),
        "verify": None,
        "aws_config": CLIENT_CONFIG,
    }


def open_queue(connect: Callable[..., Any], name: str | None, reach: Sequence[str | None]) -> Queue:
    """Find the queue of a name or of the URL in `reach` (see REACH), and make sure that it can be used.

    `connect` makes a client of what `connection` gives. Raises QueueError.
    """
    return resolve_queue(connect("sqs", **connection(*reach)), name, reach[0])


def resolve_queue(client: Any, name: str | None, url: str | None) -> Queue:
    """Find the queue by URL, or by name when there is no URL, and make sure that it can be used.

    Raises QueueError when it is missing, may not be read, or is not named at all.
    """
    if url:
        queue = Queue(client, checked_url(url))
    elif name:
        queue = Queue(client, _queue_url(client, checked_name(name)))
    else:
        raise QueueError("No queue is named: set queue_name (SQS_QUEUE_NAME) or queue_url (SQS_QUEUE_URL).")
    return replace(queue, visible=depth(queue).visible)


def resolve_other(named: str, beside: Queue, connect: Callable[..., Any], reach: Sequence[str | None]) -> Queue:
    """Find a second queue by the name or URL that `named` is, and make sure that it can be used.

    `connect` and `reach` are those of `open_queue`, for the first queue: a name means a queue in that one's region.
    Raises QueueError, also when both are one and the same queue.
    """
    if not named:
        raise QueueError("No quarantine queue is named: set quarantine_queue (remediate_quarantine_queue).")
    queue_url, *others = reach
    url = named if is_url(named) else None
    client = connect("sqs", **connection(url or queue_url, *others))
    try:
        other = resolve_queue(client, named, url)
    except QueueError as error:
        why = str(error).replace("queue_name or queue_url", "its name")
        text = f"The quarantine queue (remediate_quarantine_queue) cannot be used. {why}"
        raise QueueError(text, error.code) from None
    if other.url == beside.url:
        raise QueueError(f"The queue {other.url} cannot be moved into itself: name another one than the alerts' queue.")
    return other


def receive(queue: Queue, count: int, wait_seconds: int, visibility_timeout: int) -> tuple[Message, ...]:
    """Receive up to `count` (at most ten) messages by long polling and hide them for `visibility_timeout` seconds."""
    # Where an answer is lost on its way, the SDK's retry gets the same messages; otherwise their groups stay locked.
    attempt = {"ReceiveRequestAttemptId": str(uuid.uuid4())} if queue.is_fifo else {}
    with attempting("receive messages from", queue.client, queue.url):
        answer = queue.client.receive_message(
            QueueUrl=queue.url,
            MaxNumberOfMessages=min(count, BATCH),
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=visibility_timeout,
            AttributeNames=["SentTimestamp", "ApproximateReceiveCount", "MessageGroupId"],
            MessageAttributeNames=list(TOLD),
            **attempt,
        )
    return tuple(_message(raw) for raw in answer.get("Messages", ()))


def depth(queue: Queue) -> Depth:
    """Ask how many messages are visible and in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = _attributes(queue, names)
    return Depth(*(int(counts.get(name, 0)) for name in names))


def max_receive_count(queue: Queue) -> int | None:
    """After how many receives a message goes to the dead-letter queue; None where there is none."""
    policy = _attributes(queue, ["RedrivePolicy"]).get("RedrivePolicy")
    return int(json.loads(policy)["maxReceiveCount"]) if policy else None


def delete(queue: Queue, receipt_handles: Iterable[str]) -> tuple[Undone, ...]:
    """Delete messages for ever. Gives back those that SQS did not delete."""

    def delete_batch(entries: list[dict[str, Any]]) -> dict[str, Any]:
        with attempting("delete messages from", queue.client, queue.url):
            return queue.client.delete_message_batch(QueueUrl=queue.url, Entries=entries)

    return _in_batches(delete_batch, {handle: {"ReceiptHandle": handle} for handle in receipt_handles})


def give_back(queue: Queue, receipt_handles: Iterable[str]) -> tuple[Undone, ...]:
    """Make messages visible again at once. Gives back those that are still hidden.

    A message that is no longer in flight, or whose receipt has expired, is visible (or gone) already: no failure.
    """
    return tuple(undone for undone in extend(queue, receipt_handles, 0) if not _already_back(undone))


def extend(queue: Queue, receipt_handles: Iterable[str], seconds: int) -> tuple[Undone, ...]:
    """Hide received messages for `seconds` from now. Gives back those for which that did not work."""

    def extend_batch(entries: list[dict[str, Any]]) -> dict[str, Any]:
        with attempting("change the visibility of messages of", queue.client, queue.url):
            return queue.client.change_message_visibility_batch(QueueUrl=queue.url, Entries=entries)

    wanted = {handle: {"ReceiptHandle": handle, "VisibilityTimeout": seconds} for handle in receipt_handles}
    return _in_batches(extend_batch, wanted)


def move(source: Queue, target: Queue, parcels: Sequence[Parcel]) -> tuple[tuple[Undone, ...], tuple[Undone, ...]]:
    """Send messages to another queue, and delete those that have arrived there: a message may be in both, never lost.

    Gives those that were not sent, and those that were sent and not deleted.
    """

    def send_batch(entries: list[dict[str, Any]]) -> dict[str, Any]:
        with attempting("send messages to", target.client, target.url):
            return target.client.send_message_batch(QueueUrl=target.url, Entries=entries)

    unsent = _in_batches(send_batch, {parcel.receipt_handle: _entry(parcel, target) for parcel in parcels})
    kept = {undone.receipt_handle for undone in unsent}
    return unsent, delete(source, [parcel.receipt_handle for parcel in parcels if parcel.receipt_handle not in kept])


def _entry(parcel: Parcel, target: Queue) -> dict[str, Any]:
    """One entry of SendMessageBatch. The body counts more than what is told about it: SQS limits them together."""
    entry = {"MessageBody": parcel.body, "MessageAttributes": _told(parcel)}
    if _size(entry) > _MESSAGE_SIZE:
        entry["MessageAttributes"] = {}
    if target.is_fifo:
        # The id of the message, and not of its content: two equal messages are both kept, one sent twice is not.
        entry["MessageDeduplicationId"] = parcel.message_id
        entry["MessageGroupId"] = parcel.group_id or parcel.message_id
    return entry


def _told(parcel: Parcel) -> dict[str, Any]:
    """Message attributes: no empty ones, no characters that SQS refuses, none of endless length."""
    texts = {name: _NOT_IN_SQS.sub("\ufffd", parcel.told.get(name) or "")[:_TOLD_LENGTH] for name in TOLD}
    return {name: {"DataType": "String", "StringValue": text} for name, text in texts.items() if text}


def _size(entry: Mapping[str, Any]) -> int:
    """What an entry counts for SQS, in bytes: body, and name, type and value of each attribute."""
    attributes = entry.get("MessageAttributes", {}).items()
    texts = [entry.get("MessageBody", ""), *(f"{name}String{value['StringValue']}" for name, value in attributes)]
    return sum(len(text.encode(errors="surrogatepass")) for text in texts)


def _attributes(queue: Queue, names: list[str]) -> dict[str, str]:
    with attempting("read the attributes of", queue.client, queue.url):
        return queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=names).get("Attributes", {})


def _queue_url(client: Any, name: str) -> str:
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
        told={name: value.get("StringValue", "") for name, value in raw.get("MessageAttributes", {}).items()},
    )


def _in_batches(
    call: Callable[[list[dict[str, Any]]], dict[str, Any]], wanted: Mapping[str, dict[str, Any]]
) -> tuple[Undone, ...]:
    """Run a batch call over {receipt handle: entry}, and once more over those that failed.

    One bad batch never stops the next.
    """
    first = _each_batch(call, wanted)
    return _each_batch(call, {undone.receipt_handle: wanted[undone.receipt_handle] for undone in first})


def _each_batch(
    call: Callable[[list[dict[str, Any]]], dict[str, Any]], wanted: Mapping[str, dict[str, Any]]
) -> tuple[Undone, ...]:
    return tuple(undone for batch in _batches(wanted) for undone in _one_batch(call, batch))


def _batches(wanted: Mapping[str, dict[str, Any]]) -> Iterator[dict[str, dict[str, Any]]]:
    """Cut into batches that one call takes: at most ten entries, and not too large in all."""
    batch: dict[str, dict[str, Any]] = {}
    size = 0
    for handle, entry in wanted.items():
        if len(batch) == BATCH or (batch and size + _size(entry) > _BATCH_SIZE):
            yield batch
            batch, size = {}, 0
        batch[handle] = entry
        size += _size(entry)
    if batch:
        yield batch


def _one_batch(
    call: Callable[[list[dict[str, Any]]], dict[str, Any]], batch: Mapping[str, dict[str, Any]]
) -> list[Undone]:
    handles = list(batch)
    try:
        answer = call([{"Id": str(place), **entry} for place, entry in enumerate(batch.values())])
    except QueueError as error:
        return [Undone(handle, error.code or "", str(error)) for handle in handles]
    return [
        Undone(handles[int(entry["Id"])], entry["Code"], f"{kind(entry['Code'])}: {entry.get('Message', '')}")
        for entry in answer.get("Failed", ())
    ]


def _already_back(undone: Undone) -> bool:
    return kind(undone.code) in _NOTHING_TO_GIVE_BACK or bool(_EXPIRED.search(undone.reason))
