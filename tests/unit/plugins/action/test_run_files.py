# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action writes into the folder of a run, and what it says if it cannot."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleActionFail
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import action_loader, connection_loader
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report

RUN_ID = "20260101T000000Z-0001"
REPORT = json.dumps(report(Run([], RUN_ID, "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z", check_mode=True)))


def write(**options):
    task = Task.load({"leastpriv.iam.run_files": {"report": REPORT, **options}})
    context = PlayContext()
    action = action_loader.get(
        "leastpriv.iam.run_files",
        task=task,
        connection=connection_loader.get("ansible.builtin.local", context),
        play_context=context,
        loader=None,
        templar=None,
        shared_loader_obj=None,
    )
    return action.run(task_vars={})


def modes(folder):
    return {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()}


def test_page_and_metrics_are_for_the_user_and_the_second_metrics_for_everybody(tmp_path):
    shown = tmp_path / "shown" / "leastpriv.prom"
    shown.parent.mkdir()
    result = write(folder=str(tmp_path / RUN_ID), metrics_file=str(shown))
    assert (result["problems"], result["metrics"]) == ([], shown.read_text())
    assert modes(tmp_path / RUN_ID) == dict.fromkeys(["report.html", "report.csv", "metrics.prom"], "0o600")
    assert modes(shown.parent) == {"leastpriv.prom": "0o644"}


def test_a_review_leaves_a_plan_of_its_own_lifetime(tmp_path):
    write(folder=str(tmp_path), planned="[]", plan_lifetime="2h", awx={"awx_job_id": 7})
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert (plan["run_id"], plan["expires"]) == (RUN_ID, "2026-01-01T02:00:09Z")
    assert plan["who"]["awx_job"] == "7"
    with pytest.raises(AnsibleActionFail, match="remediate_plan_lifetime"):
        write(folder=str(tmp_path), planned="[]", plan_lifetime="soon")


def test_what_cannot_be_written_fails_with_a_sentence_for_each_file(tmp_path):
    (tmp_path / "file").write_text("")
    result = write(folder=str(tmp_path / "file" / "run"))
    assert result["failed"]
    assert len(result["problems"]) == 3
