# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import boto3
import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.errors import QueueError, attempting, kind
from botocore.exceptions import ClientError

CLIENT = boto3.client("sqs", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", "check queue_name or queue_url"),
        ("QueueDoesNotExist", "check queue_name or queue_url"),
        ("AccessDenied", "the queue's own policy has to allow it"),
        ("KMS.AccessDeniedException", "kms:Decrypt"),
        ("KmsAccessDenied", "kms:GenerateDataKey"),
        ("KMS.DisabledException", "aws kms enable-key"),
        ("KmsDisabled", "aws kms enable-key"),
        ("KMS.NotFoundException", "set a key that exists for the queue"),
        ("KmsNotFound", "set a key that exists for the queue"),
        ("KMS.InvalidStateException", "pending deletion"),
        ("KMS.InvalidKeyUsageException", "symmetric key"),
        ("KMS.OptInRequired", "SSE-SQS"),
        ("KMS.ThrottlingException", "KmsDataKeyReusePeriodSeconds"),
        ("KmsThrottled", "KmsDataKeyReusePeriodSeconds"),
        ("SomethingNew", "see the error of AWS"),
    ],
)
def test_every_error_says_what_to_do_next(code, advice):
    with pytest.raises(QueueError) as raised, attempting("receive messages from", CLIENT, "alerts"):
        raise ClientError({"Error": {"Code": code, "Message": "AWS says no"}}, "ReceiveMessage")
    shown = str(raised.value)
    assert shown.startswith("Could not receive messages from the queue alerts in region eu-west-1: ")
    assert "AWS says no" in shown
    assert advice in shown.split("Next: ")[1]
    assert raised.value.code == code


def test_every_kms_error_of_the_service_model_has_a_next_step():
    shapes = [shape.name for shape in CLIENT.meta.service_model.error_shapes if shape.name.startswith("Kms")]
    assert len(shapes) >= 7
    for code in shapes:
        with pytest.raises(QueueError, match=r"Next: (?!see the error)"), attempting("x", CLIENT, "q"):
            raise ClientError({"Error": {"Code": code}}, "ReceiveMessage")


@pytest.mark.parametrize("code", ["", None])
def test_no_code_is_no_kind(code):
    assert kind(code) == ""
