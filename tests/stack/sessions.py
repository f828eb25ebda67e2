# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of assumed roles' sessions, which moto does not know: their keys are refused then. Server side.

AWS gives no session of less than 15 minutes; here they can be as short as a test is.
"""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
from typing import Any

from moto.core.utils import utcnow
from moto.sts.models import STSBackend


class Sessions:
    """`seconds`: how long the sessions last that are made from now on; None leaves it to who asks for them.

    `keys`: all key ids, secret keys and tokens that were given: what must not be shown anywhere.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None
        self.keys: list[str] = []
        self._ends: dict[str, datetime] = {}
        assume_role = STSBackend.assume_role

        @functools.wraps(assume_role)
        def assume_for_a_while(backend: STSBackend, *args: Any, **kwargs: Any) -> Any:
            role = assume_role(backend, *args, **kwargs)
            self.keys += [role.access_key_id, role.secret_access_key, role.session_token]
            if self.seconds is not None:
                role.expiration = self._ends[role.access_key_id] = utcnow() + timedelta(seconds=self.seconds)
            return role

        STSBackend.assume_role = assume_for_a_while

    def set(self, seconds: float | None) -> None:
        self.seconds = seconds

    def have_ended(self, access_key: str) -> bool:
        end = self._ends.get(access_key)
        return end is not None and end <= utcnow()
