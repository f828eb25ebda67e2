# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM Access Analyzer's CheckNoNewAccess, which moto lacks.

AWS reasons about all requests; this tries the requests that the two documents mention, by IAM's evaluation logic.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any

from iam_evaluation import Asked, World, allows

SERVICE = "access-analyzer"
ACTIONS = {"/policy/check-no-new-access": "CheckNoNewAccess"}
TYPES = ("IDENTITY_POLICY", "RESOURCE_POLICY")
MAX_REQUESTS = 5_000


def answer(call: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The body and the status of the answer."""
    given = call["parameters"]
    try:
        old, new = (json.loads(given[name]) for name in ("existingPolicyDocument", "newPolicyDocument"))
        listed = [*_listed(old["Statement"]), *_listed(new["Statement"])]
    except (KeyError, TypeError, ValueError):
        return {"__type": "InvalidParameterException", "message": "Invalid policy document"}, 400
    if given.get("policyType") not in TYPES:
        return {"__type": "ValidationException", "message": "Value at 'policyType' failed to satisfy constraint"}, 400
    found = _first_new(old, new, listed)
    verb = "do not grant" if found is None else "grant"
    text = f"The modified permissions {verb} new access compared to your existing policy."
    reason = {"description": f"New access in the statement with index: {found}.", "statementIndex": found}
    return {
        "result": "PASS" if found is None else "FAIL",
        "message": text,
        "reasons": [reason] * (found is not None),
    }, 200


def _first_new(old: dict[str, Any], new: dict[str, Any], statements: list[dict[str, Any]]) -> int | None:
    """The first statement of the new document that allows a request that the old one does not allow."""
    denials = [one for one in _listed(new["Statement"]) if one["Effect"] == "Deny"]
    for index, statement in enumerate(_listed(new["Statement"])):
        alone = {**new, "Statement": [statement, *denials]}
        for asked in islice(_requests(statements), MAX_REQUESTS):
            if allows([alone], asked, World()) and not allows([old], asked, World()):
                return index
    return None


def _requests(statements: list[dict[str, Any]]) -> Iterator[Asked]:
    actions = _texts(statements, "Action", "NotAction")
    resources = _texts(statements, "Resource", "NotResource") or ["*"]
    keys: dict[str, set[str]] = {}
    for statement in statements:
        for tests in statement.get("Condition", {}).values():
            for key, values in tests.items():
                keys.setdefault(key.lower(), set()).update(map(str, _listed(values)))
    contexts = [[None, *sorted(values)] for values in keys.values()]
    for action, resource, *context in product(actions, resources, *contexts):
        named = {key: (value,) for key, value in zip(keys, context, strict=True) if value is not None}
        yield Asked(action, resource, "", named)


def _texts(statements: list[dict[str, Any]], *elements: str) -> list[str]:
    patterns = {one for statement in statements for element in elements for one in _listed(statement.get(element, []))}
    return sorted({pattern.replace("*", filling) for pattern in patterns for filling in ("", "x")})


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
