# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import end_worker_with_controller

MODULE = "leastpriv.iam.acknowledge"
# What the module reads of an alert, a tenth of it.
READ = ("alert_id", "account_id", "message_id", "disposition", "reason", "receipts")
NOTHING = {
    "changed": False,
    "deleted": 0,
    "released": 0,
    "held": 0,
    "quarantined": [],
    "settled": [],
}


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module with what it reads of the alerts, and only if they have messages."""
        end_worker_with_controller()
        result = super().run(tmp, task_vars)
        alerts, sharing = from_text(self._task.args.get("alerts")), from_text(self._task.args.get("sharing", []))
        if not _are_alerts(alerts) or not _are_alerts(sharing):
            # The module explains what is wrong with them.
            return {**result, **self._execute_module(MODULE, task_vars=task_vars)}
        earlier = self._task.args.get("earlier") or []
        handles = {handle for alert in alerts for handle in _handles(alert)}
        if not handles:
            return {**result, **NOTHING, "failed_receipts": earlier}
        given = {
            "alerts": [_trimmed(alert) for alert in alerts],
            "sharing": [_trimmed(alert) for alert in sharing if not handles.isdisjoint(_handles(alert))],
        }
        answer = self._execute_module(MODULE, {**self._task.args, **given}, task_vars=task_vars)
        # A second copy of all alerts, which the controller would read.
        answer.pop("invocation", None)
        if "failed_receipts" not in answer:
            failed = [_failed(alert, answer) for alert in given["alerts"] if alert["receipts"]]
            answer["failed_receipts"] = [*earlier, *failed]
        return {**result, **answer}


def _are_alerts(alerts: Any) -> bool:
    return isinstance(alerts, list) and all(isinstance(alert, Mapping) and "receipts" in alert for alert in alerts)


def _handles(alert: Mapping[str, Any]) -> Iterable[str]:
    return [receipt["receipt_handle"] for receipt in alert["receipts"]]


def _trimmed(alert: Mapping[str, Any]) -> dict[str, Any]:
    return {field: alert.get(field) for field in READ}


def _failed(alert: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """A module that failed returns nothing about the messages."""
    named = {field: alert[field] for field in ("alert_id", "message_id")}
    return {**named, "wanted": None, "reason": str(answer.get("msg") or "")}
