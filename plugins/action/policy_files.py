# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.files import policy_files
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.needs import PolicyError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.settings import read_permissions
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.artifacts import write_artifacts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import end_worker_with_controller


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the files, see `leastpriv.iam.policy_files`."""
        end_worker_with_controller()
        result = super().run(tmp, task_vars)
        _ignored, options = self.validate_argument_spec(
            argument_spec={"folder": {"type": "path", "required": True}, "settings": {"type": "dict", "required": True}}
        )
        try:
            files = policy_files(read_permissions(options["settings"]))
        except PolicyError as error:
            raise AnsibleActionFail(str(error)) from None
        problems = write_artifacts(Path(options["folder"]), files)
        failure = {"failed": True, "msg": " ".join(problems)} if problems else {}
        return {**result, "changed": False, "folder": options["folder"], **failure}
