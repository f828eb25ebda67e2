# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the identity that works in an account may do what a step does, asked of IAM before anything is applied."""

from __future__ import annotations

from contextlib import suppress

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

from ..account.overlay import Conflict
from ..account.simulator import Simulator, by_whom, principal_arn

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

    def __init__(self, iam, caller, account_id, partition):
        self._iam = iam
        self._caller = caller
        self._prefix = f"arn:{partition}:iam::{account_id}:"
        self._simulator = None
        self._answers = {}

    def check(self, overlay, step):
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
        who = f"{self._simulator.arn} is not authorized to perform {action} on {question[1]}"
        raise Conflict(f"would fail: {who} ({refused[0]['EvalDecision']}{by_whom(refused)}).")

    def _refused(self, action, resource, context):
        if self._simulator is None:
            self._simulator = Simulator(self._iam, principal_arn(self._iam, self._caller))
        return self._simulator.refused([action], resource, dict(context))

    def _resource(self, overlay, parameters):
        parameter = next((name for name in NAMES if name in parameters), None)
        if parameter == "PolicyName" or parameter is None:
            named = next((value for name, value in parameters.items() if name.endswith("Arn")), None)
            if named or parameter is None:
                return named or "*"
        kind, name = NAMES[parameter], parameters[parameter]
        found = overlay.fact(kind, name) if kind in ("group", "user", "role") else None
        return (found or {}).get("arn") or f"{self._prefix}{kind}{parameters.get('Path', '/')}{name}"


def _context(parameters):
    return tuple((key, parameters[name]) for name, key in CONDITIONS.items() if name in parameters)
