# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm import processes

IGNORES_SIGTERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
)


@pytest.fixture
def started():
    """Starts Python programs, and makes sure that none is left."""
    running = []

    def start(program):
        running.append(subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE))
        running[-1].stdout.readline()
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_what_does_not_end_when_asked_is_killed(started):
    willing = started("import time; print(flush=True); time.sleep(60)")
    stubborn = started(IGNORES_SIGTERM)
    begun = time.monotonic()
    processes.stop([willing.pid, stubborn.pid], 0.5)
    assert time.monotonic() - begun < 30
    assert processes.alive_of([willing.pid, stubborn.pid]) == set()
    assert (willing.wait(), stubborn.wait()) == (-15, -9)


def test_what_has_ended_and_waits_to_be_collected_is_not_alive(started):
    process = started("print(flush=True)")
    deadline = time.monotonic() + 30
    while processes.alive_of([process.pid]) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.returncode is None, "it was not collected"
    assert processes.alive_of([process.pid]) == set()


def test_grandchildren_are_found(started):
    program = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    grandchild = int(parent.stdout.readline())
    assert processes.descendants({parent.pid}) == {grandchild}
    processes.stop({parent.pid, grandchild}, 5)
    parent.communicate()
    assert processes.alive_of([grandchild]) == set()


def test_without_proc_ps_is_asked(monkeypatch, started, tmp_path):
    process = started("import time; print(flush=True); time.sleep(60)")
    expected = processes.alive_of([process.pid])
    monkeypatch.setattr(processes, "PROC", tmp_path)
    assert processes.alive_of([process.pid]) == expected == {process.pid}


def test_a_worker_that_starts_a_program_is_waited_for(monkeypatch):
    begun = time.monotonic()
    monkeypatch.setattr(processes, "_signal_all", lambda *_args: None)
    monkeypatch.setattr(
        processes, "_processes", lambda: iter([(7, 1, 7, "T" if time.monotonic() - begun > 1 else "D")])
    )
    processes._halt({7})
    assert time.monotonic() - begun > 1


def start(shown, moment):
    shown.write(f"{subprocess.Popen(['sleep', moment]).pid}\n")
    shown.flush()


def start_without_end(shown, moment):
    # As a worker of Ansible: its process group is how what it was just starting is found.
    os.setsid()
    while True:
        start(shown, moment)


@pytest.mark.parametrize("_time", range(5))
def test_what_a_worker_is_just_starting_is_not_left_behind(monkeypatch, tmp_path, _time):
    context = multiprocessing.get_context("fork")
    monkeypatch.setattr(processes, "WorkerProcess", context.Process)
    path = tmp_path / "pids"
    # Other tests have sleepers, too.
    moment = f"60.{os.getpid():08}{_time}"
    with path.open("w") as shown:
        worker = context.Process(target=start_without_end, args=[shown, moment])
        worker.start()
    while path.read_text().count("\n") < 20:
        time.sleep(0.01)
    processes.stop_working(5)
    worker.join()
    # The last one may have been started and not be listed yet.
    started = [int(pid) for pid in path.read_text().split()]
    left = {pid for pid in range(min(started), max(started) + 10) if is_sleeping(pid, moment)}
    processes.stop(left, 0)
    assert left == set()


def start_one(shown):
    os.setsid()
    start(shown, "60")
    time.sleep(60)


def test_what_was_not_listed_beside_its_worker_is_found_by_the_worker_s_group(monkeypatch, tmp_path):
    context = multiprocessing.get_context("fork")
    monkeypatch.setattr(processes, "WorkerProcess", context.Process)
    monkeypatch.setattr(processes, "descendants", lambda _roots: set())
    path = tmp_path / "pids"
    with path.open("w") as shown:
        worker = context.Process(target=start_one, args=[shown])
        worker.start()
    while not path.read_text().endswith("\n"):
        time.sleep(0.01)
    processes.stop_working(5)
    worker.join()
    assert processes.alive_of([int(path.read_text())]) == set()


def test_what_a_worker_that_has_ended_left_behind_is_found_by_its_group():
    leader = subprocess.Popen(["sh", "-c", "sleep 60 & echo $!"], stdout=subprocess.PIPE, start_new_session=True)
    left = int(leader.stdout.readline())
    leader.wait()
    assert processes.alive_of([leader.pid, left]) == {left}
    processes.stop_working(5)
    assert processes.alive_of([left]) == {left}, "it is not known whose it is"
    processes.stop_working(5, ended=[leader.pid])
    assert processes.alive_of([left]) == set()


def is_sleeping(pid, moment):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == f"sleep\0{moment}\0".encode()
    except OSError:
        return False


def test_a_controller_without_workers_has_nothing_working():
    assert processes.working() == set()
