# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is ever said to SQS, one call per function.

Works with a boto3 SQS client of AWSLookupBase or AnsibleAWSModule.
Follows https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

with suppress(ImportError):  # AWSLookupBase and AnsibleAWSModule report it.
    from botocore.exceptions import BotoCoreError, ClientError

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError

# SQS takes and gives at most ten messages per call.
BATCH = 10

# botocore's own 60 s to connect, five times over, would let a wrong endpoint hang for minutes.
CLIENT_CONFIG = {"connect_timeout": 10, "read_timeout": 40, "retries": {"mode": "standard", "max_attempts": 4}}

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d+")
_AWS_HOST = re.compile(r"\.(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)$")
_LEGACY_US_EAST_1 = "queue.amazonaws.com"

_PERMISSIONS = "sqs:GetQueueUrl, GetQueueAttributes, ReceiveMessage, DeleteMessage and ChangeMessageVisibility"
_NO_QUEUE = "check queue_name or queue_url, the region, and whose account the credentials belong to"
_NO_ACCESS = f"give the credentials {_PERMISSIONS} on this queue (and kms:Decrypt when it is encrypted with a KMS key)"
_NO_IDENTITY = "set queue_profile or AWS_PROFILE, or renew the credentials; 'aws sts get-caller-identity' must work"
_NO_ANSWER = "check the network, the region, and endpoint_url or AWS_ENDPOINT_URL"
_NEXT_STEPS = {
    "AccessDenied": _NO_ACCESS,
    "AccessDeniedException": _NO_ACCESS,
    "ConnectTimeoutError": _NO_ANSWER,
    "ConnectionClosedError": _NO_ANSWER,
    "CredentialRetrievalError": _NO_IDENTITY,
    "EndpointConnectionError": _NO_ANSWER,
    "ExpiredToken": _NO_IDENTITY,
    "ExpiredTokenException": _NO_IDENTITY,
    "InvalidAddress": _NO_QUEUE,
    "InvalidClientTokenId": _NO_IDENTITY,
    "KmsAccessDenied": _NO_ACCESS,
    "NoCredentialsError": _NO_IDENTITY,
    "NonExistentQueue": _NO_QUEUE,
    "PartialCredentialsError": _NO_IDENTITY,
    "QueueDoesNotExist": _NO_QUEUE,
    "ReadTimeoutError": _NO_ANSWER,
    "SignatureDoesNotMatch": _NO_IDENTITY,
    "SSOTokenLoadError": _NO_IDENTITY,
    "TokenRetrievalError": _NO_IDENTITY,
    "UnauthorizedSSOTokenError": _NO_IDENTITY,
    "UnrecognizedClientException": _NO_IDENTITY,
}

# A message that is visible, deleted or received by someone else is already what giving back wants it to be.
_NOTHING_TO_GIVE_BACK = ("MessageNotInflight", "ReceiptHandleIsInvalid")
_EXPIRED = re.compile(r"receipt handle has expired|not available for visibility timeout change", re.IGNORECASE)


class QueueError(LeastprivError):
    """SQS did not do what was asked. `code` is SQS's error code or botocore's exception name."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Queue:
    """A queue that was seen to exist."""

    client: Any
    url: str


@dataclass(frozen=True)
class Message:
    """A received message; `sent_ms` is the time it was sent, in ms since the epoch."""

    message_id: str
    receipt_handle: str
    body: str
    sent_ms: int
    receive_count: int


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
        "endpoint": endpoint_url or None,
        "verify": None,
        "aws_config": CLIENT_CONFIG,
    }


def queue_region(queue_url: str | None) -> str | None:
    """Read the region out of an AWS queue URL; None when it names none (an emulator, a proxy)."""
    try:
        host = urlsplit(queue_url or "").hostname or ""
    except ValueError:
        return None
    if host == _LEGACY_US_EAST_1:
        return "us-east-1"
    labels = host.split(".") if _AWS_HOST.search(host) else []
    return next((label for label in labels if _REGION.fullmatch(label)), None)


def resolve_queue(client: Any, name: str | None, url: str | None) -> Queue:
    """Find the queue by URL, or by name when there is no URL, and make sure that it can be used.

    Raises QueueError when it is missing, may not be read, or is not named at all.
    """
    if url:
        queue = Queue(client, _checked_url(url))
    elif name:
        queue = Queue(client, _queue_url(client, _checked_name(name)))
    else:
        raise QueueError("No queue is named: set queue_name (SQS_QUEUE_NAME) or queue_url (SQS_QUEUE_URL).")
    depth(queue)
    return queue


def receive(queue: Queue, count: int, wait_seconds: int, visibility_timeout: int) -> tuple[Message, ...]:
    """Receive up to `count` (at most ten) messages by long polling and hide them for `visibility_timeout` seconds."""
    with _attempting("receive messages from", queue):
        answer = queue.client.receive_message(
            QueueUrl=queue.url,
            MaxNumberOfMessages=min(count, BATCH),
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=visibility_timeout,
            AttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
        )
    return tuple(_message(raw) for raw in answer.get("Messages", ()))


def depth(queue: Queue) -> Depth:
    """Ask how many messages are visible and in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    with _attempting("read the attributes of", queue):
        answer = queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=names)
    counts = answer.get("Attributes", {})
    return Depth(*(int(counts.get(name, 0)) for name in names))


def delete(queue: Queue, receipt_handles: Iterable[str]) -> tuple[Undone, ...]:
    """Delete messages for ever. Gives back those that SQS did not delete."""

    def delete_batch(entries: list[dict[str, Any]]) -> dict[str, Any]:
        with _attempting("delete messages from", queue):
            return queue.client.delete_message_batch(QueueUrl=queue.url, Entries=entries)

    return _in_batches(delete_batch, receipt_handles)


def give_back(queue: Queue, receipt_handles: Iterable[str]) -> tuple[Undone, ...]:
    """Make messages visible again at once. Gives back those that are still hidden.

    A message that is no longer in flight, or whose receipt has expired, is visible (or gone) already: no failure.
    """
    return tuple(undone for undone in extend(queue, receipt_handles, 0) if not _already_back(undone))


def extend(queue: Queue, receipt_handles: Iterable[str], seconds: int) -> tuple[Undone, ...]:
    """Hide received messages for `seconds` from now. Gives back those for which that did not work."""

    def extend_batch(entries: list[dict[str, Any]]) -> dict[str, Any]:
        timed = [{**entry, "VisibilityTimeout": seconds} for entry in entries]
        with _attempting("change the visibility of messages of", queue):
            return queue.client.change_message_visibility_batch(QueueUrl=queue.url, Entries=timed)

    return _in_batches(extend_batch, receipt_handles)


def _queue_url(client: Any, name: str) -> str:
    with _attempting("find", Queue(client, name)):
        return client.get_queue_url(QueueName=name)["QueueUrl"]


def _checked_url(url: str) -> str:
    if not re.match(r"https?://[^/\s]+/\S+", url):
        raise QueueError(f"queue_url is {url!r}, which is no URL: use what 'aws sqs get-queue-url' prints.")
    return url


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,80}(?:\.fifo)?", name):
        raise QueueError(
            f"queue_name is {name!r}, which is no queue name: use up to 80 letters, digits, '-' and '_' "
            "(a URL belongs into queue_url or SQS_QUEUE_URL)."
        )
    return name


def _message(raw: dict[str, Any]) -> Message:
    attributes = raw.get("Attributes", {})
    return Message(
        message_id=raw["MessageId"],
        receipt_handle=raw["ReceiptHandle"],
        body=raw.get("Body", ""),
        sent_ms=int(attributes.get("SentTimestamp", 0)),
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
    )


def _in_batches(
    call: Callable[[list[dict[str, Any]]], dict[str, Any]], receipt_handles: Iterable[str]
) -> tuple[Undone, ...]:
    """Run a batch call over all receipts, and once more over those that failed; one bad batch never stops the next."""
    first = _each_batch(call, tuple(dict.fromkeys(receipt_handles)))
    return _each_batch(call, tuple(undone.receipt_handle for undone in first))


def _each_batch(call: Callable[[list[dict[str, Any]]], dict[str, Any]], handles: Sequence[str]) -> tuple[Undone, ...]:
    return tuple(
        undone for start in range(0, len(handles), BATCH) for undone in _one_batch(call, handles[start : start + BATCH])
    )


def _one_batch(call: Callable[[list[dict[str, Any]]], dict[str, Any]], handles: Sequence[str]) -> Iterator[Undone]:
    entries = [{"Id": str(place), "ReceiptHandle": handle} for place, handle in enumerate(handles)]
    try:
        answer = call(entries)
    except QueueError as error:
        return iter([Undone(handle, error.code or "", str(error)) for handle in handles])
    return iter(
        [
            Undone(handles[int(entry["Id"])], entry["Code"], f"{_tail(entry['Code'])}: {entry.get('Message', '')}")
            for entry in answer.get("Failed", ())
        ]
    )


def _already_back(undone: Undone) -> bool:
    return _tail(undone.code) in _NOTHING_TO_GIVE_BACK or bool(_EXPIRED.search(undone.reason))


@contextmanager
def _attempting(act: str, queue: Queue) -> Iterator[None]:
    """Turn botocore's errors into a QueueError that names the act, the queue, the cause and the next step."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        code = _code(error)
        advice = _NEXT_STEPS.get(_tail(code), "see the error of AWS")
        raise QueueError(
            f"Could not {act} the queue {queue.url} in region {queue.client.meta.region_name}: {error} Next: {advice}.",
            code,
        ) from None


def _code(error: Exception) -> str:
    response = getattr(error, "response", None) or {}
    return response.get("Error", {}).get("Code") or type(error).__name__


def _tail(code: str) -> str:
    return code.rsplit(".", 1)[-1]
