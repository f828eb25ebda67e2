# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runner and the account roles need in AWS, and no more, by the table of operations. Pure.

Actions, resources and condition keys follow "Actions, resources, and condition keys for AWS Identity and Access
Management (IAM)" in the Service Authorization Reference. IAM never reaches into another account, so an ARN's
account may be any: one policy serves all accounts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS, STEPS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.row import RESTRICT, Operation
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.undo import Undo
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import OPERATION_NAMES

VENDOR = ("AttachGroupPolicy", "AttachRolePolicy", "AttachUserPolicy", "CreatePolicy")
# The operations that replace the vendor's policies if remediate_on_quota is `consolidate`.
CONSOLIDATE = ("PutGroupPolicy", "PutRolePolicy", "PutUserPolicy")
SETS = {
    "vendor": VENDOR,
    "restrict": tuple(row.name for row in STEPS if row.effect == RESTRICT),
    "all": tuple(row.name for row in STEPS),
}

READS = ("Get", "List")
# One reading of the whole account instead of many (module_utils/account/iam_account.py).
PRELOAD = "iam:GetAccountAuthorizationDetails"
# What remediate_prove: access_analyzer asks.
NEW_ACCESS = "access-analyzer:CheckNoNewAccess"

# When access was last used (module_utils/observation/usage.py).
USAGE = ("iam:GenerateServiceLastAccessedDetails", "iam:GetServiceLastAccessedDetails")

# The doctor asks about this name in place of any other.
EXAMPLE = "leastpriv-doctor"

JOURNAL = re.compile(r"s3://(?P<bucket>[a-z0-9.-]+)/?(?P<prefix>[\w!.*'()/-]*)", re.ASCII)


class PolicyError(LeastprivError):
    """A policy cannot be made from these settings; the message names the setting and what it may hold."""


@dataclass(frozen=True)
class Scope:
    """What the account roles are limited to.

    `role` is the account role's path and name, `runners` the ARNs of who assumes it, `policies` and `boundaries` are
    patterns of policies' names (with their path), `protected` the entries of remediate_protected_principals,
    `asks_analyzer` whether IAM Access Analyzer is asked about replacements, `usage` whether remediate_usage is on,
    `cloudtrail` whether its history is read.
    """

    role: str
    runners: tuple[str, ...] = ()
    partition: str = "aws"
    policies: tuple[str, ...] = ("*-prisma-restrictions-*",)
    boundaries: tuple[str, ...] = ("*",)
    principal_path: str = "/"
    cloudtrail: bool = False
    protected: tuple[Mapping[str, Any], ...] = ()
    asks_analyzer: bool = False
    usage: bool = False

    def arn(self, resource: str, account: str = "*") -> str:
        return f"arn:{self.partition}:iam::{account}:{resource}"

    @property
    def role_arn(self) -> str:
        return self.arn(f"role{self.role}")

    @property
    def own_runners(self) -> tuple[str, ...]:
        """The runners that are one principal; a root means its whole account."""
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
    """What the runner itself uses: ARNs; `journal` is s3://bucket/prefix, `accounts` the account roles' ARNs.

    `cleanup`: files of old runs are removed below `journal`; `requeue`: reverted alerts are sent to the queue.
    """

    queue: str
    quarantine: str = ""
    keys: tuple[str, ...] = ()
    journal: str = ""
    cleanup: bool = False
    requeue: bool = False
    redrive: bool = False
    accounts: tuple[str, ...] = ()
    organization: str = ""


def read_operations(words: Iterable[str], undo: bool, on_quota: str) -> tuple[list[Operation], list[Operation]]:
    """The rows that are meant by sets and operations, in either spelling; those that undo them. Raises PolicyError."""
    names = {name for word in words for name in _meant(word)}
    names |= set(CONSOLIDATE) if on_quota == "consolidate" else set()
    rows = [OPERATIONS[name] for name in sorted(names)]
    undoing = {name for row in rows if undo and isinstance(row.undo, Undo) for name in row.undo.operations}
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


# --- the account role ---


def account_needs(rows: Sequence[Operation], undoing: Sequence[Operation], scope: Scope) -> list[Need]:
    """What the account role must be allowed, for these operations and for those that undo them."""
    actions = {action for row in (*rows, *undoing) for action in row.permissions}
    asking = (NEW_ACCESS,) if scope.asks_analyzer else ()
    # Of the members of a group.
    tags = ("iam:GetUser",) if any(entry.get("tag") for entry in scope.protected) else ()
    needs = [
        Need("Observe", tuple(sorted({PRELOAD, *asking, *tags, *filter(_is_read, actions)}))),
        Need("Doctor", ("iam:GetRole", "iam:SimulatePrincipalPolicy"), (scope.role_arn,)),
        *([Need("History", ("cloudtrail:LookupEvents",))] if scope.cloudtrail else []),
    ]
    if scope.usage:
        needs.append(Need("Usage", USAGE))
    undone = {row.name for row in undoing}
    chosen = {row.name for row in rows}
    for name, row in sorted({row.name: row for row in (*rows, *undoing)}.items()):
        sid, condition = _limit(row, name in chosen, name in undone, scope)
        needs.append(Need(sid, (f"iam:{name}",), _resources(row, scope), condition))
        if "iam:PassRole" in row.permissions:
            needs.append(Need("Change", ("iam:PassRole",), (scope.arn(f"role{scope.principal_path}*"),)))
    return needs


def _is_read(action: str) -> bool:
    return action.partition(":")[2].startswith(READS)


def _resources(row: Operation, scope: Scope) -> tuple[str, ...]:
    if row.policy_resource == "*":
        return ("*",)
    policies = scope.policies if "{policy}" in row.policy_resource else ("",)
    return tuple(scope.arn(row.policy_resource.format(path=scope.principal_path, policy=name)) for name in policies)


def _limit(row: Operation, is_chosen: bool, is_undo: bool, scope: Scope) -> tuple[str, Any]:
    """The statement of an operation, and the condition that IAM can check for it."""
    sid, is_both = row.statement, is_chosen and is_undo
    if sid in ("Attach", "Detach") and not is_both:
        # A script attaches what denies and detaches what allows; only an undo does it the other way round.
        operator = "ArnLike" if (sid == "Attach") == is_chosen else "ArnNotLike"
        return sid, _limited_to(operator, "iam:PolicyARN", scope.policies, scope)
    if sid == "Bound" and not is_undo:
        return sid, _limited_to("ArnLike", "iam:PermissionsBoundary", scope.boundaries, scope)
    return sid, None


def _limited_to(operator: str, key: str, names: Sequence[str], scope: Scope) -> Any:
    return None if "*" in names else (operator, key, tuple(scope.arn(f"policy/{name}") for name in names))


# --- the runner ---


def runner_needs(queues: Queues, scope: Scope) -> list[Need]:
    """What the runner must be allowed by itself. SQS's batch calls are authorised as the single ones."""
    receiving = ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage")
    sending = ("sqs:SendMessage",)
    finding = ("sqs:GetQueueAttributes", "sqs:GetQueueUrl")
    back = queues.redrive and bool(queues.quarantine)
    needs = [Need("Queue", (*finding, *receiving, *(sending if back or queues.requeue else ())), (queues.queue,))]
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
    removing = ("s3:DeleteObject",) if queues.cleanup else ()
    return [
        Need("JournalBucket", ("s3:GetBucketOwnershipControls", "s3:ListBucket"), (bucket,)),
        Need("Journal", (*writing, *removing), (objects,)),
    ]


def _assuming_needs(queues: Queues) -> list[Need]:
    if not queues.accounts:
        return []
    condition = ("StringEquals", "aws:ResourceOrgID", (queues.organization,)) if queues.organization else None
    return [Need("Accounts", ("sts:AssumeRole", "sts:TagSession"), queues.accounts, condition)]


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
