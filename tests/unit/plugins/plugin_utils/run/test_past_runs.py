# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import JournalError, append, intents
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import to_page
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.past_runs import (
    NotReported,
    journal_entries,
    plan_of,
    report_entry,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import sign_report

OLD, NEW, NEWEST = "20260101T000000Z-0001", "20260102T000000Z-0002", "20260103T000000Z-0003"


@pytest.fixture
def artifacts(tmp_path):
    for run_id, alert_ids in ((OLD, ["I-1", "I-2"]), (NEW, ["I-1", None]), (NEWEST, ["I-3"])):
        (tmp_path / run_id).mkdir()
        alerts = [{"alert_id": alert_id, "reason": run_id} for alert_id in alert_ids]
        report = {"run_id": run_id, "mode": "apply", "finished": "2026", "alerts": alerts}
        (tmp_path / run_id / "report.json").write_text(json.dumps(report))
    (tmp_path / "20260104T000000Z-0004").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("alert_id", "run_id", "found"), [("I-1", "", NEW), ("I-2", "", OLD), ("I-1", OLD, OLD), ("I-3", "", NEWEST)]
)
def test_the_newest_report_that_knows_the_alert_is_found(artifacts, alert_id, run_id, found):
    shown = report_entry(alert_id, artifacts, run_id)
    assert shown == {
        "run_id": found, "mode": "apply", "finished": "2026", "alert": {"alert_id": alert_id, "reason": found}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("alert_id", "run_id", "shown"),
    [
        ("I-9", "", f"searched under .*: 3, the newest is {NEWEST}"),
        ("I-2", NEWEST, f"searched under .*: 1, the newest is {NEWEST}"),
        ("I-2", "20250101T000000Z-0001", "searched under .*: 0"),
        ("I-1", "../" + OLD, "is not a run id"),
        ("I-1", "*", "is not a run id"),
    ],
)
def test_what_no_report_knows_is_reported_with_where_it_was_searched(artifacts, alert_id, run_id, shown):
    with pytest.raises(NotReported, match=shown):
        report_entry(alert_id, artifacts, run_id)


def test_a_damaged_report_is_named(artifacts):
    (artifacts / NEWEST / "report.json").write_text("{")
    with pytest.raises(NotReported, match=f"{NEWEST}/report.json cannot be read"):
        report_entry("I-1", artifacts)
    assert report_entry("I-1", artifacts, OLD)["run_id"] == OLD


@pytest.mark.parametrize("text", ["{}", '{"alerts": 1}', "[]", "1e999", "[" * 100_000], ids=lambda text: text[:9])
def test_a_report_without_alerts_is_named(artifacts, text):
    newest = max(artifacts.glob("*/report.json"))
    newest.write_text(text)
    with pytest.raises(NotReported, match="cannot be read"):
        report_entry("I-1", str(artifacts), newest.parent.name)


def test_a_plan_is_found_by_the_id_of_its_run_or_by_its_path(artifacts):
    file = artifacts / NEW / "plan.json"
    file.write_text('{"run_id": "x"}')
    assert plan_of(NEW, artifacts) == plan_of(str(file), "elsewhere") == {"run_id": "x"}


@pytest.mark.parametrize(("named", "shown"), [(OLD, f"no file .*{OLD}/plan.json"), ("*", r"no file \*")])
def test_a_plan_that_is_not_there_is_reported_with_where_it_was_searched(artifacts, named, shown):
    with pytest.raises(NotReported, match=shown):
        plan_of(named, artifacts)


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 100_000])
def test_a_plan_that_nobody_can_read_is_named(artifacts, text):
    (artifacts / NEW / "plan.json").write_bytes(text)
    with pytest.raises(NotReported, match=f"{NEW}/plan.json cannot be read as a plan"):
        plan_of(NEW, artifacts)


def write_journal(artifacts, run_id, *alert_ids, mode="apply", key="", undoes=()):
    step = {"message_id": "m", "index": 1, "operation": "DetachUserPolicy", "target": "bob", "before": {}, "after": {}}
    step["parameters"] = {"UserName": "bob", "PolicyArn": "arn:aws:iam::aws:policy/a"}
    common = {"account": "prod", "account_id": "123456789012"}
    steps = [{**step, "alert_id": alert_id, "message_id": f"m-{alert_id}"} for alert_id in alert_ids]
    lines = [{**common, **line} for line in intents(steps)]
    append(artifacts / run_id / "journal.jsonl", {"run_id": run_id, "mode": mode, "undoes": [*undoes]}, lines, key)


@pytest.fixture
def journals(tmp_path):
    write_journal(tmp_path, OLD, "I-1", "I-2")
    write_journal(tmp_path, NEW, "I-1")
    write_journal(tmp_path, NEWEST, "I-1", mode="undo")
    torn = tmp_path / "20260105T000000Z-0005" / "journal.jsonl"
    torn.parent.mkdir()
    torn.write_text('{"event":')
    return tmp_path


@pytest.mark.parametrize(
    ("run_id", "alert_ids", "found"),
    [
        ("", ["I-1"], [(NEW, "I-1")]),
        ("", ["I-1", "I-2"], [(NEW, "I-1"), (OLD, "I-2")]),
        (OLD, [], [(OLD, "I-2"), (OLD, "I-1")]),
        (OLD, ["I-1"], [(OLD, "I-1")]),
        (NEWEST, [], [(NEWEST, "I-1")]),
    ],
)
def test_the_newest_run_that_changed_something_is_undone(journals, run_id, alert_ids, found):
    assert [(one["undoes"], one["alert_id"]) for one in journal_entries(journals, run_id, alert_ids)] == found


def test_an_undo_knows_which_later_run_to_undo_first(journals):
    assert {one["alert_id"]: one["later_run"] for one in journal_entries(journals, OLD)} == {"I-1": NEW, "I-2": ""}
    write_journal(journals, "20260106T000000Z-0006", "I-1", mode="undo", undoes=[NEW])
    assert {one["later_run"] for one in journal_entries(journals, OLD)} == {""}


@pytest.mark.parametrize(
    ("run_id", "alert_ids", "shown"),
    [
        ("", [], "Choose what to undo"),
        ("", ["I-9"], "No run changed anything for the alert 'I-9'"),
        (OLD, ["I-9"], f"Run {OLD} changed nothing for I-9"),
        ("20200101T000000Z-0000", [], "has no such folder"),
        ("../..", [], "is not a run id"),
    ],
)
def test_what_cannot_be_undone_says_why(journals, run_id, alert_ids, shown):
    with pytest.raises(NotReported, match=re.escape(shown)):
        journal_entries(journals, run_id, alert_ids)


def test_a_run_that_changed_nothing_has_no_journal(artifacts):
    with pytest.raises(NotReported, match="it changed nothing"):
        journal_entries(artifacts, NEW)


def test_what_the_report_tells_of_an_alert_is_reported_again(journals):
    report = {"alerts": [{"message_id": "m-I-1", "policy": "No open user", "reason": "not this"}]}
    (journals / NEW / "report.json").write_text(json.dumps(report))
    (alert,) = journal_entries(journals, "", ["I-1"])
    assert alert["policy"] == "No open user"
    assert "reason" not in alert


def sign(artifacts, run_id, key):
    file = artifacts / run_id / "report.json"
    file.write_text(to_page(sign_report(json.loads(file.read_text()), key)))


def test_with_a_key_only_a_report_that_is_signed_with_it_is_read(artifacts):
    sign(artifacts, NEW, "ours")
    assert report_entry("I-1", artifacts, NEW, "ours")["run_id"] == report_entry("I-1", artifacts, NEW)["run_id"] == NEW
    for run_id, key in ((OLD, "ours"), (NEW, "theirs")):
        with pytest.raises(NotReported, match=f"{run_id}/report.json .*is not signed with the key"):
            report_entry("I-1", artifacts, run_id, key)
    report = artifacts / NEW / "report.json"
    report.write_text(report.read_text().replace(f'"reason": "{NEW}"', '"reason": "all is well"'))
    with pytest.raises(NotReported, match="is not signed"):
        report_entry("I-1", artifacts, NEW, "ours")
    assert report_entry("I-1", artifacts, NEW)["alert"]["reason"] == "all is well"


def test_a_report_that_is_not_signed_says_nothing_of_an_undo(journals):
    (journals / NEW / "report.json").write_text(json.dumps({"alerts": [{"message_id": "m-I-1", "policy": "forged"}]}))
    (journals / NEW / "journal.jsonl").unlink()
    write_journal(journals, NEW, "I-1", key="ours")
    (alert,) = journal_entries(journals, NEW, ["I-1"], "ours")
    assert "policy" not in alert
    sign(journals, NEW, "ours")
    (alert,) = journal_entries(journals, NEW, ["I-1"], "ours")
    assert alert["policy"] == "forged"


def test_a_journal_of_another_run_is_refused(journals):
    (journals / NEW / "journal.jsonl").write_bytes((journals / OLD / "journal.jsonl").read_bytes())
    with pytest.raises(JournalError, match=f"belongs to another run, {OLD}"):
        journal_entries(journals, NEW)
