# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runner and its roles need in AWS, and no more: needs from the operations table, policies from needs. Pure.

Actions, resources and condition keys follow "Actions, resources, and condition keys for AWS Identity and Access
Management (IAM)" in the Service Authorization Reference. IAM never reaches into another account, so that an ARN's
account may be any: one policy serves all accounts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import read_time, utc_text
from ansible_collections.leastpriv.iam.plugins.module_utils.operation_rows import RESTRICT, Lost, Operation
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS, STEPS
from ansible_collections.leastpriv.iam.plugins.module_utils.permissions import permissions
from ansible_collections.leastpriv.iam.plugins.plugin_utils.settings import OPERATION_NAMES

VENDOR = ("AttachGroupPolicy", "AttachRolePolicy", "AttachUserPolicy", "CreatePolicy")
# What is put in the place of the vendor's policies where remediate_on_quota is `consolidate`.
CONSOLIDATE = ("PutGroupPolicy", "PutRolePolicy", "PutUserPolicy")
SETS = {
    "vendor": VENDOR,
    "restrict": tuple(row.name for row in STEPS if row.effect == RESTRICT),
    "all": tuple(row.name for row in STEPS),
}

READS = ("Get", "List")
# Reading what is protected, or who we are, changes nothing; taking on a role is the business of its trust policy.
HARMLESS = ("iam:Get*", "iam:List*", "iam:Simulate*", "sts:*")
# One reading of the whole account instead of many (module_utils/iam_account.py).
PRELOAD = "iam:GetAccountAuthorizationDetails"

# The parameter that says what an operation changes, the most telling first -> the resource's ARN after the account.
RESOURCES = (
    ("InstanceProfileName", "instance-profile/*"),
    ("GroupName", "group{path}*"),
    ("UserName", "user{path}*"),
    ("AWSServiceName", "role/aws-service-role/*"),
    ("RoleName", "role{path}*"),
    ("PolicyArn", "policy/{policy}"),
    ("PolicyName", "policy/{policy}"),
    ("ServerCertificateName", "server-certificate/*"),
    ("SerialNumber", "mfa/*"),
    ("OpenIDConnectProviderArn", "oidc-provider/*"),
    ("Url", "oidc-provider/*"),
    ("SAMLProviderArn", "saml-provider/*"),
    ("SAMLMetadataDocument", "saml-provider/*"),
)
LINKED_ROLES = "role/aws-service-role/*"
LINKED_ROLE_MODULE = "leastpriv.iam.service_linked_role"

# What the doctor asks about stands for any name.
EXAMPLE = "leastpriv-doctor"

# IAM's quota for all inline policies of a role, white space not counted.
LARGEST = 10_240

ROLE = re.compile(r"(?P<path>/(?:[!-.0-~][!-~]*/)?)(?P<name>[\w+=,.@-]{1,64})", re.ASCII)
PRINCIPAL = re.compile(r"arn:(?P<partition>aws(?:-[a-z]+)*):iam::[0-9]{12}:(?:root|(?:role|user)/[\w+=,.@/-]+)", re.ASCII)
ARN = re.compile(r"arn:aws(?:-[a-z]+)*:[a-z0-9]+:[a-z0-9*-]*:[0-9*]*:[!-~]+")
NAME = re.compile(r"[\w+=,.@*?/-]+", re.ASCII)
PATH = re.compile(r"/(?:[\w+=,.@-]+/)*", re.ASCII)
EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
JOURNAL = re.compile(r"s3://(?P<bucket>[a-z0-9.-]+)/?(?P<prefix>[\w!.*'()/-]*)", re.ASCII)
ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")


class PolicyError(LeastprivError):
    """A policy cannot be made from these settings; the message names the setting and what it may hold."""


@dataclass(frozen=True)
class Scope:
    """What the account roles are limited to.

    `role` is the account role's path and name, `runners` the ARNs of who assumes it, `policies` and `boundaries` are
    patterns of policies' names (with their path), `protected` the entries of remediate_protected_principals.
    """

    role: str
    runners: tuple[str, ...] = ()
    partition: str = "aws"
    policies: tuple[str, ...] = ("*-prisma-restrictions-*",)
    boundaries: tuple[str, ...] = ("*",)
    principal_path: str = "/"
    protected: tuple[Mapping[str, Any], ...] = ()

    def arn(self, resource: str, account: str = "*") -> str:
        return f"arn:{self.partition}:iam::{account}:{resource}"

    @property
    def role_arn(self) -> str:
        return self.arn(f"role{self.role}")

    @property
    def own_runners(self) -> tuple[str, ...]:
        """The runners that are one principal; a root stands for its whole account."""
        return tuple(arn for arn in self.runners if not arn.endswith(":root"))


@dataclass(frozen=True)
class Need:
    """Actions that must be allowed together: on each of `resources`, under `condition` (operator, key, patterns)."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    condition: tuple[str, str, tuple[str, ...]] | None = None


@dataclass(frozen=True)
class Queues:
    """What the runner itself uses: ARNs; `journal` is s3://bucket/prefix, `accounts` the account roles' ARNs."""

    queue: str
    quarantine: str = ""
    keys: tuple[str, ...] = ()
    journal: str = ""
    redrive: bool = False
    accounts: tuple[str, ...] = ()
    organization: str = ""


def read_operations(words: Iterable[str], undo: bool, on_quota: str) -> tuple[list[Operation], list[Operation]]:
    """The rows that are meant by sets and operations, in either spelling; those that undo them. Raises PolicyError."""
    names = {name for word in words for name in _meant(word)}
    names |= set(CONSOLIDATE) if on_quota == "consolidate" else set()
    rows = [OPERATIONS[name] for name in sorted(names)]
    undoing = {name for row in rows if undo and not isinstance(row.undo, Lost) for name in row.undo or ()}
    return rows, [OPERATIONS[name] for name in sorted(undoing)]


def _meant(word: str) -> Sequence[str]:
    if word in SETS:
        return SETS[word]
    if word not in OPERATION_NAMES:
        close = get_close_matches(str(word), [*SETS, *OPERATION_NAMES], 1)
        advice = f"did you mean {close[0]}?" if close else f"give {', '.join(SETS)}, or names as attach-user-policy."
        raise PolicyError(f"operations: {word!r} is neither a set nor an operation of IAM; {advice}")
    row = OPERATIONS[OPERATION_NAMES[word]]
    if row.refused:
        raise PolicyError(f"operations: {word} is never run, and needs no permission: {row.refused}.")
    return [row.name]


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


# --- the account role ---


def account_needs(rows: Sequence[Operation], undoing: Sequence[Operation], scope: Scope) -> list[Need]:
    """What the account role must be allowed, for these operations and for those that undo them."""
    actions = {action for row in (*rows, *undoing) for action in permissions(row)}
    needs = [
        Need("Observe", tuple(sorted({PRELOAD, *filter(_is_read, actions)}))),
        Need("Doctor", ("iam:GetRole", "iam:SimulatePrincipalPolicy"), (scope.role_arn,)),
    ]
    undone = {row.name for row in undoing}
    chosen = {row.name for row in rows}
    for name, row in sorted({row.name: row for row in (*rows, *undoing)}.items()):
        sid, condition = _limit(name, name in chosen, name in undone, scope)
        needs.append(Need(sid, (f"iam:{name}",), _resources(row, scope), condition))
        if "iam:PassRole" in permissions(row):
            needs.append(Need("Change", ("iam:PassRole",), (scope.arn(f"role{scope.principal_path}*"),)))
    return needs


def _is_read(action: str) -> bool:
    return action.partition(":")[2].startswith(READS)


def _resources(row: Operation, scope: Scope) -> tuple[str, ...]:
    found = next((resource for parameter, resource in RESOURCES if parameter in row.parameters), "*")
    if row.module == LINKED_ROLE_MODULE:
        found = LINKED_ROLES
    if found == "*":
        return ("*",)
    policies = scope.policies if "{policy}" in found else ("",)
    return tuple(scope.arn(found.format(path=scope.principal_path, policy=name)) for name in policies)


def _limit(operation: str, is_chosen: bool, is_undo: bool, scope: Scope) -> tuple[str, Any]:
    """The statement that an operation goes into, and the condition that IAM can hold it to."""
    ours = tuple(scope.arn(f"policy/{name}") for name in scope.policies)
    if operation.startswith("Attach"):
        return "Attach", _like("ArnLike", "iam:PolicyARN", ours, scope.policies)
    if operation.startswith("Detach"):
        if is_chosen and is_undo:
            return "Detach", None
        # A script detaches what allows; what we attached denies, and only an undo takes it away again.
        return "Detach", _like("ArnLike" if is_undo else "ArnNotLike", "iam:PolicyARN", ours, scope.policies)
    if re.fullmatch("Put.*PermissionsBoundary|CreateUser|CreateRole", operation):
        bounds = tuple(scope.arn(f"policy/{name}") for name in scope.boundaries)
        return "Bound", _like("ArnLike", "iam:PermissionsBoundary", bounds, scope.boundaries)
    return "Change", None


def _like(operator: str, key: str, arns: tuple[str, ...], names: Sequence[str]) -> Any:
    return None if "*" in names else (operator, key, arns)


def account_policy(rows: Sequence[Operation], undoing: Sequence[Operation], scope: Scope) -> dict[str, Any]:
    """The account role's permissions policy. Raises PolicyError when IAM would find it too large."""
    return _document([*_allowed(account_needs(rows, undoing, scope)), *_denied(scope)], "operations")


def trust_policy(scope: Scope, external_id: str) -> dict[str, Any]:
    """Who may assume the account role; with an external id nobody can talk the runner into it for somebody else."""
    condition = {"Condition": {"StringEquals": {"sts:ExternalId": external_id}}} if external_id else {}
    statement = {
        "Sid": "Runner",
        "Effect": "Allow",
        "Principal": {"AWS": list(scope.runners)},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        **condition,
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


# --- the runner ---


def runner_needs(queues: Queues, scope: Scope) -> list[Need]:
    """What the runner must be allowed by itself. SQS's batch calls are authorised as the single ones."""
    receiving = ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage")
    sending = ("sqs:SendMessage",)
    finding = ("sqs:GetQueueAttributes", "sqs:GetQueueUrl")
    back = queues.redrive and bool(queues.quarantine)
    needs = [Need("Queue", (*finding, *receiving, *(sending if back else ())), (queues.queue,))]
    if queues.quarantine:
        needs.append(Need("Quarantine", (*finding, *sending, *(receiving if back else ())), (queues.quarantine,)))
    needs += [*_key_needs(queues, scope), *_journal_needs(queues, scope), *_assuming_needs(queues)]
    doctor = ("iam:GetRole", "iam:SimulatePrincipalPolicy")
    return [*needs, *([Need("Doctor", doctor, scope.own_runners)] if scope.own_runners else [])]


def _key_needs(queues: Queues, scope: Scope) -> list[Need]:
    if not queues.keys:
        return []
    actions = ("kms:Decrypt", *(("kms:GenerateDataKey",) if queues.quarantine else ()))
    domain = "amazonaws.com.cn" if scope.partition == "aws-cn" else "amazonaws.com"
    via = (f"sqs.{queues.queue.split(':')[3]}.{domain}",)
    return [Need("Keys", actions, queues.keys, ("StringLike", "kms:ViaService", via))]


def _journal_needs(queues: Queues, scope: Scope) -> list[Need]:
    match = JOURNAL.fullmatch(queues.journal)
    if not match:
        return []
    bucket = f"arn:{scope.partition}:s3:::{match['bucket']}"
    objects = "/".join(part for part in (bucket, match["prefix"].strip("/"), "*") if part)
    writing = ("s3:GetObject", "s3:GetObjectTagging", "s3:PutObject", "s3:PutObjectAcl")
    return [
        Need("JournalBucket", ("s3:GetBucketOwnershipControls", "s3:ListBucket"), (bucket,)),
        Need("Journal", writing, (objects,)),
    ]


def _assuming_needs(queues: Queues) -> list[Need]:
    if not queues.accounts:
        return []
    condition = ("StringEquals", "aws:ResourceOrgID", (queues.organization,)) if queues.organization else None
    return [Need("Accounts", ("sts:AssumeRole", "sts:TagSession"), queues.accounts, condition)]


def runner_policy(queues: Queues, scope: Scope) -> dict[str, Any]:
    """The runner's own permissions policy. Raises PolicyError for what is no ARN, or when it is too large."""
    _check("The queue", ARN, [queues.queue], "its name, URL or ARN (SQS_QUEUE_NAME, SQS_QUEUE_URL, queue_arn)")
    _check("The quarantine queue", ARN, filter(None, [queues.quarantine]), "its name, URL or ARN")
    _check("key_arns", ARN, queues.keys, "ARNs of KMS keys")
    _check("organization", ORGANIZATION, filter(None, [queues.organization]), "the id of an organization, o-...")
    _check("remediate_journal_s3", JOURNAL, filter(None, [queues.journal]), "s3://bucket/prefix")
    return _document([*_allowed(runner_needs(queues, scope)), _never_itself(scope)], "accounts, or give organization,")


# --- what a simulation is asked ---


def checks(needs: Iterable[Need], account_id: str) -> list[dict[str, Any]]:
    """Needs as questions for SimulatePrincipalPolicy: `actions`, an example of a `resource`, and the `context`."""
    together: dict[Any, set[str]] = {}
    for need in needs:
        context = tuple(_examples(*need.condition) if need.condition else ())
        for resource in need.resources:
            together.setdefault((_example(resource, account_id), context), set()).update(need.actions)
    return [
        {"actions": sorted(actions), "resource": resource, "context": dict(context)}
        for (resource, context), actions in together.items()
    ]


def _examples(operator: str, key: str, patterns: Sequence[str]) -> list[tuple[str, str]]:
    if operator == "ArnNotLike":
        return [(key, f"arn:{patterns[0].split(':')[1]}:iam::aws:policy/AdministratorAccess")]
    return [(key, _example(patterns[0], "123456789012"))]


def _example(pattern: str, account_id: str) -> str:
    """Something that a pattern matches: what any account, any name, any character may be."""
    parts = pattern.split(":", 5)
    if len(parts) == 6 and parts[4] == "*":
        parts[4] = account_id
    text = ":".join(parts)
    return text if text == "*" else text.replace("*", EXAMPLE).replace("?", "x")


# --- statements ---


def _allowed(needs: Sequence[Need]) -> list[dict[str, Any]]:
    """One statement for all needs of a Sid and condition. An action knows one kind of resource: mixing them adds nothing."""
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


def _denied(scope: Scope) -> list[dict[str, Any]]:
    return [_never_itself(scope), *_never_protected(scope.protected, scope.partition)]


def _never_itself(scope: Scope) -> dict[str, Any]:
    return _deny("NeverItself", sorted({scope.role_arn, *scope.own_runners}))


def _never_protected(entries: Sequence[Mapping[str, Any]], partition: str) -> list[dict[str, Any]]:
    """A statement for all entries that never expire, and one for each date; an expired one denies no more."""
    by_end: dict[str, set[str]] = {}
    for entry in entries:
        end = utc_text(read_time(str(entry["expires"]))) if entry.get("expires") else ""
        by_end.setdefault(end, set()).update(_resource_patterns(str(entry["arn"]), partition))
    return [
        _deny(f"NeverProtected{number or ''}", sorted(arns), {"DateLessThan": {"aws:CurrentTime": end}} if end else None)
        for number, (end, arns) in enumerate(sorted(by_end.items()))
    ]


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
        raise PolicyError(f"The policy has {size} characters, and a role takes {LARGEST}: name fewer {less} and try again.")
    return document
