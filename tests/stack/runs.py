# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the real programs against a stack: ansible-playbook, and the AWS CLI as the reference."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import schemas
from .process import ROOT, Stack, longer_pauses
from .settings import RUN_PREFIX

MARK = "LEASTPRIV_STACK_RUN"
# How long what a run has started may outlive its controller. It takes less than one on a machine that has the time.
END_SECONDS = 5.0


@dataclass(frozen=True)
class Run:
    """What a finished run left: its exit status, its output, and its report (None when it wrote none)."""

    rc: int
    stdout: str
    stderr: str
    report: dict[str, Any] | None
    artifacts: Path
    seconds: float

    @property
    def alerts(self) -> dict[str, dict[str, Any]]:
        """The report's alerts by alert id (by message id where there is none)."""
        alerts = (self.report or {}).get("alerts", [])
        return {alert["alert_id"] or alert["message_id"]: alert for alert in alerts}

    @property
    def dispositions(self) -> dict[str, str]:
        return {alert_id: alert["disposition"] for alert_id, alert in self.alerts.items()}


class Playbook(subprocess.Popen[str]):
    """A run that was started. Its processes are found by a variable of their environment, in whatever session."""

    def __init__(self, *args: Any, env: dict[str, str], **kwargs: Any) -> None:
        self.mark = f"{MARK}={uuid.uuid4()}"
        super().__init__(*args, env={**env, MARK: self.mark.partition("=")[2]}, **kwargs)

    def processes(self) -> list[int]:
        """The process ids of the controller, its workers and its modules that are alive."""
        return [pid for pid, variables in environments() if self.mark in variables]


def environments() -> Iterator[tuple[int, list[str]]]:
    """The variables of each process that runs, by its id."""
    return ((int(folder.name), _variables(folder)) for folder in Path("/proc").glob("[0-9]*"))


def _variables(process_folder: Path) -> list[str]:
    try:
        # Of a process that has ended, and waits to be collected, it is empty.
        return process_folder.joinpath("environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def run_playbook(
    stack: Stack,
    *args: str,
    env: dict[str, str | None] | None = None,
    playbook: str = "remediate.yml",
    artifacts: Path | None = None,
    timeout: float = 180.0,
) -> Run:
    """Run `ansible-playbook` from the project's root as a user does, in a hermetic environment.

    `args` are command-line arguments ("--check", "--limit", "payments", "-e", "remediate_max_alerts=5"); without an
    `-i` among them the stack's inventory is used. `env` sets further variables; None unsets one. `artifacts` is the
    folder of an earlier run, to write beside it. Raises subprocess.TimeoutExpired after killing the whole run, and
    AssertionError for files that are not as docs/schemas publishes them.
    """
    started = time.monotonic()
    artifacts = artifacts or new_artifacts_folder(stack)
    process = start_playbook(stack, *args, env=env, playbook=playbook, artifacts=artifacts)
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except BaseException:
        kill_run(process)
        raise
    run = Run(process.returncode, stdout, stderr, read_report(artifacts), artifacts, time.monotonic() - started)
    if run.report:
        assert schemas.problems(artifacts / run.report["run_id"]) == []
    return run


def start_playbook(
    stack: Stack,
    *args: str,
    artifacts: Path,
    env: dict[str, str | None] | None = None,
    playbook: str = "remediate.yml",
    terminal: int | None = None,
) -> Playbook:
    """Start `ansible-playbook` as run_playbook does, and do not wait. `kill_run` ends it as a power cut would.

    `terminal` is the file descriptor of a terminal to run in, instead of pipes.
    """
    stack.runs[artifacts.name] = artifacts
    output = subprocess.PIPE if terminal is None else terminal
    # Without a terminal: tests look for sentences, which are rarely so long that they are wrapped.
    width = {"COLUMNS": "200"} if terminal is None else {}
    inventory = [] if "-i" in args else ["-i", str(stack.inventory)]
    settings = ["-e", json.dumps({"remediate_artifacts_dir": str(artifacts)})]
    return Playbook(
        ["ansible-playbook", *inventory, playbook, *settings, *args],
        cwd=ROOT,
        env=_environment(stack, {"AWS_SDK_UA_APP_ID": f"{RUN_PREFIX}{artifacts.name}", **width, **(env or {})}),
        stdin=subprocess.DEVNULL if terminal is None else terminal,
        stdout=output,
        stderr=output,
        text=True,
        start_new_session=True,
    )


def kill_run(process: Playbook) -> None:
    """SIGKILL a started run with its workers and modules, and collect it."""
    # Whatever is started while others are killed is found by the next look.
    while processes := process.processes():
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.communicate()


def kill_controller(process: Playbook, whole_group: bool = False) -> list[int]:
    """SIGKILL the controller of a started run, or its process group, and collect it.

    Gives the processes of the run that outlived it for longer than END_SECONDS; they are killed, too.
    """
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not process.processes(), END_SECONDS)
    left = process.processes()
    kill_run(process)
    return left


def wait_until(is_true: Callable[[], Any], timeout: float = 180.0) -> bool:
    """Wait for something to become true; gives whether it did in time."""
    deadline, pauses = time.monotonic() + timeout, longer_pauses()
    while not (result := is_true()) and time.monotonic() < deadline:
        time.sleep(next(pauses))
    return bool(result)


def new_artifacts_folder(stack: Stack) -> Path:
    return Path(tempfile.mkdtemp(prefix="artifacts-", dir=stack.folder))


def read_report(artifacts: Path) -> dict[str, Any] | None:
    """The newest report.json under an artifacts folder."""
    reports = sorted(artifacts.glob("*/report.json"), key=lambda path: path.stat().st_mtime)
    return json.loads(reports[-1].read_text()) if reports else None


def cli(stack: Stack, account: str, script: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run a script of `aws` commands through bash and the real AWS CLI, as an account (a host name, or "twin").

    Stops at the first failing command, as all the vendor's joiners mean it.
    """
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=stack.folder,
        env=_environment(stack, {"AWS_PROFILE": account, "AWS_PAGER": ""}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _environment(stack: Stack, changes: dict[str, str | None] | None) -> dict[str, str]:
    merged = {**stack.process_env, **(changes or {})}
    return {name: value for name, value in merged.items() if value is not None}
