# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: warm
version_added: 1.0.0
short_description: Run modules on the controller in a Python that is loaded already
description:
  - Does what the connection P(ansible.builtin.local#connection) does, faster. Modules that talk to AWS spend most of
    their time on starting Python, importing boto3 and reading service models; here this is done once per run of
    Ansible, in one process that forks a child for every module run.
  - The child runs the very payload that Ansible built, with the module's own arguments, environment, working directory
    and umask, and is thrown away afterwards. Two runs share no client, no session and no credential.
  - Loaded module code is used only where the payload carries the same files.
  - Everything else (C(become), C(async), C(raw), modules that are not written in Python or run in another way, file
    transfers, an interpreter of more than one word, an C(environment) that changes how Python itself starts) uses
    P(ansible.builtin.local#connection). C(-vvv) shows it.
  - Where E(LEASTPRIV_CALLS) declares the calls of a step (P(leastpriv.iam.session#lookup)),
    a call fence surrounds its module; only reads and these calls reach AWS. A module that wants another call fails,
    and so does one that cannot be fenced.
  - Calls to AWS are counted by service and operation, for C(metrics.prom).
  - A role that a profile assumes is assumed once per run. Its temporary credentials are kept in Ansible's local
    temporary folder, which only its user can read, until the run ends.
  - The process and the modules that it runs end with the run of Ansible, also when that is killed, and so do Ansible's
    workers. A module whose task is cancelled or timed out is ended.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  pipelining:
    description:
      - Whether modules are handed over without temporary files, here the default. Without it every module uses
        P(ansible.builtin.local#connection).
    type: bool
    default: true
    env:
      - name: ANSIBLE_PIPELINING
    ini:
      - section: defaults
        key: pipelining
      - section: connection
        key: pipelining
    vars:
      - name: ansible_pipelining
  become_success_timeout:
    description: As for P(ansible.builtin.local#connection), seconds.
    type: int
    default: 10
    vars:
      - name: ansible_local_become_success_timeout
  become_strip_preamble:
    description: As for P(ansible.builtin.local#connection).
    type: bool
    default: true
    vars:
      - name: ansible_local_become_strip_preamble
notes:
  - Needs a system with C(fork) and Unix sockets.
seealso:
  - plugin: ansible.builtin.local
    plugin_type: connection
"""

EXAMPLES = r"""
- name: Work on AWS accounts from the controller
  hosts: aws_accounts
  gather_facts: false
  vars:
    ansible_connection: leastpriv.iam.warm
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - name: Make the user
      amazon.aws.iam_user:
        name: alice
"""

ARCHITECTURE = """
How it works
  A module run that would take most of its time to start Python, import boto3 and read service models takes a fork.
  1. The first worker that runs a module, or the callback preload before it, starts plugin_utils/warm/fork_server.py as
     a program of the module's interpreter, with a Unix socket in Ansible's local temporary folder. It imports what the
     role's modules import, puts the call fence and the counting of calls in place, replaces the functions of botocore
     that plugin_utils/warm/botocore_patches.py lists, and then waits. It is one thread that never calls AWS.
  2. `exec_command` reads the command that Ansible sends for a module. If it is exactly the one of a pipelined Python
     module, the payload, the environment, the working directory and the umask go to the fork server.
  3. The fork server forks a child, which takes all of that over and runs the payload as Ansible built it. Modules that
     were loaded before are used only where the payload carries the same files, by size and checksum.
  4. The child ends, and its output and exit status come back as those of a shell.

Why it is right
  * What is not understood is never guessed: `read_command` writes the command again and compares. Any other command,
    and whatever goes wrong before the payload runs, goes to ansible.builtin.local, the base class of this connection.
    A step that declares its calls does not run there, since no call fence stands there.
  * Two module runs share no client, session, credential, connection or random state: each child is a copy of a process
    that has none. The credentials of assumed roles are shared through files, as in the AWS CLI.
  * The call fence and the counting of calls use botocore's events only. They work without any of the patches; the fence
    is tried before the first module runs, and without it no step does.
  * Each patch is skipped where botocore's version was not tried or the function is not as expected. The run and
    playbooks/doctor.yml show that. All are removed when the fork server ends.
  * Nothing of Ansible is replaced; of Jinja one function is, in the controller (jinja_patches.py, by the callback
    preload). If that callback is not enabled, templates are compiled as usual, and the first module run waits for the
    start.
  * The fork server and its children end with the controller, however that ends.
  * tests/integration/test_warm.py compares results with those of ansible.builtin.local, task by task.

How to remove it
  To do without it in a run, add `-e ansible_connection=local -e remediate_unfenced=true`. The call fence stands in the
  module's process, so a replacement calls `call_fence.install` and `enclose` there. Delete:
    plugins/connection/warm.py
    plugins/callback/preload.py (and its name in ansible.cfg)
    plugins/plugin_utils/warm/botocore_patches.py
    plugins/plugin_utils/warm/fork_server.py
    plugins/plugin_utils/warm/jinja_patches.py
    tests/unit/plugins/connection/test_warm.py
    tests/unit/plugins/connection/test_fenced_runs.py
    tests/unit/plugins/connection/test_preloaded.py
    tests/unit/plugins/callback/test_preload.py
    tests/unit/plugins/plugin_utils/warm/test_botocore_patches.py
    tests/unit/plugins/plugin_utils/warm/test_jinja_patches.py
    tests/integration/test_warm.py
  The rest of plugins/plugin_utils/warm ends processes with the run, and other plugins use it.
"""

import contextlib
import fcntl
import json
import multiprocessing
import os
import re
import selectors
import shlex
import signal
import socket
import subprocess
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import ansible.constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as LocalConnection
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.utils.display import Display
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls import call_fence, counter
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.role_session import sessions_folder
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import unset_empty_variables
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm import botocore_patches, fork_server
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import end_worker_with_controller

display = Display()

AMAZON = "ansible_collections.amazon.aws.plugins"
OURS = "ansible_collections.leastpriv.iam.plugins"
# The imports of the role's modules, loaded in this order; all module_utils of this collection are added.
MODULES = (
    "ansible.module_utils.basic",
    "ansible.module_utils._internal._ansiballz._loader",
    "ansible.module_utils._internal._json._profiles._module_legacy_c2m",
    "ansible.module_utils._internal._json._profiles._module_legacy_m2c",
    f"{AMAZON}.module_utils.modules",
    f"{AMAZON}.module_utils.iam",
    f"{AMAZON}.module_utils.policy",
    f"{AMAZON}.module_utils.tagging",
)
# The modules themselves; all of this collection are added.
PROGRAMS = (
    f"{AMAZON}.modules.iam_access_key",
    f"{AMAZON}.modules.iam_group",
    f"{AMAZON}.modules.iam_instance_profile",
    f"{AMAZON}.modules.iam_managed_policy",
    f"{AMAZON}.modules.iam_password_policy",
    f"{AMAZON}.modules.iam_policy",
    f"{AMAZON}.modules.iam_role",
    f"{AMAZON}.modules.iam_user",
)
# What Python and the loaded libraries have read when they started. A task that sets one of these gets a new Python.
READ_AT_START = re.compile(
    r"(PYTHON|LD_|LC_|DYLD_|MALLOC_|GLIBC_|OPENSSL_|BOTO_)|(LANG|LANGUAGE|HOME|AWS_LOGIN_CACHE_DIRECTORY)$"
)
# What a shell takes for an assignment.
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What Ansible writes at the start of every Python module that it sends.
ANSIBALLZ = b"_ANSIBALLZ_WRAPPER"
# How many shells may run in each other for a declaration to be found.
MAX_SHELLS = 4
# What a shell adds to the number of the signal that ended a program.
KILLED = 128
# sun_path has 108 bytes on Linux and 104 on macOS.
MAX_SOCKET_PATH = 100
# https://man7.org/linux/man-pages/man5/proc_pid_fd.5.html
OPEN_FOLDERS = Path("/proc/self/fd")


class ModuleRun(NamedTuple):
    """The one kind of command that runs warm: an interpreter that reads a module, and the variables set for it."""

    interpreter: str
    environment: dict[str, str]


class NotWarm(Exception):
    """Why a command uses the local connection."""


class Connection(LocalConnection):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        end_worker_with_controller()
        unset_empty_variables()

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a module in the loaded Python, and everything else as the local connection does."""
        if controller_has_ended():
            raise AnsibleConnectionFailure("The controller has ended: nothing more is run.")
        try:
            run = read_command(cmd, in_data)
            with connect(run.interpreter) as server:
                display.vvv(f"EXEC WARM {cmd}", host=self._play_context.remote_addr)
                return as_stopped(*run_module(server, self._request(run), in_data or b""))
        except NotWarm as reason:
            if requires_fence(cmd):
                return failed_module(f"Nothing was run: no call fence can stand around this module, since {reason}.")
            display.vvv(f"NOT WARM: {reason}", host=self._play_context.remote_addr)
            return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)

    def _request(self, run: ModuleRun) -> dict[str, Any]:
        directory = os.fsdecode(self.cwd or os.getcwd())
        return {
            # A shell would have set PWD.
            "environment": {**os.environ, "PWD": directory, **run.environment},
            "directory": directory,
            "umask": current_umask(),
        }


def controller_has_ended() -> bool:
    """Whether this worker was left behind: it would finish its loop unnoticed."""
    controller = multiprocessing.parent_process()
    return controller is not None and os.getppid() != controller.pid


def read_command(cmd: str, in_data: bytes | None) -> ModuleRun:
    """Understand exactly the command that Ansible sends for a pipelined Python module. Raises NotWarm for any other."""
    if in_data is None or ANSIBALLZ not in in_data[:2_000]:
        raise NotWarm("no pipelined Python module")
    words = _words(cmd)
    inner = _words(words[2]) if words[1:2] == ["-c"] and len(words) == 3 else []
    if inner[-3:] == ["&&", "sleep", "0"]:
        inner = inner[:-3]
    assignments, interpreter = [word.partition("=") for word in inner[:-1]], inner[-1] if inner else ""
    environment = {name: value for name, _equals, value in assignments}
    is_understood = os.path.isabs(interpreter) and all(VARIABLE.fullmatch(name) for name in environment)
    if not is_understood or cmd not in commands_for(words[0], environment, interpreter):
        raise NotWarm("the command is not the one of a pipelined Python module without become")
    at_start = sorted(name for name in environment if READ_AT_START.match(name))
    if at_start:
        raise NotWarm(f"Python reads {', '.join(at_start)} when it starts")
    return ModuleRun(interpreter, environment)


def requires_fence(cmd: str) -> bool:
    """Whether a command is a step's that must not run without its call fence; one that cannot be read is."""
    if f"{call_fence.VARIABLE}=" not in cmd:
        return False
    for word in _all_words(cmd):
        name, _equals, value = word.partition("=")
        if name == call_fence.VARIABLE:
            with contextlib.suppress(ValueError):
                return call_fence.read_declaration(value)[1]
    return True


def _all_words(cmd: str, depth: int = MAX_SHELLS) -> list[str]:
    """The words of a command and of the commands within it, such as those of a shell that become runs in a shell."""
    with contextlib.suppress(ValueError):
        words = shlex.split(cmd)
        inner = [word for word in words if depth and len(words) > 1 and " " in word]
        return words + [word for one in inner for word in _all_words(one, depth - 1)]
    return []


def as_stopped(status: int, output: bytes, errors: bytes) -> tuple[int, bytes, bytes]:
    """A module's answer; a failure if the call fence stopped it, whatever it answered itself."""
    if status != fork_server.STOPPED:
        return status, output, errors
    reason = "The call fence stopped the module."
    with contextlib.suppress(ValueError):
        reason = json.loads(errors.rpartition(fork_server.STOPPED_MARK)[2])
    return failed_module(reason)


def failed_module(reason: str) -> tuple[int, bytes, bytes]:
    """The answer of a module that failed."""
    result = {"failed": True, "changed": False, "msg": reason, "error": {"code": call_fence.NOT_IN_SCRIPT}}
    return 1, json.dumps(result).encode(), b""


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise NotWarm(f"the command cannot be read ({error})") from None


def commands_for(shell: str, environment: dict[str, str], interpreter: str) -> list[str]:
    """The command as Ansible's shell plugin and action base class write it, before ansible-core 2.20 and since."""
    words = [*(f"{name}={shlex.quote(value)}" for name, value in environment.items()), shlex.quote(interpreter)]
    return [f"{shell} -c {shlex.quote(' '.join([*words, *tail]))}" for tail in (["&&", "sleep", "0"], [])]


def current_umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def connect(interpreter: str, controller: int | None = None, more: Iterable[str] = ()) -> socket.socket:
    """Connect to this run's loaded Python, and start it where there is none. Raises NotWarm when there can be none.

    `controller` is the process of Ansible that it ends with, by default the parent of this one, a worker; `more` are
    the imports of other modules than the role's.
    """
    name = f"warm-{zlib.crc32(interpreter.encode()):08x}"
    path = Path(C.DEFAULT_LOCAL_TMP, f"{name}.socket")
    server = _connected(path)
    if server is None:
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Another worker may have been first.
            server = _connected(path) or _started(interpreter, path, controller or parent_id(), more)
    return server


def parent_id() -> int:
    """The process that this one was started by, even if that has ended: getppid() would then return another one."""
    parent = multiprocessing.parent_process()
    return parent.pid if parent else os.getppid()


def _connected(path: Path) -> socket.socket | None:
    server = socket.socket(socket.AF_UNIX)
    try:
        with socket_address(path) as address:
            server.connect(address)
    except (FileNotFoundError, ConnectionRefusedError):
        server.close()
        return None
    return server


@contextlib.contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """The address of a Unix socket; one whose path is too long for the system is reached through its open folder."""
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        yield str(path)
        return
    if not OPEN_FOLDERS.exists():
        raise NotWarm(f"{path} is too long for a Unix socket: set ANSIBLE_LOCAL_TEMP to a shorter folder")
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield str(OPEN_FOLDERS / str(folder) / path.name)
    finally:
        os.close(folder)


def _started(interpreter: str, path: Path, controller: int, more: Iterable[str]) -> socket.socket:
    """Start the fork server. It accepts connections before it has loaded anything; they wait."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        with socket_address(path) as address:
            listener.bind(address)
        listener.listen(128)
        settings = server_settings(listener, path, controller, more)
        try:
            process = subprocess.Popen(
                [interpreter, fork_server.__file__, json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            path.unlink()
            raise NotWarm(f"{interpreter} does not start: {error}") from None
    # For code that must know that no module is running any more.
    path.with_suffix(".pid").write_text(str(process.pid))
    server = _connected(path)
    if server is None:
        raise NotWarm(f"{interpreter} does not stay")
    return server


def server_settings(listener: socket.socket, path: Path, controller: int, more: Iterable[str]) -> dict[str, Any]:
    """What the fork server is started with."""
    modules, programs = preloaded()
    return {
        "listener": listener.fileno(),
        "controller": controller,
        "roots": [f"{folder}/ansible_collections" for folder in AnsibleCollectionConfig.collection_paths],
        "modules": [*modules, *more],
        "programs": programs,
        "sessions": str(sessions_folder()),
        "fence": call_fence.__name__,
        "counter": counter.__name__,
        "calls": str(Path(C.DEFAULT_LOCAL_TMP, counter.FILE_NAME)),
        "patches": botocore_patches.__name__,
        "note": str(path.with_suffix(".patches")),
    }


def preloaded() -> tuple[list[str], list[str]]:
    """What the fork server imports, and the modules that it compiles."""
    return [*MODULES, *ours("module_utils"), botocore_patches.__name__], [*PROGRAMS, *ours("modules")]


def ours(kind: str) -> list[str]:
    """The names of all plugins of one kind of this collection, with those in packages, for Python."""
    folder = Path(__file__).parents[1] / kind
    paths = [path.relative_to(folder).with_suffix("").parts for path in sorted(folder.rglob("*.py"))]
    names = [".".join(parts).removesuffix(".__init__") for parts in paths if parts != ("__init__",)]
    return [f"{OURS}.{kind}.{name}" for name in names]


def run_module(server: socket.socket, request: dict[str, Any], payload: bytes) -> tuple[int, bytes, bytes]:
    """Send a payload; return its exit status, standard output and standard error. Raises NotWarm if it never ran."""
    with contextlib.ExitStack() as ends:
        streams = [os.pipe(), os.pipe()]
        readers = [ends.enter_context(open(reader, "rb", buffering=0)) for reader, _writer in streams]
        with contextlib.ExitStack() as given_away:
            for _reader, writer in streams:
                given_away.callback(os.close, writer)
            try:
                fork_server.send(server, request, payload, [writer for _reader, writer in streams])
            except OSError as error:
                raise NotWarm(f"the loaded Python takes nothing: {error}") from None
        outputs = read_all(readers)
    return (exit_status(server), *outputs)


def read_all(streams: list[Any]) -> list[bytes]:
    """Read until all streams have ended, whichever speaks first."""
    contents: dict[Any, list[bytes]] = {stream: [] for stream in streams}
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            for key, _events in selector.select():
                chunk = os.read(key.fd, 65_536)
                contents[key.fileobj].append(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
    return [b"".join(contents[stream]) for stream in streams]


def exit_status(server: socket.socket) -> int:
    """Read the server's answer about the end of the run, as an exit status. Raises NotWarm if it did not begin."""
    answer = b""
    # A server that ends before it has read the request resets the connection.
    with server.makefile("rb") as stream, contextlib.suppress(ConnectionResetError):
        answer = stream.read()
    if not answer.startswith(fork_server.STARTED):
        raise NotWarm("the loaded Python has ended")
    ending = answer[len(fork_server.STARTED) :]
    # Without its parent the module's status is unknown; Ansible uses its output.
    status = fork_server.STATUS.unpack(ending)[0] if ending else -signal.SIGKILL
    return status if status >= 0 else KILLED - status
