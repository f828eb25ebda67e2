# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as real runs leave them, of any size: what the page is looked at with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report

RUN_ID = "20260301T081500Z-3f2a"
STARTED, FINISHED = "2026-03-01T08:15:00Z", "2026-03-01T08:15:41Z"
ACCOUNTS = {"payments": "111122223333", "analytics": "012345678901", "sandbox": "444455556666"}
UNUSED = "AWS IAM identity with permissions that were not used for 90 days"
PROTECTED = {
    "arn": "arn:aws:iam::*:user/break-glass-*",
    "owner": "sre@example.com",
    "reason": "emergency access",
    "expires": "2027-01-01",
}
PIPE = """line 1, column 44: the pipe `|` is not supported
  | aws iam list-access-keys --user-name alice | xargs -n1 aws iam delete-access-key --access-key-id
  |                                            ^
  hint: Only a sequence of plain aws commands is supported."""


def document(action: str) -> dict[str, Any]:
    """A policy document that denies one action."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": ["s3:DeleteBucket", action], "Resource": "*"}],
    }


def restricted(number: int, account: str, user: str, status: str = "changed", **more: Any) -> dict[str, Any]:
    """An alert whose script denies a user what he does not use."""
    name, account_id = f"{user}-prisma-restrictions-{number}", ACCOUNTS[account]
    arn = f"arn:aws:iam::{account_id}:policy/{name}"
    create = f"aws iam create-policy --policy-name '{name}' --policy-document '{{\"Version\":\"2012-10-17\"}}'"
    attach = f"aws iam attach-user-policy --user-name '{user}' --policy-arn '{arn}'"
    made, kept = document("sqs:DeleteQueue"), document("ec2:TerminateInstances")
    step = {"status": status, "command": attach, "by_hand": True}
    return {
        "alert_id": f"I-{number}",
        "message_id": f"7f9c24e8-3b12-4fef-91e0-{number:012d}",
        "account": account,
        "account_id": account_id,
        "account_name": f"acme {account}",
        "policy": UNUSED,
        "severity": "high",
        "resource": user,
        "resource_id": f"arn:aws:iam::{account_id}:user/{user}",
        "first_seen": "2026-02-20T06:00:00Z",
        "last_seen": "2026-03-01T06:00:00Z",
        "disposition": "remediated",
        "reason": f"Created policy {name} and attached it to user {user}.",
        "script": f"{create} &&\n{attach}",
        "receipts": [{"message_id": f"m-{number}"}],
        "steps": [
            {**step, "operation": "CreatePolicy", "module": "amazon.aws.iam_managed_policy",
             "args": {"name": name, "policy": made}, "before": {"document": kept}, "after": {"document": made}},
            {**step, "operation": "AttachUserPolicy", "module": "amazon.aws.iam_user",
             "args": {"name": user, "managed_policies": [arn]},
             "before": {"attached_policies": []}, "after": {"attached_policies": [arn]}},
        ],
        **more,
    }  # fmt: skip


def planned(number: int, account: str, user: str, **more: Any) -> dict[str, Any]:
    """The same alert as a review has it."""
    name = f"{user}-prisma-restrictions-{number}"
    reason = f"Will create policy {name} and attach it to user {user}."
    return restricted(number, account, user, "needed", **{"disposition": "planned", "reason": reason, **more})


def undone(number: int, account: str, user: str) -> dict[str, Any]:
    """The same alert as an undo has it."""
    alert = restricted(number, account, user, disposition="undone", reason=f"Detached policy from user {user}.")
    steps = [{**step, "before": step["after"], "after": step["before"]} for step in reversed(alert["steps"])]
    return {**alert, "steps": steps, "receipts": []}


def open_alerts() -> list[dict[str, Any]]:
    """Those that no run finishes."""
    refused = "aws iam attach-user-policy --user-name alice --policy-arn arn:aws:iam::aws:policy/AdministratorAccess"
    denied = "AWS denied iam:AttachUserPolicy: User arn:aws:sts::012345678901:assumed-role/leastpriv is not authorized."
    nothing = {"steps": [], "script": None, "notes": []}
    allowed = (
        "attach-user-policy (line 1, column 1): guardrail attach_deny_only: it attaches AdministratorAccess, which"
    )
    return [
        restricted(3003, "payments", "alice", disposition="refused", severity="critical", script=refused, steps=[],
                   by_hand=[refused], reason=f"{allowed} allows something. To allow it: remediate_allow: "
                   "[attach_deny_only], or [attach-user-policy] for this operation alone."),
        restricted(3004, "payments", "alice", disposition="unsupported", steps=[], reason=PIPE,
                   script=PIPE.split("\n")[1][4:], notes=["`aws sts get-caller-identity` only reads and was left out"]),
        restricted(3005, "analytics", "etl-loader", "failed", disposition="failed", severity="medium", reason=denied),
        {**restricted(3006, "payments", "bob"), **nothing, "account": None, "account_id": "999999999999",
         "disposition": "unmapped_account", "reason": "No host in the inventory has account_id 999999999999."},
        {**restricted(3007, "sandbox", "ci"), **nothing, "disposition": "not_remediable", "severity": "low",
         "reason": "The vendor has no script for it (metadata.remediable)."},
    ]  # fmt: skip


def settings() -> list[dict[str, Any]]:
    """What two accounts set."""
    lapsed = {**PROTECTED, "arn": "arn:aws:iam::111122223333:role/migration", "expires": "2026-02-01"}
    return [
        {"account": "payments", "allow": ["no_tags"], "protected": [PROTECTED, lapsed]},
        {"account": "sandbox", "allow": ["no_tags", "no_deletion"], "protected": [PROTECTED]},
    ]


def _report(alerts: list[dict[str, Any]], is_review: bool = False, **more: Any) -> dict[str, Any]:
    return report(Run(alerts, RUN_ID, STARTED, FINISHED, is_review, settings=settings(), **more))


def review() -> dict[str, Any]:
    """A review: some alerts planned, some that need attention."""
    note = "Passwords of all IAM users that are older than 90 days expire at once."
    return _report(
        [
            *open_alerts(),
            *(planned(1001 + place, account, user) for place, (account, user) in enumerate(USERS)),
            planned(2001, "sandbox", "password-policy", severity="medium", notes=[note]),
        ],
        is_review=True,
    )


def apply() -> dict[str, Any]:
    """A run that has applied what it could."""
    same = "Every step was already true."
    return _report(
        [
            *open_alerts(),
            *(restricted(1001 + place, account, user) for place, (account, user) in enumerate(USERS)),
            restricted(1010, "sandbox", "erin", "unchanged", disposition="already_remediated", reason=same),
        ],
        quarantine_queue="leastpriv-quarantine",
    )


def undo() -> dict[str, Any]:
    """An undo of that run."""
    return _report([undone(1001 + place, account, user) for place, (account, user) in enumerate(USERS)],
                   undoes=["20260228T081500Z-91c0"])  # fmt: skip


def empty() -> dict[str, Any]:
    """A run that found nothing."""
    return report(Run([], RUN_ID, STARTED, FINISHED, check_mode=False))


def of_size(count: int) -> list[dict[str, Any]]:
    """So many alerts in forty accounts."""
    shapes = islice(cycle([*open_alerts(), *(restricted(1, account, user) for account, user in USERS)]), count)
    return [
        {**alert, "alert_id": f"I-{10_000 + place}", "message_id": f"m-{place}", "account": f"account-{place % 40:02d}"}
        for place, alert in enumerate(shapes)
    ]


USERS = (
    ("payments", "alice"),
    ("payments", "batch-runner"),
    ("payments", "dave"),
    ("analytics", "analyst"),
    ("analytics", "bob"),
    ("sandbox", "carol"),
)
REPORTS: dict[str, Callable[[], dict[str, Any]]] = {
    "review": review,
    "apply": apply,
    "undo": undo,
    "empty": empty,
    "thousand": lambda: _report(of_size(1000)),
}
