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
POLL = 0.02
# A loaded Python may have been sent a module by a worker that has ended meanwhile.
LATE = 0.1


def stop_working(seconds: float) -> None:
    """End this run's workers and modules: those that do not want to are killed after so many seconds."""
    while processes := working():
        stop(processes, seconds)
        time.sleep(LATE)


def working() -> set[int]:
    """The process ids of this run's workers and of everything that they have started and that is alive.

    The loaded Pythons of the connection leastpriv.iam.warm are left out: they end with the controller.
    """
    workers = {child.pid for child in multiprocessing.active_children() if isinstance(child, WorkerProcess)}
    loaded = {int(file.read_text() or 0) for file in Path(C.DEFAULT_LOCAL_TMP).glob("warm-*.pid")}
    return (workers | _descendants(workers | loaded)) - loaded


def stop(processes: Iterable[int], seconds: float) -> None:
    """Ask processes to end (SIGTERM), and kill those that are still alive after so many seconds."""
    told = set(processes)
    _signal_all(told, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while (alive := alive_of(told)) and time.monotonic() < deadline:
        time.sleep(POLL)
    _signal_all(alive, signal.SIGKILL)
    while alive := alive_of(alive):
        time.sleep(POLL)


def alive_of(processes: Iterable[int]) -> set[int]:
    """Those of the processes that have not ended."""
    multiprocessing.active_children()  # Collects those of our own that have.
    return {pid for pid, _parent in _processes()} & set(processes)


def _descendants(roots: set[int]) -> set[int]:
    children: dict[int, set[int]] = {}
    for pid, parent in _processes():
        children.setdefault(parent, set()).add(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        new = children.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def _processes() -> Iterator[tuple[int, int]]:
    """Process id and parent of everything that runs and is no zombie."""
    rows = _from_proc() if PROC.joinpath("self", "stat").exists() else _from_ps()
    return ((pid, parent) for pid, parent, state in rows if state not in "ZX")


def _from_proc() -> Iterator[tuple[int, int, str]]:
    """https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    for entry in PROC.iterdir():
        # It can end while it is looked at.
        with suppress(OSError):
            if entry.name.isdigit():
                state, parent = entry.joinpath("stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
                yield int(entry.name), int(parent), state


def _from_ps() -> Iterator[tuple[int, int, str]]:
    """https://pubs.opengroup.org/onlinepubs/9799919799/utilities/ps.html; Linux containers often have none."""
    told = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,state="], capture_output=True, text=True, check=False).stdout
    for line in told.splitlines():
        pid, parent, state = line.split()[:3]
        yield int(pid), int(parent), state[0]


def _signal_all(processes: Iterable[int], signum: int) -> None:
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
