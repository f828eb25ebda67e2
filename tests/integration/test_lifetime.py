# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a run has started ends with its controller, also if that is killed. The runs are small playbooks."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import yaml
from stack import kill_controller, kill_run, start_playbook, wait_until

SLEEP = "sleep 271"
COLD = {"PYTHONHASHSEED": "7"}
ROLE = "arn:aws:iam::111122223333:role/app"
# More than a pipe holds.
LARGE = 300_000
WAITING = """
touch {folder}/begun-$1
while [ ! -e {folder}/go ]; do sleep 0.1; done
cat {folder}/large
"""

# What a worker may be doing, in whatever processes; each sleeps.
AT_WORK = {
    "module": {"ansible.builtin.command": SLEEP},
    "module_in_its_own_python": {"ansible.builtin.command": SLEEP, "environment": COLD},
    "credentials_of_a_module": {"amazon.aws.aws_caller_info": {"profile": "slow"}},
    "credentials_of_a_module_in_its_own_python": {
        "amazon.aws.aws_caller_info": {"profile": "slow"},
        "environment": COLD,
    },
    "credentials_of_a_lookup": {
        "ansible.builtin.debug": {
            "msg": f"{{{{ lookup('leastpriv.iam.session', '{ROLE}', session_name='me', profile='slow') }}}}"
        }
    },
}


@pytest.fixture
def start(stack, tmp_path):
    """Starts a playbook of one play on these hosts; nothing of it is left after the test."""
    started = []

    def start(hosts, tasks, env=None, **play):
        playbook = tmp_path / "play.yml"
        playbook.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks, **play}]))
        started.append(
            start_playbook(
                stack,
                *("-i", ",".join([*hosts, ""] if tasks else hosts)),
                *("-e", "ansible_python_interpreter={{ ansible_playbook_python }}"),
                playbook=str(playbook),
                artifacts=tmp_path,
                env=env,
            )
        )
        return started[-1]

    yield start
    for process in started:
        kill_run(process)


def command_lines(run, text):
    """The processes of a run whose command line begins like this."""
    return [pid for pid in run.processes() if _command_line(pid).startswith(text)]


def _command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def workers_of(run):
    """A worker is a child of the controller with the controller's own command line."""
    own = _command_line(run.pid)
    return [pid for pid in command_lines(run, own) if pid != run.pid and own]


@pytest.mark.parametrize("connection", ["leastpriv.iam.warm", "local"])
def test_what_the_workers_are_doing_ends(start, tmp_path, connection):
    config = tmp_path / "aws-config"
    config.write_text(f"[profile slow]\nregion = us-east-1\ncredential_process = {SLEEP}\n")
    tasks = [{**task, "when": f"inventory_hostname == '{host}'"} for host, task in AT_WORK.items()]
    env = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": None}
    run = start(
        AT_WORK,
        [{"leastpriv.iam.preflight": {}}, *tasks],
        env,
        strategy="free",
        connection=connection,
    )
    begun = wait_until(lambda: len(command_lines(run, SLEEP)) == len(AT_WORK), 20)
    assert begun, "\n".join(_command_line(pid)[:150] for pid in run.processes())
    assert kill_controller(run) == []


@pytest.mark.parametrize(
    ("whole_group", "callbacks"),
    [(False, "leastpriv.iam.preload"), (True, "leastpriv.iam.preload"), (False, "leastpriv.iam.interruption")],
    ids=["the controller alone", "its process group", "without the callback preload"],
)
def test_workers_that_wait_on_the_queue_of_results_end(start, tmp_path, whole_group, callbacks):
    hosts = ["a", "b", "c", "d"]
    (tmp_path / "large").write_text("x" * LARGE)
    program = WAITING.format(folder=tmp_path)
    task = {"ansible.builtin.command": {"argv": ["sh", "-c", program, "sh", "{{ inventory_hostname }}"]}}
    run = start(hosts, [task], {"ANSIBLE_CALLBACKS_ENABLED": callbacks}, connection="leastpriv.iam.warm")
    assert wait_until(lambda: len(list(tmp_path.glob("begun-*"))) == len(hosts), 20)
    os.kill(run.pid, signal.SIGSTOP)
    (tmp_path / "go").touch()
    assert wait_until(lambda: not command_lines(run, "sh -c"), 60), "their modules have ended"
    workers = workers_of(run)
    assert len(workers) == len(hosts), "they cannot hand over their results"
    # As the callback does, which looks at them when a run is interrupted.
    os.kill(workers[0], signal.SIGSTOP)
    assert kill_controller(run, whole_group) == []


def test_the_loaded_python_ends_while_it_loads(start, tmp_path):
    (tmp_path / "boto3.py").write_text(
        "import pathlib, sys, time\n"
        "if sys.argv[0].endswith('fork_server.py'):\n"
        f"    pathlib.Path({str(tmp_path)!r}, 'loading').touch()\n"
        "    time.sleep(271)\n"
    )
    task = {"ansible.builtin.command": "true"}
    run = start(["a"], [task], {"PYTHONPATH": str(tmp_path)}, connection="leastpriv.iam.warm")
    assert wait_until(tmp_path.joinpath("loading").exists, 20)
    assert kill_controller(run) == []


def test_the_credentials_of_an_inventory_end(start, tmp_path):
    (tmp_path / "aws-config").write_text(f"[profile slow]\nregion = us-east-1\ncredential_process = {SLEEP}\n")
    inventory = tmp_path / "leastpriv_profiles.yml"
    inventory.write_text("plugin: leastpriv.iam.profiles\nask_sts: true\n")
    env = {"AWS_CONFIG_FILE": str(tmp_path / "aws-config"), "AWS_PROFILE": None}
    run = start([str(inventory)], [], env)
    assert wait_until(lambda: command_lines(run, SLEEP), 60)
    assert kill_controller(run) == []
