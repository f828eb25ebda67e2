# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.queue_client import s3_client
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.retention import Cleanup, Store, plan_cleanup, summary
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import read_key
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import Keep, SettingError, read_keep
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.stores import Bucket, Folder
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import end_worker_with_controller


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Remove the files of old runs, see `leastpriv.iam.retention`; a store that cannot be read is a problem."""
        end_worker_with_controller()
        result = super().run(tmp, task_vars)
        _ignored, options = self.validate_argument_spec(
            argument_spec={
                "keep": {"type": "str", "required": True},
                "folder": {"type": "path", "required": True},
                "artifacts_s3": {"type": "str", "default": ""},
                "profile": {"type": "str", "default": ""},
                "run_id": {"type": "str", "default": ""},
            }
        )
        try:
            keep = read_keep(options["keep"])
        except SettingError as error:
            raise AnsibleActionFail(str(error)) from None
        stores: list[Store] = [Folder(options["folder"])]
        if options["artifacts_s3"]:
            stores.append(Bucket(options["artifacts_s3"], _connect(options["profile"])))
        cleaned: dict[str, Cleanup] = {}
        problems: list[str] = []
        for store in stores if keep else []:
            try:
                cleaned[store.name] = self._clean(store, keep, options["run_id"], problems)
            except LeastprivError as error:
                problems.append(str(error))
        answer = {
            "changed": any(one.files for one in cleaned.values()),
            "removed": {name: len(one.files) for name, one in cleaned.items()},
            "kept": {name: sorted({*one.kept, *one.unread}) for name, one in cleaned.items()},
            "lines": [line for name, one in cleaned.items() for line in summary(one, name, self._task.check_mode)],
            "problems": problems,
        }
        return {**result, **answer, **({"failed": True, "msg": " ".join(problems)} if problems else {})}

    def _clean(self, store: Store, keep: Keep, run_id: str, problems: list[str]) -> Cleanup:
        cleanup = plan_cleanup(store, keep, run_id, datetime.now(timezone.utc), read_key())
        if not self._task.check_mode:
            problems += store.remove(cleanup.files)
        return cleanup


def _connect(profile: str) -> Callable[[], Any]:
    return lambda: s3_client(profile)
