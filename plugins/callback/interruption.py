# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: interruption
type: aggregate
version_added: 1.0.0
short_description: Renew the messages of a run, and release them when it is interrupted
description:
  - An interrupted run of the role P(leastpriv.iam.remediate#role) (Ctrl-C, SIGTERM, a terminal that closes) would leave
    its messages hidden until their visibility timeout has passed, and no report.
  - With this callback it ends within ten seconds. Running modules have two seconds to end and are then
    stopped; after that messages of finished alerts are deleted where that was still to be done, all others are
    released, and the report is written. Alerts that were not finished have the disposition V(failed).
  - A second signal does not wait for running modules.
  - A terminal that closes also ends a run that ignores SIGHUP, if the run writes to that terminal. Ansible itself would
    wait forever after the first line that it cannot write; ansible-runner lets its runs ignore SIGHUP.
  - A run that breaks off without a signal is ended in the same way. Examples are a worker that died, hosts that became
    unreachable, a template that failed, and a play that ends before the role has acknowledged its messages. If a worker
    is killed while it sends a result, for example when the machine has no memory left, Ansible itself would wait
    forever.
  - A run that is killed (SIGKILL, as AWX does with a job that is cancelled or times out) cannot do any of this. Its
    messages stay hidden until their visibility timeout has passed. So that this timeout can be short, the callback
    renews it from a process beside the run as long as the run works, however long a module takes.
  - It prints nothing in a run that ends normally, and does nothing in one that does not use the role.
  - The exit status is 99 after Ctrl-C, as always with Ansible, and otherwise 128 and the number of the signal, 143 for
    SIGTERM.
author:
  - The Leastpriv team (!UNKNOWN)
requirements:
  - enabled in C(ansible.cfg) with C(callbacks_enabled = leastpriv.iam.interruption)
  - boto3 >= 1.34.0
seealso:
  - module: leastpriv.iam.acknowledge
"""

import atexit

# boto3 imports it, which at exit is too late: it registers something that is to be done before.
import concurrent.futures.thread  # noqa: F401 # pylint: disable=unused-import
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible.plugins.strategy import StrategyBase
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.background import in_background
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.acknowledgement import acknowledge
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.queue_client import open_queue_of
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.renewal import Renewal
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import summary_of
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.terminal import columns, show
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.unfinished import Unfinished
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import unset_empty_variables
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import (
    end_with_parent,
    end_workers_with_controller,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.processes import stop_working, worker_ids

ROLE = "leastpriv.iam.remediate"
# The tasks whose results describe the run.
ACKNOWLEDGE = "leastpriv.iam.acknowledge"
READ_TASKS = ("ansible.builtin.set_fact", ACKNOWLEDGE, "leastpriv.iam.run_files")
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

# For running modules to end, then to end when they are stopped, and for the queue.
GRACE_SECONDS = 2.0
STOP_SECONDS = 2.0
QUEUE_SECONDS = 4.0
# Ansible ends a play in milliseconds. Whether it waits in vain is looked at so often, and must be so twice.
LOOK_SECONDS = 2.0
WAITED_IN_VAIN = (
    "A worker of Ansible was killed while it sent a result, and Ansible waited for it in vain: the run was ended. Look "
    "for the reason in the system's log (out of memory?), then run again."
)


class TimeIsUp(BaseException):
    """The queue takes too long. No Exception, which botocore would take for a lost connection and try again."""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "leastpriv.iam.interruption"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.controller = os.getpid()
        self.run: Unfinished | None = None
        self.renewal: Renewal | None = None
        self.signal: signal.Signals | None = None
        self.is_unwinding = False
        self.is_stuck = False
        self.has_ended = threading.Event()
        self.workers: set[int] = set()
        self.replaced: dict[int, Any] = {}

    # --- results of the run -------------------------------------------------------------------------------------------

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._unwind_when_interrupted()
        role = getattr(task, "_role", None)
        if self.run is None and role and role.get_name() == ROLE:
            self._begin()
        if self.renewal and task.action == ACKNOWLEDGE:
            # A renewal of a message that was just returned would hide it again.
            self.renewal.hold([])

    def v2_runner_on_ok(self, result: Any) -> None:
        self._learn(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._learn(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._learn(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        # Every host has failed or cannot be reached, so no task of the role remains to do it.
        if self.run and self.run.is_broken_off():
            self._wind_up()
        self._end()

    def _learn(self, result: Any) -> None:
        # Ansible copies a result for each callback that reads it: those of the modules are large, and not needed here.
        if self.run and result._task.action in READ_TASKS:
            self.run.learn(result._result)
            self._renew(self.run)
        self._unwind_when_interrupted()

    def _renew(self, run: Unfinished) -> None:
        if self.renewal is None and run.record and run.held():
            self.renewal = Renewal(run.record, end_with_parent)
        if self.renewal:
            self.renewal.hold(run.held())

    # --- from the first task of the role to the end -------------------------------------------------------------------

    def _begin(self) -> None:
        self.run = Unfinished()
        end_workers_with_controller()
        unset_empty_variables()
        for signum in SIGNALS:
            # nohup, and shells for what they run in the background, let signals be ignored. A terminal that has closed
            # cannot be ignored: Ansible waits forever after the first line that it cannot write there.
            if signal.getsignal(signum) is not signal.SIG_IGN or (signum == signal.SIGHUP and sys.stdout.isatty()):
                self.replaced[signum] = signal.signal(signum, self._interrupt)
        self.replaced[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._lose_patience)
        self.has_ended.clear()
        in_background(self._look_for_vain_waiting)
        atexit.register(self._wind_up)

    def _end(self) -> None:
        """The run has ended: Ansible handles the rest."""
        self.has_ended.set()
        self._end_renewal()
        self.run = None
        atexit.unregister(self._wind_up)
        while self.replaced:
            signal.signal(*self.replaced.popitem())

    def _end_renewal(self) -> None:
        if self.renewal:
            self.renewal.end()
            self.renewal = None

    # --- a signal -----------------------------------------------------------------------------------------------------
    # A handler runs in the middle of anything, with locks held: it must neither print nor talk to the queue. So the run
    # goes on until its next event, or until patience ends; an exception unwinds it; the rest is done at exit.

    def _interrupt(self, signum: int, frame: Any) -> None:
        if os.getpid() != self.controller:
            return _interrupt_worker(signum)
        if self.signal is None:
            self.signal = signal.Signals(signum)
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
        elif not self.is_unwinding:
            self._lose_patience()
        return None

    def _lose_patience(self, *ignored: Any) -> None:
        if self.is_stuck:
            raise self._ending()
        stop_working(STOP_SECONDS)
        self._unwind_when_interrupted()

    def _unwind_when_interrupted(self) -> None:
        if self.signal is None or self.is_unwinding:
            return
        self.is_unwinding = True
        # Ansible ends them itself when it unwinds; while one holds the lock of its queue, others may not.
        self.workers = worker_ids()
        raise self._ending()

    def _ending(self) -> BaseException:
        """What unwinds the run, with its exit status."""
        if self.signal is None:
            return SystemExit(1)
        return KeyboardInterrupt() if self.signal is signal.SIGINT else SystemExit(128 + self.signal)

    def _look_for_vain_waiting(self) -> None:
        """Wake the main thread if it waits for a worker that was killed with the lock of Ansible's queue."""
        main_thread, before = threading.main_thread().ident, None
        while main_thread and not self.has_ended.wait(LOOK_SECONDS):
            waiting = _ending_of_a_play(sys._current_frames().get(main_thread))
            if waiting is not None and waiting is before:
                self.is_stuck = True
                signal.pthread_kill(main_thread, signal.SIGALRM)
                return
            before = waiting

    # --- at exit ------------------------------------------------------------------------------------------------------

    def _wind_up(self) -> None:
        if self.run is None or os.getpid() != self.controller:
            return
        self.is_unwinding = True
        self.has_ended.set()
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self.is_stuck:
            self._say(self._display.error, WAITED_IN_VAIN)
        self._end_renewal()
        # No message may be seen by another run while a module still works on it.
        stop_working(STOP_SECONDS, self.workers)
        unsettled = self._settle(self.run)
        if self.run.record is not None:
            self._report(self.run, unsettled)
        for signum in self.replaced:
            # All is done: one signal more would only change the exit status.
            signal.signal(signum, signal.SIG_IGN)

    def _settle(self, run: Unfinished) -> list[str]:
        """Settle the messages that the role did not settle; returns the errors."""
        wanted = run.wanted()
        if not any(wanted.values()):
            return []
        try:
            with _time_limit(QUEUE_SECONDS):
                answer = acknowledge(open_queue_of(run.record), wanted)
        except TimeIsUp:
            return [f"The queue did not answer within {QUEUE_SECONDS:.0f} s when the run was interrupted."]
        except LeastprivError as error:
            return [str(error)]
        except Exception as error:
            return [f"Could not reach the queue when the run was interrupted: {error}"]
        return list(dict.fromkeys(failed["reason"] for failed in answer["failed_receipts"]))

    def _report(self, run: Unfinished, unsettled: list[str]) -> None:
        what = f"Interrupted by {self.signal.name}" if self.signal else "The run broke off"
        ended = run.end(what, unsettled)
        with suppress(OSError):
            show(self._display, summary_of(ended.report, columns()))
        for problem in ended.problems:
            self._say(self._display.error, f"Of the interrupted run something is missing. {problem}")
        if not ended.problems:
            folder = Path(run.record["artifacts_dir"], ended.report["run_id"])
            self._say(self._display.display, f"Report: {folder}/report.html")

    def _say(self, show: Callable[[str], None], text: str) -> None:
        """The terminal may be gone; that must not cost the report."""
        with suppress(OSError):
            show(text)


def _ending_of_a_play(frame: FrameType | None) -> FrameType | None:
    """Where Ansible ends a play, in the calls that led to a frame."""
    while frame is not None and frame.f_code is not StrategyBase.cleanup.__code__:
        frame = frame.f_back
    return frame


def _interrupt_worker(signum: int) -> None:
    """ansible-core before 2.19 leaves its workers the controller's handlers, and Ctrl-C in a terminal reaches them too.

    The controller decides when they end: it sends SIGTERM.
    """
    if signum == signal.SIGTERM:
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeIsUp when the block takes longer."""

    def raise_time_is_up(*ignored: Any) -> None:
        raise TimeIsUp

    signal.signal(signal.SIGALRM, raise_time_is_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
