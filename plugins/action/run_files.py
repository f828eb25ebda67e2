# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.counter import FILE_NAME, count_calls
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.run_files import run_files, write_run_files
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import environment
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import read_key
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import SettingError, read_lifetime
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import end_worker_with_controller


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the files, see `leastpriv.iam.run_files`; a result that has failed says which of them are missing."""
        end_worker_with_controller()
        result = super().run(tmp, task_vars)
        _ignored, options = self.validate_argument_spec(
            argument_spec={
                "folder": {"type": "path", "required": True},
                "report": {"type": "raw", "required": True},
                "planned": {"type": "raw"},
                "plan_lifetime": {"type": "str", "default": "24h"},
                "awx": {"type": "dict", "default": {}},
                "api_endpoint": {"type": "str", "default": ""},
                "metrics_file": {"type": "str", "default": ""},
            }
        )
        calls = count_calls(Path(constants.DEFAULT_LOCAL_TMP, FILE_NAME))
        endpoint = options["api_endpoint"] or environment.api_endpoint()
        files = run_files(from_text(options["report"]), calls, _planning(options), endpoint)
        problems = write_run_files(Path(options["folder"]), files, options["metrics_file"])
        failure = {"failed": True, "msg": " ".join(problems)} if problems else {}
        return {**result, "changed": False, "metrics": files["metrics.prom"]["text"], "problems": problems, **failure}


def _planning(options: Mapping[str, Any]) -> dict[str, Any] | None:
    if not options["planned"]:
        return None
    job = options["awx"].get("awx_job_id")
    who = {
        "user": environment.user_name(),
        "awx_user": options["awx"].get("awx_user_name"),
        "awx_job": None if job is None else str(job),
    }
    try:
        lifetime = read_lifetime(options["plan_lifetime"])
    except SettingError as error:
        raise AnsibleActionFail(str(error)) from None
    return {"alerts": from_text(options["planned"]), "lifetime": lifetime, "who": who, "key": read_key()}
