# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of module_utils: few enough to find things by name, and no import that points up."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[4].parent / "plugins" / "module_utils"
