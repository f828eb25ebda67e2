# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import attempt
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import RunReport
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.notification import notification
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import verdict
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.run_end import end_run
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import summary_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text, to_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import end_worker_with_controller

ARGUMENTS: dict[str, dict[str, Any]] = {
    "run": {"type": "dict", "required": True},
    "alerts": {"type": "raw", "required": True},
    "decided": {"type": "list", "elements": "dict", "default": []},
    "settings": {"type": "list", "elements": "dict", "default": []},
    "undoes": {"type": "list", "elements": "str", "default": []},
    "plan": {"type": "dict"},
    "unsettled": {"type": "list", "elements": "str", "default": []},
    "unmoved": {"type": "list", "elements": "str", "default": []},
    "requeued": {"type": "list", "elements": "str", "default": []},
    "address": {"type": "str", "required": True},
    "verbose": {"type": "bool", "default": False},
}
# The options that are fields of the report's run.
OF_RUN = ("settings", "undoes", "plan", "unsettled", "unmoved", "requeued")


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the files, see `leastpriv.iam.run_files`."""
        end_worker_with_controller()
        result = super().run(tmp, task_vars)
        _ignored, options = self.validate_argument_spec(argument_spec=ARGUMENTS)
        record = options["run"]
        ended = end_run(
            record,
            [*options["decided"], *from_text(options["alerts"])],
            quarantine_queue="" if record["is_undo"] or record.get("is_verify", False) else record["quarantine_queue"],
            **{name: options[name] for name in OF_RUN},
        )
        address = options["address"], record["report_url"]
        body = attempt("notifying", lambda: notification(ended.report, *address), lambda reason: {"text": reason})
        return {
            **result,
            "changed": False,
            **{field: ended.report[field] for field in ("totals", "needs_person", "unsettled")},
            "accounts": _accounts(ended.report),
            "alerts": len(ended.report["alerts"]),
            "files": ended.files,
            "metrics": ended.metrics,
            "notification": json.dumps(body),
            "problems": ended.problems,
            "report": to_text(ended.report),
            "summary": summary_text(ended.report, options["verbose"]).split("\n"),
            "verdict": verdict(ended.report),
        }


def _accounts(report: RunReport) -> list[str]:
    """The accounts of alerts that need attention."""
    wanting = [alert for alert in report["alerts"] if alert["disposition"] in report["needs_person"]]
    return list(dict.fromkeys(alert["account"] or alert["account_id"] or "no account" for alert in wanting))
