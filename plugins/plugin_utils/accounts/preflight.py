# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what a run needs before anything is received. Each check returns the problems, a sentence each."""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError, listed
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.identities import default_profile
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.profiles import file_problems, profile_problems
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.queue_client import check_queues
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.accounts import account_map

WARM = "leastpriv.iam.warm"
# Connections that run modules on the controller.
HERE = (WARM, "local", "ansible.builtin.local")
BY_ROLE = "remove the extra variable that overrides the role's own {}"
MAX_LINES = 5
MAX_NAMED = 3
# What the Python that runs Ansible must be able to import.
LIBRARIES = ("boto3", "botocore", "requests")
COLLECTIONS = ("amazon.aws",)


@dataclass(frozen=True)
class Host:
    """A host of the play as the role found it.

    :ivar settings: the result of `leastpriv.iam.settings`.
    :ivar base: how its account is reached, see `wanted_identities`.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reached_by(self) -> Mapping[str, Any]:
        return self.settings.get("reached_by") or {}


@dataclass(frozen=True)
class Play:
    """The play that uses the role; `connection` and `become` are its keywords, for hosts without such a variable."""

    walks_together: bool
    strategy: str
    is_in_batches: bool
    connection: str
    become: bool
    applies: bool


def failure_message(problems: Sequence[str], outcome: str = "nothing was received") -> str:
    """All problems as a message of at most MAX_LINES lines; the last one has the rest.

    Ansible prints it beside the name of one host, so it begins with what it is about.
    """
    lines = list(problems)
    if len(lines) >= MAX_LINES:
        lines = [*lines[: MAX_LINES - 2], " ".join(lines[MAX_LINES - 2 :])]
    return "\n".join([f"The whole run: {outcome}. Correct this first:", *(f"- {line}" for line in lines)])


def by_hosts(found: Iterable[tuple[str, str]], hosts: int) -> list[str]:
    """The problems of hosts, from (problem, host), each once, with the hosts where it is not one of all."""
    named: dict[str, list[str]] = {}
    for problem, host in found:
        named.setdefault(problem, []).append(host)
    return [
        problem if len(names) == hosts else f"{problem} ({listed(names, MAX_NAMED)})"
        for problem, names in named.items()
    ]


def program_problems() -> list[str]:
    """Libraries and collections that are not installed for the Python that runs Ansible, a sentence for each kind."""
    libraries = [name for name in LIBRARIES if not _is_installed(name)]
    collections = [name for name in COLLECTIONS if not _is_installed(f"ansible_collections.{name}")]
    return [
        f"Not installed: {' and '.join(missing)}. Run {command} {' '.join(missing)}."
        for missing, command in (
            (libraries, f"{sys.executable} -m pip install"),
            (collections, "ansible-galaxy collection install"),
        )
        if missing
    ]


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def play_problems(play: Play, hosts: Sequence[Host]) -> list[str]:
    """Why hosts could not walk together, or modules would not run here."""
    problems = []
    if not play.walks_together:
        problems.append(
            f"The play has strategy {play.strategy}, but all accounts must walk together: write strategy: linear."
        )
    if play.is_in_batches:
        problems.append("The play has serial, but all accounts must walk together: remove serial.")
    found = [(problem, host.name) for host in hosts for problem in _host_problems(play, host)]
    return [*problems, *by_hosts(found, len(hosts))]


def _host_problems(play: Play, host: Host) -> list[str]:
    connection = host.reached_by.get("connection") or play.connection
    become = host.reached_by.get("become")
    interpreter = host.reached_by.get("interpreter")
    return [
        *_connection_problems(str(connection), play.applies, bool(host.settings.get("unfenced"))),
        *_become_problems(play.become if become is None else become),
        *(interpreter_problems(str(interpreter)) if interpreter else []),
    ]


def _connection_problems(connection: str, applies: bool, unfenced: bool) -> list[str]:
    if unfenced or connection == WARM or (connection in HERE and not applies):
        return []
    why = (
        "no call fence can stand around its modules (docs/guardrails.md)"
        if connection in HERE
        else "an account is not a machine to log in to"
    )
    return [f"The connection is {connection}, but {why}: {BY_ROLE.format(f'ansible_connection: {WARM}')}."]


def _become_problems(become: Any) -> list[str]:
    try:
        is_set = boolean(become)
    except TypeError:
        is_set = True
    advice = BY_ROLE.format("ansible_become: false")
    return [f"ansible_become is set, but modules run on the controller as they are: {advice}."] if is_set else []


@functools.cache
def interpreter_problems(interpreter: str) -> list[str]:
    """Why modules cannot run in a Python of the controller. It is started, once for all hosts."""
    if interpreter == sys.executable or not os.path.isabs(interpreter):
        return []
    advice = BY_ROLE.format('ansible_python_interpreter: "{{ ansible_playbook_python }}"')
    try:
        tried = subprocess.run([interpreter, "-c", "import boto3"], capture_output=True, timeout=30, check=False)
        why = "has no boto3" if tried.returncode else None
    except (OSError, subprocess.SubprocessError):
        why = "does not start on the controller"
    return [f"The interpreter {interpreter} {why}: {advice}."] if why else []


def account_problems(pairs: Iterable[tuple[str, Any]]) -> list[str]:
    """Account ids that cannot be used, of (host, account_id)."""
    reasons = dict.fromkeys(problem.reason for problem in account_map(pairs).problems)
    return [f"Inventory: {reason}." for reason in reasons]


def artifacts_problems(folder: Path) -> list[str]:
    """Why the run could leave nothing in its folder."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return []
    except OSError as error:
        why = error.strerror or type(error).__name__
        return [f"remediate_artifacts_dir {folder} cannot be written: {why}. Name a folder of the user who runs this."]


def unread_variable_files(folders: Iterable[Path], read: Iterable[Path]) -> list[str]:
    """Files of variables that set something for this role where Ansible does not read them."""
    seen = {path.resolve() for path in read}
    unread = dict.fromkeys(folder.resolve() for folder in folders if folder.resolve() not in seen)
    files = [path for folder in unread for kind in ("group_vars", "host_vars") for path in (folder / kind).rglob("*")]
    return [
        f"{path} is not read: Ansible reads group_vars and host_vars beside the inventory. Move it to "
        f"inventory/{path.parent.name if path.parent.name.endswith('_vars') else 'group_vars'}/."
        for path in sorted(files)
        if path.suffix in ("", ".yml", ".yaml", ".json") and _mentions_settings(path)
    ]


def _mentions_settings(path: Path) -> bool:
    try:
        return path.is_file() and any(line.startswith("remediate_") for line in path.read_text().splitlines())
    except (OSError, ValueError):
        return False


def identity_problems(hosts: Sequence[Host], queue_profile: str, now: datetime) -> list[str]:
    """Profiles that would ask a person, and files of the AWS configuration that cannot be read."""
    import botocore.session
    from botocore.exceptions import BotoCoreError

    session = botocore.session.Session()
    variables = ("config_file", "credentials_file")
    damaged = file_problems(Path(session.get_config_variable(name)).expanduser() for name in variables)
    if damaged:
        return damaged
    try:
        configuration = session.full_config
        usual = default_profile(session) or ""
    except (BotoCoreError, UnicodeError) as error:
        return [f"The AWS configuration cannot be read: {error}"]
    names = [queue_profile or usual, *(str(host.base.get("profile") or usual) for host in hosts)]
    cache = Path("~/.aws/sso/cache").expanduser()
    return profile_problems(dict.fromkeys(names), configuration, now, cache)


def queue_problems(settings: Mapping[str, Any]) -> list[str]:
    """Why the queue or the quarantine queue cannot be used."""
    try:
        check_queues(settings)
    except LeastprivError as error:
        return [str(error)]
    except Exception as error:
        return [f"The queue cannot be used: {type(error).__name__}: {error}."]
    return []
