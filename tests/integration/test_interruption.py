# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C, SIGTERM and dying workers: a run ends soon, releases its messages and writes its report."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import check_report
from scale import exhaustive
from stack import (
    kill_run,
    new_artifacts_folder,
    read_report,
    run_playbook,
    seed,
    send_alert,
    start_playbook,
    wait_until,
)
from stack.alerts import integration_test
from stack.runs import END_SECONDS

from .test_metrics import metrics_of, samples

LIMIT = 10.0
KEY = "only-we-know-it"
# Longer than a run may take to end.
STUCK = 25


@dataclass(frozen=True)
class Ended:
    """What an interrupted run left."""

    rc: int
    shown: str
    report: dict | None
    seconds: float
    survivors: list[int]

    @property
    def dispositions(self):
        return {alert["alert_id"]: alert["disposition"] for alert in self.report["alerts"]}


KILLS_WORKERS = Path(__file__).parent.parent / "fixtures" / "callback"
# A connection that cannot be made although the settings allow it.
UNREACHABLE = {"ansible_connection": "ansible.builtin.ssh", "ansible_port": 9, "remediate_unfenced": True}


class Interrupted:
    """A run that is started, and then interrupted."""

    def __init__(self, stack, *args):
        self.artifacts = new_artifacts_folder(stack)
        self.process = start_playbook(stack, *args, artifacts=self.artifacts, env={"REMEDIATE_PLAN_KEY": KEY})

    def end_by(self, *signals, whole_group=False):
        started = time.monotonic()
        for signum in signals:
            (os.killpg if whole_group else os.kill)(self.process.pid, signum)
            time.sleep(0.2)
        return self.finish(started)

    def finish(self, started):
        try:
            shown = "".join(self.process.communicate(timeout=LIMIT + 20))
        except BaseException:
            kill_run(self.process)
            raise
        seconds = time.monotonic() - started
        # The loaded Python ends when it sees that the controller has.
        wait_until(lambda: not self.process.processes(), END_SECONDS)
        report, survivors = read_report(self.artifacts), self.process.processes()
        return Ended(self.process.returncode, shown, report, seconds, survivors)


@pytest.fixture
def alerts(stack):
    """Two alerts to work on in two accounts, and one that is settled as soon as it is received."""
    for alert_id, account, user in (("I-1", "payments", "alice"), ("I-2", "sandbox", "carol")):
        seed(stack, account, users=[user])
        send_alert(stack, alert_id, account, "user", user)
    stack.send(integration_test())


def check_the_next_run(stack):
    """What was interrupted is finished, and nothing is done twice."""
    run = run_playbook(stack)
    assert run.rc == 0, run.stdout
    assert set(run.dispositions.values()) <= {"remediated", "already_remediated"}
    for account, user in (("payments", "alice"), ("sandbox", "carol")):
        attached = stack.client("iam", account).list_attached_user_policies(UserName=user)["AttachedPolicies"]
        assert len(attached) == 1
    assert stack.depth() == (0, 0)


def check_what_it_left(stack, run, ended, rc, name):
    """It has ended soon and entirely, with this exit status, and says what has ended it; nothing is given away."""
    assert ended.seconds < LIMIT
    assert ended.survivors == []
    assert ended.rc == rc, ended.shown
    assert ended.report["interrupted"] == f"Interrupted by {name}"
    assert ended.report["unsettled"] == []
    (page,) = run.artifacts.glob("*/report.html")
    assert f"Interrupted by {name}" in page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600
    check_report(ended.report, KEY)
    assert f"Interrupted by {name}" in ended.shown
    assert "Traceback" not in ended.shown
    for secret in (KEY, stack.env["PRISMACLOUD_PASSWORD"]):
        assert secret not in ended.shown + json.dumps(ended.report)


# Each kind of signal at one stage of a run: how it is taken depends on no stage.
@pytest.mark.parametrize(
    ("signals", "whole_group", "rc", "name", "connection", "stuck_at"),
    [
        ([signal.SIGTERM], False, 143, "SIGTERM", "leastpriv.iam.warm", {"action": "AttachUserPolicy"}),
        # Each module is slow there, so the first is the one.
        ([signal.SIGINT] * 3, True, 99, "SIGINT", "local", {"service": "iam"}),
    ],
    ids=["sigterm", "impatient ctrl-c, local connection"],
)
def test_a_run_that_is_interrupted_at_a_step_releases_what_it_has_not_finished(
    stack, alerts, signals, whole_group, rc, name, connection, stuck_at
):
    stuck_at = {**stuck_at, "account": stack.account_id("payments")}
    stack.fault(**stuck_at, seconds=STUCK)
    run = Interrupted(stack, "-e", f"ansible_connection={connection}", "-e", "remediate_unfenced=true")
    stack.wait_for_call(**stuck_at)
    ended = run.end_by(*signals, whole_group=whole_group)
    check_what_it_left(stack, run, ended, rc, name)
    assert ended.dispositions == {"I-1": "failed", "I-2": "failed", "T-0": "acknowledged"}
    reasons = {alert["reason"] for alert in ended.report["alerts"] if alert["disposition"] == "failed"}
    assert reasons == {
        f"Interrupted by {name} before it was finished. Run again: steps that were already applied are skipped."
    }
    assert stack.depth() == (2, 0)
    if connection == "local":
        check_the_calls_of_modules_are_not_counted(run)


def check_the_calls_of_modules_are_not_counted(run):
    """Those of the controller are."""
    called = samples(metrics_of(run), "api_calls")
    assert {service for service, _operation in called} == {"sqs", "sts", "vendor"}
    assert called["sts", "GetCallerIdentity"] == 1, "the controller's own, of the identity that the run begins with"
    assert ("sqs", "ReceiveMessage") in called


def test_a_run_whose_terminal_closes_while_it_receives_releases_everything(stack, alerts):
    stack.api_fault(endpoint="remediation", seconds=STUCK)
    run = Interrupted(stack)
    assert wait_until(lambda: stack.api_requests(endpoint="remediation"))
    ended = run.end_by(signal.SIGHUP, whole_group=True)
    check_what_it_left(stack, run, ended, 129, "SIGHUP")
    assert ended.report["alerts"] == []
    assert "No alert was received." in ended.shown
    assert stack.depth() == (3, 0)


def test_what_was_finished_is_deleted_although_the_run_was_interrupted_before_it_could(stack, alerts):
    run = Interrupted(stack)
    stack.wait_for_call(action="AttachUserPolicy", account=stack.account_id("sandbox"))
    stack.fault(action="DeleteMessageBatch", seconds=STUCK)
    stack.wait_for_call(action="DeleteMessageBatch", status=None)
    ended = run.end_by(signal.SIGTERM)
    assert ended.seconds < LIMIT
    assert ended.dispositions == {"I-1": "remediated", "I-2": "remediated", "T-0": "acknowledged"}
    assert ended.report["unsettled"] == []
    assert stack.depth() == (0, 0)


def test_ctrl_c_in_a_review_releases_even_what_is_settled_already(stack, alerts):
    stack.fault(service="iam", seconds=STUCK)
    run = Interrupted(stack, "--check")
    stack.wait_for_call(service="iam")
    ended = run.end_by(signal.SIGINT, whole_group=True)
    check_what_it_left(stack, run, ended, 99, "SIGINT")
    assert ended.report["mode"] == "check"
    assert stack.depth() == (3, 0)


def test_a_queue_that_does_not_answer_does_not_keep_an_interrupted_run(stack, alerts):
    stack.fault(action="CreatePolicy", account=stack.account_id("payments"), seconds=STUCK)
    run = Interrupted(stack)
    stack.wait_for_call(action="CreatePolicy", account=stack.account_id("payments"))
    stack.fault(service="sqs", seconds=STUCK, count=100)
    ended = run.end_by(signal.SIGTERM)
    assert ended.seconds < LIMIT
    assert "did not answer within" in ended.report["unsettled"][0]
    assert stack.depth() == (0, 2), "they come back by themselves"


def test_a_run_whose_worker_dies_releases_its_messages(stack, alerts, tmp_path):
    stack.fault(action="AttachUserPolicy", account=stack.account_id("payments"), seconds=STUCK)
    run = Interrupted(stack, "-e", f"remediate_metrics_file={tmp_path}/leastpriv.prom")
    stack.wait_for_call(action="AttachUserPolicy", account=stack.account_id("payments"))
    started = time.monotonic()
    for pid in run.process.processes():
        # One may have ended by itself meanwhile.
        with suppress(ProcessLookupError):
            if pid != run.process.pid:
                os.kill(pid, signal.SIGKILL)
    ended = run.finish(started)
    assert ended.rc not in (0, 2), ended.shown
    assert ended.report["interrupted"] == "The run broke off"
    assert ended.dispositions == {"I-1": "failed", "I-2": "failed", "T-0": "acknowledged"}
    assert stack.depth() == (2, 0)
    metrics = (tmp_path / "leastpriv.prom").read_text()
    assert 'leastpriv_run_interrupted{mode="apply"} 1\n' in metrics
    assert 'leastpriv_api_calls{mode="apply",service="iam",operation="CreatePolicy"}' in metrics
    stack.clear_faults()
    check_the_next_run(stack)


def test_a_run_whose_worker_is_killed_while_it_sends_a_result_does_not_wait_for_it(stack, alerts):
    enabled = "leastpriv.iam.preload,leastpriv.iam.interruption,kills_workers"
    env = {"ANSIBLE_CALLBACK_PLUGINS": str(KILLS_WORKERS), "ANSIBLE_CALLBACKS_ENABLED": enabled}
    run = run_playbook(stack, env=env, timeout=60)
    assert run.rc == 1, run.stdout
    assert run.report["interrupted"] == "The run broke off"
    assert "A worker of Ansible was killed while it sent a result" in " ".join(run.stderr.split())
    assert stack.depth() == (2, 0)
    check_the_next_run(stack)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("__remediate_translated", id="translate"),
        pytest.param("__remediate_outcomes", id="decide", marks=exhaustive),
        pytest.param("__remediate_finished", id="acknowledge"),
    ],
)
def test_a_run_whose_template_fails_at_any_stage_releases_its_messages(stack, alerts, broken):
    run = run_playbook(stack, "--check", "-e", json.dumps({broken: "{{ no_such_variable }}"}))
    assert run.rc == 2, run.stdout
    assert run.report["interrupted"] == "The run broke off"
    assert stack.depth() == (3, 0)


def test_messages_of_hosts_that_become_unreachable_are_released(stack, alerts):
    run = run_playbook(stack, "-e", json.dumps(UNREACHABLE))
    assert run.rc == 4, run.stdout
    assert set(run.dispositions.values()) == {"failed", "acknowledged"}
    assert stack.depth() == (2, 0)
