# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shlex

import pytest
import yaml
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.playbook_command import TEMPLATES, playbook_command
from stack import ROOT

PLAN = {"remediate_plan": "r-1"}
RUN = {"run_id": "r-0"}


@pytest.mark.parametrize(
    ("typed", "playbook", "variables", "command"),
    [
        ("remediate.yml --check", "remediate", PLAN, "remediate.yml -e remediate_plan=r-1"),
        ("remediate.yml -C --diff -vv", "remediate", PLAN, "remediate.yml -e remediate_plan=r-1"),
        ("playbooks/review.yml", "remediate", PLAN, "playbooks/remediate.yml -e remediate_plan=r-1"),
        ("/srv/lp/remediate.yml --check", "remediate", PLAN, "/srv/lp/remediate.yml -e remediate_plan=r-1"),
        ("remediate.yml", "redrive", {"alert_id": "I-1"}, "playbooks/redrive.yml -e alert_id=I-1"),
        ("/srv/lp/remediate.yml", "redrive", {}, "/srv/lp/playbooks/redrive.yml"),
        ("leastpriv.iam.show", "review", {}, "leastpriv.iam.remediate --check"),
        ("playbooks/show.yml -i x", "review", {}, "-i x playbooks/remediate.yml --check"),
        ("playbooks/apply.yml", "redrive", {}, "playbooks/redrive.yml"),
        ("remediate.yml -CJ", "remediate", PLAN, "--ask-vault-pass remediate.yml -e remediate_plan=r-1"),
        ("leastpriv.iam.review", "remediate", PLAN, "leastpriv.iam.remediate -e remediate_plan=r-1"),
        ("-i a.yml leastpriv.iam.remediate", "redrive", {}, "-i a.yml leastpriv.iam.redrive"),
        ("site.yml --check", "remediate", PLAN, "site.yml -e remediate_plan=r-1"),
        ("site.yml", "redrive", {}, "leastpriv.iam.redrive"),
        (
            "remediate.yml --check -i one.yml --inventory=two.yml -l 'a,b' --vault-password-file /v --vault-id d@/p",
            "remediate",
            PLAN,
            "-i one.yml -i two.yml --limit a,b --vault-id d@/p --vault-password-file /v remediate.yml "
            "-e remediate_plan=r-1",
        ),
        (
            'remediate.yml -C -e remediate_max_alerts=5 --extra-vars \'{"remediate_allow": ["no_tags"]}\' -e @/s.yml',
            "remediate",
            PLAN,
            "remediate.yml -e @/s.yml -e remediate_plan=r-1 -e remediate_max_alerts=5 "
            """-e '{remediate_allow: [no_tags]}'""",
        ),
        (
            "remediate.yml -C -e remediate_plan=old -e 'alert_id=I-1 run_id=r x=y' -e requeue=true",
            "remediate",
            PLAN,
            """remediate.yml -e remediate_plan=r-1 -e '{x: y}'""",
        ),
    ],
)
def test_command_that_works_when_it_is_copied(typed, playbook, variables, command):
    argv = ["/usr/bin/ansible-playbook", *shlex.split(typed)]
    assert playbook_command(playbook, variables, argv=argv) == f"ansible-playbook {command}"


def test_python_s_way_to_start_ansible_is_known():
    argv = shlex.split("/usr/lib/python3/ansible/__main__.py playbook -i one.yml remediate.yml --check")
    assert (
        playbook_command("remediate", PLAN, argv=argv)
        == "ansible-playbook -i one.yml remediate.yml -e remediate_plan=r-1"
    )


def test_undo_stays_the_same_undo():
    argv = shlex.split("ansible-playbook playbooks/undo.yml --check -e alert_id=I-1 --limit payments")
    command = "ansible-playbook --limit payments playbooks/undo.yml -e run_id=r-0 -e alert_id=I-1"
    assert playbook_command("undo", RUN, argv=argv, keeps=True) == command


@pytest.mark.parametrize(
    "secret",
    [
        "api_password=hunter2",
        "my_token='hunter2 x'",
        '{"db": {"password": "hunter2"}}',
        "{a_secret: hunter2}",
        "remediate_webhook_url=https://hooks.example/T/hunter2",
        "proxy=https://ann:hunter2@proxy.example",
        "note='Authorization: Bearer hunter2hunter2hunter2'",
        '{"broken": hunter2',
        "x='hunter2",
    ],
)
def test_no_secret_is_ever_printed(secret):
    argv = ["ansible-playbook", "remediate.yml", "--check", "-e", secret, "-e", "remediate_max_alerts=5"]
    command = playbook_command("remediate", PLAN, argv=argv)
    assert "hunter2" not in command
    assert "-e remediate_plan=r-1 -e remediate_max_alerts=5  # and the secrets of this run: " in command


def test_what_is_beside_a_secret_is_kept():
    argv = [
        "ansible-playbook",
        "remediate.yml",
        "-e",
        json.dumps({"api_password": "x", "remediate_tolerate": ["failed"]}),
    ]
    command = """ansible-playbook remediate.yml -e remediate_plan=r-1 -e '{remediate_tolerate: [failed]}'"""
    assert playbook_command("remediate", PLAN, argv=argv).startswith(command)


@pytest.mark.parametrize("argv", [[], ["pytest"], ["ansible-playbook"], ["ansible-playbook", "--no-such-option"]])
def test_without_a_command_line_of_ansible_the_documented_one(argv):
    assert playbook_command("remediate", PLAN, argv=argv) == "ansible-playbook remediate.yml -e remediate_plan=r-1"


def test_in_awx_the_template_and_its_questions():
    awx = {"awx_job_id": "7"}
    shown = playbook_command("remediate", PLAN, awx)
    assert (
        shown
        == 'in AWX, launch the template "Leastpriv: apply a plan" as a run, and answer "Run id of the review" with r-1'
    )
    shown = playbook_command("undo", {"run_id": "r-0", "alert_id": "I-1,I-2"}, awx)
    assert 'launch the template "Leastpriv: undo"' in shown
    assert '"Run id" with r-0 and "Only these alerts" with I-1,I-2' in shown
    shown = playbook_command("undo", {"alert_id": "I-1"}, awx)
    assert '"Run id" with the id of this run and "Only these alerts" with I-1' in shown
    assert "playbooks/redrive.yml (extra variables: alert_id: I-1)" in playbook_command(
        "redrive", {"alert_id": "I-1"}, awx
    )


def test_a_job_of_awx_is_known_by_its_environment(monkeypatch):
    monkeypatch.setenv("AWX_HOST", "https://awx.example")
    monkeypatch.setenv("JOB_ID", "7")
    assert playbook_command("review", {}) == 'in AWX, launch the template "Leastpriv: review"'


def test_templates_are_called_as_the_controller_role_calls_them():
    names = yaml.safe_load((ROOT / "roles/controller/vars/main.yml").read_text().replace("!unsafe", ""))
    called = {names[template["name"].strip("{} ")]: template for template in names["__controller_templates"]}
    for name, questions in TEMPLATES.values():
        template = called[name]
        asked = template["questions"] if questions else []
        assert questions.items() <= {one["variable"]: one["question_name"] for one in asked}.items()


def test_variables_mean_the_same_without_double_quotes():
    given = {
        "a": "true",
        "b": True,
        "c": "0123",
        "d": 12,
        "e": None,
        "f": "x: y, z",
        "g": ["it's", "é"],
        "h": {"i": "#1"},
    }
    argv = ["ansible-playbook", "remediate.yml", "-e", json.dumps(given)]
    *_words, option, text = shlex.split(playbook_command("remediate", {}, argv=argv))
    assert (option, yaml.safe_load(text)) == ("-e", given)
    assert '"' not in text
