# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recommendation of IAM Access Analyzer or Security Hub -> an AWS CLI script. Pure.

Follows the answers of GetFindingRecommendation (IAM Access Analyzer) and GetRecommendedPolicyV2 (Security Hub). Keys
may begin with a small or a capital letter, as SDKs and Step Functions write them.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message_shapes import Unreadable

PRINCIPAL = re.compile(r"arn:(aws[a-z-]*):iam::([0-9]{12}):(user|role)/(?:[\x21-\x7e]*/)?([\w+=,.@-]{1,64})", re.ASCII)
POLICY = re.compile(r"arn:aws[a-z-]*:iam::(?:[0-9]{12}|aws):policy/(?:[\x21-\x7e]*/)?([\w+=,.@-]{1,128})", re.ASCII)
NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
# Of an error; anything else is not shown, since a reason may have several lines.
CODE = re.compile(r"[\w.-]{1,80}", re.ASCII)
CREATE, DETACH = "CREATE_POLICY", "DETACH_POLICY"
# New policies have the existing one's name, this and a digest: by it their permissions are limited.
INFIX = "-leastpriv-"
DIGEST_LENGTH = 12
MAX_NAME = 128 - len(INFIX) - DIGEST_LENGTH


@dataclass(frozen=True)
class Principal:
    """The user or role of a finding.

    :ivar kind: `user` or `role`.
    """

    partition: str
    account_id: str
    kind: str
    name: str


def to_script(recommendation: Any, account_id: str, alert_id: str, resource: str | None = None) -> str:
    """The commands that do what is recommended, in the one order in which the principal always has access.

    A managed policy is replaced by a new one for this principal, since others may use it; an inline policy by its own
    name. Whether the new documents are narrower is for the guardrails to decide.

    :param recommendation: the answer, as an object.
    :param account_id: the account that the message names.
    :param alert_id: the id of the finding, for the names of new policies.
    :param resource: the ARN that the message names, which must be the recommendation's own.
    :returns: empty if nothing is recommended.
    :raises Unreadable: if any part of it is missing, or is not what AWS documents.
    """
    answer = _fields(recommendation, "its recommendation")
    status = answer.get("status")
    if status == "FAILED":
        return ""
    if status != "SUCCEEDED" or answer.get("nextToken"):
        raise Unreadable(f"its recommendation is not complete (status {str(status)[:40]!r})")
    principal = _principal(answer.get("resourceArn", resource), account_id)
    if resource and resource != answer.get("resourceArn", resource):
        raise Unreadable("its recommendation is about another resource than the message")
    steps = [*_steps(answer.get("recommendedSteps", answer.get("recommendationSteps")))]
    new = [(existing, document) for existing, document in steps if document is not None]
    inline = [existing for existing, _document in new if not POLICY.fullmatch(existing)]
    if len({*inline}) < len(inline):
        raise Unreadable("its recommendation has several documents for one inline policy")
    taken = dict.fromkeys(existing for existing, document in steps if document is None and existing not in inline)
    return "\n".join(
        [
            *(line for existing, document in new for line in _replacement(principal, existing, document, alert_id)),
            *(_removal(principal, existing) for existing in taken),
        ]
    )


def why_none(recommendation: Any) -> str:
    """Why `to_script` found nothing to do, as a clause."""
    error = recommendation.get("error", recommendation.get("Error")) if isinstance(recommendation, dict) else None
    if isinstance(error, dict):
        code = error.get("code", error.get("Code"))
        is_code = isinstance(code, str) and CODE.fullmatch(code)
        return f"AWS has no recommendation for it ({code if is_code else 'no reason'})"
    return "AWS recommends no change of a policy"


def _replacement(principal: Principal, existing: str, document: str, alert_id: str) -> list[str]:
    """The commands that put a document beside or in the place of a policy."""
    quoted = f"--policy-document {shlex.quote(document)}"
    named = f"--{principal.kind}-name {principal.name}"
    if not POLICY.fullmatch(existing):
        return [f"aws iam put-{principal.kind}-policy {named} --policy-name {existing} {quoted}"]
    # The same for the same document, so a repeated run finds its policy.
    digest = hashlib.sha256("\n".join([alert_id, principal.name, existing, document]).encode(errors="replace"))
    name = f"{existing.rpartition('/')[2][:MAX_NAME]}{INFIX}{digest.hexdigest()[:DIGEST_LENGTH]}"
    arn = f"arn:{principal.partition}:iam::{principal.account_id}:policy/{name}"
    return [
        f"aws iam create-policy --policy-name {name} {quoted}",
        f"aws iam attach-{principal.kind}-policy {named} --policy-arn {arn}",
    ]


def _removal(principal: Principal, existing: str) -> str:
    verb, option = ("detach", "policy-arn") if POLICY.fullmatch(existing) else ("delete", "policy-name")
    named = f"--{principal.kind}-name {principal.name} --{option} {shlex.quote(existing)}"
    return f"aws iam {verb}-{principal.kind}-policy {named}"


def _principal(arn: Any, account_id: str) -> Principal:
    found = PRINCIPAL.fullmatch(arn) if isinstance(arn, str) else None
    if not found:
        raise Unreadable(f"its recommendation is not about a user or a role ({str(arn)!r:.200})")
    if found[2] != account_id:
        raise Unreadable(f"its recommendation is about account {found[2]}, and the message about {account_id}")
    return Principal(*found.groups())


def _steps(steps: Any) -> Iterator[tuple[str, str | None]]:
    """(The policy that is there, the document in its place or None) of each step."""
    if not isinstance(steps, list) and steps is not None:
        raise Unreadable("the steps of its recommendation are not a list")
    for number, step in enumerate(steps or [], 1):
        what = f"step {number} of its recommendation"
        union = _fields(step, what)
        fields = _fields(union.get("unusedPermissionsRecommendedStep", union.get("unusedPermissions")), what)
        action, existing, document = (
            fields.get(key) for key in ("recommendedAction", "existingPolicyId", "recommendedPolicy")
        )
        if not isinstance(existing, str) or not (POLICY.fullmatch(existing) or NAME.fullmatch(existing)):
            raise Unreadable(f"{what} does not name an existing policy")
        if action not in (CREATE, DETACH):
            raise Unreadable(f"{what} recommends {str(action)!r:.40}, which is neither {CREATE} nor {DETACH}")
        if (action == CREATE) != (isinstance(document, str) and bool(document.strip())):
            raise Unreadable(f"{what} is {action}, {'without a' if action == CREATE else 'with a'} policy document")
        yield existing, document if action == CREATE else None


def _fields(value: Any, what: str) -> dict[str, Any]:
    """An object with keys that begin with a small letter; empty values left out, as SDKs write what is not there."""
    if not isinstance(value, dict):
        raise Unreadable(f"{what} is not an object")
    given = [(key[:1].lower() + key[1:], inner) for key, inner in value.items() if inner is not None]
    if len({key for key, _inner in given}) < len(given):
        raise Unreadable(f"{what} has a key twice, with a small and with a capital letter")
    return dict(given)
