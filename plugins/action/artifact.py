# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.artifacts import OWN, PUBLIC, write_artifact
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import end_worker_with_controller


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the files. Raises AnsibleActionFail as documented in M(leastpriv.iam.artifact)."""
        end_worker_with_controller()
        result = super().run(tmp, task_vars)
        _ignored, options = self.validate_argument_spec(
            argument_spec={
                "folder": {"type": "path", "required": True},
                "files": {"type": "dict", "required": True},
                "public": {"type": "bool", "default": False},
            }
        )
        for name, text in options["files"].items():
            path = Path(options["folder"], name)
            try:
                write_artifact(path, text, PUBLIC if options["public"] else OWN)
            except OSError as error:
                raise AnsibleActionFail(
                    f"Could not write {path}: {error.strerror}. The run has done its work; "
                    "let remediate_artifacts_dir and remediate_metrics_file name what can be written."
                ) from None
        return {**result, "changed": False, "folder": options["folder"]}
