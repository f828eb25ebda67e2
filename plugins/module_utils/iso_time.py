# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The times of messages, plans, journals and reports: ISO 8601, in UTC with a Z."""

from __future__ import annotations

import re
from datetime import datetime, timezone


def read_time(text: str) -> datetime:
    """An ISO 8601 date or time, aware; without a zone it is UTC.

    :raises ValueError: for any other text.
    """
    # fromisoformat learned the Z of UTC with Python 3.11.
    time = datetime.fromisoformat(re.sub("Z$", "+00:00", text))
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def utc_text(time: datetime, timespec: str = "seconds") -> str:
    """An aware time as text, to the second or to another `timespec` of isoformat.

    :raises OverflowError: if the time in UTC is out of range.
    """
    return time.astimezone(timezone.utc).isoformat(timespec=timespec).replace("+00:00", "Z")
