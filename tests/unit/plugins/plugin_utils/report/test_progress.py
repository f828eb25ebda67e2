# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.progress import (
    RECEIVING,
    SETTLING,
    Progress,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import cut, pad, plain
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.terminal_text import cells

WIDE, TALL = 100, 24


def facts(**known):
    return {"ansible_facts": {f"__remediate_{name}": value for name, value in known.items()}}


def observed(*needed, problem="", disposition=None):
    """Observe's result: the message ids of the steps that are needed, and of each message a step that is not."""
    alerts = [
        {
            "message_id": message_id,
            "disposition": disposition,
            "steps": [{"message_id": message_id, "status": "needed"}] * needed.count(message_id)
            + [{"message_id": message_id, "status": "unchanged"}],
        }
        for message_id in dict.fromkeys(needed)
    ]
    return {"alerts": alerts, "problem": problem}


def step(message_id):
    return {"step": {"message_id": message_id, "label": "I-1 create-policy x"}}


def begun(check_mode=False, **alerts):
    progress = Progress()
    progress.learn("any", facts(run={"check_mode": check_mode}), 0)
    progress.learn("any", facts(translated={name: {"count": count} for name, count in alerts.items()}), 0)
    return progress


def shown(progress, now, columns=WIDE, rows=TALL):
    return [plain(line) for line in progress.lines(now, columns, rows)]


def styles(progress):
    return [line[0].style for line in progress.lines(0, WIDE, TALL)]


def test_nothing_is_shown_before_a_run_begins():
    assert shown(Progress(), 0) == []
    assert Progress().learn("payments", step("m1"), 0) == []


def test_a_run_receives_looks_applies_and_settles():
    progress = Progress()
    assert progress.learn("payments", facts(run={"check_mode": False}), 0) == [RECEIVING]
    assert shown(progress, 0) == [RECEIVING]
    output = progress.learn("payments", facts(translated={"payments": {"count": 2}, "dev": {"count": 1}}), 1)
    assert output == ["payments: checking 2 alerts", "dev: checking 1 alert"]
    assert progress.learn("payments", observed("m1", "m1", "m2", "m2"), 2) == ["payments: 4 steps to apply"]
    assert progress.learn("dev", observed(), 2) == ["dev: nothing to apply"]
    assert progress.learn("payments", step("m1"), 3) == []
    assert shown(progress, 4) == [
        "payments  [#####---------------]  1/4 steps, 0.5/s, 0:06 left",
        "dev       [####################]  nothing to apply",
    ]
    for message_id in ("m2", "m1"):
        progress.learn("payments", step(message_id), 5)
    assert progress.learn("payments", step("m2"), 65) == ["payments: 4/4 steps in 1:03"]
    assert shown(progress, 99)[0] == "payments  [####################]  4/4 steps in 1:03"
    assert styles(progress) == ["good", "good"]
    assert progress.learn("payments", facts(outcomes=[]), 66) == []
    assert shown(progress, 66) == [SETTLING]


def test_a_failed_step_takes_the_rest_of_its_alert_away_but_of_no_other():
    progress = begun(payments=2)
    progress.learn("payments", observed("m1", "m1", "m1", "m2"), 0)
    assert progress.learn("payments", step("m1"), 1, has_failed=True) == []
    assert shown(progress, 2) == ["payments  [##########----------]  1/2 steps, 0.5/s, 0:02 left, 1 failed"]
    assert progress.learn("payments", step("m2"), 4) == ["payments: 2/2 steps in 0:04, 1 failed"]
    assert styles(progress) == ["bad"]


def test_a_review_ends_with_what_is_needed():
    progress = begun(check_mode=True, payments=1)
    assert progress.learn("payments", observed("m1", "m1"), 1) == ["payments: 2 steps needed"]
    assert shown(progress, 9) == ["payments  [####################]  2 steps needed"]


def test_an_account_that_drops_out_is_seen():
    progress = begun(payments=1, dev=1)
    assert progress.learn("payments", observed(problem="profile x belongs to another account"), 1) == [
        "payments: not processed"
    ]
    progress.learn("dev", observed("m1"), 1)
    assert progress.learn("dev", facts(problem="Connection lost"), 2) == ["dev: not finished"]
    assert shown(progress, 3)[1] == "dev       [--------------------]  not finished"
    assert styles(progress) == ["bad", "bad"]


def test_an_account_that_gave_up_is_reported_when_all_have_ended():
    progress = begun(payments=2)
    progress.learn("payments", observed("m1", "m2"), 0)
    progress.learn("payments", step("m1"), 1, has_failed=True)
    assert progress.learn("dev", facts(outcomes=[]), 2) == ["payments: 1/2 steps in 0:02, 1 failed"]


def test_what_is_decided_already_and_what_others_say_does_not_count():
    progress = begun(payments=1)
    assert progress.learn("payments", {"changed": True}, 1) == []
    assert progress.learn("nobody", observed("m1"), 1) == []
    assert progress.learn("payments", observed("m1", disposition="refused"), 1) == ["payments: nothing to apply"]


def test_the_next_run_begins_anew():
    progress = begun(payments=1)
    progress.learn("payments", facts(run={"check_mode": True}), 5)
    assert shown(progress, 5) == [RECEIVING]


def test_more_accounts_than_rows_show_those_that_work():
    progress = begun(**{f"account{n}": 1 for n in range(10)})
    for finished in ("account0", "account1"):
        progress.learn(finished, observed(), 1)
    output = shown(progress, 1, rows=4)
    assert [line.split(" ")[0] for line in output[:3]] == ["account2", "account3", "account4"]
    assert output[3] == "and 7 accounts more, 2 finished"


@pytest.mark.parametrize("columns", [1, 2, 10, 40, 80])
def test_no_line_is_wider_than_the_terminal(columns):
    progress = begun(**{"会計" * 30: 1, "e\u0301" * 50: 1, "x" * 200: 1})
    for line in shown(progress, 1, columns=columns):
        assert cells(line) < columns


def test_a_long_name_leaves_room_for_what_is_reported_of_it():
    progress = begun(**{"会計" * 30: 1})
    assert shown(progress, 1)[0] == "会計" * 6 + "…  [--------------------]  checking 1 alert"
    assert shown(progress, 1, columns=45)[0] == "会計会計会…  [----]  checking 1 alert"


def test_a_name_cannot_steer_the_terminal():
    progress = begun(**{"a\x1b[2J\n\u202eb": 1})
    assert shown(progress, 1)[0].startswith("a\\x1b[2J\\n\\u202eb  [")
    assert progress.learn("a\x1b[2J\n\u202eb", observed(), 1) == ["a\\x1b[2J\\n\\u202eb: nothing to apply"]


@pytest.mark.parametrize(
    ("text", "width", "kept"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本", 4, "日本"), ("日本語", 4, "日…"), ("ab", 1, "…"), ("ab", 0, "")],
)
def test_cut(text, width, kept):
    assert cut(text, width) == kept
    assert cells(pad(text, width)) == width
