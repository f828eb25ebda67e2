# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends Ansible's workers and the modules that they run, and makes sure that they have ended."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import ansible.constants as C
from ansible.executor.process.worker import WorkerProcess

PROC = Path("/proc")
POLL_SECONDS = 0.02
# A loaded Python may have been sent a module by a worker that has ended meanwhile.
SETTLING_SECONDS = 0.1
# A worker that starts a program is not halted before the program begins, which takes a moment on a busy machine. One
# that waits for a disk may never be.
HALT_SECONDS = 1.5


def stop_working(seconds: float, ended: Iterable[int] = ()) -> None:
    """End this run's workers and modules: those that have not ended after so many seconds are killed.

    `ended`: workers that Ansible has ended itself. What one of them was just starting may not have heard of it.
    """
    leaders = set(ended)
    while processes := working() | _led_by(leaders):
        leaders |= worker_ids()
        stop(processes, seconds)
        time.sleep(SETTLING_SECONDS)


def working() -> set[int]:
    """The process ids of this run's workers and of everything that they have started and that is alive.

    Workers are stopped (SIGSTOP), so none forks while processes are listed; a pending SIGTERM still takes effect. The
    loaded Pythons of the connection leastpriv.iam.warm are left out: they end with the controller.
    """
    workers = worker_ids()
    _halt(workers)
    loaded = {int(file.read_text() or 0) for file in Path(C.DEFAULT_LOCAL_TMP).glob("warm-*.pid")}
    return (workers | descendants(workers | loaded)) - loaded


def worker_ids() -> set[int]:
    """The process ids of Ansible's workers that this process started."""
    return {child.pid for child in multiprocessing.active_children() if isinstance(child, WorkerProcess)}


def _led_by(leaders: set[int]) -> set[int]:
    """The processes in their process groups; a worker leads one of its own."""
    return {pid for pid, _parent, group, _state in _processes() if group in leaders}


def _halt(processes: set[int]) -> None:
    _signal_all(processes, signal.SIGSTOP)
    deadline = time.monotonic() + HALT_SECONDS
    while time.monotonic() < deadline and any(
        pid in processes and state != "T" for pid, _parent, _group, state in _processes()
    ):
        time.sleep(POLL_SECONDS / 10)


def stop(processes: Iterable[int], seconds: float) -> None:
    """Ask processes to end (SIGTERM), and kill those that are still alive after so many seconds."""
    targets = set(processes)
    for signum in (signal.SIGTERM, signal.SIGCONT):
        _signal_all(targets, signum)
    deadline = time.monotonic() + seconds
    while (alive := alive_of(targets)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    _signal_all(alive, signal.SIGKILL)
    while alive := alive_of(alive):
        time.sleep(POLL_SECONDS)


def alive_of(processes: Iterable[int]) -> set[int]:
    """Those of the processes that have not ended."""
    multiprocessing.active_children()  # Collects those of our own that have.
    return {pid for pid, _parent, _group, _state in _processes()} & set(processes)


def descendants(roots: set[int]) -> set[int]:
    """The process ids of all that these processes have started, directly or not, and that is alive."""
    children: dict[int, set[int]] = {}
    for pid, parent, _group, _state in _processes():
        children.setdefault(parent, set()).add(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        new = children.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def _processes() -> Iterator[tuple[int, int, int, str]]:
    """Process id, parent, process group and state of all processes but zombies."""
    rows = _from_proc() if PROC.joinpath("self", "stat").exists() else _from_ps()
    return (row for row in rows if row[3] not in "ZX")


def _from_proc() -> Iterator[tuple[int, int, int, str]]:
    """https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    for entry in PROC.iterdir():
        # It can end while it is looked at.
        with suppress(OSError):
            if entry.name.isdigit():
                state, parent, group = entry.joinpath("stat").read_text(errors="replace").rpartition(")")[2].split()[:3]
                yield int(entry.name), int(parent), int(group), state


def _from_ps() -> Iterator[tuple[int, int, int, str]]:
    """https://pubs.opengroup.org/onlinepubs/9799919799/utilities/ps.html; Linux containers often have none."""
    columns = "pid=,ppid=,pgid=,state="
    listed = subprocess.run(["ps", "-A", "-o", columns], capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        pid, parent, group, state = line.split()[:4]
        yield int(pid), int(parent), int(group), state[0]


def _signal_all(processes: Iterable[int], signum: int) -> None:
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
