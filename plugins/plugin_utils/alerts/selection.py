# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide alerts before their scripts are known. Pure: the current time is a parameter.

JUDGEMENTS are in the order of judging; the first one that finds a reason decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import read_time
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.accounts import AccountMap
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message import AWS_CLOUDS, OPEN, Alert, quoted

SEVERITIES = ("critical", "high", "medium", "low", "informational")

_UNITS = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class FilterError(LeastprivError):
    """One of the user's own filters cannot be read."""


@dataclass(frozen=True)
class Filters:
    """The user's own filters; an empty one lets everything pass. Globs ignore letter case.

    `alert_ids` are those of a plan, and nothing else is touched; None when there is no plan.
    """

    severities: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    min_age: timedelta | None = None
    max_age: timedelta | None = None
    alert_ids: frozenset[str] | None = None


@dataclass(frozen=True)
class Circumstances:
    """What alerts are judged by. `accounts` is None when no inventory counts; `limit` when the run is not limited.

    `is_slice`: the inventory is only a part; other runs have the rest of it.
    """

    accounts: AccountMap | None
    limit: frozenset[str] | None
    filters: Filters
    now: datetime
    is_slice: bool = False

    @property
    def is_limited(self) -> bool:
        """Whether other runs have some of the inventory's hosts."""
        hosts = self.accounts.hosts.values() if self.accounts else ()
        return self.is_slice or (self.limit is not None and not self.limit.issuperset(hosts))

    def host_of(self, alert: Alert) -> str | None:
        return self.accounts.host_of(alert.account_id) if self.accounts and alert.account_id else None


def read_filters(
    severities: list[str] | None = None,
    policies: list[str] | None = None,
    resources: list[str] | None = None,
    min_age: Any = None,
    max_age: Any = None,
    alert_ids: list[str] | None = None,
) -> Filters:
    """Read the filters as a user writes them. Raises FilterError for a severity or an age that means nothing."""
    return Filters(
        severities=tuple(_severity(severity) for severity in severities or ()),
        policies=tuple(str(glob).lower() for glob in policies or ()),
        resources=tuple(str(glob).lower() for glob in resources or ()),
        min_age=read_age("min_age", min_age),
        max_age=read_age("max_age", max_age),
        alert_ids=None if alert_ids is None else frozenset(alert_ids),
    )


def read_age(name: str, value: Any) -> timedelta | None:
    """Read an age: seconds, or a number with one of the units s, m, h, d, w. None and "" mean no age."""
    if value is None or value == "":
        return None
    match = re.fullmatch(r"([0-9]{1,9})\s*([smhdw]?)", str(value).strip().lower())
    if not match:
        raise FilterError(f"{name} {quoted(value)} is not a valid age (use 90m, 12h, 7d or 2w).")
    return timedelta(**{_UNITS[match.group(2)]: int(match.group(1))})


def judge(alert: Alert, circumstances: Circumstances) -> Alert:
    """Return the alert with the first disposition that a judgement finds, or unchanged if it is open work."""
    alert_ids = circumstances.filters.alert_ids
    if alert_ids is not None and alert.alert_id not in alert_ids:
        return alert.settled("filtered", "It is not in the plan that this run applies.")
    if alert.disposition:
        return alert
    for disposition, find_reason in JUDGEMENTS:
        reason = find_reason(alert, circumstances)
        if reason:
            return alert.settled(disposition, reason)
    return alert


def needs_api(alert: Alert) -> bool:
    """Whether only the vendor's API knows the script: an IAM alert that is open work and brings none itself."""
    return not alert.disposition and not alert.script


def _outside_limit(alert: Alert, circumstances: Circumstances) -> str | None:
    host = circumstances.host_of(alert)
    if circumstances.limit is None or host is None or host in circumstances.limit:
        return None
    return f"Outside --limit: {host} is not among the accounts of this run."


def _not_open(alert: Alert, _circumstances: Circumstances) -> str | None:
    return None if alert.alert_status == OPEN else f"The alert is {alert.alert_status}, no longer open."


def _not_aws(alert: Alert, _circumstances: Circumstances) -> str | None:
    if alert.cloud in AWS_CLOUDS:
        return None
    return (
        f"The alert is about an account of {quoted(alert.cloud)}, not of AWS. Limit the vendor's alert rule for this "
        "queue to AWS accounts."
    )


def _of_another_slice(alert: Alert, circumstances: Circumstances) -> str | None:
    accounts = circumstances.accounts
    is_known = accounts is None or circumstances.host_of(alert) or accounts.problems_of(alert.account_id or "")
    if is_known or not circumstances.is_slice:
        return None
    return f"Account {alert.account_id} is not in this slice of the inventory. Another slice processes it."


def _unmapped(alert: Alert, circumstances: Circumstances) -> str | None:
    accounts = circumstances.accounts
    if accounts is None or circumstances.host_of(alert):
        return None
    problems = accounts.problems_of(alert.account_id or "")
    if problems:
        known = "; ".join(dict.fromkeys(problem.reason for problem in problems))
        return f"Account {alert.account_id} cannot be matched to a host of the inventory: {known}"
    return f'No host of the group aws_accounts has account_id: "{alert.account_id}".'


def _unwanted(alert: Alert, circumstances: Circumstances) -> str | None:
    filters = circumstances.filters
    if filters.severities and alert.severity not in filters.severities:
        wanted = ", ".join(filters.severities)
        return f"Its severity {quoted(alert.severity)} is not one of {wanted} (remediate_severities)."
    if filters.policies and not _matches(filters.policies, alert.policy, alert.policy_id):
        return f"Its policy {quoted(alert.policy)} does not match {', '.join(filters.policies)} (remediate_policies)."
    if filters.resources and not _matches(filters.resources, alert.resource, alert.resource_id):
        wanted = ", ".join(filters.resources)
        return f"Its resource {quoted(alert.resource)} does not match {wanted} (remediate_resources)."
    return _wrong_age(alert, filters, circumstances.now)


def _wrong_age(alert: Alert, filters: Filters, now: datetime) -> str | None:
    if filters.min_age is None and filters.max_age is None:
        return None
    since = alert.first_seen or alert.last_seen
    if since is None:
        return "Its age is unknown: the message has no time at which the alert was first seen."
    age = now - read_time(since)
    if filters.min_age is not None and age < filters.min_age:
        return f"First seen {since}, it is younger than min_age."
    if filters.max_age is not None and age > filters.max_age:
        return f"First seen {since}, it is older than max_age."
    return None


def _not_remediable(alert: Alert, _circumstances: Circumstances) -> str | None:
    if not alert.is_remediable:
        return "The vendor has no script for it (metadata.remediable)."
    if alert.script or alert.asks_api:
        return None
    if alert.no_script:
        return f"{alert.no_script}."
    return (
        f"The message of this {alert.policy_type or 'config'} alert has no script, and the API has scripts for IAM "
        "alerts only."
    )


JUDGEMENTS: tuple[tuple[str, Callable[[Alert, Circumstances], str | None]], ...] = (
    ("filtered", _outside_limit),
    ("acknowledged", _not_open),
    ("not_aws", _not_aws),
    ("filtered", _of_another_slice),
    ("unmapped_account", _unmapped),
    ("filtered", _unwanted),
    ("not_remediable", _not_remediable),
)


def _severity(value: Any) -> str:
    severity = str(value).strip().lower()
    if severity not in SEVERITIES:
        raise FilterError(f"severities: unknown severity {quoted(value)}; use {', '.join(SEVERITIES)}.")
    return severity


def _matches(globs: tuple[str, ...], *texts: str | None) -> bool:
    return any(fnmatchcase(text.lower(), glob) for text in texts if text for glob in globs)
