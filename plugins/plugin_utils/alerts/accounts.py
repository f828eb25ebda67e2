# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory's accounts: the host of each account id, and the hosts with an unusable id. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message import quoted

_ACCOUNT_ID = re.compile(r"[0-9]{12}")


@dataclass(frozen=True)
class AccountProblem:
    """A host whose account_id cannot be used, why, and the ids it may have been meant to have."""

    host: str
    value: Any
    reason: str
    meant: tuple[str, ...] = ()


@dataclass(frozen=True)
class AccountMap:
    """`hosts`: account id -> host name; `problems`: the hosts without a usable account id."""

    hosts: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[AccountProblem, ...] = ()

    def host_of(self, account_id: str) -> str | None:
        return self.hosts.get(account_id)

    def problems_of(self, account_id: str) -> tuple[AccountProblem, ...]:
        """The hosts that may have been meant for this account."""
        return tuple(problem for problem in self.problems if account_id in problem.meant)


def account_map(pairs: Iterable[tuple[str, Any]]) -> AccountMap:
    """Map account ids to hosts, from (host name, raw account_id) pairs. Never raises because of a value.

    A whole number of 12 digits counts as its text. Two hosts with one id are both problems: it is not known which one's
    credentials and settings are meant.
    """
    entries = [(host, value, _read_id(value)) for host, value in pairs]
    sharers: dict[str, list[str]] = {}
    for host, _value, account_id in entries:
        if account_id:
            sharers.setdefault(account_id, []).append(host)
    problems = [
        _problem(host, value, account_id, sharers.get(account_id or "", []))
        for host, value, account_id in entries
        if account_id is None or len(sharers[account_id]) > 1
    ]
    return AccountMap({key: hosts[0] for key, hosts in sharers.items() if len(hosts) == 1}, tuple(problems))


def _read_id(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value).strip()
    return text if _ACCOUNT_ID.fullmatch(text) else None


def _problem(host: str, value: Any, account_id: str | None, sharers: list[str]) -> AccountProblem:
    if account_id:
        reason = f"hosts {' and '.join(sharers)} have the same account_id {account_id}: keep one of them"
        return AccountProblem(host, value, reason, (account_id,))
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12:
        meant = _meant_by(value)
        advice = " or ".join(f'"{candidate}"' for candidate in meant)
        reason = (
            f"host {host}: account_id is the number {value}; YAML drops leading zeros of unquoted numbers "
            f"(and reads such numbers as octal): write account_id: {advice}, with the quotes"
        )
        return AccountProblem(host, value, reason, meant)
    if value is None or value == "":
        reason = f'host {host}: account_id is missing: write account_id: "<the 12 digits>", with the quotes'
    else:
        reason = f"host {host}: account_id {quoted(value)} is not the 12 digits of an AWS account"
    return AccountProblem(host, value, reason)


def _meant_by(number: int) -> tuple[str, ...]:
    """The ids a number may have been written as: read as octal by YAML 1.1 (leading zero), or stripped of zeros."""
    octal = f"{number:o}"
    candidates = (octal.zfill(12) if len(octal) < 12 else None, f"{number:012d}")
    return tuple(dict.fromkeys(candidate for candidate in candidates if candidate))
