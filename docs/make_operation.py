# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the row and the fixture of an IAM operation to fill in, from botocore's model: `make operation NAME=...`."""

from __future__ import annotations

import difflib
import functools
import html
import os
import re
import sys
from pathlib import Path

import botocore.session

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    # Ansible reads its settings at import, and its list of collections only once.
    os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(ROOT / "collections")])

from ansible_collections.leastpriv.iam.plugins.module_utils import operations as package
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS, STEPS, targets

OPPOSITES = {
    "Add": "Remove",
    "Attach": "Detach",
    "Create": "Delete",
    "Disable": "Enable",
    "Put": "Delete",
    "Tag": "Untag",
}
VERB = re.compile("[A-Z][a-z]+")


class NotPrinted(Exception):
    """No row can be printed; the text says why, and what to do."""


@functools.cache
def _model():
    return botocore.session.get_session().get_service_model("iam")


def printed(name):
    """The row and the fixture as text.

    :param name: the API name or the CLI's, e.g. `UpdateUser` or `update-user`.
    :raises NotPrinted: IAM has no such operation, it only reads, or it has a row.
    """
    model = _model()
    operation = _operation(model, name)
    target, twins = _target(operation), _twins(operation)
    reads = _reads(model, operation, target)
    fields = [
        ("name", f'"{operation.name}"', ""),
        ("module", f'"{twins[0].module}"', "a guess: the module that makes exactly this change"),
        ("args", _args(operation), "the options of that module, fixed ones too"),
        ("observe", _snake(operation.name), "a function of this file, or of a twin"),
        ("already_true", '""', "when nothing has to be changed, as a clause"),
        ("effect", "RESTRICT", "or WIDEN, DESTRUCTIVE, NEUTRAL"),
        ("undo", _undo(model, operation), "with calls=..., or Irreversible(...)"),
        ("guards", "()", "ids of guardrails/rules.py; an operation that widens access needs one"),
        *([("target", _target_name(target), "")] if target else []),
        ("reads", _tuple(reads), f"those of observe and of the module, not more{'' if reads else '; none was found'}"),
        *([("requires", _tuple(_caller_parameters(operation)), "")] if _caller_parameters(operation) else []),
    ]
    row = [f"        {field}={value},{'  # ' + hint if hint else ''}" for field, value, hint in fields]
    return "\n".join(
        [
            *_described(operation),
            "# A row of ROWS in the file of its noun in plugins/module_utils/operations/. Similar rows:",
            *(f"# {row.name} in {_file_of(row)}, with {row.module}" for row in twins),
            "    Operation(",
            *row,
            "    ),",
            "",
            "# An operation that must never run is a line of plugins/module_utils/operations/refused.py instead:",
            f'    "{operation.name}": (WIDEN, "it ..."),',
            "",
            *_fixture(operation, twins[0].module),
        ]
    )


def _operation(model, name):
    spelt = {cli_name(one): one for one in model.operation_names}
    found = spelt.get(cli_name(name) if name[:1].isupper() else name)
    if found is None:
        close = difflib.get_close_matches(cli_name(name), spelt, 3)
        advice = f"; did you mean {' or '.join(spelt[one] for one in close)}?" if close else ""
        raise NotPrinted(f"IAM has no operation {name!r} in this botocore{advice}")
    if found.startswith(("Get", "List", "Simulate", "Generate")):
        raise NotPrinted(f"{found} only reads: scripts may contain it, and it needs no row")
    if found in OPERATIONS:
        raise NotPrinted(f"{found} has a row already: {OPERATIONS[found].refused or OPERATIONS[found].module}")
    return model.operation_model(found)


def _members(operation):
    return dict(operation.input_shape.members) if operation.input_shape else {}


def _required(operation):
    return list(operation.input_shape.required_members) if operation.input_shape else []


def _described(operation):
    """What AWS says of it, its errors, and the parameters with their types."""
    text = html.unescape(re.sub("<[^>]+>", "", operation.documentation or "")).strip()
    sentence = re.sub(r"\s+", " ", text).partition(". ")[0].rstrip(".")
    errors = sorted(shape.name.removesuffix("Exception") for shape in operation.error_shapes)
    kinds = [
        f"{name} ({' or '.join(shape.metadata.get('enum', [shape.type_name]))}"
        f"{'' if name in _required(operation) else ', optional'})"
        for name, shape in _members(operation).items()
    ]
    return [f"# {sentence}.", f"# Parameters: {', '.join(kinds) or 'none'}.", f"# Errors: {', '.join(errors)}.", ""]


def _target(operation):
    return next((one for one in (*targets.TAGGED, targets.GROUP) if one.parameter in _members(operation)), None)


def _target_name(target):
    return next(name for name, value in vars(targets).items() if value is target)


def _twins(operation):
    """The rows whose names share most words with the operation's, and one with the same verb."""
    words, verb = set(cli_name(operation.name).split("-")), VERB.match(operation.name)[0]

    def similarity(row):
        return len(words & set(cli_name(row.name).split("-"))), row.name.startswith(verb)

    first, second, *others = sorted(STEPS, key=similarity, reverse=True)
    return [first, second, next((row for row in others if row.name.startswith(verb)), others[0])]


def _file_of(row):
    files = [file for file in vars(package).values() if any(one is row for one in getattr(file, "ROWS", ()))]
    return f"{files[0].__name__.rpartition('.')[2]}.py"


def _args(operation):
    options = [f'"{_snake(name)}": "${name}",' for name in _members(operation)]
    return "\n            ".join(["{", *options]) + "\n        }"


def _undo(model, operation):
    verb = VERB.match(operation.name)[0]
    opposites = {**OPPOSITES, **{value: key for key, value in OPPOSITES.items() if key != "Put"}}
    opposite = opposites.get(verb, verb) + operation.name.removeprefix(verb)
    if opposite in model.operation_names and opposite != operation.name:
        return f'undone_by("{opposite}")'
    return f'undone_by("{operation.name}", calls=...)'


def _reads(model, operation, target):
    """The target's, and the Get and List operations of the same noun that need nothing but what the operation has."""
    mine, noun = set(_members(operation)), re.sub(VERB, "", operation.name, count=1)
    named = [one for one in model.operation_names if one.startswith(("Get", "List")) and noun.rstrip("s") in one]
    reads = {one for one in named if set(_required(model.operation_model(one))) <= mine}
    return sorted(reads | ({target.read} if target else set()))


def _caller_parameters(operation):
    """Without these IAM takes the caller itself."""
    return [name for name in ("UserName",) if name in _members(operation) and name not in _required(operation)]


def _fixture(operation, module):
    wanted = [*_required(operation), *_caller_parameters(operation)]
    options = " ".join(f"--{cli_name(name)} ..." for name in wanted)
    return [
        f"# tests/fixtures/steps/{operation.name}.yml: every option that the module gets",
        "---",
        "script: |",
        f"  aws iam {cli_name(operation.name)} {options}".rstrip(),
        f"module: {module}",
        "args:",
        *(f"  {_snake(name)}: ..." for name in wanted),
    ]


def _snake(name):
    return cli_name(name).replace("-", "_")


def _tuple(names):
    return "(" + "".join(f'"{name}", ' for name in names).rstrip(" ") + ")"


if __name__ == "__main__":
    try:
        print(printed(sys.argv[1]))
    except (IndexError, NotPrinted) as problem:
        sys.exit(
            str(problem) if isinstance(problem, NotPrinted) else "Name an operation: make operation NAME=UpdateUser"
        )
