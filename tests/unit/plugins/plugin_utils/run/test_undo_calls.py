# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the calls do is shown in tests/integration/test_undo_operations.py, for every operation."""

from __future__ import annotations

import re

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import STEPS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.undo import Irreversible, Undo
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo_calls import (
    cli_command,
    undo_calls,
    undo_of,
)

BOB = {"UserName": "bob"}


@pytest.mark.parametrize("row", [row for row in STEPS if not isinstance(row.undo, Undo)], ids=lambda row: row.name)
def test_what_is_lost_says_why(row):
    step = {"operation": row.name, "status": "needed", "parameters": {}, "before": {}, "after": {}}
    with pytest.raises(Irreversible, match=re.escape(str(row.undo))):
        undo_calls(step)
    assert undo_of(step) == (False, str(row.undo))
    assert undo_of({**step, "status": "unchanged"}) == (True, "")


@pytest.mark.parametrize(
    ("operation", "parameters", "before", "after", "undo"),
    [
        ("AttachUserPolicy", {}, {"attached_policies": []}, {"attached_policies": ["a"]}, "detach-user-policy"),
        ("PutUserPolicy", {}, {}, {"document": "{}"}, "delete-user-policy"),
        ("PutUserPolicy", {}, {"document": "{}"}, {"document": "[]"}, "put-user-policy"),
        ("PutUserPermissionsBoundary", {}, {"boundary": None}, {"boundary": "a"}, "delete-user-permissions-boundary"),
        ("PutUserPermissionsBoundary", {}, {"boundary": "b"}, {"boundary": "a"}, "put-user-permissions-boundary"),
        ("TagUser", {}, {"tags": {}}, {"tags": {"a": "1"}}, "untag-user"),
        ("TagUser", {}, {"tags": {"a": "2"}}, {"tags": {"a": "1"}}, "tag-user"),
        ("TagUser", {}, {"tags": {"a": "2"}}, {"tags": {"a": "1", "b": "1"}}, "tag-user, then untag-user"),
        ("UpdateAccountPasswordPolicy", {}, {}, {}, "delete-account-password-policy"),
        (
            "CreatePolicyVersion",
            {"PolicyArn": "a"},
            {"versions": ["v1"], "default_version": "v1"},
            {},
            "set-default-policy-version, then delete-policy-version",
        ),
        ("CreatePolicyVersion", {"PolicyArn": "a"}, {"versions": ["v1"]}, {}, "delete-policy-version"),
    ],
)
def test_how_a_step_is_undone_depends_on_what_was_there(operation, parameters, before, after, undo):
    parameters = {**BOB, **parameters}
    step = {"operation": operation, "status": "needed", "parameters": parameters, "before": before, "after": after}
    assert undo_of(step) == (True, undo)


def test_without_what_was_there_the_table_tells():
    step = {"operation": "TagUser", "status": "needed", "before": None}
    assert undo_of(step) == (True, "tag-user or untag-user")


def test_a_command_can_be_copied():
    output = cli_command("TagUser", {"UserName": "o'neil $HOME", "Tags": [{"Key": "a b", "Value": ""}], "Force": True})
    assert output == """aws iam tag-user --user-name 'o'"'"'neil $HOME' --tags '{"Key": "a b", "Value": ""}' --force"""
