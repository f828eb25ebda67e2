# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps -> a sentence: `Will create policy P and attach it to user ann.`"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import Step

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
    row, parameters = OPERATIONS.get(step["operation"]), step.get("parameters") or {}
    known = {**parameters, **_policy(parameters, created)}
    if row and row.phrase and {*re.findall(r"{(\w+)}", row.phrase)} <= known.keys():
        return row.phrase.format_map(known)
    words = cli_name(step["operation"]).split("-")
    return f"{' '.join(ACRONYMS.get(word, word) for word in words)} {step['target']}".strip()


def _policy(parameters: Mapping[str, Any], created: str | None) -> dict[str, str]:
    name = str(parameters.get("PolicyArn", "")).rpartition("/")[2]
    return {"policy": "it" if name == created else f"policy {name}"} if name else {}


def _in_past(phrase: str) -> str:
    verb, _space, rest = phrase.partition(" ")
    past = PAST.get(verb) or verb + ("d" if verb.endswith("e") else "ed")
    return f"{past} {rest}".strip()
