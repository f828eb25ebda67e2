# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of a call that the module of its row cannot express."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.operations.row import Choice, Operation


def inexpressible(row: Operation, parameters: Mapping[str, Any]) -> list[str]:
    """The given parameters that the row's module has no option or value for, sorted."""
    choices = [value for value in row.args.values() if isinstance(value, Choice)]
    unknown = [one.parameter for one in choices if parameters.get(one.parameter) not in one.values]
    return sorted((set(parameters) - row.parameters) | set(unknown))
