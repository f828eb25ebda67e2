# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Principals that are never touched: those the user protects, and the identities that the run depends on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from ..errors import LeastprivError
from ..iso_time import read_time
from ..policies.arns import resource_of
from .rules import Refusal

# A bare name or an ARN of STS would not protect a principal.
PATTERN = re.compile(r"\*.*|arn:[^:]*:(iam|\*):[^:]*:[^:]*:.+|arn:[^:]*\*.*")
CALLER = re.compile(r"arn:[^:]+:(?:sts|iam)::(?P<account>[0-9]{12}):(?P<kind>assumed-role|role|user)/(?P<rest>.+)")


# Whom almost every account has, under one name or another.
EXAMPLES = (
    ("user/break-glass-*", "security team", "emergency access"),
    ("role/SecurityAudit*", "security team", "the security tools read the accounts as it"),
    ("role/OrganizationAccountAccessRole", "platform team", "administration from the management account"),
)


class ProtectionError(LeastprivError):
    """`remediate_protected_principals` cannot be read; the message names the entry and the error."""


class Protection:
    """The principals that a step may not touch.

    Letter case does not count: IAM takes names that differ in it alone for the same.

    :param entries: dicts with `arn` (a pattern, `*` matches any text), `owner`, `reason` and optionally
        `expires` (ISO 8601 date or time; from then on the entry protects no more).
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
        return any(_may_be_in(account_id, entry["arn"]) for entry in self._entries)

    def check(self, kind: str, name: str, arn: str | None) -> None:
        """Refuse to touch a principal that is protected.

        :param arn: its live ARN; None for one that the same script creates.
        :raises Refusal:
        """
        runner = self._runners.get((self._caller_arn.split(":")[4], kind, name.casefold()))
        if runner:
            raise Refusal("protected_principal", f"it would change {runner}")
        for entry in self._entries:
            if arn is not None and _matches(arn, entry["arn"]):
                who = f"{arn} is protected by {entry['owner']} ({entry['reason']})"
                raise Refusal("protected_principal", who)


def may_protect(entries: Iterable[Any], account_id: str, kind: str, name: str) -> bool:
    """Whether an entry may protect a principal whose path is not known.

    In doubt it may. Expired entries count, too.
    """
    return any(_may_match(entry, account_id, kind, name) for entry in entries)


def _may_match(entry: Any, account_id: str, kind: str, name: str) -> bool:
    head, slash, last = str(entry.get("arn") if isinstance(entry, dict) else entry).rpartition("/")
    if not slash or not _matches(name, last):
        return not slash
    parts = head.split(":", 5)
    if len(parts) < 6:
        return True
    return _matches(account_id, parts[4]) and _matches(kind, parts[5].split("/")[0])


def in_force(entries: Iterable[Any], now: datetime) -> list[dict[str, Any]]:
    """The entries of `remediate_protected_principals` that have not expired.

    :raises ProtectionError: naming the first entry that cannot be read.
    """
    return [entry for number, entry in enumerate(entries, 1) if _is_in_force(number, entry, now)]


def example_entries(account_ids: Sequence[str], partition: str = "aws") -> str:
    """`remediate_protected_principals` to paste, as YAML, for accounts without protected principals.

    :param account_ids: 12 digits each; several accounts become `*`.
    """
    account_id = account_ids[0] if len(account_ids) == 1 else "*"
    lines = [
        line
        for name, owner, reason in EXAMPLES
        for line in (
            f"  - arn: arn:{partition}:iam::{account_id}:{name}",
            f"    owner: {owner}",
            f"    reason: {reason}",
        )
    ]
    return "\n".join(["remediate_protected_principals:", *lines])


def _matches(arn: str, pattern: str) -> bool:
    """`*` is any text and `?` any character; all other characters, brackets too, are literal."""
    meant = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(meant, arn, re.IGNORECASE | re.DOTALL) is not None


def _may_be_in(account_id: str, pattern: str) -> bool:
    parts = pattern.split(":", 5)
    return len(parts) < 6 or parts[4] == account_id or not re.fullmatch("[0-9]{12}", parts[4])


def _is_in_force(number: int, entry: Any, now: datetime) -> bool:
    missing = [key for key in ("arn", "owner", "reason") if not isinstance(entry, dict) or not entry.get(key)]
    if missing:
        raise ProtectionError(f"entry {number} of remediate_protected_principals has no {missing[0]}")
    unknown = sorted(set(entry) - {"arn", "owner", "reason", "expires"})
    if unknown:
        raise ProtectionError(f"entry {number} of remediate_protected_principals has an unknown key {unknown[0]!r}")
    if not PATTERN.fullmatch(str(entry["arn"])):
        raise ProtectionError(
            f"entry {number} of remediate_protected_principals has the arn {entry['arn']!r}, which can match no "
            "principal of IAM; write arn:aws:iam::*:user/name, or :role/ or :group/"
        )
    return not entry.get("expires") or now < _expiry(number, str(entry["expires"]))


def _expiry(number: int, text: str) -> datetime:
    try:
        return read_time(text)
    except ValueError as error:
        raise ProtectionError(
            f"entry {number} of remediate_protected_principals expires at {text!r}, which is not an ISO 8601 date"
        ) from error


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
