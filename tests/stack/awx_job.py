# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a playbook as AWX does: ansible-runner in a private folder, a copy of the project, credentials injected.

Source: awx/main/tasks/jobs.py of AWX 24.6.1 (RunJob) and ansible-runner 2.4.3.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from . import settings
from .process import ROOT, Stack
from .runs import environments, wait_until

# A container group runs as a user that the image does not know, of the group root.
NOBODY_KNOWN = 54321
JOB_ID = "17"
PROJECT_REVISION = "0123456789abcdef0123456789abcdef01234567"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Nothing that is not in the repository: AWX copies a checkout.
NOT_CHECKED_OUT = (".git", ".venv", ".cache", ".*_cache", ".hypothesis", ".ansible", "artifacts", "__pycache__")
# What AWX sets; it is stronger than ansible.cfg. The paths are those of the container.
JOB_ENV = {
    "ANSIBLE_FORCE_COLOR": "True",
    "ANSIBLE_HOST_KEY_CHECKING": "False",
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
    "ANSIBLE_PARAMIKO_RECORD_HOST_KEYS": "False",
    "ANSIBLE_RETRY_FILES_ENABLED": "False",
    "ANSIBLE_CALLBACK_PLUGINS": "/runner/plugins_path:~/.ansible/plugins:/plugins/callback",
    "ANSIBLE_ROLES_PATH": "/runner/requirements_roles:~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles",
    "ANSIBLE_COLLECTIONS_PATH": "/runner/requirements_collections:"
    "collections:~/.ansible/collections:/usr/share/ansible/collections",
    "ANSIBLE_SSH_CONTROL_PATH_DIR": "/runner/cp",
    "AWX_HOST": "https://awx.example.com",
    "INVENTORY_ID": "2",
    "JOB_ID": JOB_ID,
    "MAX_EVENT_RES": "700000",
    "PROJECT_REVISION": PROJECT_REVISION,
}
# What AWX does in its own process, to be able to cancel: ansible-runner kills the job as soon as a file is there.
CANCELLABLE = """
import os, sys, ansible_runner
folder, playbook, ident, cmdline = sys.argv[1:]
job = ansible_runner.run(
    private_data_dir=folder, playbook=playbook, ident=ident, cmdline=cmdline,
    cancel_callback=lambda: os.path.exists(os.path.join(folder, "cancel")),
)
sys.exit(f"{job.status} {job.rc}")
"""
META = {
    "job_id": int(JOB_ID),
    "job_launch_type": "workflow",
    "job_template_id": 9,
    "job_template_name": "Leastpriv: review",
    "project_revision": PROJECT_REVISION,
    "user_name": "ann",
    "workflow_job_id": 16,
}


class Unsafe(str):
    """What AWX marks as no template: all extra variables but those of the job template itself."""


class _Dumper(yaml.SafeDumper):
    """Writes such texts with their tag."""


_Dumper.add_representer(Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


@dataclass(frozen=True)
class Job:
    """A finished job, and the folder that AWX would collect."""

    rc: int
    stdout: str
    folder: Path

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        files = (self.folder / "artifacts" / JOB_ID / "job_events").glob("*.json")
        return [json.loads(file.read_text()) for file in sorted(files, key=lambda file: int(file.name.split("-")[0]))]

    @property
    def artifacts(self) -> dict[str, Any]:
        """What the job hands on to the nodes after it."""
        (stats,) = [event for event in self.events if event["event"] == "playbook_on_stats"]
        return stats["event_data"].get("artifact_data", {})

    @property
    def shown(self) -> str:
        """The output in one line, without colours."""
        return " ".join(COLOUR.sub("", self.stdout).split())

    @property
    def left_behind(self) -> str:
        """The text of all files that the job has written: events, output, reports, whatever is in its home."""
        written = [path for name in ("artifacts", "home", "tmp") for path in self.folder.glob(f"{name}/**/*")]
        # ansible-runner itself notes there what it was given; AWX masks the variables of credentials in it.
        noted = self.folder / "artifacts" / JOB_ID / "command"
        return "".join(path.read_text(errors="replace") for path in written if path.is_file() and path != noted)


class AwxJobs:
    """Private folders of jobs, for one test; a context manager that removes them.

    `credentials` are variables that credentials inject, `profiles` the text of a credential with a file injector.
    """

    def __init__(self, stack: Stack, credentials: dict[str, str], profiles: str = "") -> None:
        self.stack, self.credentials, self.profiles = stack, credentials, profiles
        # Not below pytest's own folder, which belongs to the user who runs the tests.
        self.base = Path(tempfile.mkdtemp(prefix="awx-"))

    def __enter__(self) -> AwxJobs:
        self.base.chmod(0o755)
        return self

    def __exit__(self, *exc: object) -> None:
        subprocess.run(["chmod", "-R", "u+w", str(self.base)], check=True)
        shutil.rmtree(self.base)

    def processes(self) -> list[int]:
        """The process ids of all that its jobs have started, and that is alive."""
        noted = f"AWX_PRIVATE_DATA_DIR={self.base}/"
        return [pid for pid, variables in environments() if any(one.startswith(noted) for one in variables)]

    def run(
        self,
        playbook: str,
        inventory: dict[str, dict[str, Any]],
        *options: str,
        template_vars: dict[str, Any] | None = None,
        launch_vars: dict[str, Any] | None = None,
        cancel_when: Callable[[], Any] | None = None,
    ) -> Job:
        """Run one job. `launch_vars` are a survey's answers, or the artifacts of the nodes before.

        With `cancel_when` ansible-runner cancels the job once that is true.
        """
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=self.base))
        self._write(folder, inventory, template_vars or {}, launch_vars or {})
        subprocess.run(["chmod", "-R", "a-w", str(folder / "project")], check=True)
        cmdline = " ".join(["-u root", *options])
        command = ["ansible-runner", "run", str(folder), "-p", playbook, "--ident", JOB_ID, "--cmdline", cmdline]
        if cancel_when:
            command = ["python", "-c", CANCELLABLE, str(folder), playbook, JOB_ID, cmdline]
        with subprocess.Popen(
            [*_as_nobody_known(folder), *command],
            env=self._env(folder),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as job:
            try:
                if cancel_when:
                    wait_until(lambda: job.poll() is not None or cancel_when())
                    (folder / "cancel").touch()
                stdout, _none = job.communicate(timeout=180)
            finally:
                job.kill()
        return Job(job.returncode, stdout, folder)

    def _write(
        self, folder: Path, inventory: dict[str, Any], template_vars: dict[str, Any], launch_vars: dict[str, Any]
    ) -> None:
        ignored = shutil.ignore_patterns(*NOT_CHECKED_OUT)
        shutil.copytree(ROOT, folder / "project", symlinks=True, ignore=ignored)
        for name in ("artifacts", "env", "home", "inventory", "tmp"):
            (folder / name).mkdir()
        meta = {f"{prefix}_{name}": value for prefix in ("awx", "tower") for name, value in META.items()}
        variables = template_vars | _unsafe(launch_vars | meta)
        (folder / "env" / "extravars").write_text(yaml.dump(variables, Dumper=_Dumper))
        (folder / "env" / "profiles").write_text(self.profiles)
        hosts = folder / "inventory" / "hosts"
        hosts.write_text(f"#! /usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({_script_inventory(inventory)!r})\n")
        hosts.chmod(0o700)

    def _env(self, folder: Path) -> dict[str, str]:
        emulated = ("AWS_ENDPOINT_URL", "AWS_EC2_METADATA_DISABLED", "NO_PROXY")
        return {
            "PATH": self.stack.process_env["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "AWX_PRIVATE_DATA_DIR": str(folder),
            **JOB_ENV,
            **{name: self.stack.env[name] for name in emulated},
            **self.credentials,
            **({"AWS_CONFIG_FILE": str(folder / "env" / "profiles")} if self.profiles else {}),
        }


def _unsafe(value: Any) -> Any:
    if isinstance(value, dict):
        return {_unsafe(key): _unsafe(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unsafe(inner) for inner in value]
    return Unsafe(value) if isinstance(value, str) else value


def _script_inventory(hosts: dict[str, dict[str, Any]]) -> str:
    """What AWX prints of an inventory: every group by name, and the variables of all hosts."""
    given = {"ansible_connection": "leastpriv.iam.warm"}
    hostvars = {name: {**given, **variables, "remote_tower_enabled": "true"} for name, variables in hosts.items()}
    groups = {"all": {"children": ["aws_accounts"]}, "aws_accounts": {"hosts": [*hosts]}}
    return json.dumps({**groups, "_meta": {"hostvars": hostvars}})


def _as_nobody_known(folder: Path) -> list[str]:
    """Only root can become somebody else; the tests' own Python may lie in root's home, so it may read anyway."""
    if os.geteuid() != 0:
        return []
    subprocess.run(["chown", "-hR", f"{NOBODY_KNOWN}:0", str(folder)], check=True)
    capabilities = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return ["setpriv", "--reuid", str(NOBODY_KNOWN), "--regid", "0", "--clear-groups", *capabilities]


def base_keys() -> dict[str, str]:
    """What the credential "Amazon Web Services" injects: keys, and no region."""
    return {"AWS_ACCESS_KEY_ID": settings.BASE_ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": settings.BASE_SECRET_KEY}


def vendor_key(stack: Stack) -> dict[str, str]:
    """What the credential type for the vendor's API injects."""
    return {name: stack.env[name] for name in ("API_ENDPOINT", "PRISMACLOUD_USERNAME", "PRISMACLOUD_PASSWORD")}
