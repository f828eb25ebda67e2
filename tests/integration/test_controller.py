# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/awx_setup.yml and awx_check.yml: the real modules of awx.awx against a model of the controller's API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from stack import ROOT
from stack.controller import Controller

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
    """Run a playbook against the controller; gives the finished process."""
    profiles = tmp_path / "profiles"
    profiles.write_text("[profile payments]\nrole_arn = arn:aws:iam::111122223333:role/profile-secret\n")

    def run(playbook, *args, secrets=True, **wanted):
        given = {**WANTED, "controller_profiles_file": str(profiles), **wanted}
        variables = {name: value for name, value in given.items() if value is not None}
        return subprocess.run(
            ["ansible-playbook", "-i", "localhost,", f"playbooks/{playbook}", "-e", json.dumps(variables), *args],
            cwd=ROOT,
            env={
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(tmp_path),
                "LANG": "C.UTF-8",
                **controller.env,
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
    playbooks = {"review": "review", "apply a plan": "apply", "remediate": "remediate", "undo": "undo"}
    folder = "{{ lookup('ansible.builtin.env', 'AWX_ISOLATED_DATA_DIR') }}/leastpriv"
    for name, playbook in playbooks.items():
        template = controller.named("job_templates", f"Leastpriv: {name}")
        assert template["playbook"] == f"playbooks/{playbook}.yml"
        assert (ROOT / template["playbook"]).is_file()
        assert template["credentials"] == ["Leastpriv API", "Leastpriv AWS", "Leastpriv AWS profiles"]
        assert template["notification_templates_error"] == ["Leastpriv"]
        assert template["ask_limit_on_launch"]
        variables = json.loads(template["extra_vars"])
        assert variables["remediate_artifacts_dir"] == folder
        assert {asked["variable"] for asked in template["survey"]["spec"]} | {*variables} <= known_variables()
    assert controller.named("job_templates", "Leastpriv: review")["job_type"] == "check"
    source = controller.named("inventory_sources", "accounts")
    assert (ROOT / source["source_path"]).is_file()
    assert not controller.named("schedules", "Leastpriv: remediate")["enabled"]


def known_variables():
    """What the playbooks take: the role's options, and those of playbooks/undo.yml."""
    specs = yaml.safe_load((ROOT / "roles/remediate/meta/argument_specs.yml").read_text())
    return {*specs["argument_specs"]["main"]["options"], "run_id", "alert_id"}


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


def test_everything_is_made_once_and_found_again(controller, run):
    first = run("awx_setup.yml", "-vvv")
    assert first.returncode == 0, first.stdout
    for secret in (*SECRETS.values(), "hook-secret", "profile-secret"):
        assert secret not in first.stdout + first.stderr
    assert_credentials_are_filled(controller)
    assert_jobs_have_what_they_need(controller)
    assert_only_what_was_approved_is_applied(controller)
    controller.changes.clear()
    second = run("awx_setup.yml")
    assert (second.returncode, changed(second), controller.changes) == (0, 0, []), second.stdout
    assert_a_check_says_what_is_wrong(controller, run)


def assert_a_check_says_what_is_wrong(controller, run):
    # Whoever checks need not know the secrets.
    accounts = controller.named("inventories", "Leastpriv accounts")["id"]
    controller.change("inventories", accounts, {"total_hosts": 3})
    good = run("awx_check.yml", secrets=False)
    assert (good.returncode, changed(good), controller.changes) == (0, 0, []), good.stdout
    template = controller.named("job_templates", "Leastpriv: review")["id"]
    controller.change("job_templates", template, {"job_type": "run"})
    bad = run("awx_check.yml", secrets=False)
    assert (bad.returncode, controller.changes) == (2, [])
    assert "Not as it should be: job templates." in bad.stdout


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"controller_image": None}, "missing required arguments: controller_image"),
        ({"controller_collection": "ansible.tower"}, "controller_collection must be one of"),
        # A collection that is not installed is said by the first task that needs it, not when the playbook is read.
        ({"controller_collection": "ansible.controller"}, "'ansible.controller.organization'"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_made(controller, run, wanted, says):
    done = run("awx_setup.yml", **wanted)
    assert (done.returncode, controller.changes) == (2, [])
    assert says in " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("playbook", ["awx_setup.yml", "awx_check.yml"])
def test_the_playbooks_can_be_read(run, playbook):
    assert run(playbook, "--syntax-check").returncode == 0
