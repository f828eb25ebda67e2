# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQS's errors as a person needs them: what was tried, on which queue, why it failed, what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

with suppress(ImportError):  # AWSLookupBase and AnsibleAWSModule report it.
    from botocore.exceptions import BotoCoreError, ClientError

from ..errors import LeastprivError

_PERMISSIONS = "sqs:GetQueueUrl, GetQueueAttributes, ReceiveMessage, DeleteMessage and ChangeMessageVisibility"
_NO_QUEUE = "check queue_name or queue_url, the region, and whose account the credentials belong to"
_NO_ACCESS = (
    f"give the credentials {_PERMISSIONS} on this queue (sqs:SendMessage too where messages are moved to it); for a "
    "queue of another account the queue's own policy has to allow it as well"
)
_NO_IDENTITY = "set queue_profile or AWS_PROFILE, or renew the credentials; 'aws sts get-caller-identity' must work"
_NO_ANSWER = "check the network, the region, and endpoint_url or AWS_ENDPOINT_URL"
_KEY = "the queue's KMS key (KmsMasterKeyId in 'aws sqs get-queue-attributes')"
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
    "KmsAccessDenied": (
        f"allow the credentials kms:Decrypt on {_KEY}, and kms:GenerateDataKey to move messages into it; for a key of "
        "another account both the key's policy and the identity's own must allow it"
    ),
    "KmsDisabled": f"enable {_KEY} again ('aws kms enable-key'): the messages cannot be read without it",
    "KmsInvalidKeyUsage": f"set a symmetric key for the queue's encryption: {_KEY} is of another kind",
    "KmsInvalidState": f"look at {_KEY} in KMS: it is pending deletion (cancel that) or its material is missing",
    "KmsNotFound": f"look for {_KEY}: it is not in this region, or was deleted; set a key that exists for the queue",
    "KmsOptInRequired": "subscribe the queue's account to KMS, or set SSE-SQS encryption for the queue",
    "KmsThrottled": "run again later, and raise the queue's KmsDataKeyReusePeriodSeconds if it happens often",
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


class QueueError(LeastprivError):
    """SQS did not do what was asked. `code` is SQS's error code or botocore's exception name."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def attempting(act: str, client: Any, queue: str) -> Iterator[None]:
    """Turn botocore's errors into a QueueError that names the act, the queue, the cause and the next step."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        code = _code(error)
        advice = _NEXT_STEPS.get(kind(code), "see the error of AWS")
        raise QueueError(
            f"Could not {act} the queue {queue} in region {client.meta.region_name}: {error} Next: {advice}.", code
        ) from None


def kind(code: str | None) -> str:
    """An error's code without its namespace: SQS writes KMS's errors as KmsDisabled and as KMS.DisabledException."""
    namespace, _dot, name = (code or "").rpartition(".")
    if namespace != "KMS":
        return name
    return "Kms" + name.removesuffix("Exception").replace("Throttling", "Throttled")


def _code(error: Exception) -> str:
    response = getattr(error, "response", None) or {}
    return response.get("Error", {}).get("Code") or type(error).__name__
