# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an identity may do, asked of IAM: SimulatePrincipalPolicy.

Source: API_SimulatePrincipalPolicy in the IAM API Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

SESSION = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>[0-9]{12}):assumed-role/(?P<role>[^/]+)/.*")


class Simulator:
    """Asks about one principal; `arn` is that of the role or user itself, not of a session."""

    def __init__(self, iam: Any, arn: str) -> None:
        self._pages = iam.get_paginator("simulate_principal_policy")
        self.arn = arn

    def refused(self, actions: Iterable[str], resource: str, context: Mapping[str, str]) -> list[dict[str, Any]]:
        """The results of those actions that are not allowed.

        :raises botocore.exceptions.ClientError: when IAM does not let it be asked.
        """
        entries = [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in context.items()
        ]
        pages = self._pages.paginate(
            PolicySourceArn=self.arn, ActionNames=list(actions), ResourceArns=[resource], ContextEntries=entries
        )
        results = [result for page in pages for result in page["EvaluationResults"]]
        return [result for result in results if result["EvalDecision"] != "allowed"]


def principal_arn(iam: Any, caller: str) -> str:
    """The ARN of the principal behind STS's answer; a session's ARN lacks the path of its role.

    :raises botocore.exceptions.ClientError: when the role may not be read.
    """
    session = SESSION.fullmatch(caller)
    return iam.get_role(RoleName=session["role"])["Role"]["Arn"] if session else caller


def by_whom(refused: Iterable[Mapping[str, Any]]) -> str:
    """What refuses besides the identity's own policies, as the end of a sentence; empty if nothing else does."""
    limits = {
        "OrganizationsDecisionDetail": ("AllowedByOrganizations", "a service control policy of the organization"),
        "PermissionsBoundaryDecisionDetail": ("AllowedByPermissionsBoundary", "its permissions boundary"),
    }
    found = [
        limit
        for detail, (allowed, limit) in limits.items()
        if any(detail in result and not result[detail].get(allowed) for result in refused)
    ]
    return f"; {' and '.join(found)} does not allow it" if found else ""
