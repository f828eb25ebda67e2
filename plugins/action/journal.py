# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import utc_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import facts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import user_name
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import (
    END,
    append,
    intents,
    kept_results,
    results,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text, to_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import read_key
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.waves import pending_steps
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import end_worker_with_controller


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the lines, see `leastpriv.iam.journal`; a failed result explains why they could not be written."""
        end_worker_with_controller()
        result = super().run(tmp, task_vars)
        _ignored, options = self.validate_argument_spec(
            argument_spec={
                "file": {"type": "path", "required": True},
                "run": {"type": "dict", "required": True},
                "account": {"type": "dict", "required": True},
                "wave": {"type": "dict", "required": True},
            }
        )
        # Read where they are: as options Ansible would search all of them for templates, for every wave.
        known = task_vars or {}
        applied = (known.get(facts.APPLIED) or {}).get("results") or []
        kept = [*from_text((known.get(facts.RESULTS) or {}).get("kept") or []), *kept_results(applied)]
        observed, max_failures = known[facts.OBSERVED]["alerts"], known[facts.SETTINGS]["max_failures"]
        pending = pending_steps(observed, options["wave"], kept, max_failures)
        lines = [*results(applied), *intents(pending)]
        if "wave" not in options["wave"] and (kept or lines):
            lines.append({"event": END})
        problem = _write(options, lines)
        # What was done is known to the report even where it could not be written down. As text, because each wave
        # returns the results of all waves before it, and Ansible walks through every value of a structure.
        failure = {"failed": True, "msg": problem} if problem else {}
        return {**result, "changed": False, "kept": to_text(kept), "pending": pending, **failure}


def _write(options: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> str:
    """Why the lines could not be written; empty when they are."""
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
