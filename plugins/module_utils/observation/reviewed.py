# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an account is still as it was when a person read the plan. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..guardrails.rules import cli_name
from ..policies.document import Unreadable, canonical_text
from ..shapes import Step

# Facts about the whole account. A step needs one entry, which is in its before or decides its status.
ACCOUNT_WIDE = ("names", "policy_names", "summary", "virtual_mfa_devices")
# Tags change independently; a step that is about them has them in its before.
NOT_COMPARED = ("tags",)
WIDTH = 120


def fingerprint(before: Any, relied_on: Mapping[tuple[Any, ...], Any]) -> str:
    """Identify the state that a step depends on.

    :param before: the part of the account that the step is about, as it is.
    :param relied_on: fact key -> fact, as `AccountOverlay.relied_on` returns them.
    :returns: SHA-256, 64 hex digits; the order in which IAM lists things makes no difference.
    """
    facts = {canonical_text(list(key)): _fact(value) for key, value in relied_on.items() if key[0] not in ACCOUNT_WIDE}
    return hashlib.sha256(canonical_text({"before": before, "facts": facts}).encode()).hexdigest()


def _fact(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return sorted(canonical_text(one) for one in value)
    if isinstance(value, dict) and not isinstance(value, Unreadable):
        return {key: inner for key, inner in value.items() if key not in NOT_COMPARED}
    return value


def changes_since(reviewed: Sequence[Mapping[str, Any]], steps: Sequence[Step]) -> list[str]:
    """List what is not as it was.

    :param reviewed: the steps of an alert in the plan.
    :param steps: its steps as they are observed now.
    :returns: list of clauses for a person; empty if the plan is still valid.
    """
    if len(reviewed) != len(steps):
        return [f"it had {len(reviewed)} steps and has {len(steps)}"]
    return [
        f"step {now['index']}, {cli_name(now['operation'])} {now['target']}".rstrip() + f": {change}"
        for then, now in zip(reviewed, steps, strict=True)
        if (change := _change(then, now))
    ]


def _change(then: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    if any(then[field] != now[field] for field in ("operation", "module", "args")):
        return "it would be applied in another way"
    if then["fingerprint"] == now["fingerprint"] and then["status"] == now["status"]:
        return None
    if then["before"] != now["before"]:
        return f"there was {_shown(then['before'])}, there is {_shown(now['before'])}"
    if then["status"] != now["status"]:
        return "it is true by now" if now["status"] == "unchanged" else "it was true, and is not any more"
    return "something else that it depends on is not what it was"


def _shown(part: Any) -> str:
    text = json.dumps(part, sort_keys=True) if part else "nothing"
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
