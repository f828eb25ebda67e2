# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the identity that works in an account may do what a step does, asked of IAM before anything is applied."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

from ..account.overlay import AccountOverlay, Conflict
from ..account.simulator import Simulator, by_whom, principal_arn
from ..shapes import Step

# The parameter that names what an operation changes, the most telling first -> the resource in its ARN.
NAMES = {
    "InstanceProfileName": "instance-profile",
    "GroupName": "group",
    "UserName": "user",
    "RoleName": "role",
    "PolicyName": "policy",
}
# What a policy can make an operation depend on.
CONDITIONS = {"PolicyArn": "iam:PolicyARN", "PermissionsBoundary": "iam:PermissionsBoundary"}


class Simulation:
    """Asks about each change once. What cannot be asked is a note, and keeps nothing from being applied.

    :param caller: the ARN of the identity as STS names it.
    """

    def __init__(self, iam: Any, caller: str, account_id: str, partition: str) -> None:
        self._iam = iam
        self._caller = caller
        self._prefix = f"arn:{partition}:iam::{account_id}:"
        self._simulator: Simulator | None = None
        self._answers: dict[Any, list[dict[str, Any]]] = {}

    def check(self, overlay: AccountOverlay, step: Step) -> list[str]:
        """Ask whether a step's call would be allowed.

        :param overlay: the `AccountOverlay` before the step.
        :returns: list of notes.
        :raises Conflict: if it would be denied.
        """
        action = f"iam:{step['operation']}"
        question = action, self._resource(overlay, step["parameters"]), _context(step["parameters"])
        try:
            if question not in self._answers:
                self._answers[question] = self._refused(*question)
        except (ClientError, BotoCoreError) as error:
            return [f"Permissions were not simulated: {error}"]
        refused = self._answers[question]
        if not refused:
            return []
        unknown = sorted({key for result in refused for key in result.get("MissingContextValues", [])})
        if unknown:
            return [f"Whether {action} is allowed depends on {', '.join(unknown)}."]
        who = f"{self._principal().arn} is not authorized to perform {action} on {question[1]}"
        raise Conflict(f"would fail: {who} ({refused[0]['EvalDecision']}{by_whom(refused)}).")

    def _refused(self, action: str, resource: str, context: tuple[tuple[str, Any], ...]) -> list[dict[str, Any]]:
        return self._principal().refused([action], resource, dict(context))

    def _principal(self) -> Simulator:
        if self._simulator is None:
            self._simulator = Simulator(self._iam, principal_arn(self._iam, self._caller))
        return self._simulator

    def _resource(self, overlay: AccountOverlay, parameters: Mapping[str, Any]) -> str:
        parameter = next((name for name in NAMES if name in parameters), None)
        if parameter == "PolicyName" or parameter is None:
            named = next((value for name, value in parameters.items() if name.endswith("Arn")), None)
            if named or parameter is None:
                return named or "*"
        kind, name = NAMES[parameter], parameters[parameter]
        found = overlay.fact(kind, name) if kind in ("group", "user", "role") else None
        return (found or {}).get("arn") or f"{self._prefix}{kind}{parameters.get('Path', '/')}{name}"


def _context(parameters: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((key, parameters[name]) for name, key in CONDITIONS.items() if name in parameters)
