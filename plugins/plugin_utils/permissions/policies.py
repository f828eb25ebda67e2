# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IAM policies of the runner and the account roles: what they need, and a Deny on what they never change. Pure.

Follows "Grammar of the IAM JSON policy language" in the IAM User Guide. An ARN's account may be any, since IAM never
reaches into another account: one policy serves all accounts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import read_time, utc_text
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.row import Operation
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.needs import (
    JOURNAL,
    Need,
    PolicyError,
    Queues,
    Scope,
    account_needs,
    runner_needs,
)

# Reading what is protected, or who we are, changes nothing; taking on a role is the business of its trust policy.
HARMLESS = ("iam:Get*", "iam:List*", "iam:Simulate*", "sts:*")
# IAM's quota for all inline policies of a role, white space not counted.
LARGEST = 10_240

ROLE = re.compile(r"(?P<path>/(?:[!-.0-~][!-~]*/)?)(?P<name>[\w+=,.@-]{1,64})", re.ASCII)
PRINCIPAL = re.compile(
    r"arn:(?P<partition>aws(?:-[a-z]+)*):iam::[0-9]{12}:(?:root|(?:role|user)/[\w+=,.@/-]+)", re.ASCII
)
ARN = re.compile(r"arn:aws(?:-[a-z]+)*:[a-z0-9]+:[a-z0-9*-]*:[0-9*]*:[!-~]+")
NAME = re.compile(r"[\w+=,.@*?/-]+", re.ASCII)
PATH = re.compile(r"/(?:[\w+=,.@-]+/)*", re.ASCII)
EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")


def check_scope(scope: Scope, external_id: str) -> None:
    """Raises PolicyError for what IAM would not take, or would take for something else."""
    _check("runner", PRINCIPAL, scope.runners, "the ARN of the role (or user) that runs the playbooks")
    _check("account_role", ROLE, [scope.role], "a path and a name, such as /leastpriv-remediation")
    _check("policy_names", NAME, scope.policies, "names of policies, * for any text")
    _check("boundaries", NAME, scope.boundaries, "names of policies, * for any text")
    _check("principal_path", PATH, [scope.principal_path], "a path of IAM, such as / or /apps/")
    _check("external_id", EXTERNAL_ID, [external_id] if external_id else [], "2 to 1224 letters, digits and +=,.@:/-")


def _check(setting: str, shape: re.Pattern[str], values: Iterable[Any], meant: str) -> None:
    for value in values:
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise PolicyError(f"{setting} is {value!r}: give {meant}.")


def account_policy(rows: Sequence[Operation], undoing: Sequence[Operation], scope: Scope) -> dict[str, Any]:
    """The account role's permissions policy. Raises PolicyError when IAM would find it too large."""
    return _document(
        [
            *_allowed(account_needs(rows, undoing, scope)),
            _never_itself(scope),
            *_never_protected(scope.protected, scope.partition),
        ],
        "operations",
    )


def trust_policy(scope: Scope, external_id: str) -> dict[str, Any]:
    """The trust policy of the account role. An external id prevents the confused deputy problem."""
    condition = {"Condition": {"StringEquals": {"sts:ExternalId": external_id}}} if external_id else {}
    runner = {"Effect": "Allow", "Principal": {"AWS": list(scope.runners)}}
    # Apart: the request to tag a session has no external id.
    statements = [
        {"Sid": "Assume", **runner, "Action": "sts:AssumeRole", **condition},
        {"Sid": "Tag", **runner, "Action": "sts:TagSession"},
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def runner_policy(queues: Queues, scope: Scope) -> dict[str, Any]:
    """The runner's own permissions policy. Raises PolicyError for an invalid ARN, or if the policy is too large."""
    _check("The queue", ARN, [queues.queue], "its name, URL or ARN (SQS_QUEUE_NAME, SQS_QUEUE_URL, queue_arn)")
    _check("The quarantine queue", ARN, filter(None, [queues.quarantine]), "its name, URL or ARN")
    _check("key_arns", ARN, queues.keys, "ARNs of KMS keys")
    _check("organization", ORGANIZATION, filter(None, [queues.organization]), "the id of an organization, o-...")
    _check("remediate_artifacts_s3", JOURNAL, filter(None, [queues.journal]), "s3://bucket/prefix")
    return _document([*_allowed(runner_needs(queues, scope)), _never_itself(scope)], "accounts, or give organization,")


# --- statements ---


def _allowed(needs: Sequence[Need]) -> list[dict[str, Any]]:
    """One statement for each Sid and condition. An action knows one kind of resource: mixing them adds nothing."""
    together: dict[Any, list[Need]] = {}
    for need in needs:
        together.setdefault((need.sid, need.resources == ("*",), need.condition), []).append(need)
    return [_statement(key, found) for key, found in together.items()]


def _statement(key: Any, needs: Sequence[Need]) -> dict[str, Any]:
    sid, is_everywhere, condition = key
    actions = sorted({action for need in needs for action in need.actions})
    resources = sorted({resource for need in needs for resource in need.resources})
    named = f"{sid}Account" if is_everywhere and sid == "Change" else sid
    limited = {"Condition": {condition[0]: {condition[1]: list(condition[2])}}} if condition else {}
    return {"Sid": named, "Effect": "Allow", "Action": actions, "Resource": resources, **limited}


def _never_itself(scope: Scope) -> dict[str, Any]:
    return _deny("NeverItself", sorted({scope.role_arn, *scope.own_runners}))


def _never_protected(entries: Sequence[Mapping[str, Any]], partition: str) -> list[dict[str, Any]]:
    """A statement for all entries of one date and tag; an expired one denies no more."""
    together: dict[tuple[str, str, str], set[str]] = {}
    for entry in entries:
        end = utc_text(read_time(str(entry["expires"]))) if entry.get("expires") else ""
        tag = entry.get("tag") or {"key": "", "value": ""}
        together.setdefault((end, tag["key"], tag["value"]), set()).update(_protected_patterns(entry, partition))
    return [
        _deny(f"NeverProtected{number or ''}", sorted(arns), _while_protected(*limit))
        for number, (limit, arns) in enumerate(sorted(together.items()))
    ]


def _while_protected(end: str, key: str, value: str) -> dict[str, Any] | None:
    until = {"DateLessThan": {"aws:CurrentTime": end}} if end else {}
    tagged = {"StringEquals": {f"aws:ResourceTag/{key}": value}} if key else {}
    return {**until, **tagged} or None


def _protected_patterns(entry: Mapping[str, Any], partition: str) -> list[str]:
    """The principals of an entry. IAM takes no path beside an ARN here: then the ARN alone is denied, which is more."""
    if entry.get("arn"):
        return _resource_patterns(str(entry["arn"]), partition)
    # IAM gives groups no tags.
    kinds = ("role", "user") if entry.get("tag") else ("group", "role", "user")
    path = str(entry.get("path") or "/")
    return [f"arn:{partition}:iam::*:{kind}{path}*" for kind in kinds]


def _resource_patterns(pattern: str, partition: str) -> list[str]:
    """An entry's pattern as IAM takes one, where no wildcard may reach over a colon or the kind of the resource."""
    parts = pattern.split(":", 5)
    if len(parts) == 6 and re.match("(user|role|group)/", parts[5]):
        return [f"arn:{partition}:iam::{parts[4] or '*'}:{parts[5]}"]
    rest = re.sub("^.*(user|role|group)/", "", pattern.rpartition(":")[2])
    return [f"arn:{partition}:iam::*:{kind}/*{rest.lstrip('*/')}" for kind in ("group", "role", "user")]


def _deny(sid: str, resources: Sequence[str], condition: Mapping[str, Any] | None = None) -> dict[str, Any]:
    limited = {"Condition": condition} if condition else {}
    return {"Sid": sid, "Effect": "Deny", "NotAction": list(HARMLESS), "Resource": list(resources), **limited}


def _document(statements: Sequence[Mapping[str, Any]], less: str) -> dict[str, Any]:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    size = len(json.dumps(document, separators=(",", ":")))
    if size > LARGEST:
        raise PolicyError(
            f"The policy has {size} characters, and a role takes {LARGEST}: name fewer {less} and try again."
        )
    return document
