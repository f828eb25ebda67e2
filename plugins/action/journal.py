# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import utc_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import user_name
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import (
    END,
    append,
    intents,
    kept_results,
    results,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import read_key
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import end_worker_with_controller


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the lines, see `leastpriv.iam.journal`; a result that has failed says why they could not be."""
        end_worker_with_controller()
        result = super().run(tmp, task_vars)
        _ignored, options = self.validate_argument_spec(
            argument_spec={
                "file": {"type": "path", "required": True},
                "run": {"type": "dict", "required": True},
                "account": {"type": "dict", "required": True},
                "steps": {"type": "list", "elements": "dict", "default": []},
                "applied": {"type": "raw", "default": []},
                "kept": {"type": "list", "elements": "dict", "default": []},
                "is_last": {"type": "bool", "default": False},
            }
        )
        options["applied"] = from_text(options["applied"])
        kept = [*options["kept"], *kept_results(options["applied"])]
        problem = _write(options)
        # What was done is known to the report even where it could not be written down.
        return {**result, "changed": False, "kept": kept, **({"failed": True, "msg": problem} if problem else {})}


def _write(options: Mapping[str, Any]) -> str:
    """Why the lines could not be written; empty when they are."""
    lines = [*results(options["applied"]), *intents(options["steps"])]
    if options["is_last"] and (options["kept"] or lines):
        lines.append({"event": END})
    if not lines:
        return ""
    now = utc_text(datetime.now(timezone.utc), "milliseconds")
    common = {"run_id": options["run"]["run_id"], "time": now, **options["account"]}
    path = Path(options["file"])
    try:
        append(path, {**options["run"], "user": user_name()}, [{**common, **line} for line in lines], read_key())
    except OSError as error:
        return (
            f"Could not write the journal {path}: {error.strerror}. Nothing more is changed in this account, since it "
            "could not be undone; let remediate_artifacts_dir name a folder that can be written."
        )
    return ""
