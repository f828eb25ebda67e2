# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the emulator's log of a playbook's changes against what its journals say was declared, call by call.

`run_playbook` names its artifacts folder in the user agent of its calls, by which each call finds its journals.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.call_fence import DOCUMENTS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import (
    PolicyDocumentError,
    canonical,
    read_document,
)
from botocore.serialize import create_serializer

from .process import Stack

MEMBER = re.compile(r"(?P<list>.+)\.member\.(?P<place>\d+)(?P<rest>.*)")
Call = tuple[str, str, str]


def undeclared_calls(stack: Stack) -> list[str]:
    """What breaks the promise: a call that no journal declared, and a change that was written down and never made."""
    sent = stack.changes_of_runs()
    problems = []
    for run in sorted({call["run"] for call in sent}):
        mine = [call for call in sent if call["run"] == run]
        entries = list(_journal_entries(stack.runs[run]))
        declared = {key for entry in entries if entry["event"] == "intent" for key in _declared(entry)}
        problems += [
            f"{call['action']} of {run} was sent and not declared: {call['parameters']}"
            for call in mine
            if _sent(call) not in declared
        ]
        made = {_sent(call) for call in mine if call["status"] == 200}
        problems += [f"{key} of {run} was written down and not sent" for key in _written_down(entries) - made]
    return problems


def _journal_entries(folder: Path) -> Iterator[dict[str, Any]]:
    for journal in folder.glob("*/journal.jsonl"):
        for line in journal.read_text().splitlines():
            yield json.loads(line)


def _declared(entry: dict[str, Any]) -> list[Call]:
    calls = [(call["operation"], _flat(call["operation"], call["parameters"])) for call in entry["calls"]]
    return [(entry["account_id"], operation, _normal(operation, flat)) for operation, flat in calls]


def _written_down(entries: list[dict[str, Any]]) -> set[Call]:
    """The calls of the steps that the journal says have changed something."""
    changed = {_step(entry) for entry in entries if entry["event"] == "result" and entry["result"] == "changed"}
    intents = [entry for entry in entries if entry["event"] == "intent" and _step(entry) in changed]
    return {key for entry in intents for key in _declared(entry)}


def _step(entry: dict[str, Any]) -> tuple[Any, ...]:
    return entry["run_id"], entry["account_id"], entry["message_id"], entry["index"]


def _sent(call: dict[str, Any]) -> Call:
    return call["account"], call["action"], _normal(call["action"], call["parameters"])


@functools.cache
def _model() -> Any:
    return botocore.session.Session().get_service_model("iam")


def _flat(operation: str, parameters: dict[str, Any]) -> dict[str, str]:
    """The form that IAM gets: https://docs.aws.amazon.com/IAM/latest/UserGuide/programming.html"""
    serializer = create_serializer("query", include_validation=False)
    body = serializer.serialize_to_request(parameters, _model().operation_model(operation))["body"]
    return {name: _as_text(value) for name, value in body.items() if name not in ("Action", "Version")}


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _normal(operation: str, flat: dict[str, str]) -> str:
    """The parameters as IAM takes them: defaults left out, documents by what they say, lists in any order."""
    defaults = _flat(operation, OPERATIONS[operation].defaults)
    given = {name: _document(value) if name in DOCUMENTS else value for name, value in flat.items()}
    left = {name: value for name, value in given.items() if defaults.get(name) != value}
    members: dict[tuple[str, str], dict[str, str]] = {}
    for name in [name for name in left if MEMBER.fullmatch(name)]:
        found = MEMBER.fullmatch(name)
        members.setdefault((found["list"], found["place"]), {})[found["rest"]] = left.pop(name)
    lists = sorted([name, *sorted(values.items())] for (name, _place), values in members.items())
    return json.dumps([left, lists], sort_keys=True)


def _document(text: str) -> str:
    try:
        return canonical(read_document(text))
    except PolicyDocumentError:
        return text
