# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's settings and the inventory -> the roles and queues that policies.py makes policies for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.operations.row import Operation
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.address import is_url, queue_region
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.needs import (
    PolicyError,
    Queues,
    Scope,
    read_operations,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.policies import check_scope

DEFAULT_ROLE = "/leastpriv-remediation"
ROLE_ARN = re.compile(r"arn:(?P<partition>[^:]+):iam::(?P<account>[0-9]{12}):role(?P<role>/.+)")
PARTITION = re.compile(r"arn:([^:]+):")
KNOWN = (
    "account_role",
    "accounts",
    "boundaries",
    "cleanup",
    "cloudtrail",
    "external_id",
    "journal",
    "key_arns",
    "on_quota",
    "operations",
    "organization",
    "policy_names",
    "principal_path",
    "protected_principals",
    "prove",
    "quarantine_queue",
    "queue",
    "redrive",
    "region",
    "requeue",
    "runner",
    "undo",
    "usage",
)


@dataclass(frozen=True)
class Permissions:
    """Everything that decides about the policies: rows of the operations table, those that undo them, and limits."""

    rows: Sequence[Operation]
    undoing: Sequence[Operation]
    scope: Scope
    queues: Queues
    external_id: str


def read_permissions(settings: Mapping[str, Any], partition: str = "") -> Permissions:
    """Read the settings, as the doc fragment `permissions` describes them.

    :param partition: where the doctor knows it from STS; else the runner's.
    :raises PolicyError: naming the setting and its valid values.
    """
    unknown = sorted(set(settings) - set(KNOWN))
    if unknown:
        raise PolicyError(f"There is no setting {unknown[0]}; there are {', '.join(KNOWN)}.")
    given = {name: value for name, value in settings.items() if value not in ("", None, [])}
    operations, on_quota = words(given.get("operations", "vendor")), given.get("on_quota", "fail")
    rows, undoing = read_operations(operations, bool(given.get("undo")), on_quota)
    scope = _scope(given, partition)
    external_id = _shared(given, "external_id", [one[2] for one in given.get("accounts", [])])
    check_scope(scope, external_id)
    return Permissions(rows, undoing, scope, _queues(given, scope), external_id)


def words(value: Any) -> tuple[Any, ...]:
    """A list, or a text with commas as with `-e`."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else tuple(value)


def _scope(given: Mapping[str, Any], partition: str) -> Scope:
    runners = words(given.get("runner", ()))
    roles = [match["role"] for one in given.get("accounts", []) if (match := ROLE_ARN.fullmatch(str(one[1] or "")))]
    role = _shared(given, "account_role", roles) or DEFAULT_ROLE
    return Scope(
        role=role if role.startswith("/") else f"/{role}",
        runners=runners,
        partition=partition or next((match[1] for one in runners if (match := PARTITION.match(str(one)))), "aws"),
        policies=words(given.get("policy_names", Scope.policies)),
        boundaries=words(given.get("boundaries", Scope.boundaries)),
        principal_path=given.get("principal_path", "/"),
        cloudtrail=bool(given.get("cloudtrail")),
        protected=tuple(given.get("protected_principals", ())),
        asks_analyzer=given.get("prove") == "access_analyzer",
        usage=given.get("usage", "off") != "off",
    )


def _shared(given: Mapping[str, Any], setting: str, found: Iterable[Any]) -> str:
    """The setting, or the value that all hosts of the inventory share."""
    values = sorted({str(value) for value in found if value})
    if given.get(setting):
        return str(given[setting])
    if len(values) > 1:
        raise PolicyError(
            f"The hosts of the inventory have {len(values)} different values for {setting}: give {setting}, or use "
            "--limit for those that agree. A stack set takes one external id per account as a parameter override."
        )
    return values[0] if values else ""


def _queues(given: Mapping[str, Any], scope: Scope) -> Queues:
    owner = scope.runners[0].split(":")[4] if scope.runners else "*"
    place = scope.partition, given.get("region", "*"), owner
    accounts = tuple(dict.fromkeys(_role_arn(one, scope) for one in given.get("accounts", [])))
    organization = given.get("organization", "")
    return Queues(
        queue=queue_arn(given.get("queue", ""), *place),
        quarantine=queue_arn(given.get("quarantine_queue", ""), *place),
        keys=words(given.get("key_arns", ())),
        journal=given.get("journal", ""),
        cleanup=bool(given.get("cleanup")),
        requeue=bool(given.get("requeue")),
        redrive=bool(given.get("redrive")),
        accounts=(scope.role_arn,) if organization else accounts,
        organization=organization,
    )


def _role_arn(account: Sequence[Any], scope: Scope) -> str:
    account_id, role_arn = account[:2]
    return role_arn or scope.arn(f"role{scope.role}", str(account_id))


def queue_arn(named: str, partition: str, region: str, owner: str) -> str:
    """The ARN of a queue that is named by ARN, URL or name; a name means one of the runner's account."""
    if not named or named.startswith("arn:"):
        return named
    if is_url(named):
        *_rest, owner, name = named.rstrip("/").split("/")
        return f"arn:{partition}:sqs:{queue_region(named) or region}:{owner}:{name}"
    return f"arn:{partition}:sqs:{region}:{owner}:{named}"
