# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each test plays a controller in a Python of its own, with a worker that forgets to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm import lifetime, processes

ROOT = Path(__file__).parents[5]
SECONDS = 30
HEAD = """
import os, signal, subprocess, sys, threading, time
from ansible.executor.process.worker import WorkerProcess
from ansible.utils.multiprocessing import context
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm import lifetime

class Worker(WorkerProcess):
    def __init__(self): context.Process.__init__(self)
    def start(self): context.Process.start(self)
    def run(self):
        program = "sleep 271 & echo $$ $!; wait"
        child = subprocess.Popen(["sh", "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True)
        print(os.getpid(), child.stdout.readline(), end="", flush=True)
        time.sleep(271)

class Other(context.Process):
    run = Worker.run
"""


@pytest.fixture
def controller():
    """Starts a controller; gives it with the process ids that it prints. None of them is left after the test."""
    started, known = [], set()

    def start(program):
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", HEAD + program],
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONPATH": str(ROOT / "collections")},
            )
        )
        found = {int(pid) for pid in started[-1].stdout.readline().split()}
        known.update(found)
        return started[-1], found

    yield start
    for pid in known:
        if processes.alive_of([pid]):
            os.kill(pid, signal.SIGKILL)
    for process in started:
        process.kill()
        process.communicate()


def have_ended(pids):
    deadline = time.monotonic() + SECONDS
    while (alive := processes.alive_of(pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive


@pytest.mark.parametrize(
    "setting",
    ["", "del os.pidfd_open", "os.pidfd_open = lambda pid: os.open('/nowhere', 0)"],
    ids=["as it is", "a system without pidfd_open", "a container that forbids pidfd_open"],
)
def test_a_worker_and_all_that_it_has_started_end_with_the_controller(controller, setting):
    process, pids = controller(f"{setting}\nlifetime.end_workers_with_controller()\nWorker().start()\ntime.sleep(271)")
    assert len(pids) == 3, "the worker, its child and its grandchild"
    process.kill()
    assert have_ended(pids)


def test_a_controller_that_its_parent_has_not_collected_has_ended(controller):
    process, pids = controller("lifetime.end_workers_with_controller(); Worker().start(); time.sleep(271)")
    os.kill(process.pid, signal.SIGKILL)
    assert have_ended(pids)
    assert process.returncode is None


def test_a_halted_worker_ends(controller):
    process, pids = controller("lifetime.end_workers_with_controller(); Worker().start(); time.sleep(271)")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    process.kill()
    assert have_ended(pids)


def test_the_thread_that_started_a_worker_may_end(controller):
    process, pids = controller(
        "lifetime.end_workers_with_controller()\n"
        "thread = threading.Thread(target=Worker().start)\nthread.start()\nthread.join()\ntime.sleep(271)"
    )
    time.sleep(1)
    assert processes.alive_of(pids) == pids
    process.kill()
    assert have_ended(pids)


def test_a_process_that_is_not_a_worker_is_left_alone(controller):
    process, pids = controller("lifetime.end_workers_with_controller(); Other().start(); time.sleep(271)")
    process.kill()
    process.wait()
    time.sleep(1)
    assert processes.alive_of(pids) == pids


INVENTORY = """
sleeping = ["sh", "-c", "sleep 271 & echo $$ $!; wait"]
with lifetime.ending_children():
    child = subprocess.Popen(sleeping, stdout=subprocess.PIPE, text=True, start_new_session=True)
    print(child.stdout.readline(), end="", flush=True)
    {within}
time.sleep(271)
"""


def test_programs_of_a_block_end_if_their_process_is_killed_within(controller):
    process, pids = controller(INVENTORY.format(within="time.sleep(271)"))
    assert len(pids) == 2
    process.kill()
    assert have_ended(pids)


def test_programs_of_a_block_that_has_ended_are_left_alone(controller):
    process, pids = controller(INVENTORY.format(within="pass"))
    time.sleep(0.5)
    process.kill()
    process.wait()
    time.sleep(1)
    assert processes.alive_of(pids) == pids


def test_only_programs_of_the_block_are_marked():
    before = dict(os.environ)
    with lifetime.ending_children():
        program = ["sh", "-c", f"echo ${lifetime.MARK}"]
        marked = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    assert len(marked) == 36
    assert dict(os.environ) == before


def test_nothing_is_watched_twice_or_outside_a_worker(controller):
    lifetime.end_worker_with_controller()
    lifetime.end_with_parent()
    program = (
        "class Counting(Worker):\n"
        "    def run(self):\n"
        "        lifetime.end_worker_with_controller()\n"
        "        print(threading.active_count(), flush=True)\n"
        "lifetime.end_workers_with_controller()\nlifetime.end_workers_with_controller()\n"
        "print(threading.active_count(), flush=True)\nCounting().start()"
    )
    process, _first = controller(program)
    assert process.stdout.readline() == "2\n"
