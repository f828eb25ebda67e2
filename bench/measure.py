# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a whole process costs, its descendants included: `measure.py RESULT LOG COMMAND...`, or `measure()`.

A program of its own, since Linux hands a process that lost its parent, and the time that it used, to the nearest reaper
above it: that is this one, and it waits for them all. Small, because a child begins with its parent's memory.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SET_CHILD_SUBREAPER, SET_PARENT_DEATH_SIGNAL = 36, 1
MAX_LINGER_SECONDS = 15.0


@dataclass(frozen=True)
class Cost:
    """seconds: from start to exit; cpu_seconds: of all processes; megabytes: the most that one process held."""

    status: int
    seconds: float
    cpu_seconds: float
    megabytes: float
    stragglers: int


def measure(command: list[str], env: dict[str, str], cwd: Path, folder: Path) -> Cost:
    """Run a command; its output goes to output.log in `folder`."""
    result = folder / "cost.json"
    result.unlink(missing_ok=True)
    watched = [sys.executable, "-S", str(Path(__file__).resolve()), str(result), str(folder / "output.log"), *command]
    subprocess.run(watched, env=env, cwd=cwd, stdin=subprocess.DEVNULL, check=True)
    return Cost(**json.loads(result.read_text()))


def main() -> None:
    result, log, *command = sys.argv[1:]
    libc = ctypes.CDLL(None)
    libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # If the measuring process ends or is interrupted, the command is stopped, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    libc.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    Path(result).write_text(json.dumps(vars(watch(command, Path(log)))))


def watch(command: list[str], log: Path) -> Cost:
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        try:
            _pid, status, used = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        seconds = time.perf_counter() - began
    stragglers = wait_for_the_rest()
    everything = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(
        status=os.waitstatus_to_exitcode(status),
        seconds=seconds,
        cpu_seconds=everything.ru_utime + everything.ru_stime,
        megabytes=used.ru_maxrss / 1024,
        stragglers=stragglers,
    )


def wait_for_the_rest() -> int:
    """Collect orphans of the command; gives how many outlived their time."""
    deadline = time.monotonic() + MAX_LINGER_SECONDS
    while time.monotonic() < deadline:
        try:
            pid, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
        if not pid:
            time.sleep(0.05)
    return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


if __name__ == "__main__":
    main()
