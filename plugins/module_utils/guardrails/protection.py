# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Principals that are never touched: those the user protects, and the identities that the run depends on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from ..policies.arns import resource_of
from .exemptions import describe, in_force, is_named, may_be_in
from .rules import Refusal

CALLER = re.compile(r"arn:[^:]+:(?:sts|iam)::(?P<account>[0-9]{12}):(?P<kind>assumed-role|role|user)/(?P<rest>.+)")


class Protection:
    """The principals that a step may not touch.

    Letter case does not count: IAM takes names that differ in it alone for the same.

    :param entries: dicts with one or several of `arn` (a pattern, `*` matches any text), `tag` (`key` and `value`) and
        `path` (all below it), with `owner`, `reason` and optionally `expires` (ISO 8601 date or time; from then on the
        entry protects no more).
    :param caller_arn: the ARN that STS returned for the identity that runs the playbook.
    :param now: the present time, aware.
    :param runners: ARNs of further identities that the run depends on, of whatever account: those that assume its
        roles, and the queue's.
    :raises ProtectionError:
    """

    def __init__(self, entries: Iterable[Any], caller_arn: str, now: datetime, runners: Iterable[str] = ()) -> None:
        self._entries = in_force(entries, now)
        self._caller_arn = caller_arn
        own = [(arn, found) for arn in runners if (found := _identity(arn)) and found[0] == caller_arn.split(":")[4]]
        self._runners = {found: f"{arn}, on which this run depends (base identity or queue)" for arn, found in own}
        if caller := _identity(caller_arn):
            self._runners[caller] = f"{caller_arn}, which runs this playbook"

    @property
    def protects_any(self) -> bool:
        """Whether an entry that is in force can match a principal of the caller's account."""
        account_id = self._caller_arn.split(":")[4]
        return any(may_be_in(account_id, entry) for entry in self._entries)

    def check(self, kind: str, name: str, arn: str | None, tags: Callable[[], Mapping[str, str]] | None = None) -> None:
        """Refuse to touch a principal that is protected.

        :param arn: its live ARN; None for one that the same script creates.
        :param tags: reads its tags, and raises `Refusal` if they cannot be read. Called only if an entry names one.
        :raises Refusal:
        """
        runner = self._runners.get((self._caller_arn.split(":")[4], kind, name.casefold()))
        if runner:
            raise Refusal("protected_principal", f"it would change {runner}")
        for entry in self._entries:
            if arn is not None and is_named(entry, arn, tags or partial(_no_tags, kind, name)):
                named = "" if entry.get("arn") else f" by {describe(entry)}"
                who = f"{arn} is protected{named} by {entry['owner']} ({entry['reason']})"
                raise Refusal("protected_principal", who)


def _no_tags(kind: str, name: str) -> Mapping[str, str]:
    raise Refusal("protected_principal", f"an entry protects by tag, and the tags of {kind} {name} are not known")


def _identity(arn: str) -> tuple[str, str, str] | None:
    """`arn:aws:sts::123456789012:assumed-role/Runner/i-0` -> `("123456789012", "role", "runner")`, else None."""
    match = CALLER.fullmatch(arn)
    if not match:
        return None
    parts = match["rest"].split("/")
    kind, name = ("role", parts[0]) if match["kind"] == "assumed-role" else (match["kind"], parts[-1])
    return match["account"], kind, name.casefold()


def principal_of_arn(arn: str) -> tuple[str, str]:
    """`arn:aws:iam::123456789012:user/path/bob` -> `("user", "bob")`."""
    kind, _path, name = resource_of(arn)
    return kind, name
