# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action writes into the folder of a run, and what it says if it cannot; what the role makes of its result."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from actions import load_action
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import action_loader
from ansible.template import Templar
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report import run_end

try:
    from ansible.template import trust_as_template
except ImportError:  # ansible-core before 2.19
    trust_as_template = str

ROLE = Path(__file__).parents[4] / "roles" / "remediate"
RUN_ID = "20260101T000000Z-0001"
ALERT = {
    **dict.fromkeys(("alert_id", "message_id"), "I-1"),
    "account": "payments",
    "disposition": "planned",
    "reason": "Will act.",
    "receipts": [],
    "steps": [],
}
REFUSED = {**ALERT, "alert_id": "I-2", "message_id": "I-2", "disposition": "refused"}


def write(folder, alerts=(), metrics_file="", options=(), **changes):
    run = {
        "artifacts_dir": str(folder),
        "run_id": RUN_ID,
        "started": "2026-01-01T00:00:00Z",
        "awx": {"awx_job_id": 7},
        "check_mode": True,
        "is_copied": False,
        "is_undo": False,
        "metrics_file": metrics_file,
        "plan_lifetime": "2h",
        "tolerate": [],
        **dict.fromkeys(("api_endpoint", "quarantine_queue", "report_url"), ""),
        **changes,
    }
    given = {"run": run, "alerts": json.dumps(alerts), "address": "/a/report.html", **dict(options)}
    return load_action("leastpriv.iam.run_files", given).run(task_vars={})


def modes(folder):
    return {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()}


def test_the_files_are_for_the_user_and_the_second_metrics_for_everybody(tmp_path):
    shown = tmp_path / "shown" / "leastpriv.prom"
    shown.parent.mkdir()
    result = write(tmp_path, metrics_file=str(shown), check_mode=False)
    assert (result["problems"], result["metrics"]) == ([], shown.read_text())
    assert modes(tmp_path / RUN_ID) == dict.fromkeys(
        ("report.json", "report.html", "report.csv", "metrics.prom"), "0o600"
    )
    assert result["files"] == ["report.json", "report.html", "report.csv", "metrics.prom"]
    assert modes(shown.parent) == {"leastpriv.prom": "0o644"}


def test_a_review_leaves_a_plan_of_its_own_lifetime(tmp_path):
    write(tmp_path)
    plan = json.loads((tmp_path / RUN_ID / "plan.json").read_text())
    created, expires = (datetime.fromisoformat(plan[end].replace("Z", "+00:00")) for end in ("created", "expires"))
    assert (plan["run_id"], expires - created) == (RUN_ID, timedelta(hours=2))
    assert plan["who"]["awx_job"] == "7"


def test_the_review_of_an_undo_leaves_no_plan(tmp_path):
    assert "plan.json" not in write(tmp_path, is_undo=True)["files"]


def test_a_lifetime_that_means_nothing_costs_the_plan_alone(tmp_path):
    result = write(tmp_path, plan_lifetime="soon")
    assert result["files"] == ["report.json", "report.html", "report.csv", "metrics.prom"]
    assert ["remediate_plan_lifetime" in problem for problem in result["problems"]] == [True]


def test_what_cannot_be_written_is_a_sentence_for_each_file(tmp_path):
    (tmp_path / "file").write_text("")
    result = write(tmp_path / "file")
    assert (len(result["problems"]), result["files"], "failed" in result) == (6, [], False)


def test_the_result_says_what_needs_attention_and_where(tmp_path):
    options = {"decided": [REFUSED], "verbose": True, "address": "/runs/report.html"}.items()
    result = write(tmp_path, [ALERT], options=options)
    assert (result["totals"], result["needs_person"]) == ({"planned": 1, "refused": 1}, {"refused": 1})
    assert (result["accounts"], result["alerts"]) == (["payments"], 2)
    assert result["verdict"] == "1 of 2 alerts needs attention"
    assert json.loads(result["report"]) == json.loads((tmp_path / RUN_ID / "report.json").read_text())
    assert any("I-2" in line for line in result["summary"])
    assert "/runs/report.html" in result["notification"]
    assert json.loads(result["notification"])["text"].startswith("Leastpriv: 1 of 2 alerts needs attention.")


def test_a_verification_does_not_propose_to_put_back_what_is_in_the_queue_again(tmp_path):
    reverted = {**ALERT, "disposition": "reverted", "reason": "x lacks y."}
    before = write(tmp_path, [reverted], is_verify=True)
    assert any("-e requeue=true" in line for line in before["summary"])
    after = write(tmp_path, [reverted], is_verify=True, options={"requeued": ["I-1"]}.items())
    assert not any("requeue=true" in line for line in after["summary"])
    assert any("Put back into the queue." in line for line in after["summary"])
    assert "requeue=true" not in (tmp_path / RUN_ID / "report.html").read_text()


def test_a_notification_that_cannot_be_made_says_why_and_costs_nothing_else(tmp_path, monkeypatch):
    action = action_loader.get("leastpriv.iam.run_files", class_only=True)
    monkeypatch.setitem(action.run.__globals__, "notification", {}.__getitem__)
    result = write(tmp_path)
    assert result["problems"] == []
    assert "Unexpected error while notifying" in json.loads(result["notification"])["text"]


@pytest.mark.parametrize(
    ("broken", "written"), [("html_report", 5), ("csv_report", 5), ("metrics", 5), ("plan_table", 5), ("make_plan", 4)]
)
def test_a_file_that_cannot_be_made_costs_no_other_one(tmp_path, monkeypatch, broken, written):
    monkeypatch.setattr(run_end, broken, {}.__getitem__)
    result = write(tmp_path)
    assert (len(result["files"]), len(result["problems"])) == (written, 1)


def warnings_of(**variables):
    """What the role warns of, by what its last tasks have registered."""
    tasks = yaml.safe_load((ROLE / "tasks" / "deliver.yml").read_text())
    of_role = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    (unsent,) = [task["vars"]["__remediate_unsent"] for task in tasks if "__remediate_unsent" in task.get("vars", {})]
    skipped = {"__remediate_pushed": {"skipped": True}, "__remediate_notified": {"skipped": True}}
    known = {"__remediate_report": {"problems": []}, **skipped, **variables}
    templar = Templar(DataLoader(), variables=known)
    return [templar.template(trust_as_template(text)) for text in (of_role["__remediate_missing"], unsent)]


def test_nothing_is_missing_where_all_went_well():
    copied = {"results": [{"url": "https://…", "msg": "PUT operation complete"}]}
    delivered = {"delivered": True, "status": 204, "problem": ""}
    assert warnings_of(__remediate_copied=copied, __remediate_notified=delivered) == [[], []]
    assert warnings_of(__remediate_copied={"skipped": True}) == [[], []]


def test_a_failed_copy_is_said_once_and_after_the_files():
    copied = {"results": [{"url": "u"}, {"msg": "no such bucket"}, {"msg": "no such bucket"}]}
    written = {"problems": ["Could not write a."]}
    missing, _unsent = warnings_of(__remediate_copied=copied, __remediate_report=written)
    assert missing == ["Could not write a.", "Not copied to remediate_artifacts_s3: no such bucket"]


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ({"delivered": False, "problem": "answered with status 500"}, "answered with status 500"),
        ({"failed": True, "msg": "the template broke"}, "was not asked"),
    ],
)
@pytest.mark.parametrize(
    ("variable", "before", "setting"),
    [
        ("__remediate_pushed", "the metrics were not pushed (the gateway ", "remediate_metrics_push_url"),
        ("__remediate_notified", "the notification was not delivered (the webhook ", "remediate_webhook_url"),
    ],
)
def test_whom_the_run_could_not_reach_is_said(result, shown, variable, before, setting):
    _missing, unsent = warnings_of(**{variable: result})
    assert unsent == [f"{before}{shown}). Check {setting}. The run's result is not affected."]
