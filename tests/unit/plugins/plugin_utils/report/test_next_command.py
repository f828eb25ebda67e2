# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.advice import advice_for
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.next_command import (
    again_command,
    next_command,
    retry_command,
    undo_command,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report

RUN = "20260101T000000Z-0000"


def shown(disposition, check_mode, undoes=()):
    alert = {"alert_id": "I-1", "message_id": "m", "account": "payments", "disposition": disposition}
    times = "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z"
    return report(Run([alert], RUN, *times, check_mode, undoes=undoes))


@pytest.mark.parametrize(
    ("run", "following", "undoing"),
    [
        (shown("planned", True), f"remediate.yml -e remediate_plan={RUN}", None),
        (shown("planned", True, ["run-1"]), "playbooks/undo.yml -e run_id=run-1", None),
        (shown("planned", True, ["run-1", "run-2"]), "playbooks/undo.yml -e alert_id=I-1", None),
        (shown("refused", True), None, None),
        (shown("remediated", False), None, f"playbooks/undo.yml -e run_id={RUN}"),
        (shown("already_remediated", False), None, None),
        (shown("undone", False, ["run-1"]), None, None),
    ],
)
def test_what_follows_a_run_and_what_undoes_it(run, following, undoing):
    for found, command in ((next_command(run), following), (undo_command(run), undoing)):
        assert (found and found.command) == (command and f"ansible-playbook {command}")


def verified(requeued, reverted=("I-1", "I-2"), awx=None):
    alerts = [
        {
            "alert_id": one,
            "message_id": f"r/{one}",
            "account": "payments",
            "disposition": "reverted",
            "reason": "x lacks y.",
        }
        for one in reverted
    ]
    alerts.append({**alerts[0], "alert_id": "I-3", "message_id": "r/I-3", "disposition": "failed"})
    times = "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z"
    return report(Run(alerts, RUN, *times, True, verify=True, requeued=requeued, awx=awx))


@pytest.mark.parametrize(
    ("requeued", "following", "again"),
    [
        ([], "playbooks/verify.yml -e requeue=true", "playbooks/verify.yml -e requeue=true"),
        (["I-2"], "playbooks/verify.yml -e requeue=true -e alert_id=I-1", "playbooks/verify.yml -e requeue=false"),
        (["I-1", "I-2"], "playbooks/remediate.yml --check", "playbooks/verify.yml -e requeue=false"),
    ],
)
def test_what_is_in_the_queue_again_is_not_put_there_twice(monkeypatch, requeued, following, again):
    monkeypatch.setattr("sys.argv", ["ansible-playbook", "playbooks/verify.yml", "-e", "requeue=true"])
    run = verified(requeued)
    assert next_command(run).command == f"ansible-playbook {following}"
    assert retry_command(run).command == f"ansible-playbook {again}"
    assert again_command(run).command == f"ansible-playbook {again}"
    advice = {alert["alert_id"]: advice_for(alert) for alert in run["alerts"]}
    for alert_id in ("I-1", "I-2"):
        assert ("requeue=true" in advice[alert_id]) == (alert_id not in requeued)
        assert ("in the queue again" in advice[alert_id]) == (alert_id in requeued)


def test_no_untrusted_id_becomes_part_of_the_command():
    assert "alert_id" not in next_command(verified(["I-2"], reverted=("I-1; rm", "I-2"))).command


def test_the_template_of_awx_is_not_asked_for_alerts():
    following = next_command(verified(["I-2"], awx={"awx_job_id": "1"}))
    assert following.command.endswith('answer "Put reverted alerts back into the queue" with true')


@pytest.mark.parametrize(
    ("run", "again"),
    [
        (shown("failed", False), "remediate.yml"),
        (shown("failed", True), "remediate.yml --check"),
        (shown("failed", False, ["run-1"]), "playbooks/undo.yml -e run_id=run-1"),
        (shown("failed", True, ["run-1"]), None),
    ],
)
def test_a_run_that_ended_early_is_repeated_as_it_was(run, again):
    found = again_command(run)
    assert (found and found.command) == (again and f"ansible-playbook {again}")
