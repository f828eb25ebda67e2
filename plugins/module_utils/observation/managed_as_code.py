# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Principals and policies that somebody's code manages, recognised by their tags: the code would revert a change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

from ..account.overlay import AccountOverlay, named_principals
from ..operations import OPERATIONS
from ..policies.document import PolicyDocumentError
from ..shapes import Step

RULE = "managed_as_code"
WARN, REFUSE, APPLY = "warn", "refuse", "apply"
MODES = (WARN, REFUSE, APPLY)
# IAM gives groups no tags.
TAGGED = ("user", "role")


@dataclass(frozen=True)
class ManagedAsCode:
    """What marks a resource as managed by code, and the outcome of a step that changes one.

    :ivar mode: one of `MODES`; with `APPLY` nothing is looked at.
    :ivar tags: dicts with `key` and optionally `value`, both compared exactly.
    """

    mode: str = APPLY
    tags: Sequence[Mapping[str, Any]] = ()

    def found(self, overlay: AccountOverlay, step: Step) -> list[str]:
        """Tell which resources of a step are managed as code, or may be, as clauses for people.

        :param overlay: the `AccountOverlay` before the step.
        """
        if self.mode == APPLY:
            return []
        return [clause for key in _changed(step) if (clause := self._clause(overlay, *key))]

    def _clause(self, overlay: AccountOverlay, kind: str, name: str) -> str | None:
        shown = f"{kind} {name}"
        try:
            tags = (overlay.fact(kind, name) or {}).get("tags") or {}
        except (ClientError, BotoCoreError, PolicyDocumentError) as error:
            return f"whether {shown} is managed as code is not known, its tags cannot be read: {str(error).rstrip('.')}"
        marks = [f"{key}={tags[key]}" for key in self._keys(tags)]
        return f"{shown} is managed as code (tag {marks[0]})" if marks else None

    def _keys(self, tags: Mapping[str, str]) -> Iterable[str]:
        for tag in self.tags:
            key, value = tag["key"], tag.get("value")
            if key in tags and value in (None, tags[key]):
                yield key


def _changed(step: Step) -> list[tuple[str, str]]:
    """The kind and the name, or the ARN, of each resource with tags that a step changes."""
    principals = [one for one in named_principals(step) if one[0] in TAGGED]
    arn = step["parameters"].get("PolicyArn")
    changes_policy = OPERATIONS[step["operation"]].target.kind == "policy"
    return [*principals, *([("policy", str(arn))] if arn and changes_policy else [])]
