# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much the tests try: `make test` in minutes, `make test-exhaustive` before a release.

`exhaustive` marks a row that differs from its neighbours only in details that other tests cover as well.
"""

from __future__ import annotations

import os
from typing import TypeVar

import pytest

T = TypeVar("T")
EXHAUSTIVE = bool(os.environ.get("LEASTPRIV_EXHAUSTIVE"))
exhaustive = pytest.mark.exhaustive


def scaled(ordinary: T, large: T) -> T:
    """A count for the ordinary tests and one for the exhaustive."""
    return large if EXHAUSTIVE else ordinary
