# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebooks in the real ansible-rulebook: alerts are worked as they arrive, by one run after the other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from itertools import pairwise

import pytest
import yaml
from programs import path_of
from stack import ROOT, attached, kill_run, new_artifacts_folder, seed, send_alert, wait_until
from stack.alerts import deny_policy_name
from stack.controller import ADMIN, Controller, token_of
from stack.controller_rules import check_survey
from stack.runs import Playbook

RULEBOOKS = ROOT / "extensions" / "eda" / "rulebooks"
STORM = 15
# For what happens in the end, however busy the machine is.
IN_THE_END = 120
IMPATIENT = {"look_every": 0.5, "gap": 1, "first_pause": 2, "longest_pause": 2}


class Rulebook(Playbook):
    """A started ansible-rulebook, and what the runs that it started have left."""

    def __init__(self, stack, rulebook, *args, **variables):
        self.artifacts = new_artifacts_folder(stack)
        self.log = (stack.folder / "rulebook.log").open("w+")
        super().__init__(
            ["ansible-rulebook", "--rulebook", str(rulebook), "--inventory", str(stack.inventory), *args],
            # Not the project: a service starts where it likes.
            cwd=stack.folder,
            env={**stack.process_env, "LEASTPRIV_ARTIFACTS": str(self.artifacts), **variables},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def shown(self):
        self.log.seek(0)
        return self.log.read()

    def reports(self):
        """The reports of its runs, oldest first."""
        found = [json.loads(path.read_text()) for path in self.artifacts.glob("*/report.json")]
        return sorted(found, key=lambda report: (report["started"], report["finished"]))

    def dispositions(self):
        return [{alert["alert_id"]: alert["disposition"] for alert in report["alerts"]} for report in self.reports()]

    def stop_as_systemd_does(self):
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return self.wait(timeout=IN_THE_END)


@contextmanager
def rulebook(stack, *args, **variables):
    """An ansible-rulebook whose doorbell looks at the queue."""
    path_of("java")
    process = Rulebook(stack, *args, **variables)
    try:
        assert wait_until(lambda: process.poll() is not None or stack.calls(action="GetQueueAttributes"), IN_THE_END)
        assert process.poll() is None, process.shown()
        yield process
    finally:
        kill_run(process)


def impatient(name, tmp_path):
    """A rulebook as it is shipped, with a doorbell that does not wait for long."""
    [ruleset] = yaml.safe_load((RULEBOOKS / name).read_text())
    ruleset["sources"][0]["leastpriv.iam.doorbell"] = IMPATIENT
    path = tmp_path / name
    path.write_text(yaml.safe_dump([ruleset]))
    return path


def test_the_shipped_rulebook_is_quick_overlaps_no_runs_and_ends_its_run_when_it_is_stopped(stack):
    arguments = ("leastpriv.iam.remediate", "--env-vars", "LEASTPRIV_ARTIFACTS")
    with rulebook(stack, *arguments, JAVA_TOOL_OPTIONS="-Xrs") as running:
        stack.wait_for_call(action="GetQueueAttributes", count=3)
        assert {call["action"] for call in stack.calls()} == {"GetQueueUrl", "GetQueueAttributes"}, "it only looks"
        send_one_after_the_other(stack, running)
        send_a_storm(stack, running)
        stop_during_a_run(stack, running)


def send_one_after_the_other(stack, running):
    """Until one of three is remediated in time."""
    users = [f"one-{number}" for number in range(3)]
    # On a machine that has the time for it: beside other work everything takes so much longer.
    limit = 10 * max(1.0, os.getloadavg()[0] / os.cpu_count())
    seed(stack, "payments", users=users)
    for user in users:
        send_alert(stack, f"I-{user}", "payments", "user", user)
        if wait_until(lambda: stack.depth() == (0, 0), limit):
            break
        assert wait_until(lambda: stack.depth() == (0, 0), IN_THE_END), running.shown()
    else:
        pytest.fail(f"It took more than {limit} seconds each time:\n{running.shown()}")
    assert attached(stack, "payments", "user", user) == [deny_policy_name(user, f"I-{user}")]
    assert wait_until(lambda: f"I-{user}" in {key for run in running.dispositions() for key in run}, IN_THE_END)


def send_a_storm(stack, running):
    before = len(running.reports())
    users = {f"I-{number}": (sorted(stack.accounts)[number % 3], f"user-{number}") for number in range(STORM)}
    for account in stack.accounts:
        seed(stack, account, users=[user for place, user in users.values() if place == account])
    for alert_id, (account, user) in users.items():
        send_alert(stack, alert_id, account, "user", user)
        time.sleep(0.2)

    def worked():
        return running.dispositions()[before:]

    assert wait_until(lambda: sum(map(len, worked())) >= STORM, IN_THE_END), running.shown()
    assert stack.depth() == (0, 0)
    for alert_id, (account, user) in users.items():
        assert attached(stack, account, "user", user) == [deny_policy_name(user, alert_id)]
    assert [word for run in worked() for word in run.values()] == ["remediated"] * STORM
    reports = running.reports()
    assert len(reports) - before <= 4
    assert all(earlier["finished"] <= later["started"] for earlier, later in pairwise(reports)), "runs do not overlap"


def stop_during_a_run(stack, running):
    """The run ends, and releases its messages."""
    begin_a_run_that_is_stuck(stack, "I-stopped", "stopped")
    assert running.stop_as_systemd_does() == 0, running.shown()
    assert wait_until(lambda: stack.depth() == (1, 0), IN_THE_END), running.shown()
    assert running.dispositions()[-1] == {"I-stopped": "failed"}
    assert wait_until(lambda: not running.processes(), IN_THE_END)


def begin_a_run_that_is_stuck(stack, alert_id, user):
    """Send an alert, and wait for the run that attaches its policy."""
    seed(stack, "payments", users=[user])
    stack.clear_calls()
    stack.fault(action="AttachUserPolicy", seconds=2 * IN_THE_END)
    send_alert(stack, alert_id, "payments", "user", user)
    stack.wait_for_call(action="AttachUserPolicy")
    assert stack.depth() == (0, 1)


def test_a_failing_playbook_is_tried_again_and_a_run_ends_when_its_rulebook_is_killed(stack, tmp_path):
    seed(stack, "payments", users=["alice"])
    stack.fault(action="CreatePolicy", code="AccessDenied", status=403, count=99)
    send_alert(stack, "I-1", "payments", "user", "alice")
    with rulebook(stack, impatient("remediate.yml", tmp_path), "--env-vars", "LEASTPRIV_ARTIFACTS") as running:
        assert wait_until(lambda: len(running.reports()) >= 2, IN_THE_END), running.shown()
        assert running.dispositions()[:2] == [{"I-1": "failed"}] * 2
        assert sum(stack.depth()) == 1, "kept"
        stack.clear_faults()
        assert wait_until(lambda: stack.depth() == (0, 0), IN_THE_END), running.shown()
        assert running.poll() is None
        assert attached(stack, "payments", "user", "alice") == [deny_policy_name("alice", "I-1")]
        kill_during_a_run(stack, running)


def kill_during_a_run(stack, running):
    """The run's terminal closes, which ansible-runner makes it ignore; Ansible would wait forever."""
    begin_a_run_that_is_stuck(stack, "I-killed", "killed")
    os.kill(running.pid, signal.SIGKILL)
    assert wait_until(lambda: not running.processes(), IN_THE_END), "neither the run nor the doorbell is left"
    assert stack.depth() == (1, 0)
    assert running.dispositions()[-1] == {"I-killed": "failed"}


class Loader(yaml.SafeLoader):
    """Reads the variables of a role."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


@pytest.fixture
def controller():
    with Controller() as running:
        yield running


def set_up_template(controller):
    """The job template as roles/controller makes it, and what it needs."""
    variables = yaml.load((ROOT / "roles/controller/vars/main.yml").read_text(), Loader)
    name = variables["__controller_remediate"]
    organization = controller.add("organizations", name="Security")["id"]
    project = controller.add("projects", name="Leastpriv", organization=organization, scm_type="git")["id"]
    inventory = controller.add("inventories", name="accounts", organization=organization)["id"]
    controller.end_updates()
    controller.change("inventories", inventory, {"total_hosts": 1})
    (wanted,) = [one for one in variables["__controller_templates"] if one["name"] == "{{ __controller_remediate }}"]
    template = controller.add(
        "job_templates",
        name=name,
        project=project,
        inventory=inventory,
        playbook=wanted["playbook"],
        ask_limit_on_launch=True,
        ask_variables_on_launch=wanted["ask_variables"],
        survey_enabled=True,
    )
    questions = {"name": "", "description": "", "spec": variables["__controller_which_alerts"]}
    controller.surveys[template["id"]] = check_survey(questions)
    return name


def test_a_job_template_is_launched_again_only_when_its_job_has_ended(stack, controller, tmp_path):
    variables = tmp_path / "vars.yml"
    variables.write_text(yaml.safe_dump({"job_template": set_up_template(controller), "organization": "Security"}))
    arguments = (impatient("launch_remediate.yml", tmp_path), "--vars", str(variables))
    environment = {
        "EDA_CONTROLLER_URL": controller.url,
        "EDA_CONTROLLER_TOKEN": token_of(ADMIN),
        "EDA_JOB_TEMPLATE_REFRESH_DELAY": "0.2",
    }
    with rulebook(stack, *arguments, **environment) as running:
        for number in range(5):
            send_alert(stack, f"I-{number}", "payments", "user", f"user-{number}")
        assert wait_until(lambda: controller.jobs, IN_THE_END), running.shown()
        send_alert(stack, "I-5", "payments", "user", "user-5")
        # For the doorbell to look again several times.
        time.sleep(3)
        (first,) = controller.jobs.values()
        assert (first["limit"], first["extra_vars"], first["status"]) == ("all", {}, "running")
        first["status"] = "failed"
        assert wait_until(lambda: len(controller.jobs) == 2, IN_THE_END), running.shown()
        assert stack.depth() == (6, 0), "not even a failing job loses anything"
