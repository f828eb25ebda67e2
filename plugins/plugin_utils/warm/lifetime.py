# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends the processes of a run when its controller has ended, however it ended.

Ansible ends its workers itself, unless it is killed. A worker that is left behind waits forever: it writes its result
to a pipe whose reading end it has itself.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import util

from ansible.executor.process.worker import WorkerProcess

from . import child_watch
from .processes import descendants

THREAD = "leastpriv-lifetime"
# https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
PR_SET_PDEATHSIG = 1
# Where the system cannot report the end of a process that is not a child (macOS, Linux before 5.3, a strict seccomp).
POLL_SECONDS = 0.5
# A process may start another one while both are looked for.
MAX_ROUNDS = 10

# Set for the programs that end with the process that started them.
MARK = "LEASTPRIV_ENDS_WITH"

_registered: set[int] = set()


def end_workers_with_controller() -> None:
    """Called in the controller: each worker that it starts from now on ends with it."""
    if os.getpid() not in _registered:
        _registered.add(os.getpid())
        # Public, unlike a change to ansible-core's worker; and only multiprocessing's own children run it.
        util.register_after_fork(end_worker_with_controller, lambda function: function())


def end_worker_with_controller() -> None:
    """Called in a worker: it ends with its controller. Does nothing in any other process."""
    if isinstance(multiprocessing.current_process(), WorkerProcess):
        end_with_parent()


def end_with_parent() -> None:
    """Kill this child of multiprocessing, and all that it has started, when its parent ends."""
    parent = multiprocessing.parent_process()
    # A thread, since PR_SET_PDEATHSIG would end one process and not what that has started, does not exist on macOS, and
    # reports the end of the thread that forked, too.
    if parent is not None and all(thread.name != THREAD for thread in threading.enumerate()):
        _continue_after_parent()
        threading.Thread(target=_end_after, args=[parent.pid], daemon=True, name=THREAD).start()


def _continue_after_parent() -> None:
    """Have the kernel continue (SIGCONT) this worker if its parent ends while it is halted. Harmless if it is not."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGCONT, 0, 0, 0)


def _end_after(parent: int) -> None:
    try:
        # A signal that this thread took would not end a wait of the main one, where its handler has to run.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        wait_for_end(parent)
        kill_descendants()
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


def wait_for_end(parent: int) -> None:
    """Return when the parent of this process has ended. `parent` is its process id."""
    with suppress(AttributeError, OSError):
        descriptor = os.pidfd_open(parent)
        # Its id may belong to another process by now.
        if os.getppid() == parent:
            end = select.poll()
            end.register(descriptor, select.POLLIN)
            end.poll()
        return
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)


def kill_descendants() -> None:
    """Kill all that this process has started, and what that has started."""
    for _round in range(MAX_ROUNDS):
        if not (found := descendants({os.getpid()})):
            return
        for pid in found:
            # What runs as another user (become) cannot be ended by this one.
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def ending_children() -> Iterator[None]:
    """The programs that the block starts, such as a credential_process, end if this process is killed meanwhile.

    For the controller, since nothing else of the run may be there yet. It costs a small process beside the block.
    """
    os.environ[MARK] = str(uuid.uuid4())
    command = [sys.executable, "-I", "-S", child_watch.__file__, f"{MARK}={os.environ[MARK]}"]
    quiet = subprocess.DEVNULL
    try:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, env={}, start_new_session=True
        ) as watch:
            try:
                yield
            finally:
                watch.communicate(b"the block has ended")
    finally:
        del os.environ[MARK]
