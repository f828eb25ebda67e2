# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages and scripts in the vendor's shapes, for tests and the demo. Every member can be overridden by name."""

from __future__ import annotations

import json
import shlex
import uuid
from typing import Any

FIRST_SEEN = "1719792000000"
LAST_SEEN = "1719878400000"


NOTIFICATION = {
    "alertStatus": "open",
    "reason": "SCHEDULED",
    "metadata": {"remediable": True},
    "alertRuleName": "Least privilege",
    "alertRuleId": "5a1c9a6e-2f0e-4b57-9f0a-7d1f4f2a1c11",
    "alertTs": LAST_SEEN,
    "firstSeen": FIRST_SEEN,
    "lastSeen": LAST_SEEN,
    "service": "Prisma Cloud",
    "region": "global",
}
IAM_POLICY = {
    "id": "c2b84f89-7ec8-473e-a6af-404feeeb96c5",
    "name": "AWS IAM identity with permissions that were not used for 90 days",
    "policyType": "iam",
    "severity": "high",
    "policyTs": FIRST_SEEN,
    "description": "Permissions that nobody uses are an attacker's gain.",
    "recommendation": "Remove the unused permissions.",
    "labels": "[]",
}


def nested_alert(
    alert_id: str,
    account_id: str,
    *,
    kind: str = "user",
    name: str = "alice",
    policy: dict[str, Any] | None = None,
    **overrides: Any,
) -> dict[str, Any]:
    """An IAM alert about a user, a role or a group: the shape with `account`, `resource` and `policy` inside."""
    return {
        **NOTIFICATION,
        "alertId": alert_id,
        "account": {"cloudType": "AWS", "name": f"account {account_id}", "id": account_id},
        "resource": {
            "resourceId": f"arn:aws:iam::{account_id}:{kind}/{name}",
            "resourceTs": FIRST_SEEN,
            "resourceName": name,
        },
        "policy": IAM_POLICY | (policy or {}),
    } | overrides


def flat_alert(alert_id: str, account_id: str, script: str | None, **overrides: Any) -> dict[str, Any]:
    """A config alert: everything at the top, and the script, where there is one, in the message."""
    alert = {
        "source": "Prisma Cloud",
        "alertId": alert_id,
        "alertStatus": "open",
        "alertRuleName": "Configuration",
        "accountId": account_id,
        "accountName": f"account {account_id}",
        "cloudType": "aws",
        "policyId": "31626ca9-f659-4d25-9d9c-fa32262bbba1",
        "policyName": "AWS IAM password policy does not have a minimum of 14 characters",
        "policyType": "config",
        "severity": "medium",
        "resourceId": account_id,
        "resourceName": "password policy",
        "resourceRegionId": "global",
        "firstSeen": FIRST_SEEN,
        "lastSeen": LAST_SEEN,
        "alertRemediationCli": {"cliScript": script},
    }
    return alert | overrides


def integration_test(**overrides: Any) -> dict[str, Any]:
    """What the vendor sends when somebody presses `Test` on the integration."""
    return {
        "sender": "Prisma Cloud Test Notification",
        "sentTs": LAST_SEEN,
        "alertId": "T-0",
        "message": "This is a test message initiated by Prisma Cloud.",
    } | overrides


def in_sns_envelope(message: dict[str, Any] | str) -> dict[str, Any]:
    """Any message as it arrives when there is a topic between the vendor and the queue."""
    return {
        "Type": "Notification",
        "MessageId": str(uuid.uuid4()),
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:prisma-cloud",
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2024-07-02T00:00:00.000Z",
        "SignatureVersion": "1",
    }


def in_eventbridge_envelope(message: Any, account: str = "999999999999") -> dict[str, Any]:
    """Any message as an event bus delivers it; the account is that of the bus."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Prisma Cloud Alert",
        "source": "com.paloaltonetworks.prismacloud",
        "account": account,
        "time": "2024-07-02T00:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": message,
    }


def deny_document(actions: list[str] | None = None, resource: str = "*") -> dict[str, Any]:
    """The restricting policy document of the vendor's scripts."""
    statement = {"Effect": "Deny", "Action": actions or ["s3:DeleteBucket", "sqs:DeleteQueue"], "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


def deny_policy_name(name: str, alert_id: str, chunk: int = 1) -> str:
    return f"{name}-prisma-restrictions-{alert_id}-{chunk}"


def deny_script(
    kind: str,
    name: str,
    account_id: str,
    alert_id: str,
    joiner: str = "&&",
    *,
    chunks: int = 1,
    document: dict[str, Any] | None = None,
) -> str:
    """The vendor's script of an IAM alert: create a Deny policy, attach it; one pair for each chunk.

    `kind` is user, role or group; `joiner` is "&&", ";", "and" or a newline.
    """
    between = joiner if joiner == "\n" else f"{joiner} " if joiner == ";" else f" {joiner} "
    pairs = [_deny_pair(kind, name, account_id, deny_policy_name(name, alert_id, chunk), document, between)
             for chunk in range(1, chunks + 1)]  # fmt: skip
    return between.join(pairs)


def _deny_pair(
    kind: str, name: str, account_id: str, policy_name: str, document: dict[str, Any] | None, between: str
) -> str:
    compact = json.dumps(document or deny_document(), separators=(",", ":"))
    create = f"aws iam create-policy --policy-name '{policy_name}' --policy-document {shlex.quote(compact)}"
    attach = (
        f"aws iam attach-{kind}-policy --{kind}-name '{name}' "
        f"--policy-arn 'arn:aws:iam::{account_id}:policy/{policy_name}'"
    )
    return f"{create}{between}{attach}"
