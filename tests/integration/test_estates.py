# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories, settings and environments of other people: each row of tests/fixtures/estates ends as it says."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from scale import exhaustive
from stack import ROOT, attached, run_playbook, seed, send_alert
from stack.alerts import deny_policy_name

ESTATES = ROOT / "tests" / "fixtures" / "estates"
COLOR = re.compile(r"\x1b\[[0-9;]*m")


def rows(name):
    found = yaml.safe_load((ESTATES / f"{name}.yml").read_text())
    return [pytest.param(row, id=row["name"], marks=[exhaustive] if row.get("exhaustive") else []) for row in found]


@pytest.fixture
def alert(stack):
    seed(stack, "payments", users=["alice"])
    send_alert(stack, "I-1", "payments", "user", "alice")


def write_estate(stack, row):
    """The row's inventory: the three accounts, with what the row gives the group, payments, or further hosts."""
    folder = stack.folder / "estate"
    (folder / "group_vars").mkdir(parents=True, exist_ok=True)
    (folder / "group_vars" / "aws_accounts.yml").write_text(yaml.safe_dump(row.get("group_vars", {})))
    hosts = {name: {"account_id": account, "aws_profile": name} for name, account in stack.accounts.items()}
    hosts["payments"] |= row.get("host", {})
    hosts |= row.get("hosts", {})
    path = folder / "accounts.yml"
    path.write_text(yaml.safe_dump({"aws_accounts": {"hosts": hosts, "vars": row.get("group", {})}}))
    return path


# In the place of libraries that are not installed.
SITE_CUSTOMIZE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
"""


def without_libraries(stack, missing):
    """The environment of a Python that does not find some libraries."""
    folder = stack.folder / "-".join(["without", *missing])
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITE_CUSTOMIZE.format(missing=missing))
    return {"PYTHONPATH": str(folder)}


def run_row(stack, row):
    extra = ["-e", json.dumps(row["extra"])] if "extra" in row else []
    inventory = write_estate(stack, row)
    playbook = row.get("playbook", "remediate.yml")
    env = row.get("env", {}) | (without_libraries(stack, row["missing"]) if "missing" in row else {})
    return run_playbook(stack, "-i", str(inventory), *extra, *row.get("args", []), env=env, playbook=playbook)


@pytest.mark.parametrize("row", rows("worked"))
def test_an_estate_that_a_run_copes_with(stack, alert, row):
    seed(stack, "payments", users=["bob"])
    send_alert(stack, "I-2", "payments", "user", "bob")
    run = run_row(stack, row)
    assert run.rc == 2, run.stdout + run.stderr
    assert run.dispositions == {"I-1": "remediated", "I-2": "refused"}
    assert "break glass" in run.alerts["I-2"]["reason"]
    assert row["prints"] in " ".join((run.stdout + run.stderr).split())
    assert attached(stack, "payments", "user", "alice") == [deny_policy_name("alice", "I-1")]
    assert stack.depth() == (1, 0)


@pytest.fixture
def aws_config(stack):
    """Adds a text to the AWS configuration for one test."""
    file = stack.folder / "aws-config"
    before = file.read_text()
    yield lambda text: file.write_text(f"{before}\n{text}")
    file.write_text(before)


@pytest.mark.parametrize("row", rows("refused"))
def test_an_estate_that_is_refused_before_anything_is_received(stack, alert, aws_config, row):
    aws_config(row.get("config", ""))
    stack.clear_calls()
    run = run_row(stack, row)
    shown = " ".join(run.stdout.split())
    assert run.rc not in (0, None)
    for words in row["says"]:
        assert words in shown or words.replace("'", "''") in shown, run.stdout
    assert "The whole run: nothing was " in shown, "Ansible names the first host"
    assert "wr0ng-secret" not in run.stdout + run.stderr
    assert run.report is None
    assert [message["receive_count"] for message in stack.messages()] == [0]
    assert stack.calls(service="iam") == []
    assert stack.api_requests(endpoint="remediation") == []
    assert "Traceback" not in run.stdout + run.stderr


REACHED_BY = {"ansible_connection", "ansible_become", "ansible_python_interpreter"}
ELSEWHERE = {
    "ansible_connection": "ssh",
    "ansible_become": True,
    "ansible_python_interpreter": "/usr/bin/no-such-python",
}


def test_the_checks_of_ten_accounts_cost_the_calls_of_one_and_a_setting_error_is_a_few_lines(stack, alert):
    accounts = {f"ten-{number}": f"7{number:0>11}" for number in range(10)}
    stack.add_profiles(accounts)
    hosts = {name: {"account_id": account_id, "aws_profile": name} for name, account_id in accounts.items()}
    inventory = stack.write_inventory(stack.folder / "ten.yml", **hosts)
    stack.clear_calls()
    wrong = ("-e", "remediate_severites=[high]")
    run = run_playbook(stack, "-i", str(inventory), *wrong, env={"ANSIBLE_FORCE_COLOR": "1"})
    assert run.rc == 2
    assert sorted(call["action"] for call in stack.calls()) == ["GetQueueAttributes", "GetQueueUrl"]
    assert [request["endpoint"] for request in stack.api_requests()] == ["login"]
    shown = COLOR.sub("", run.stdout)
    assert "did you mean remediate_severities?" in shown
    assert len(shown.strip().split("\n")) <= 5
    assert COLOR.search(run.stdout), "coloured, although the output is not a terminal"


OWN_PLAY = {
    "hosts": "aws_accounts",
    "gather_facts": False,
    "roles": ["leastpriv.iam.remediate"],
}


FREE = "The play has strategy free"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param(
            {"strategy": "free", "serial": 1, "ignore_errors": True},
            [FREE, "The play has serial"],
            id="free, serial and ignored errors",
        ),
        pytest.param({"serial": 1}, ["The play has serial"], id="serial", marks=exhaustive),
        pytest.param({"strategy": "free"}, [FREE], id="free", marks=exhaustive),
        pytest.param(
            {"strategy": "host_pinned"}, ["The play has strategy host_pinned"], id="host_pinned", marks=exhaustive
        ),
    ],
)
def test_a_play_of_ones_own_that_cannot_work_receives_nothing(stack, alert, changes, says):
    playbook = stack.folder / "own.yml"
    playbook.write_text(yaml.safe_dump([OWN_PLAY | changes]))
    run = run_playbook(stack, playbook=str(playbook))
    assert run.rc == 2, run.stdout
    for words in says:
        assert words in " ".join(run.stdout.split())
    assert [message["receive_count"] for message in stack.messages()] == [0]


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": "debug", "connection": "ssh", "become": True, "vars": ELSEWHERE},
        # A variable goes before a keyword.
        pytest.param({"connection": "ssh", "become": True}, marks=exhaustive),
    ],
    ids=["keywords and variables", "keywords"],
)
def test_a_play_of_ones_own_works_whatever_connection_it_names(stack, alert, changes):
    playbook = stack.folder / "own.yml"
    playbook.write_text(yaml.safe_dump([OWN_PLAY | changes]))
    run = run_playbook(stack, playbook=str(playbook))
    assert run.dispositions == {"I-1": "remediated"}, run.stdout


NO_ACCOUNTS = {
    "EMPTY": {"hosts": {}},
    "WEB": {"hosts": {"web": {}}},
    "NO-MEMBER": {"hosts": {"web": {}}, "children": {"aws_accounts": {"hosts": {}}}},
    "LIMIT": {"hosts": {"web": {}}, "children": {"aws_accounts": {"hosts": {"payments": {}}}}},
}


@pytest.mark.parametrize(
    ("playbook", "args", "env", "says"),
    [
        ("remediate.yml", ["-i", "EMPTY"], ["ANSIBLE_CONFIG"], "foreign.cfg: unset it"),
        ("playbooks/undo.yml", ["-i", "LIMIT", "--limit", "web"], [], "--limit web matches no host of the group"),
        # The other playbooks: each begins with the same lookup, see below; its sentences are in test_no_accounts.py.
        pytest.param(
            "playbooks/policies.yml", ["-i", "EMPTY"], [], "has no host in the group aws_accounts", marks=exhaustive
        ),
        pytest.param(
            "playbooks/review.yml",
            ["-i", "NO-MEMBER"],
            [],
            "has hosts, but none in the group aws_accounts",
            marks=exhaustive,
        ),
        pytest.param(
            "playbooks/apply.yml", ["-i", "WEB"], [], "has hosts, but none in the group aws_accounts", marks=exhaustive
        ),
        *(
            pytest.param(
                f"playbooks/{name}.yml", ["-i", "EMPTY"], [], "has no host in the group aws_accounts", marks=exhaustive
            )
            for name in ("doctor", "redrive", "remediate", "show")
        ),
    ],
)
def test_a_run_without_accounts_fails(stack, alert, playbook, args, env, says):
    files = {name: str(stack.folder / f"{name.lower()}.yml") for name in NO_ACCOUNTS}
    for name, inventory in NO_ACCOUNTS.items():
        (stack.folder / f"{name.lower()}.yml").write_text(yaml.safe_dump({"all": inventory}))
    (stack.folder / "foreign.cfg").write_text("[defaults]\n")
    chosen = {name: str(stack.folder / "foreign.cfg") for name in env}
    run = run_playbook(stack, *(files.get(arg, arg) for arg in args), env=chosen, playbook=playbook)
    assert run.rc != 0
    assert says in " ".join((run.stdout + run.stderr).split())
    assert [message["receive_count"] for message in stack.messages()] == [0]


def test_every_playbook_walks_together_and_leaves_the_connection_to_the_role():
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        for play in yaml.safe_load(path.read_text()):
            assert play["strategy"] == "linear", path
            assert play["hosts"] in ("localhost", "{{ lookup('leastpriv.iam.accounts_group') }}"), path
            if play["hosts"] != "localhost":
                assert not {"connection", "become", *REACHED_BY} & {*play, *play.get("vars", {})}, path
    assert yaml.safe_load((ROOT / "roles/remediate/vars/main.yml").read_text()).keys() >= REACHED_BY
