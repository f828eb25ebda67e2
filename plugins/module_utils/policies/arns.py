# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the ARNs in API parameters, wherever they are: in options, in policy documents, behind JSON's escapes.

Source: "Amazon Resource Names (ARNs)" in the AWS General Reference. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .document import PolicyDocumentError, read_document, statements

ARN = re.compile(r"arn:(?P<partition>[^:\s\"']*):[^:\s\"']*:[^:\s\"']*:(?P<account>[^:\s\"']*):")
ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})")
PARTITION = re.compile(r"aws(-[a-z]+)*")
DOCUMENTS = {"AssumeRolePolicyDocument", "PolicyDocument"}
WHAT_IT_DENIES = {"Condition", "NotResource", "Resource"}


def arns_in(value: Any) -> Iterator[re.Match[str]]:
    """The beginnings of the ARNs in a parameter's value, as matches with `partition` and `account`."""
    return ARN.finditer(_searchable(value))


def own_arns_in(name: str, value: Any) -> Iterator[re.Match[str]]:
    """The same of what a call itself names: not of what a Deny in a policy document is about, which only restricts."""
    return arns_in(_without_denied(value) if name in DOCUMENTS else value)


def denied_elsewhere(parameters: Mapping[str, Any], account_id: str, partition: str | None = None) -> list[str]:
    """The places outside an account that the Deny statements of policy documents are about.

    :param partition: the account's, None where it is not known.
    :returns: sorted list as `["account 210987654321", "partition aws-cn"]`; wildcards and variables name no place.
    """
    found = [
        match
        for name in DOCUMENTS & set(parameters)
        for statement in _deny_statements(parameters[name])
        for part in WHAT_IT_DENIES & set(statement)
        for match in arns_in(json.dumps(statement[part], ensure_ascii=False))
    ]
    accounts = {match["account"] for match in found if names_account(match["account"])} - {"aws", account_id}
    named = {match["partition"] for match in found if PARTITION.fullmatch(match["partition"])} - {partition}
    return sorted([f"account {one}" for one in accounts] + [f"partition {one}" for one in named if partition])


def names_account(account: str) -> bool:
    """Whether the account of an ARN is one at all; empty in services without, a wildcard or a variable names none."""
    return bool(account) and not re.search(r"[*?]|^\$\{", account)


def partitions(parameters: Mapping[str, Any]) -> set[str]:
    """The partitions that the ARNs which a call itself names are in; wildcards name none."""
    named = {match["partition"] for name, value in parameters.items() for match in own_arns_in(name, value)}
    return {partition for partition in named if PARTITION.fullmatch(partition)}


def _without_denied(text: str) -> str:
    """A policy document without what its Deny statements are about; what cannot be read stays whole."""
    try:
        document = read_document(text)
    except PolicyDocumentError:
        return text
    kept = [
        {key: value for key, value in one.items() if key not in WHAT_IT_DENIES} if _is_deny(one) else one
        for one in statements(document)
    ]
    return json.dumps({**document, "Statement": kept}, ensure_ascii=False)


def _deny_statements(text: str) -> list[dict[str, Any]]:
    try:
        return [one for one in statements(read_document(text)) if _is_deny(one)]
    except PolicyDocumentError:
        return []


def _is_deny(statement: Any) -> bool:
    return isinstance(statement, dict) and statement.get("Effect") == "Deny"


def resource_of(arn: str) -> tuple[str, str, str]:
    """`arn:aws:iam::123456789012:user/path/bob` -> `("user", "/path/", "bob")`."""
    kind, _slash, rest = arn.split(":", 5)[5].partition("/")
    path, _last_slash, name = rest.rpartition("/")
    return kind, f"/{path}/" if path else "/", name


def _searchable(value: Any) -> str:
    """A value as text, a document both as it is written and without its JSON escapes."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        return f"{value}\n{json.dumps(read_document(value), ensure_ascii=False)}"
    except PolicyDocumentError:
        return f"{value}\n{ESCAPE.sub(lambda match: chr(int(match[1], 16)), value)}"
