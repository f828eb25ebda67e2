# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alerts that a run works on, by account, as they pass from task to task. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import AlertOutcome
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text, to_text


class AccountAlerts(TypedDict):
    """The alerts of one account; `alerts` is a list as JSON."""

    account_id: str
    count: int
    alerts: str


def by_account(alerts: Iterable[AlertOutcome]) -> dict[str, AccountAlerts]:
    """Group alerts by their account.

    :param alerts: alerts with an `account`, all of one account with the same `account_id`.
    """
    gathered: dict[str, list[AlertOutcome]] = {}
    for alert in alerts:
        gathered.setdefault(alert["account"], []).append(alert)
    return {
        account: {"account_id": own[0]["account_id"], "count": len(own), "alerts": to_text(own)}
        for account, own in gathered.items()
    }


def alerts_of(entry: AccountAlerts) -> list[AlertOutcome]:
    """The alerts of one account of `by_account`."""
    alerts: list[AlertOutcome] = from_text(entry["alerts"])
    return alerts
