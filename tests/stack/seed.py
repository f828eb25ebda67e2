# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills an account with principals, as a customer's account has them before the first alert."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from .alerts import deny_script, nested_alert
from .process import Stack
from .settings import ROLE_NAME

TRUST_DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


def seed(
    stack: Stack, account: str, *, users: Iterable[str] = (), roles: Iterable[str] = (), groups: Iterable[str] = ()
) -> None:
    """Create principals by name in an account (host name or id)."""
    iam = stack.client("iam", account)
    for user in users:
        iam.create_user(UserName=user)
    for group in groups:
        iam.create_group(GroupName=group)
    for role in roles:
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(TRUST_DOCUMENT))


def give_role(stack: Stack, account: str, policy: str) -> None:
    """Let the role exist that runs assume in an account, with one policy (JSON): it may do that and no more."""
    iam = stack.client("iam", account)
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=ROLE_NAME, AssumeRolePolicyDocument=json.dumps(TRUST_DOCUMENT))
    iam.put_role_policy(RoleName=ROLE_NAME, PolicyName="leastpriv", PolicyDocument=policy)


def send_alert(
    stack: Stack, alert_id: str, account: str, kind: str, name: str, script: str | None = None, **overrides: Any
) -> str:
    """Put a vendor-shaped alert about a principal into the queue, and its script into the API: gives its message id.

    `account` is a host name or an id; `kind` is user, role or group. Without a `script` it is the vendor's own kind.
    """
    account_id = stack.account_id(account)
    stack.script(alert_id, script or deny_script(kind, name, account_id, alert_id))
    return stack.send(nested_alert(alert_id, account_id, kind=kind, name=name, **overrides))
