# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alerts that a run works on, account by account, as they go from task to task. Pure."""

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text, to_text


def by_account(alerts):
    """Gather alerts.

    :param alerts: alerts with an C(account), all of one account with the same C(account_id).
    :returns: account -> dict of its C(account_id), the C(count) of its alerts, and the C(alerts), a list as JSON.
    """
    gathered = {}
    for alert in alerts:
        gathered.setdefault(alert["account"], []).append(alert)
    return {
        account: {"account_id": mine[0]["account_id"], "count": len(mine), "alerts": to_text(mine)}
        for account, mine in gathered.items()
    }


def alerts_of(entry):
    """The alerts of one account of C(by_account)."""
    return from_text(entry["alerts"])
