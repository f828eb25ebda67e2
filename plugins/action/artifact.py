# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.artifacts import OWN, PUBLIC, write_artifacts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import end_worker_with_controller


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the files, see `leastpriv.iam.artifact`; a failed result names the missing ones."""
        end_worker_with_controller()
        result = super().run(tmp, task_vars)
        _ignored, options = self.validate_argument_spec(
            argument_spec={
                "folder": {"type": "path", "required": True},
                "files": {"type": "dict", "required": True},
                "public": {"type": "bool", "default": False},
            }
        )
        mode = PUBLIC if options["public"] else OWN
        problems = write_artifacts(Path(options["folder"]), options["files"], mode)
        failure = {"failed": True, "msg": " ".join(problems)} if problems else {}
        return {**result, "changed": False, "folder": options["folder"], "problems": problems, **failure}
