# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that some tests need and pip cannot give. `tests/programs/install` brings them."""

from __future__ import annotations

import os
import shutil

import pytest


def path_of(*names: str) -> str:
    """Where the first of these programs is. Without any a developer's test is skipped, and CI's fails."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        shown = f"there is no {' and no '.join(names)}: run tests/programs/install as root"
        pytest.fail(shown) if os.environ.get("CI") else pytest.skip(shown)
    return found
