# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step's module may call, in the environment that the lookup returns; sessions: test_role_session.py."""

from __future__ import annotations

import json

import pytest
from ansible.plugins.loader import lookup_loader

STEP = {"operation": "DeleteUser", "parameters": {"UserName": "{{ 7 * 7 }}"}}


def look_up(**options):
    (environment,) = lookup_loader.get("leastpriv.iam.session").run([""], {}, session_name="leastpriv", **options)
    return environment


def test_without_a_role_and_a_step_nothing_is_set():
    assert look_up() == {}


@pytest.mark.parametrize(
    ("options", "operations", "required"),
    [
        ({"step": {}, "fenced": False}, [], False),
        ({"step": STEP}, ["DeleteUser"], True),
    ],
)
def test_the_calls_of_a_step_are_declared(options, operations, required):
    environment = look_up(**options)
    declared = json.loads(environment["LEASTPRIV_CALLS"])
    assert [call["operation"] for call in declared["calls"]] == operations
    assert declared["required"] is required
    assert "{{" not in environment["LEASTPRIV_CALLS"]
