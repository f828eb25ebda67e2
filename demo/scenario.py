# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo plays: three accounts, and a queue of alerts of every kind, each with the disposition it must get."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from stack import Stack, cli, seed
from stack.alerts import (
    deny_document,
    deny_policy_name,
    deny_script,
    flat_alert,
    in_sns_envelope,
    integration_test,
    nested_alert,
)

PAYMENTS, ANALYTICS, SANDBOX = Stack.accounts["payments"], Stack.accounts["analytics"], Stack.accounts["sandbox"]
UNKNOWN_ACCOUNT = "999999999999"

PRINCIPALS: dict[str, dict[str, list[str]]] = {
    "payments": {"users": ["alice", "dave"], "roles": ["batch-runner"], "groups": []},
    "analytics": {"users": ["bob"], "roles": [], "groups": ["analysts"]},
    "sandbox": {"users": ["carol", "erin"], "roles": [], "groups": []},
}
WEAK_PASSWORD_POLICY = {"MinimumPasswordLength": 8, "RequireNumbers": True}
PASSWORD_SCRIPT = (
    "aws iam update-account-password-policy --minimum-password-length 14 --require-uppercase-characters "
    "--require-lowercase-characters --require-numbers --require-symbols --password-reuse-prevention 24 "
    "--max-password-age 90"
)
WIDENING_SCRIPT = (
    "aws iam attach-user-policy --user-name alice --policy-arn arn:aws:iam::aws:policy/AdministratorAccess"
)
PIPED_SCRIPT = "aws iam list-access-keys --user-name alice | xargs -n1 aws iam delete-access-key --access-key-id"


@dataclass(frozen=True)
class Scene:
    """One alert of the demo: the message, the script of the API, and the expected outcome."""

    story: str
    alert_id: str
    message: dict[str, Any]
    script: str | None
    reviewed: str
    applied: str


def _iam_scene(
    story: str, alert_id: str, kind: str, name: str, account_id: str, joiner: str = "&&", **expected: str
) -> Scene:
    message = nested_alert(alert_id, account_id, kind=kind, name=name)
    script = deny_script(kind, name, account_id, alert_id, joiner)
    return Scene(story, alert_id, message, script, **({"reviewed": "planned", "applied": "remediated"} | expected))


def _left_scene(story: str, alert_id: str, disposition: str, script: str | None, **message: Any) -> Scene:
    account_id = message.pop("account_id", PAYMENTS)
    return Scene(story, alert_id, nested_alert(alert_id, account_id, **message), script, disposition, disposition)


_IN_ENVELOPE = _iam_scene(
    "a user, through an SNS topic, commands on two lines", "I-1005", "user", "carol", SANDBOX, "\n"
)

SCENES: tuple[Scene, ...] = (
    _iam_scene("a user", "I-1001", "user", "alice", PAYMENTS),
    _iam_scene("the same alert again", "I-1001", "user", "alice", PAYMENTS),
    _iam_scene("a role", "I-1002", "role", "batch-runner", PAYMENTS),
    _iam_scene("a group, in an account whose id begins with 0", "I-1003", "group", "analysts", ANALYTICS),
    _iam_scene("a user, commands joined by the word `and`", "I-1004", "user", "bob", ANALYTICS, "and"),
    Scene(
        _IN_ENVELOPE.story,
        "I-1005",
        in_sns_envelope(_IN_ENVELOPE.message),
        _IN_ENVELOPE.script,
        "planned",
        "remediated",
    ),
    _iam_scene("half applied before: the policy is there, not attached", "I-1006", "user", "dave", PAYMENTS),
    _iam_scene(
        "applied before: the vendor notifies again until its next scan", "I-1007", "user", "erin", SANDBOX,
        reviewed="already_remediated", applied="already_remediated",
    ),
    Scene(
        "a config alert, its script in the message: the password policy", "P-2001",
        flat_alert("P-2001", SANDBOX, PASSWORD_SCRIPT), None, "planned", "remediated",
    ),
    Scene("the vendor's integration test", "T-0", integration_test(), None, "acknowledged", "acknowledged"),
    _left_scene("the vendor has no remediation", "I-3001", "not_remediable", None, metadata={"remediable": False}),
    _left_scene(
        "an account that the inventory does not know", "I-3002", "unmapped_account",
        deny_script("user", "zoe", UNKNOWN_ACCOUNT, "I-3002"), account_id=UNKNOWN_ACCOUNT,
    ),
    _left_scene("a script that would widen access", "I-3003", "refused", WIDENING_SCRIPT),
    _left_scene("a script with a pipe", "I-3004", "unsupported", PIPED_SCRIPT),
)  # fmt: skip

# For the reader of a stack that is kept, after everything else is done.
MORE: tuple[Scene, ...] = (
    _iam_scene("a user", "I-4001", "user", "frank", PAYMENTS),
    _iam_scene("a role", "I-4002", "role", "deploy", SANDBOX),
)
LEFT = {scene.alert_id: scene.applied for scene in SCENES if scene.alert_id.startswith("I-3")}


def stage(stack: Stack) -> None:
    """Fill the accounts, the API and the queue."""
    for account, principals in PRINCIPALS.items():
        seed(stack, account, **principals)
    stack.client("iam", "sandbox").update_account_password_policy(**WEAK_PASSWORD_POLICY)
    _apply_by_the_pasted_script(stack)
    _send(stack, SCENES)
    stack.clear_calls()


def stage_more(stack: Stack) -> None:
    """Two further alerts, for the reader to review, apply and undo."""
    seed(stack, "payments", users=["frank"])
    seed(stack, "sandbox", roles=["deploy"])
    _send(stack, MORE)


def _send(stack: Stack, scenes: tuple[Scene, ...]) -> None:
    for scene in scenes:
        stack.send(scene.message)
        if scene.script:
            stack.script(scene.alert_id, scene.script)


def _apply_by_the_pasted_script(stack: Stack) -> None:
    """What an earlier run of the vendor's script left: one alert half done, one done."""
    stack.client("iam", "payments").create_policy(
        PolicyName=deny_policy_name("dave", "I-1006"), PolicyDocument=json.dumps(deny_document())
    )
    cli(stack, "sandbox", deny_script("user", "erin", SANDBOX, "I-1007")).check_returncode()
