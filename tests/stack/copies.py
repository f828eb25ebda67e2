# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of what IAM has in one account, for others: making the same by fifty calls takes half a second each time.

Runs in the server's process only.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from moto.iam.models import AWSManagedPolicy, IAMBackend

OF_THE_ACCOUNT = ("region_name", "account_id", "partition", "policy_arn_regex", "aws_managed_policies")


class Copies:
    """The kept accounts by name, each as (pickled state, account id)."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, str, Any]] = {}

    def keep(self, name: str, iam: IAMBackend, remark: Any) -> None:
        """Keep what the account has now, and a remark."""
        state = {key: value for key, value in vars(iam).items() if key not in OF_THE_ACCOUNT}
        state["access_keys"] = _keys_of_users(iam)
        written = io.BytesIO()
        _Pickler(written, iam).dump(state)
        self._kept[name] = (written.getvalue(), iam.account_id, remark)

    def give(self, name: str, iam: IAMBackend) -> Any:
        """Give an empty account what was kept, under its own account id; returns the remark, None if there is none."""
        if name not in self._kept or iam.users or iam.roles or iam.groups:
            return None
        written, account_id, remark = self._kept[name]
        # Both ids have twelve digits, so no length that the pickle notes changes.
        state = _Unpickler(io.BytesIO(written.replace(account_id.encode(), iam.account_id.encode())), iam).load()
        sessions = {key: value for key, value in iam.access_keys.items() if value.user_name is None}
        vars(iam).update(state, access_keys={**sessions, **state["access_keys"]})
        return remark


def _keys_of_users(iam: IAMBackend) -> dict[str, Any]:
    return {key: value for key, value in iam.access_keys.items() if value.user_name is not None}


class _Pickler(pickle.Pickler):
    """Leaves out the account itself and AWS's own policies, which every account has."""

    def __init__(self, file: io.BytesIO, iam: IAMBackend) -> None:
        super().__init__(file)
        self._iam = iam

    def persistent_id(self, value: Any) -> str | None:
        if value is self._iam:
            return ""
        return value.arn if isinstance(value, AWSManagedPolicy) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, iam: IAMBackend) -> None:
        super().__init__(file)
        self._iam = iam

    def persistent_load(self, arn: str) -> Any:
        return self._iam.managed_policies[arn] if arn else self._iam
