# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much the tests try: `make test` in minutes, `make test-exhaustive` before a release.

`exhaustive` marks a row that differs from its neighbours only in details that other tests cover as well.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
EXHAUSTIVE = bool(os.environ.get("LEASTPRIV_EXHAUSTIVE"))
exhaustive = pytest.mark.exhaustive


def scaled(ordinary: T, large: T) -> T:
    """A count for the ordinary tests and one for the exhaustive."""
    return large if EXHAUSTIVE else ordinary


def takes_less(seconds: float, call: Callable[[], object]) -> bool:
    """Whether a call takes less processor time in one of three tries: into the others, garbage collection may fall."""
    return any(_seconds_of(call) < seconds for _try in range(3))


def _seconds_of(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started
