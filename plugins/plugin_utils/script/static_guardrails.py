# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guardrails that depend on the script alone, before anything is read from AWS."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.replacement import PROVABLE, may_be_proven
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import Refusal, is_open
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.row import Operation
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.arns import (
    DOCUMENTS,
    PARTITION,
    names_account,
    own_arns_in,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import (
    PolicyDocumentError,
    check_grammar,
    is_deny_only,
    read_document,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.resolver import Call

# Parameters whose value is one ARN. Unlike a document, they cannot contain wildcards or variables.
ONE_ARN = re.compile(r".*Arn|PermissionsBoundary")

# A refusal, and the parameter that it is about, if any.
Found = tuple[Refusal, str | None]
Check = Callable[[str, Call], list[Found]]


def refusals(
    call: Call, row: Operation, account_id: str, allow: Collection[str], following: Sequence[Call] | None = None
) -> list[Found]:
    """Check one call against the static guardrails.

    :param row: the call's row of the operations table.
    :param account_id: the alert's account, 12 digits.
    :param allow: the user's `remediate_allow`.
    :param following: the calls of the script behind this one; with them, what the account may prove is left to it.
    """
    # Operations that create something can set tags.
    rules = dict.fromkeys([*row.guards, *(["no_tags"] if "Tags" in call.parameters else [])])
    left = PROVABLE if following is not None and _may_be_proven(call, following) else ()
    checks = [(rule, CHECKS[rule]) for rule in rules if rule not in left and not is_open(rule, call.operation, allow)]
    found = [refusal for rule, check in checks for refusal in check(rule, call)]
    is_proven = bool(left) and not any(is_open(rule, call.operation, allow) for rule in ("keep_trust", "no_widening"))
    named = _parameters_without_trust(call) if is_proven else call.parameters
    return found + _right_account(named, account_id)


def _parameters_without_trust(call: Call) -> Mapping[str, Any]:
    """A trust policy that is proven narrower trusts no account that its role does not trust already."""
    if call.operation != "UpdateAssumeRolePolicy":
        return call.parameters
    return {name: value for name, value in call.parameters.items() if name not in DOCUMENTS}


def _may_be_proven(call: Call, following: Sequence[Call]) -> bool:
    return may_be_proven(call.operation, call.parameters, [(one.operation, one.parameters) for one in following])


def unreadable_documents(call: Call, row: Operation, allow: Collection[str]) -> list[tuple[str, str]]:
    """The policy documents of a call that IAM would reject, or read differently.

    :returns: list of (the error, the name of the parameter).
    """
    is_guarded = "deny_only" in row.guards and not is_open("deny_only", call.operation, allow)
    found = []
    for parameter in sorted(DOCUMENTS & set(call.parameters)):
        try:
            document = _script_document(call.parameters[parameter])
            if is_guarded and parameter == "PolicyDocument":
                check_grammar(document)
        except PolicyDocumentError as error:
            found.append((str(error), parameter))
    return found


def _deny_only(rule: str, call: Call) -> list[Found]:
    parameter = "PolicyDocument"
    try:
        document = _script_document(call.parameters[parameter])
    except PolicyDocumentError:
        document = {}
    # A document without statements is unreadable, and those are never applied.
    if not document.get("Statement") or is_deny_only(document):
        return []
    return [(Refusal(rule, "its policy document allows something"), parameter)]


def _script_document(text: str) -> dict[str, Any]:
    # Only IAM's own answers are URL-encoded.
    if text.lstrip()[:1] == "%":
        raise PolicyDocumentError("it is URL-encoded")
    document: dict[str, Any] = read_document(text)
    return document


def _no_activation(rule: str, call: Call) -> list[Found]:
    if call.parameters.get("Status") == "Inactive":
        return []
    return [(Refusal(rule, f"it sets a credential to {call.parameters.get('Status')}"), "Status")]


def _account_settings(rule: str, call: Call) -> list[Found]:
    # Tokens of version 1 are valid in fewer regions.
    if call.parameters.get("GlobalEndpointTokenVersion") == "v1Token":
        return []
    return [(Refusal(rule, "it changes a setting of the whole account"), None)]


def _never(detail: str) -> Check:
    def check(rule: str, call: Call) -> list[Found]:
        return [(Refusal(rule, detail), None)]

    return check


CHECKS: dict[str, Check] = {
    "account_settings": _account_settings,
    "deny_only": _deny_only,
    "keep_boundary": _never("it removes a permissions boundary"),
    "keep_mfa": _never("it removes an MFA device"),
    "keep_trust": _never("it changes who may assume a role"),
    "no_activation": _no_activation,
    "no_creation": _never("it creates a principal or hands a role to an instance profile"),
    "no_deletion": _never("it deletes a principal or an identity provider"),
    "no_membership": _never("it adds a user to a group"),
    "no_renaming": _never("it changes a name or a path, and with it an ARN"),
    "no_tags": _never("it changes tags"),
    "no_trust": _never("it extends the trust in an identity provider"),
    "password_policy": _never("it deletes the account's password policy"),
}


def _right_account(parameters: Mapping[str, Any], account_id: str) -> list[Found]:
    found: list[Found] = []
    for parameter, value in parameters.items():
        details = [_wrong_place(match, account_id) for match in own_arns_in(parameter, value)]
        if ONE_ARN.fullmatch(parameter):
            details.append(_no_single_arn(value, account_id))
        wrong = next(filter(None, details), None)
        if wrong:
            found.append((Refusal("right_account", wrong), parameter))
    return found


def _no_single_arn(value: str, account_id: str) -> str | None:
    if re.fullmatch(rf"arn:[^:*?]+:iam::(aws|{account_id}):[^*?\s]+", value):
        return None
    return f"it does not name a resource of account {account_id}"


def _wrong_place(match: re.Match[str], account_id: str) -> str | None:
    partition, account = match["partition"], match["account"]
    if not PARTITION.fullmatch(partition) and "*" not in partition:
        return f"it names the partition {partition!r}"
    if account in ("aws", account_id) or not names_account(account):
        return None
    named = f"account {account!r}" if re.fullmatch(r"[0-9]{12}", account) else f"{account!r}, not a 12-digit account id"
    return f"the alert is about account {account_id} and the script names {named}"
