# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of operations: complete, sorted, consistent with its neighbours, and documented."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import botocore.session
import pytest
import yaml
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import RULES
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.observe import OBSERVERS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS, REFUSED, STEPS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.permissions import (
    CHANGES,
    MODULES,
    OBSERVED,
    permissions,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.row import EFFECTS, NEUTRAL, RESTRICT, Lost
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


def test_every_operation_that_changes_something_is_decided_once(model):
    assert set(OPERATIONS) == {name for name in model.operation_names if not name.startswith(READ_ONLY)}
    assert len(STEPS) + len(REFUSED) == len(OPERATIONS)


def test_both_tables_are_sorted():
    assert names(STEPS) == sorted(names(STEPS))
    assert list(REFUSED) == sorted(REFUSED)


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=names(OPERATIONS.values()))
def test_a_row_is_either_a_step_or_has_a_reason(row):
    assert row.effect in EFFECTS
    assert (row.module is None) is bool(row.refused)
    assert not row.unsupported


@pytest.mark.parametrize("row", STEPS, ids=names(STEPS))
def test_a_step_is_complete(row, model):
    assert (ROOT / "tests" / "fixtures" / "steps" / f"{row.name}.yml").exists()
    assert (ROOT / "roles" / "remediate" / "tasks" / "steps" / f"{row.module.split('.')[-1]}.yml").exists()
    assert row.observe in OBSERVERS
    assert set(row.guards) <= set(RULES) & set(CHECKS)
    shape = model.operation_model(row.name).input_shape
    assert row.parameters <= set(shape.members if shape else ()), "it names a parameter that the API does not have"
    assert set(shape.required_members if shape else ()) <= row.parameters


@pytest.mark.parametrize("row", STEPS, ids=names(STEPS))
def test_a_step_tells_how_it_is_undone_or_why_not(row):
    assert isinstance(row.undo, Lost) or set(row.undo) <= set(OPERATIONS)


@pytest.mark.parametrize("row", STEPS, ids=names(STEPS))
def test_a_step_names_the_permissions_that_it_needs(row, model):
    actions = {action.removeprefix("iam:") for action in permissions(row)}
    assert actions <= {*model.operation_names, "PassRole"}
    assert {action for action in actions if not action.startswith(READ_ONLY)} == {
        action for action in CHANGES.get(row.name, (row.name,)) if not action.startswith(READ_ONLY)
    }


def test_what_widens_is_guarded():
    unguarded = {row.name for row in STEPS if row.effect not in (RESTRICT, NEUTRAL) and not row.guards}
    # keep_deny looks at the live policy; a certificate restricts nobody.
    assert unguarded == {"DeletePolicy", "DeleteServerCertificate"}


def test_the_neighbouring_tables_know_every_observer_and_module(generator):
    assert set(generator.ALREADY_TRUE) == set(OBSERVERS) == set(OBSERVED)
    assert set(MODULES) == {row.module for row in STEPS}


def test_our_own_modules_get_the_account_through_the_action_group():
    group = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["all"]
    own = {row.module.split(".")[-1] for row in STEPS if row.module.startswith("leastpriv.")}
    assert own <= {name for name in group if isinstance(name, str)}


def test_every_rule_is_documented():
    shown = (ROOT / "docs" / "guardrails.md").read_text()
    assert [rule for rule in RULES if f"| `{rule}` |" not in shown] == []


def test_the_page_of_operations_is_not_stale(generator):
    assert generator.PAGE.read_text(encoding="utf-8") == generator.page(), "run python docs/make_operations.py"
