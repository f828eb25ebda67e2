# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commands of a script replace a document with another one, so `no_widening` decides. Pure.

Calls are (operation, parameters), as the script names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Parameters = Mapping[str, Any]
Called = tuple[str, Parameters]

# They name what they replace themselves.
REPLACING = ("CreatePolicyVersion", "PutGroupPolicy", "PutRolePolicy", "PutUserPolicy", "UpdateAssumeRolePolicy")
# The rules that a proof replaces.
PROVABLE = ("deny_only", "keep_trust")


def may_be_proven(operation: str, parameters: Parameters, following: Sequence[Called]) -> bool:
    """Whether a document may be proven narrower than what it replaces: only the account decides.

    :param following: the calls of the script behind this one.
    """
    if operation == "CreatePolicy":
        return is_swapped_in(str(parameters.get("PolicyName")), following)
    return operation in REPLACING


def is_swapped_in(policy: str, following: Sequence[Called]) -> bool:
    """Whether each attachment of a policy that the script creates takes the place of something, and there is one."""
    swaps = [
        any(True for _one in replaced_by(operation, parameters, following[number:]))
        for number, (operation, parameters) in enumerate(following, 1)
        if operation.startswith("Attach") and str(parameters.get("PolicyArn")).rpartition("/")[2] == policy
    ]
    return bool(swaps) and all(swaps)


def replaced_by(operation: str, parameters: Parameters, following: Sequence[Called]) -> Iterator[Parameters]:
    """The parameters of the calls that take a policy away from the principal to which another one is attached."""
    kind = operation.removeprefix("Attach").removesuffix("Policy")
    named = f"{kind}Name"
    for other, others in following:
        is_same = str(others.get(named)).lower() == str(parameters.get(named)).lower()
        if other in (f"Detach{kind}Policy", f"Delete{kind}Policy") and is_same:
            yield others
