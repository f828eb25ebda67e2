# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls that undo an applied step, as the row of its operation has them. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.undo import Calls, Irreversible, Undo


def undo_calls(step: Mapping[str, Any]) -> Calls:
    """The calls that undo a step, in their order.

    :param step: `operation`, `parameters`, `before` and `after`.
    :returns: list of (operation, parameters); observing completes those that name what AWS named.
    :raises Irreversible:
    """
    undo = OPERATIONS[step["operation"]].undo
    if not isinstance(undo, Undo):
        raise Irreversible(str(undo))
    return undo.calls(undo.operations, step["parameters"], step["before"], step["after"])


def undo_of(step: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether a step can be undone, and how: the operations that do it, or why nothing does.

    :param step: as it was observed, `status` too. One that changes nothing needs no undo.
    """
    if step["status"] == "unchanged":
        return True, ""
    undo = OPERATIONS[step["operation"]].undo
    # Without the state before, only the table shows it.
    if step.get("before") is None or "parameters" not in step:
        return (True, " or ".join(map(cli_name, undo.operations))) if isinstance(undo, Undo) else (False, str(undo))
    try:
        return True, ", then ".join(cli_name(operation) for operation, _parameters in undo_calls(step))
    except Irreversible as irreversible:
        return False, str(irreversible)


def cli_command(operation: str, parameters: dict[str, Any]) -> str:
    """The AWS CLI's command for a call, for people to read or to run by hand."""
    words = [word for name, value in parameters.items() for word in _option(cli_name(name), value)]
    return shlex.join(["aws", "iam", cli_name(operation), *words])


def _option(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, list):
        return [f"--{name}", *(one if isinstance(one, str) else json.dumps(one) for one in value)]
    return [f"--{name}", str(value)]
