# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps -> a sentence: `Will create policy P and attach it to user ann.`"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import Step

# Operations whose name and target are not clear enough. Fields are the API's parameters.
PHRASES = (
    (r"CreatePolicy", "create policy {PolicyName}"),
    (r"CreatePolicyVersion", "create a new version of {policy}"),
    (r"Attach(User|Role|Group)Policy", "attach {policy} to {kind} {name}"),
    (r"Detach(User|Role|Group)Policy", "detach {policy} from {kind} {name}"),
    (r"Put(User|Role|Group)Policy", "put inline policy {PolicyName} on {kind} {name}"),
    (r"Delete(User|Role|Group)Policy", "delete inline policy {PolicyName} of {kind} {name}"),
    (r"Put(User|Role)PermissionsBoundary", "set the permissions boundary of {kind} {name}"),
    (r"Delete(User|Role)PermissionsBoundary", "remove the permissions boundary of {kind} {name}"),
    (r"AddUserToGroup", "add user {UserName} to group {GroupName}"),
    (r"RemoveUserFromGroup", "remove user {UserName} from group {GroupName}"),
    (r"UpdateAccessKey", "set access key {AccessKeyId} of user {UserName} to {Status}"),
    (r"DeleteAccessKey", "delete access key {AccessKeyId} of user {UserName}"),
    (r"UpdateAccountPasswordPolicy", "update the account's password policy"),
)
# The irregular verbs of IAM's operations.
PAST = {"put": "put", "set": "set", "reset": "reset", "send": "sent", "tag": "tagged", "untag": "untagged"}
ACRONYMS = {"id": "ID", "mfa": "MFA", "saml": "SAML", "ssh": "SSH"}


def sentence(steps: Sequence[Step], is_done: bool) -> str:
    """Describe what steps will do, or did.

    :param steps: with `operation`, `target` and, if they are known, the API's `parameters`.
    :returns: text; names in it are untrusted.
    """
    created: str | None = None
    phrases: list[str] = []
    for step in steps:
        phrases.append(_phrase(step, created))
        created = step.get("parameters", {}).get("PolicyName") if step["operation"] == "CreatePolicy" else None
    past = [_in_past(phrase) for phrase in phrases] if is_done else phrases
    joined = " and ".join(filter(None, (", ".join(past[:-1]), past[-1])))
    return f"{joined[0].upper()}{joined[1:]}." if is_done else f"Will {joined}."


def _phrase(step: Step, created: str | None) -> str:
    parameters = step.get("parameters") or {}
    for pattern, phrase in PHRASES:
        if match := re.fullmatch(pattern, step["operation"]):
            known = {**parameters, **_named(match, parameters, created)}
            if {*re.findall(r"{(\w+)}", phrase)} <= known.keys():
                return phrase.format_map(known)
    words = cli_name(step["operation"]).split("-")
    return f"{' '.join(ACRONYMS.get(word, word) for word in words)} {step['target']}".strip()


def _named(match: re.Match[str], parameters: Mapping[str, Any], created: str | None) -> dict[str, str]:
    kind = match[1] if match.re.groups else ""
    named = {"kind": kind.lower(), "name": parameters[f"{kind}Name"]} if f"{kind}Name" in parameters else {}
    policy = str(parameters.get("PolicyArn", "")).rpartition("/")[2]
    return {**named, "policy": "it" if policy and policy == created else f"policy {policy}"} if policy else named


def _in_past(phrase: str) -> str:
    verb, _space, rest = phrase.partition(" ")
    past = PAST.get(verb) or verb + ("d" if verb.endswith("e") else "ed")
    return f"{past} {rest}".strip()
