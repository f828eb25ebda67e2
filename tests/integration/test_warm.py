# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm connection beside the local one: the same tasks, and every result compared."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls import call_fence
from stack import Stack, kill_run, new_artifacts_folder, start_playbook, wait_until
from stack.process import ROOT
from stack.runs import MARK, Playbook

# Another Python, as a rule without boto3.
BARE = next(path for path in ("/usr/bin/python3", sys.executable) if os.path.exists(path))
MODULES = ROOT / "tests/fixtures/modules"
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}

# What is compared, by what it is about; each is a task.
ORDINARY = {
    "ping": {"ansible.builtin.ping": {}},
    "all that a module sees": {"probe": {}},
    "variables of the task": {
        "probe": {},
        "environment": {"A_QUOTE": 'it\'s $HOME; "a" `b`\n\\', "EMPTY": "", "TZ": "Asia/Tokyo", "UMLAUT": "ü"},
    },
    "variables that Python reads when it starts": {"probe": {}, "environment": {"PYTHONHASHSEED": "7", "LC_ALL": "C"}},
    "a variable that no shell knows": {"probe": {}, "environment": {"ÜMLAUT": "ü"}},
    "check mode": {"probe": {}, "check_mode": True},
    "secrets": {"probe": {"secret": "hunter2hunter2"}},
    "no_log": {"probe": {"secret": "hunter2hunter2"}, "no_log": True},
    "a command": {"ansible.builtin.command": {"argv": ["sh", "-c", "pwd; umask; cat; echo error >&2; ulimit -n"]}},
    "a command that fails": {"ansible.builtin.command": {"argv": ["sh", "-c", "exit 7"]}},
    "wrong arguments": {"ansible.builtin.ping": {"nonsense": 1}},
    "a file": {"ansible.builtin.copy": {"content": "a\n", "dest": "{{ folder }}/file", "mode": "0640"}, "diff": True},
    "a file in check mode": {
        "ansible.builtin.copy": {"content": "b\n", "dest": "{{ folder }}/file", "mode": "0640"},
        "check_mode": True,
        "diff": True,
    },
    "async": {"probe": {}, "async": 30, "poll": 1},
    "raw": {"ansible.builtin.raw": "echo raw; exit 0"},
    "another user": {"ansible.builtin.command": "id -un", "become": True, "become_user": "nobody"},
    "a time-out": {"ansible.builtin.command": "sleep 20", "timeout": 2},
    **{
        f"ends by {way}": {"ends_oddly": {"way": way}}
        for way in ("exception", "at_exit", "thread", "status", "text", "killed", "at_once", "nothing")
    },
}
ALICE = {"name": "alice", "state": "present"}
USER = {"amazon.aws.iam_user": {**ALICE, "tags": {"a": "b"}}}
MANAGED = {"amazon.aws.iam_managed_policy": {"name": "Deny", "state": "present", "policy": POLICY}}
WITH_AWS = {
    "who": {"amazon.aws.aws_caller_info": {}},
    "make a user in check mode": {**USER, "check_mode": True},
    "make a user": USER,
    "make a user again": USER,
    "make a policy": {**MANAGED, "diff": True},
    "make a policy again": MANAGED,
    "attach it": {"amazon.aws.iam_user": {**ALICE, "managed_policies": ["Deny"], "purge_policies": False}},
    "attach what is not there": {"amazon.aws.iam_user": {**ALICE, "managed_policies": ["Nothing"]}},
    "a wrong document": {"amazon.aws.iam_managed_policy": {"name": "Wrong", "state": "present", "policy": "no JSON"}},
    "a missing profile": {"amazon.aws.aws_caller_info": {}, "environment": {"AWS_PROFILE": "nobody"}},
    "list users": {"amazon.aws.iam_user_info": {}},
    "a role": {
        "amazon.aws.iam_role": {"name": "role", "assume_role_policy_document": POLICY, "managed_policies": []},
        "check_mode": True,
    },
    "remove the user": {"amazon.aws.iam_user": {"name": "alice", "state": "absent"}},
}
# What no two runs have in common.
PASSING = (
    (re.compile(r"/[^ \"']*ansible_\w+_payload_\w+"), "PAYLOAD"),
    (re.compile(r"ansible-tmp-[0-9.]+-\d+-\d+|ansible-local-\w+|tmp\w{8}\b"), "TMP"),
    (re.compile(r"\b(AIDA|ANPA|AROA|ASIA)[A-Z0-9]+\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[0-9.+:Z]*"), "TIME"),
    (re.compile(r"botocore-session-\d+"), "SESSION"),
    (re.compile(r"j\d+\.\d+"), "JOB"),
    (re.compile(r"\d:\d\d:\d\d\.\d+"), "DELTA"),
    (re.compile(r"(RequestId|request_id)\W+[\w-]+"), "REQUEST"),
    # Where the code of a loaded module was read from, and its text, which an archive's frames do not show.
    (re.compile(r"\n    [^\n]*"), ""),
    (re.compile(r"(File |\")?[^ \"]*/(ansible(?:_collections)?/[\w/]+\.py)"), r"\2"),
    (re.compile(r"\b0x[0-9a-f]+"), "ADDRESS"),
    # The shell itself reports it.
    (re.compile(r"Killed\n$"), ""),
    (re.compile(r"pid=\d+|\"pid\": \d+"), "PID"),
)
DIFFERENT = (
    "number",
    "mtime",
    "ctime",
    "atime",
    "inode",
    "ino",
    "dev",
    "start",
    "end",
    "delta",
    "backup_file",
    # Where Ansible itself was when the time was over.
    "frame",
    # Warnings about names that amazon.aws imports: only the first import shows them.
    "deprecations",
    "policy_id",
    "user_id",
    # The stack's names of a run.
    "AWS_SDK_UA_APP_ID",
    MARK,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def play(tasks: dict) -> list[dict]:
    """Each task with its result registered, and at the end all results in a file."""
    registered = [
        {**task, "name": name, "register": f"r{place}", "ignore_errors": True}
        for place, (name, task) in enumerate(tasks.items())
    ]
    results = ", ".join(f"'{place}': r{place}" for place in range(len(tasks)))
    keep = {
        "ansible.builtin.copy": {
            "content": "{{ {" + results + "} | to_json }}",
            "dest": "{{ folder }}/{{ inventory_hostname }}.json",
        },
        "vars": {"ansible_connection": "local"},
    }
    identity = {"group/amazon.aws.aws": {"profile": "{{ inventory_hostname }}"}}
    return [{"hosts": "all", "gather_facts": False, "module_defaults": identity, "tasks": [*registered, keep]}]


def run_tasks(
    stack: Stack,
    folder: Path,
    connection: str,
    tasks: dict,
    *args: str,
    hosts: tuple[str, ...] = ("payments",),
    env: dict[str, str] | None = None,
) -> tuple[dict[str, dict], str]:
    """Run the tasks on hosts; gives the results by host and task, and what was printed."""
    (folder / "tasks.yml").write_text(yaml.safe_dump(play(tasks), sort_keys=False))
    shared = {
        "ansible_connection": connection,
        "ansible_pipelining": True,
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "ansible_become_method": "ansible.builtin.su",
        "folder": str(folder),
    }
    accounts = {"all": {"hosts": {host: None for host in hosts}, "vars": shared}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(accounts))
    inventory = ["-i", str(folder / "hosts.yml")]
    settings = {"ANSIBLE_LIBRARY": str(MODULES), "LANG": "C.UTF-8", **(env or {})}
    playbook, artifacts = str(folder / "tasks.yml"), new_artifacts_folder(stack)
    run = start_playbook(stack, *inventory, *args, playbook=playbook, artifacts=artifacts, env=settings)
    try:
        stdout, stderr = run.communicate(timeout=300)
        assert run.returncode == 0, stdout + stderr
        assert wait_until(lambda: not loaded_pythons(run), 10), "the loaded Python ends with the run"
    finally:
        kill_run(run)
    found = {host: json.loads((folder / f"{host}.json").read_text()) for host in hosts}
    by_name = {host: {name: found[host][str(place)] for place, name in enumerate(tasks)} for host in hosts}
    return by_name, stdout


def loaded_pythons(run: Playbook) -> list[int]:
    """The fork server of a run, and the children that run its modules; test_lifetime.py kills a run."""
    return [pid for pid in run.processes() if b"fork_server.py" in command_line(pid)]


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def lasting(value):
    """A result without what no two runs have in common."""
    if isinstance(value, dict):
        return {name: lasting(inner) for name, inner in value.items() if name not in DIFFERENT}
    if isinstance(value, list):
        return [lasting(inner) for inner in value]
    if isinstance(value, str):
        for pattern, word in PASSING:
            value = pattern.sub(word, value)
    return value


def assert_same_results(stack, folder, tasks):
    """Run the tasks by the local connection and by the warm one; gives the latter's results and output."""
    local, _output = run_tasks(stack, folder, "local", tasks)
    stack.reset()
    for left in folder.iterdir():
        left.unlink()
    warm, output = run_tasks(stack, folder, "leastpriv.iam.warm", tasks, "-vvv")
    assert output.count("EXEC WARM") >= len(tasks) // 2, "most of them really ran warm"
    for name in tasks:
        assert lasting(warm["payments"][name]) == lasting(local["payments"][name]), name
    return warm["payments"], output


def test_every_result_is_the_one_of_the_local_connection(stack, folder):
    results, output = assert_same_results(stack, folder, ORDINARY)
    assert "NOT WARM: no pipelined Python module" in output
    assert re.search("NOT WARM: Python reads [A-Z_, ]*PYTHONHASHSEED[A-Z_, ]* when it starts", output)
    numbers = [results[name]["number"] for name in ("all that a module sees", "variables of the task")]
    assert numbers[0] != numbers[1], "two modules have nothing random in common"


def test_every_result_of_aws_is_the_one_of_the_local_connection(stack, folder):
    assert_same_results(stack, folder, WITH_AWS)


def test_accounts_side_by_side_never_share_an_identity(stack, folder):
    hosts = tuple(stack.accounts)
    tasks = {f"who {number}": {"amazon.aws.aws_caller_info": {}} for number in range(4)}
    tasks["probe"] = {"probe": {}, "vars": {"ansible_python_interpreter": BARE}}
    results, _output = run_tasks(stack, folder, "leastpriv.iam.warm", tasks, hosts=hosts)
    for host in hosts:
        accounts = {result["account"] for name, result in results[host].items() if name != "probe"}
        assert accounts == {stack.account_id(host)}
        assert results[host]["probe"]["executable"] == BARE, "an interpreter without boto3 works too"
    assert len(stack.calls(service="sts", action="AssumeRole")) == len(hosts), "each role is assumed once"


def test_without_any_patch_the_fence_stands_and_calls_are_counted(stack, folder, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import botocore\nbotocore.__version__ = '999.0'\n")
    noted = f"lookup('ansible.builtin.pipe', 'cat {tmp_path}/local/*/leastpriv-api-calls')"
    tasks = {
        "stopped": {**USER, "environment": {call_fence.VARIABLE: json.dumps(call_fence.declaration([]))}},
        "who": {"amazon.aws.aws_caller_info": {}},
        "calls": {"ansible.builtin.debug": {"msg": f"{{{{ {noted} }}}}"}},
    }
    env = {"PYTHONPATH": str(tmp_path), "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local")}
    results, output = run_tasks(stack, folder, "leastpriv.iam.warm", tasks, "-vvv", env=env)
    assert output.count("EXEC WARM") >= 2
    assert output.count("botocore 999.0 was not tried with this release") == 1
    stopped = results["payments"]["stopped"]
    assert stopped["failed"], stopped
    assert "The module wanted to call CreateUser" in stopped["msg"], stopped
    assert stack.calls(mutating=True) == []
    counted = Counter(line.rsplit(" ", 1)[0] for line in results["payments"]["calls"]["msg"].splitlines())
    assumed = len(stack.calls(service="sts", action="AssumeRole"))
    assert (counted["sts AssumeRole"], counted["sts GetCallerIdentity"]) == (assumed, 1)
    assert assumed >= 2, "each module assumes the role for itself"
