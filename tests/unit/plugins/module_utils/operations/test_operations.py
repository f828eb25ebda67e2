# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of operations: complete, sorted, consistent with its neighbours, and documented."""

from __future__ import annotations

import ast
import importlib.util
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import botocore.session
import pytest
import yaml
from ansible_collections.leastpriv.iam.plugins.module_utils import operations
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import RULES
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS, REFUSED, STEPS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.row import EFFECTS, NEUTRAL, RESTRICT, Operation
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.undo import Irreversible, Undo
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.static_guardrails import CHECKS

ROOT = Path(__file__).parents[5]
READ_ONLY = ("Get", "List", "Simulate", "Generate")


@pytest.fixture(scope="module")
def model():
    return botocore.session.get_session().get_service_model("iam")


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("make_operations", ROOT / "docs" / "make_operations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(rows):
    return [row.name for row in rows]


def file_of(row):
    """The file that has the row."""
    (found,) = [
        file
        for file in vars(operations).values()
        if isinstance(file, ModuleType) and any(one is row for one in getattr(file, "ROWS", ()))
    ]
    return f"plugins/module_utils/operations/{found.__name__.rpartition('.')[2]}.py"


def task_options(name):
    """The options that the task of a module writes out."""
    file = ROOT / "roles" / "remediate" / "tasks" / "steps" / f"{name}.yml"
    tasks = yaml.safe_load(file.read_text()) if file.exists() else []
    return {option for task in tasks for key, options in task.items() if key.endswith(f".{name}") for option in options}


def documented_options(name):
    """The options in the `DOCUMENTATION` of a module of our own."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{name}.py").read_text())
    texts = [
        node.value.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "DOCUMENTATION"
    ]
    return set(yaml.safe_load(texts[0])["options"])


def missing_options(row):
    """The options of the row that its task, or its module of our own, does not have."""
    name = row.module.rpartition(".")[2]
    files = {f"roles/remediate/tasks/steps/{name}.yml": task_options(name)}
    module = f"plugins/modules/{name}.py"
    if row.module.startswith("leastpriv.") and (ROOT / module).exists():
        files[module] = documented_options(name)
    return [
        f"{file}: {row.name}: the option {option}"
        for file, has in files.items()
        for option in row.args
        if option not in has
    ]


def missing(row, model, file):
    """What an operation lacks: the file, and the field or what belongs into the file."""
    shape = model.operation_model(row.name).input_shape
    members, required = (set(shape.members), set(shape.required_members)) if shape else (set(), set())
    actions = {*model.operation_names, "PassRole"}
    undoing = row.undo.operations if isinstance(row.undo, Undo) else ()
    module = row.module.rpartition(".")[2]
    needed = {action.removeprefix("iam:") for action in row.permissions} - {row.name}
    in_row = {
        "effect": row.effect in EFFECTS,
        "module": row.module.startswith(("amazon.aws.", "leastpriv.iam.")),
        "observe": callable(row.observe),
        "already_true": row.already_true,
        "undo": isinstance(row.undo, Irreversible) or (undoing and set(undoing) <= set(OPERATIONS)),
        "guards (an unknown rule)": set(row.guards) <= set(RULES) & set(CHECKS),
        "reads": row.reads != () and needed <= actions,
        "also": set(row.also) <= actions,
        "args (a required parameter is not used)": required <= row.parameters,
        "args (a parameter that the API does not have)": row.parameters <= members,
        "target": row.target.parameter in members if row.target.parameter else row.policy_resource == "*",
        "resource": row.policy_resource == "*" or re.search("/|{path}", row.policy_resource),
        "defaults (a parameter that the API does not have)": set(row.defaults) <= members,
    }
    files = {
        f"tests/fixtures/steps/{row.name}.yml": "the script and the module options that it becomes",
        f"roles/remediate/tasks/steps/{module}.yml": "the task that runs the module",
    }
    if row.module.startswith("leastpriv."):
        files[f"plugins/modules/{module}.py"] = "the module"
    lacks = [f"{file}: {row.name}: {field}" for field, is_right in in_row.items() if not is_right]
    lacks += [f"{name}: {what}" for name, what in files.items() if not (ROOT / name).exists()]
    return lacks + missing_options(row)


def test_every_operation_that_changes_something_has_one_row(model):
    changing = {name for name in model.operation_names if not name.startswith(READ_ONLY)}
    assert changing - set(OPERATIONS) == set(), "print their rows with make operation NAME=..."
    assert set(OPERATIONS) - changing == set()
    assert len(STEPS) + len(REFUSED) == len(OPERATIONS)


@pytest.mark.parametrize("row", STEPS, ids=names(STEPS))
def test_nothing_of_an_operation_is_missing(row, model):
    lacks = missing(row, model, file_of(row))
    assert not lacks, "\n".join(lacks)


def test_what_is_missing_is_named_with_its_file_and_field(model):
    args = {"name": "$UserName", "colour": "red"}
    bare = replace(OPERATIONS["TagUser"], name="UpdateLoginProfile", already_true="", reads=(), undo=None, args=args)
    lacks = missing(bare, model, file_of(OPERATIONS["TagUser"]))
    where = "plugins/module_utils/operations/tags.py: UpdateLoginProfile"
    assert {f"{where}: already_true", f"{where}: reads", f"{where}: undo"} <= set(lacks)
    assert "tests/fixtures/steps/UpdateLoginProfile.yml: the script and the module options that it becomes" in lacks
    assert "roles/remediate/tasks/steps/iam_user.yml: UpdateLoginProfile: the option colour" in lacks


def test_an_option_that_a_module_of_our_own_lacks_is_named(model):
    bare = replace(OPERATIONS["CreateAccountAlias"], args={"alias": "$AccountAlias", "colour": "red"})
    assert missing(bare, model, "account.py") == [
        "roles/remediate/tasks/steps/account_setting.yml: CreateAccountAlias: the option colour",
        "plugins/modules/account_setting.py: CreateAccountAlias: the option colour",
    ]
    bare = replace(bare, module="leastpriv.iam.colour", args={})
    assert missing(bare, model, "account.py")[-2:] == [
        "roles/remediate/tasks/steps/colour.yml: the task that runs the module",
        "plugins/modules/colour.py: the module",
    ]


@pytest.mark.parametrize("row", REFUSED, ids=names(REFUSED))
def test_an_operation_that_never_runs_has_a_reason_and_nothing_else(row):
    assert row == Operation(name=row.name, effect=row.effect, refused=row.refused)
    assert row.effect in EFFECTS
    assert row.refused


def test_what_widens_is_guarded():
    unguarded = {row.name for row in STEPS if row.effect not in (RESTRICT, NEUTRAL) and not row.guards}
    # keep_deny looks at the live policy; a certificate does not restrict principals.
    assert unguarded == {"DeletePolicy", "DeleteServerCertificate"}


def test_our_own_modules_get_the_account_through_the_action_group():
    group = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["all"]
    own = {row.module.split(".")[-1] for row in STEPS if row.module.startswith("leastpriv.")}
    assert own <= {name for name in group if isinstance(name, str)}


def test_every_rule_is_documented():
    shown = (ROOT / "docs" / "guardrails.md").read_text()
    assert [rule for rule in RULES if f"| `{rule}` |" not in shown] == []


def test_the_page_of_operations_is_not_stale(generator):
    assert generator.PAGE.read_text(encoding="utf-8") == generator.page(), "run python docs/make_operations.py"
