# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/awx_setup.yml and awx_check.yml: the real modules of awx.awx against a model of the controller's API."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from stack import ROOT
from stack.controller import ADMIN, NO_HOSTS, NO_REVISION, Controller
from stack.controller_rules import Refused

SECRETS = {"PRISMACLOUD_PASSWORD": "vendor-secret", "AWS_SECRET_ACCESS_KEY": "aws-secret"}
GIVEN = {
    "API_ENDPOINT": "https://api.eu.prismacloud.io",
    "PRISMACLOUD_USERNAME": "key-id",
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    **SECRETS,
}
WANTED = {
    "controller_image": "registry.example.com/leastpriv-ee:1.0.0",
    "controller_project_url": "https://git.example.com/leastpriv.git",
    "controller_project_credential": "git",
    "controller_queue_url": "https://sqs.us-east-1.amazonaws.com/123456789012/prisma-cloud-alerts",
    "controller_artifacts_s3": "s3://leastpriv-runs",
    "controller_notification": {
        "notification_type": "webhook",
        "notification_configuration": {
            "url": "https://chat.example.com/hook",
            "headers": {},
            "http_method": "POST",
            "disable_ssl_verification": False,
            "username": "leastpriv",
            "password": "hook-secret",
        },
    },
}


@pytest.fixture
def controller():
    with Controller() as running:
        yield running


@pytest.fixture
def run(controller, tmp_path):
    return run_on(controller, tmp_path)


class Made(NamedTuple):
    """A controller that has been set up, and how. Each test leaves it as it finds it, but for what it adds.

    `changes` are those of the second run, by endpoint.
    """

    controller: Controller
    run: Callable[..., subprocess.CompletedProcess]
    failed: subprocess.CompletedProcess
    resumed: subprocess.CompletedProcess
    changes: Counter[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Set up by two runs, since the first update of the project fails."""
    with Controller() as controller:
        run = functools.partial(run_on(controller, tmp_path_factory.mktemp("made")), controller_slices=3)
        controller.failing_updates = 1
        failed = run("awx_setup.yml")
        controller.changes.clear()
        resumed = run("awx_setup.yml", "-vvv")
        yield Made(controller, run, failed, resumed, changed_endpoints(controller))


def run_on(controller, folder):
    """What runs a playbook against the controller, and gives the finished process."""
    profiles = folder / "profiles"
    profiles.write_text("[profile payments]\nrole_arn = arn:aws:iam::111122223333:role/profile-secret\n")

    def run(playbook, *args, secrets=True, user=ADMIN, **wanted):
        given = {**WANTED, "controller_profiles_file": str(profiles), **wanted}
        variables = {name: value for name, value in given.items() if value is not None}
        return subprocess.run(
            ["ansible-playbook", "-i", "localhost,", f"playbooks/{playbook}", "-e", json.dumps(variables), *args],
            cwd=ROOT,
            env={
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(folder),
                "LANG": "C.UTF-8",
                **controller.env(user),
                **(GIVEN if secrets else {}),
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def changed(done):
    (recap,) = [line for line in done.stdout.splitlines() if line.startswith("localhost ") and "changed=" in line]
    return int(recap.partition("changed=")[2].split()[0])


def changed_endpoints(controller):
    """How often a run has changed objects of each endpoint."""
    return Counter(path.partition("/")[0] for _method, path in controller.changes)


def assert_credentials_are_filled(controller):
    names = {number: credential["name"] for number, credential in controller.objects["credentials"].items()}
    kept = {names[number]: secrets for number, secrets in controller.secrets.items()}
    assert kept["Leastpriv API"] == {"password": "vendor-secret"}
    assert kept["Leastpriv AWS"] == {"password": "aws-secret"}
    assert "profile-secret" in kept["Leastpriv AWS profiles"]["profiles"]
    types = {name: controller.named("credential_types", name) for name in ("Leastpriv API", "Leastpriv AWS profiles")}
    assert types["Leastpriv API"]["injectors"]["env"]["PRISMACLOUD_PASSWORD"] == "{{ password }}"
    assert types["Leastpriv AWS profiles"]["injectors"]["env"] == {"AWS_CONFIG_FILE": "{{ tower.filename.profiles }}"}
    assert controller.named("organizations", "Leastpriv")["galaxy_credentials"] == ["Ansible Galaxy"]


def assert_jobs_have_what_they_need(controller):
    playbooks = {
        "review": "review",
        "apply a plan": "apply",
        "remediate": "remediate",
        "undo": "undo",
        "verify": "verify",
    }
    folder = "{{ lookup('ansible.builtin.env', 'AWX_ISOLATED_DATA_DIR') }}/leastpriv"
    for name, playbook in playbooks.items():
        template = controller.named("job_templates", f"Leastpriv: {name}")
        assert template["playbook"] == f"playbooks/{playbook}.yml"
        assert (ROOT / template["playbook"]).is_file()
        assert sorted(template["credentials"]) == ["Leastpriv API", "Leastpriv AWS", "Leastpriv AWS profiles"]
        assert template["notification_templates_error"] == ["Leastpriv"]
        assert template["ask_limit_on_launch"]
        variables = json.loads(template["extra_vars"])
        assert variables["remediate_artifacts_dir"] == folder
        assert variables["remediate_visibility_timeout"] <= 180, "what a killed job costs"
        assert {asked["variable"] for asked in template["survey"]["spec"]} | {*variables} <= known_variables()
    assert controller.named("job_templates", "Leastpriv: review")["job_type"] == "check"
    source = controller.named("inventory_sources", "accounts")
    assert (ROOT / source["source_path"]).is_file()
    assert not controller.named("schedules", "Leastpriv: remediate")["enabled"]
    verify = controller.named("schedules", "Leastpriv: verify")
    assert (verify["enabled"], "FREQ=WEEKLY" in verify["rrule"]) == (True, True)
    unified = controller.all("unified_job_templates")
    assert unified[verify["unified_job_template"]]["playbook"] == "playbooks/verify.yml"


def known_variables():
    """What the playbooks take: the role's options, and those of playbooks/undo.yml and playbooks/verify.yml."""
    specs = yaml.safe_load((ROOT / "roles/remediate/meta/argument_specs.yml").read_text())
    return {*specs["argument_specs"]["main"]["options"], "run_id", "alert_id", "requeue"}


def assert_only_what_was_approved_is_applied(controller):
    nodes = {name: controller.named("workflow_job_template_nodes", name) for name in ("review", "approve", "apply")}
    paths = {name: (node["always_nodes"], node["success_nodes"], node["failure_nodes"]) for name, node in nodes.items()}
    assert paths == {"review": (["approve"], [], []), "approve": ([], ["apply"], []), "apply": ([], [], [])}
    unified = controller.all("unified_job_templates")
    works = {name: unified[node["unified_job_template"]] for name, node in nodes.items()}
    assert [works[name]["type"] for name in nodes] == ["job_template", "workflow_approval_template", "job_template"]
    assert works["apply"]["playbook"] == "playbooks/apply.yml"
    assert works["approve"]["timeout"] < 24 * 3600, "a plan lives a day"
    assert controller.named("workflow_job_templates", "Leastpriv: review, approve, apply")[
        "notification_templates_approvals"
    ] == ["Leastpriv"]


def said(done):
    return " ".join((done.stdout + done.stderr).split())


def test_a_set_up_is_resumed_after_the_first_update_of_the_project_failed(made):
    assert made.failed.returncode == 2
    assert "Correct controller_project_url" in said(made.failed)
    assert made.resumed.returncode == 0, made.resumed.stdout
    found = ("organizations", "execution_environments", "credential_types", "credentials")
    assert {*found}.isdisjoint(made.changes), "they are there already"
    assert_only_remediate_is_sliced(made.controller)
    assert made.controller.named("projects", "Leastpriv")["status"] == "successful"


def test_everything_is_made_as_it_is_needed_and_no_secret_is_shown(made):
    for secret in (*SECRETS.values(), "hook-secret", "profile-secret"):
        assert secret not in made.resumed.stdout + made.resumed.stderr
    assert_credentials_are_filled(made.controller)
    assert_jobs_have_what_they_need(made.controller)
    assert_only_what_was_approved_is_applied(made.controller)
    assert_accounts_arrive(made.controller)
    assert_jobs_are_launched_without_answers(made.controller)


def assert_accounts_arrive(controller):
    assert controller.named("projects", "Leastpriv")["scm_update_on_launch"]
    assert controller.named("inventory_sources", "accounts")["update_on_launch"]
    assert controller.named("inventories", "Leastpriv accounts")["total_hosts"] == 3


def assert_jobs_are_launched_without_answers(controller):
    """As the schedule and the rulebook do. Only an undo cannot: it must be said what to undo."""
    launched = {name: controller.named("job_templates", f"Leastpriv: {name}") for name in ("review", "remediate")}
    for template in launched.values():
        assert controller.launch(template, {"extra_vars": {}})["status"] == "running"
        job = controller.launch(template, {"extra_vars": {"remediate_max_alerts": 5, "remediate_min_age": ""}})
        assert job["extra_vars"] == {"remediate_max_alerts": 5, "remediate_min_age": ""}
    with pytest.raises(Refused, match="'run_id' value missing"):
        controller.launch(controller.named("job_templates", "Leastpriv: undo"), {})


def test_a_check_names_what_is_different_and_nothing_else(made):
    """It finds everything else as the set-up has left it. A check needs no secret."""
    controller = made.controller
    template = controller.named("job_templates", "Leastpriv: review")["id"]
    controller.changes.clear()
    controller.change("job_templates", template, {"job_type": "run"})
    done = made.run("awx_check.yml", secrets=False)
    controller.change("job_templates", template, {"job_type": "check"})
    assert (done.returncode, changed(done), controller.changes) == (2, 1, []), done.stdout
    assert re.findall(r"^changed: .*\(item=(.*)\)$", done.stdout, re.MULTILINE) == ["Leastpriv: review"]
    assert {*re.findall(r"in the controller: ([\w ]+)\. Correct it", said(done))} == {"job templates"}


def test_a_check_requires_accounts(made):
    """Its last task, alone: the test above has come as far as that."""
    number = made.controller.named("inventories", "Leastpriv accounts")["id"]
    last = ("--start-at-task", "Require a project that was fetched and an inventory with accounts")
    for hosts, rc in ((3, 0), (0, 2)):
        made.controller.change("inventories", number, {"total_hosts": hosts})
        done = made.run("awx_check.yml", *last, secrets=False)
        made.controller.change("inventories", number, {"total_hosts": 3})
        assert done.returncode == rc, done.stdout
        assert ("The inventory has no host." in said(done)) == bool(rc)


def assert_only_remediate_is_sliced(controller):
    for template in controller.objects["job_templates"].values():
        is_sliced = template["name"] == "Leastpriv: remediate"
        assert template["job_slice_count"] == (3 if is_sliced else 1)
        assert json.loads(template["extra_vars"]).get("remediate_slice", False) == is_sliced


@pytest.mark.parametrize(("playbook", "args"), [("awx_setup.yml", ["--check"]), ("awx_check.yml", [])])
def test_an_empty_controller_is_named_in_one_sentence(controller, run, playbook, args):
    done = run(playbook, *args)
    assert (done.returncode, controller.changes) == (2, [])
    assert "Missing in the controller: organization Leastpriv." in said(done)


def test_two_organizations_and_those_who_work_in_them(made):
    """And a further run changes nothing but the secrets and the rights that it is given."""
    controller = made.controller
    controller.add_user("olga", administers="Leastpriv")
    organization = controller.named("organizations", "Leastpriv")["id"]
    team = controller.add("teams", name="approvers", organization=organization)["id"]
    controller.add_user("ann", team=team)
    controller.changes.clear()
    # An administrator of the organization sees neither the controller's own credentials nor the one of the repository.
    mine = {"controller_galaxy_credentials": [], "controller_project_credential": ""}
    # From the command line, where the variable is a text.
    secrets = ("-e", "controller_update_secrets=true")
    by_olga = made.run("awx_setup.yml", *secrets, user="olga", controller_approver_teams=["approvers"], **mine)
    assert by_olga.returncode == 0, by_olga.stdout
    assert changed_endpoints(controller) == {"credentials": 3, "notification_templates": 1, "roles": 2}
    assert {method for method, path in controller.changes if not path.startswith("roles/")} == {"PATCH"}
    assert_an_approver_sees_what_is_approved(controller)
    same_name = made.run("awx_setup.yml", controller_organization="Leastpriv EU")
    assert "Cannot change the organization of an execution environment" in said(same_name)
    other = made.run("awx_setup.yml", controller_organization="Leastpriv EU", controller_environment="Leastpriv EU")
    assert other.returncode == 0, other.stdout


def assert_an_approver_sees_what_is_approved(controller):
    seen = {
        one["name"]
        for endpoint in ("job_templates", "workflow_job_templates")
        for one in controller.objects[endpoint].values()
        if controller.sees("ann", endpoint, one)
    }
    assert seen == {"Leastpriv: review", "Leastpriv: review, approve, apply"}
    review = controller.named("job_templates", "Leastpriv: review")
    assert not controller.may_launch("ann", "job_templates", review)


RULE = "DTSTART:20260101T000000Z RRULE:FREQ=DAILY;INTERVAL=1"


def test_a_required_question_refuses_what_does_not_answer_it(controller):
    """As AWX does, whatever the default."""
    project = controller.add("projects", name="Leastpriv", scm_type="git")["id"]
    controller.end_updates()
    template = controller.add(
        "job_templates", name="t", project=project, playbook="playbooks/remediate.yml", survey_enabled=True
    )
    question = {"question_name": "?", "variable": "number", "type": "integer", "required": True, "default": 1}
    controller.surveys[template["id"]] = {"spec": [question]}
    schedule = {"name": "s", "unified_job_template": template["id"], "rrule": RULE}
    for refused, given in (
        ("'number' value missing", {}),
        ("expected to be a integer", {"number": ""}),
        ("not allowed on launch", {"number": 1, "other": 2}),
    ):
        with pytest.raises(Refused, match=refused):
            controller.add("schedules", extra_data=given, **schedule)
    assert controller.add("schedules", extra_data={"number": 1}, **schedule)
    with pytest.raises(Refused, match="already exists"):
        controller.add("schedules", extra_data={"number": 1}, **schedule)
    with pytest.raises(Refused, match="'number' value missing"):
        controller.launch(template, {})


def test_a_job_without_project_or_accounts_fails(controller):
    organization = controller.add("organizations", name="Leastpriv")["id"]
    project = controller.add("projects", name="Leastpriv", organization=organization, scm_type="git")
    inventory = controller.add("inventories", name="accounts", organization=organization)
    playbook = {"name": "remediate", "project": project["id"], "playbook": "playbooks/remediate.yml"}
    with pytest.raises(Refused, match="Playbook not found for project"):
        controller.add("job_templates", inventory=inventory["id"], **playbook)
    controller.end_updates()
    template = controller.add("job_templates", inventory=inventory["id"], **playbook)
    assert controller.launch(template, {})["job_explanation"] == NO_HOSTS
    controller.change("projects", project["id"], {"status": "failed"})
    controller.change("inventories", inventory["id"], {"total_hosts": 1})
    assert controller.launch(template, {})["job_explanation"] == NO_REVISION


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (
            {"controller_image": None, "controller_collection": "ansible.tower"},
            ["missing required arguments: controller_image", "controller_collection must be one of"],
        ),
        # A collection that is not installed is said by the first task that needs it, not when the playbook is read.
        ({"controller_collection": "ansible.controller"}, ["'ansible.controller.organization'"]),
    ],
    ids=["two settings", "no collection"],
)
def test_what_is_missing_is_said_before_anything_is_made(controller, run, wanted, says):
    done = run("awx_setup.yml", **wanted)
    assert (done.returncode, controller.changes) == (2, [])
    for text in says:
        assert text in said(done)
