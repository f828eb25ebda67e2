# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.outcome import is_transient
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.waves import (
    CONSOLIDATING,
    MAX_STEPS,
    pending_steps,
    waves,
)

CREATE, ATTACH = "0001 amazon.aws.iam_managed_policy", "0002 amazon.aws.iam_user"
WAVE = {"wave": CREATE, "module": "iam_managed_policy", "first": 0, "end": MAX_STEPS}


def step(message_id, wave=CREATE, status="needed"):
    return {"message_id": message_id, "index": int(wave[:4]), "wave": wave, "status": status}


def alert(message_id, *steps, disposition=None):
    return {"message_id": message_id, "disposition": disposition, "steps": list(steps)}


def kept(message_id, failed=False):
    return {"step": {"message_id": message_id, "index": 1}, "changed": not failed, "failed": failed, "msg": "Throttled"}


def test_all_accounts_go_through_the_same_waves_as_long_as_the_longest_needs():
    long = [alert(f"m{number}", step(f"m{number}")) for number in range(MAX_STEPS + 1)]
    short = [alert("n", step("n"), step("n", ATTACH))]
    lined_up = waves({"prod": {"alerts": long}, "test": {"alerts": short}})
    assert [(wave["wave"], wave["module"], wave["first"]) for wave in lined_up] == [
        (CREATE, "iam_managed_policy", 0),
        (CREATE, "iam_managed_policy", MAX_STEPS),
        (ATTACH, "iam_user", 0),
    ]


def test_inline_policies_that_may_be_put_have_a_wave():
    assert waves({"prod": {"alerts": [alert("m", step("m"))]}}, consolidates=True)[1]["wave"] == CONSOLIDATING


def test_only_needed_steps_of_the_wave_and_of_undecided_alerts_are_due():
    alerts = [
        alert("a", step("a"), step("a", ATTACH)),
        alert("b", step("b", status="true")),
        alert("c", step("c"), disposition="refused"),
    ]
    assert pending_steps(alerts, WAVE, [], 5) == [step("a")]


def test_a_wave_takes_its_own_part_of_many_steps_whatever_failed_before():
    alerts = [alert(name, step(name)) for name in "abc"]
    part = {**WAVE, "first": 1, "end": 3}
    assert pending_steps(alerts, part, [kept("b", failed=True)], 5) == [step("c")]


def test_nothing_is_due_in_an_account_that_is_left_alone():
    failures = [kept("x", failed=True), kept("y", failed=True)]
    alerts = [alert("a", step("a"))]
    assert pending_steps(alerts, WAVE, failures, 2) == []
    assert pending_steps(alerts, WAVE, [*failures, kept("z")], 2) == [step("a")]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"failed": True, "error": {"code": "NoSuchEntity"}}, True),
        ({"failed": True, "error": {"code": "AccessDenied"}}, False),
        ({"failed": True, "msg": "no error of AWS"}, False),
        ({"changed": True}, False),
        ({"failed": False, "error": {"code": "NoSuchEntity"}}, False),
    ],
)
def test_what_passes_by_itself_is_reported_by_the_code(result, expected):
    assert is_transient(result) is expected
