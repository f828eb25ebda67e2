# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guardrails that a script alone decides, before anything is read from AWS."""

from __future__ import annotations

import re

from ansible_collections.leastpriv.iam.plugins.module_utils.arns import DOCUMENTS, PARTITION, names_account, own_arns_in
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails import Refusal, is_open
from ansible_collections.leastpriv.iam.plugins.module_utils.policy_document import (
    PolicyDocumentError,
    check_grammar,
    is_deny_only,
    read_document,
)

# Parameters whose value is one ARN: there, unlike in a document, a wildcard or a variable means nothing to IAM.
ONE_ARN = re.compile(r".*Arn|PermissionsBoundary")


def refusals(call, row, account_id, allow):
    """Check one call against the static guardrails.

    :param call: a C(model.Call).
    :param row: its C(operations.Operation).
    :param account_id: the alert's account, 12 digits.
    :param allow: the user's C(remediate_allow).
    :returns: list of (C(Refusal), the name of the parameter it is about or None).
    """
    # Whatever is created may bring tags with it.
    rules = dict.fromkeys([*row.guards, *(["no_tags"] if "Tags" in call.parameters else [])])
    checks = [(rule, CHECKS[rule]) for rule in rules if not is_open(rule, call.operation, allow)]
    found = [refusal for rule, check in checks for refusal in check(rule, call)]
    return found + _right_account(call, account_id)


def unreadable_documents(call, row, allow):
    """The policy documents of a call that IAM would not take, or not read as we do.

    :returns: list of (what is wrong, the name of the parameter).
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


def _deny_only(rule, call):
    parameter = "PolicyDocument"
    try:
        document = _script_document(call.parameters[parameter])
    except PolicyDocumentError:
        document = {}
    # Without statements it is among the unreadable documents, which are never applied.
    if not document.get("Statement") or is_deny_only(document):
        return []
    return [(Refusal(rule, "its policy document allows something"), parameter)]


def _script_document(text):
    # IAM's own answers are URL-encoded; what it is sent is not.
    if text.lstrip()[:1] == "%":
        raise PolicyDocumentError("it is URL-encoded")
    return read_document(text)


def _no_activation(rule, call):
    if call.parameters.get("Status") == "Inactive":
        return []
    return [(Refusal(rule, f"it sets a credential to {call.parameters.get('Status')}"), "Status")]


def _account_settings(rule, call):
    # Tokens of version 1 are valid in fewer regions.
    if call.parameters.get("GlobalEndpointTokenVersion") == "v1Token":
        return []
    return [(Refusal(rule, "it changes a setting of the whole account"), None)]


def _never(detail):
    def check(rule, call):
        return [(Refusal(rule, detail), None)]

    return check


CHECKS = {
    "account_settings": _account_settings,
    "deny_only": _deny_only,
    "keep_boundary": _never("it removes a permissions boundary"),
    "keep_mfa": _never("it takes an MFA device away"),
    "keep_trust": _never("it changes who may assume a role"),
    "no_activation": _no_activation,
    "no_creation": _never("it creates a principal or hands a role to an instance profile"),
    "no_deletion": _never("it deletes who or what signs in"),
    "no_membership": _never("it adds a user to a group"),
    "no_renaming": _never("it changes a name or a path, and with it an ARN"),
    "no_tags": _never("it changes tags"),
    "no_trust": _never("it trusts an identity provider with more"),
    "password_policy": _never("it deletes the account's password policy"),
}


def _right_account(call, account_id):
    found = []
    for parameter, value in call.parameters.items():
        details = [_wrong_place(match, account_id) for match in own_arns_in(parameter, value)]
        if ONE_ARN.fullmatch(parameter):
            details.append(_no_single_arn(value, account_id))
        wrong = next(filter(None, details), None)
        if wrong:
            found.append((Refusal("right_account", wrong), parameter))
    return found


def _no_single_arn(value, account_id):
    if re.fullmatch(rf"arn:[^:*?]+:iam::(aws|{account_id}):[^*?\s]+", value):
        return None
    return f"it names nothing that belongs to account {account_id}"


def _wrong_place(match, account_id):
    partition, account = match["partition"], match["account"]
    if not PARTITION.fullmatch(partition) and "*" not in partition:
        return f"it names the partition {partition!r}"
    if account in ("aws", account_id) or not names_account(account):
        return None
    what = "account" if re.fullmatch(r"[0-9]{12}", account) else "no 12-digit account id but"
    return f"the alert is about account {account_id} and the script names {what} {account!r}"
