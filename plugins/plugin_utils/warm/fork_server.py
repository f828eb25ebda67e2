# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python that has loaded what AWS modules import, and forks one child for each module run.

The connection plugin leastpriv.iam.warm starts this file as a program of the module's own interpreter; it imports
nothing of the collection. It is one thread that never talks to AWS, so a child inherits no lock, no socket, no
client and no credential. It ends when the controller does, and kills what still runs then.

A run is one connection to the socket: the plugin sends the pipes for the module's output and a request (two lengths; a
JSON object with `environment`, `directory`, `umask`; the payload as Ansible built it). Answers: STARTED, just before
the payload runs, and its exit status as a signed 32-bit number when it has ended. Hanging up ends the module (SIGTERM).
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import os
import re
import select
import selectors
import shutil
import signal
import socket
import struct
import sys
import threading
import time
import traceback
import types
import zipfile
import zipimport
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

LENGTHS = struct.Struct("!II")
STATUS = struct.Struct("!i")
STARTED = b"+"
# What Python exits with when it cannot write its output.
LOST_OUTPUT = 120
# The plugin sends all of a request at once; one that is stuck must not stop the others.
SLOWEST_REQUEST = 10.0
# How often to look whether the controller has ended, where nothing reports it.
LOOK_SECONDS = 0.5
PAYLOAD_PACKAGES = ("ansible", "ansible_collections")
# Ansible writes these itself: they refer to more of them elsewhere.
WRITTEN_PACKAGES = ("ansible", "ansible.module_utils")
# A payload's archive: a line of its own that begins as an assignment or as a named argument; and a zip file as base64.
ARCHIVE = re.compile(rb"^ *\w+ ?= ?(?P<quote>['\"])(?=UEsDB)", re.MULTILINE)
# What it is called in the program once it is taken out.
NAME = "_payload_archive"
# What Python calls a program that it reads from its standard input.
PROGRAM = "<stdin>"
# The environment variable in which a step declares its calls.
DECLARATION = "LEASTPRIV_CALLS"
# The exit status of a module run that the call fence has stopped; its reason is on its standard error.
STOPPED = 97
STOPPED_MARK = b"\nleastpriv-stopped:"
# What runs a payload, where its definitions have ended; they are the same for all modules.
CALL = b'\nif __name__ == "__main__":\n'


@dataclass(frozen=True)
class Source:
    """One module of Ansible or of a collection: the content of its file, and the loaded module."""

    module: types.ModuleType | None
    code: types.CodeType | None
    size: int
    checksum: int
    member: str

    def is_in(self, members: dict[str, zipfile.ZipInfo]) -> bool:
        """Whether the payload carries this very file; what it does not carry cannot differ."""
        carried = members.get(self.member)
        return carried is None or (carried.file_size, carried.CRC) == (self.size, self.checksum)


@dataclass(frozen=True)
class Program:
    """A payload, and what of it has been read already.

    :ivar definitions: its beginning, compiled.
    :ivar text: the rest.
    :ivar archive: its archive, which the rest knows by NAME.
    :ivar given: the modules that need not be read from the archive, by name.
    """

    definitions: types.CodeType | None
    text: bytes
    archive: str
    given: dict[str, Source]


class Reader:
    """Reads once what all payloads, or all payloads of one module, have in common.

    Python takes longer for the archive, as a literal, than for all the rest of a payload.
    """

    def __init__(self, sources: dict[str, Source]) -> None:
        self._sources = sources
        self._archives: dict[bytes, tuple[str, dict[str, Source]]] = {}
        self._definitions: dict[bytes, types.CodeType] = {}

    def read(self, payload: bytes) -> Program:
        """A payload that does not look as expected is left to the child as it is."""
        found = ARCHIVE.search(payload)
        end = payload.find(found["quote"], found.end()) if found else -1
        text = payload[found.end() : end] if found else b""
        # Such a literal has no escapes.
        if not text or not text.isascii() or b"\\" in text or b"\n" in text:
            return Program(None, payload, "", {})
        if text not in self._archives:
            self._archives[text] = text.decode(), self._given(text)
        definitions, rest = self._split(payload[: found.end() - 1])
        return Program(definitions, b"".join([rest, NAME.encode(), payload[end + 1 :]]), *self._archives[text])

    def _split(self, text: bytes) -> tuple[types.CodeType | None, bytes]:
        """Definitions and the beginning of their call, on the line where it was."""
        definitions, call, rest = text.partition(CALL)
        if not call:
            return None, text
        if definitions not in self._definitions:
            try:
                self._definitions[definitions] = compile(definitions, PROGRAM, "exec", dont_inherit=True)
            except (SyntaxError, ValueError):
                return None, text
        return self._definitions[definitions], b"\n" * definitions.count(b"\n") + call + rest

    def _given(self, text: bytes) -> dict[str, Source]:
        """The loaded modules, if all of them are equal to those of the archive; and the archive's packages.

        If one file differs, none is used: a module of one release must not meet a module of another.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(base64.b64decode(text))) as archive:
                members = {member.filename: member for member in archive.infolist()}
                if not all(source.is_in(members) for source in self._sources.values()):
                    return {}
                loaded = {name: source for name, source in self._sources.items() if source.member in members}
                return {**dict(_packages(archive)), **loaded}
        except (ValueError, SyntaxError, zipfile.BadZipFile):
            return {}


def _packages(archive: zipfile.ZipFile) -> Iterator[tuple[str, Source]]:
    """Those that are empty, and those that Ansible writes for it."""
    for member in archive.infolist():
        folder, _slash, file = member.filename.rpartition("/")
        name = folder.replace("/", ".")
        if file == "__init__.py" and (not member.file_size or name in WRITTEN_PACKAGES):
            code = compile(archive.read(member), member.filename, "exec", dont_inherit=True)
            yield name, Source(None, code, member.file_size, member.CRC, member.filename)


class PayloadFinder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds the modules that need not be read from a payload's archive, the first entry of sys.path by then."""

    def __init__(self, given: dict[str, Source]) -> None:
        self._given = given
        self._archive: str | None = None

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        source = self._given.get(fullname)
        if source is None:
            return None
        if self._archive is None:
            self._archive = sys.path[0]
            for folder, package in ((self._archive, ""), (f"{self._archive}/ansible", "ansible")):
                sys.path_importer_cache[folder] = Archive(folder, package, self)
        is_package = source.member.endswith("/__init__.py")
        origin = f"{self._archive}/{source.member}"
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=origin, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [os.path.dirname(origin)]
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        module = self._given[spec.name].module
        if module is not None:
            module.__file__ = spec.origin
            module.__loader__ = self
            if spec.submodule_search_locations is not None:
                module.__path__ = spec.submodule_search_locations
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        code = self._given[module.__name__].code
        if code is not None:
            exec(code, module.__dict__)

    def get_code(self, fullname: str) -> types.CodeType | None:
        return self._given[fullname].code

    def get_source(self, fullname: str) -> str:
        with zipfile.ZipFile(self._archive or "") as archive:
            return archive.read(self._given[fullname].member).decode()


class Archive(zipimport.zipimporter):
    """A folder of a payload's archive, which is read when something is wanted of it that is not given."""

    def __init__(self, folder: str, package: str, finder: PayloadFinder) -> None:
        self._folder = folder
        self._package = package
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        if name not in ("archive", "prefix", "_files"):
            raise AttributeError(name)
        super().__init__(self._folder)
        return self.__dict__[name]

    def find_spec(self, fullname: str, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        name = fullname.rpartition(".")[2]
        given = self._finder.find_spec(f"{self._package}.{name}" if self._package else name)
        return given or super().find_spec(fullname, target)


def load(roots: list[str], modules: Iterable[str], programs: Iterable[str]) -> dict[str, Source]:
    """Import `modules`, compile `programs`, and take those of Ansible and of collections aside, by name.

    `roots` are the folders of the collections. What cannot be imported is left to the payload.
    """
    collections = types.ModuleType("ansible_collections")
    collections.__path__ = roots
    sys.modules["ansible_collections"] = collections
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    with contextlib.suppress(Exception):
        forget_warnings()
    sources = dict(_compiled(programs))
    for name in [name for name in sys.modules if name.partition(".")[0] in PAYLOAD_PACKAGES]:
        module = sys.modules.pop(name)
        source = _source(name, module.__spec__, module, None)
        # Ansible writes the package `ansible` of a payload itself; some of its modules put another in their place.
        if source is not None and name != "ansible" and module.__name__ == name:
            sources[name] = source
    return sources


def forget_warnings() -> None:
    """Discard warnings of loading: ansible-core 2.20 deprecates names that amazon.aws imports."""
    from ansible.module_utils.common import warnings

    for messages in (warnings._global_warnings, warnings._global_deprecations):
        messages.clear()


def _compiled(programs: Iterable[str]) -> Iterator[tuple[str, Source]]:
    for name in programs:
        with contextlib.suppress(Exception):
            spec = importlib.util.find_spec(name)
            source = _source(name, spec, None, spec.loader.get_code(name))
            if source is not None:
                yield name, source


def _source(name: str, spec: Any, module: types.ModuleType | None, code: types.CodeType | None) -> Source | None:
    origin = getattr(spec, "origin", None)
    if not origin or not origin.endswith(".py"):
        return None
    is_package = spec.submodule_search_locations is not None
    with open(origin, "rb") as file:
        text = file.read()
    # A package without a word in it is made again from the payload, where its other modules are.
    if is_package and not text.strip():
        return None
    member = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
    return Source(module, code, len(text), zlib.crc32(text), member)


@dataclass(frozen=True)
class Request:
    """One module run."""

    environment: dict[str, str]
    directory: str
    umask: int
    payload: bytes
    outputs: tuple[int, ...]


def send(server: socket.socket, request: dict[str, Any], payload: bytes, outputs: list[int]) -> None:
    """The plugin's half of a request: the file descriptors for standard output and error, the lengths, the contents."""
    head = json.dumps(request).encode()
    socket.send_fds(server, [LENGTHS.pack(len(head), len(payload))], outputs)
    server.sendall(head)
    server.sendall(payload)


def receive(connection: socket.socket) -> Request:
    """The server's half. Raises EOFError and OSError when the plugin does not send a whole request in time."""
    connection.settimeout(SLOWEST_REQUEST)
    lengths, outputs, _flags, _address = socket.recv_fds(connection, LENGTHS.size, 2)
    try:
        head_length, payload_length = LENGTHS.unpack(lengths.ljust(LENGTHS.size, b"\0"))
        with connection.makefile("rb") as stream:
            head, payload = stream.read(head_length), stream.read(payload_length)
        if len(outputs) != 2 or not head or len(payload) != payload_length:
            raise EOFError("The request ended early.")
        return Request(**json.loads(head), payload=payload, outputs=tuple(outputs))
    except BaseException:
        close_all(outputs)
        raise


def close_all(descriptors: Iterable[int]) -> None:
    """Close file descriptors of this process."""
    for descriptor in descriptors:
        os.close(descriptor)


class ForkServer:
    """Runs modules, each in a child of its own, until the controller has ended; what runs then is killed."""

    def __init__(self, listener: socket.socket, controller: int, sources: dict[str, Source], fence: Fence) -> None:
        self._listener = listener
        self._fence = fence
        self._controller = controller
        self._reader = Reader(sources)
        self._running: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        try:
            self._serve()
        finally:
            kill_groups(self._running)

    def _serve(self) -> None:
        self._watch(self._listener, self._accept)
        self._watch_children()
        is_watched = self._watch_controller()
        while is_watched or is_alive(self._controller):
            for key, _events in self._selector.select(None if is_watched else LOOK_SECONDS):
                if key.data is None:
                    return
                key.data(key.fileobj)

    def _watch(self, file: Any, act: Any) -> None:
        self._selector.register(file, selectors.EVENT_READ, act)

    def _watch_children(self) -> None:
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._signalled = writer
        signal.signal(signal.SIGCHLD, lambda *_signal: None)
        signal.set_wakeup_fd(writer.fileno())
        self._watch(reader, self._reap)

    def _watch_controller(self) -> bool:
        if not hasattr(os, "pidfd_open"):
            return False
        try:
            self._watch(os.pidfd_open(self._controller), None)
        except OSError:
            return False
        return True

    def _accept(self, _listener: socket.socket) -> None:
        connection, _address = self._listener.accept()
        try:
            request = receive(connection)
        except (OSError, EOFError, ValueError):
            connection.close()
            return
        program = self._reader.read(request.payload)
        child = os.fork()
        if child == 0:
            self._run(request, program, connection)
        close_all(request.outputs)
        self._running[child] = connection
        # Nothing more is to be read from it: when it can be read, the plugin has hung up.
        self._watch(connection, lambda hung_up: self._end(child, hung_up))

    def _run(self, request: Request, program: Program, connection: socket.socket) -> NoReturn:
        status = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for inherited in (self._selector, self._listener, self._signalled, *self._running.values()):
                inherited.close()
            become(request)
            sys.meta_path.insert(0, PayloadFinder(program.given))
            connection.sendall(STARTED)
            connection.close()
            status = run_fenced(program, self._fence)
        finally:
            os._exit(status)

    def _end(self, child: int, hung_up: socket.socket) -> None:
        self._selector.unregister(hung_up)
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError):
                kill(child, signal.SIGTERM)

    def _reap(self, signalled: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            signalled.recv(4096)
        while self._running:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            connection = self._running.pop(child)
            with contextlib.suppress(KeyError):
                self._selector.unregister(connection)
            with connection, contextlib.suppress(OSError):
                connection.sendall(STATUS.pack(os.waitstatus_to_exitcode(status)))


def kill_groups(leaders: Iterable[int]) -> None:
    """Kill modules and what they have started. One that has just been forked does not lead a group yet."""
    for leader in leaders:
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(leader, signal.SIGKILL)


@contextlib.contextmanager
def ended_with(controller: int, sessions: str) -> Iterator[None]:
    """End this process, which has nothing to finish yet, if the controller ends during the block."""

    def look(*_signal: Any) -> None:
        if has_ended(controller):
            shutil.rmtree(sessions, ignore_errors=True)
            os._exit(1)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS, LOOK_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def has_ended(controller: int) -> bool:
    """Also of one that its parent has not collected yet, where the system can report that."""
    try:
        descriptor = os.pidfd_open(controller)
    except (AttributeError, OSError):
        return not is_alive(controller)
    try:
        return bool(select.select([descriptor], [], [], 0)[0])
    finally:
        os.close(descriptor)


def is_alive(pid: int) -> bool:
    """Whether a process with this id is there, of whatever user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def become(request: Request) -> None:
    """Make of this process what a new interpreter would be that reads the payload from its standard input."""
    for number, output in enumerate(request.outputs, start=1):
        os.dup2(output, number)
        os.close(output)
    os.chdir(request.directory)
    os.umask(request.umask)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    sys.argv = [""]
    sys.path.insert(0, "")


@dataclass(frozen=True)
class Fence:
    """The call fence for the children.

    :ivar module: the collection's module_utils/api_calls/call_fence.py, or None without it.
    :ivar keep_handlers: leaves the sessions of this process what a fenced module needs of botocore.
    """

    module: Any
    keep_handlers: Callable[[], None] = lambda: None


def run_fenced(program: Program, fence: Fence) -> int:
    """Run a program inside the call fence where its environment declares calls; what it has stopped has failed."""
    text = os.environ.get(DECLARATION)
    if text is None:
        return run_program(program)
    standing, problem = raise_fence(fence.module, text)
    if problem:
        return stop(problem)
    fence.keep_handlers()
    status = run_program(program)
    # Whatever the module has made of the error.
    return stop(standing.violation) if standing and standing.violation else status


def raise_fence(fence: Any, text: str) -> tuple[Any, str | None]:
    """The fence, None where there need not be any; and why the module must not run, or None."""
    try:
        if fence is not None:
            return fence.enclose(text), None
        is_required = json.loads(text)["required"] is not False
    except (ValueError, KeyError, TypeError) as error:
        return None, f"Nothing was run: the declared calls cannot be read ({type(error).__name__})."
    return None, "Nothing was run: this botocore lets no call fence stand." if is_required else None


def stop(reason: str) -> int:
    """Write to stderr why no program was run, and return the exit status for that."""
    os.write(2, STOPPED_MARK + json.dumps(reason).encode())
    return STOPPED


def run_program(program: Program) -> int:
    """Run it, end as an interpreter does (threads, exit functions, output), and return the exit status."""
    module = types.ModuleType("__main__")
    module.__dict__.update({"__builtins__": __builtins__, NAME: program.archive})
    sys.modules["__main__"] = module
    status = 0
    try:
        if program.definitions is not None:
            exec(program.definitions, module.__dict__)
        exec(compile(program.text, PROGRAM, "exec", dont_inherit=True), module.__dict__)
    except SystemExit as stop:
        status = _status_of(stop.code)
    except BaseException as error:
        status = 1
        # Without the frame of this function.
        traceback.print_exception(type(error), error, error.__traceback__ and error.__traceback__.tb_next)
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        status = LOST_OUTPUT
    return status


def _status_of(code: Any) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def installed_fence(fence: Any) -> Any:
    """The call fence with its handlers in place, or None. Called before any session is made."""
    with contextlib.suppress(Exception):
        fence.install()
        return fence
    return None


def tried_fence(fence: Any) -> Any:
    """The call fence where it stops a call, or None: steps do not run then."""
    with contextlib.suppress(Exception):
        return fence if fence.stops_calls() else None
    return None


def module_of(sources: dict[str, Source], name: str) -> Any:
    """A module of the collection that was loaded, or None."""
    return sources[name].module if name in sources else None


def forget_environment() -> None:
    """Let no profile, region or endpoint be read before a module runs with its own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


def main() -> None:
    settings = json.loads(sys.argv[1])
    # Hardly anything loaded here is freed again: looking for it takes a fifth of the time.
    gc.disable()
    # The folder of this file has modules with names like those of Python's own.
    del sys.path[0]
    with ended_with(settings["controller"], settings["sessions"]):
        sources = load(settings["roots"], settings["modules"], settings["programs"])
    forget_environment()
    # The encoding of the names in an archive, which Python imports when it opens the first one.
    "".encode("cp437")
    with contextlib.ExitStack() as patches:
        fence = prepare(sources, settings, patches)
        # What is here stays: no child has to copy its pages to count references in a collection.
        gc.collect()
        gc.freeze()
        gc.enable()
        try:
            ForkServer(socket.socket(fileno=settings["listener"]), settings["controller"], sources, fence).serve()
        finally:
            # Ansible removes it too, unless it is killed.
            shutil.rmtree(settings["sessions"], ignore_errors=True)


def prepare(sources: dict[str, Source], settings: dict[str, Any], patches: contextlib.ExitStack) -> Fence:
    """Put the call fence, the counting of calls and the patches of botocore in place.

    Each is independent of the others. Without boto3 in this Python, none is in place.
    """
    fence = installed_fence(module_of(sources, settings["fence"]))
    extras = {}
    with contextlib.suppress(Exception):
        module_of(sources, settings["counter"]).note_aws_calls(settings["calls"])
    with contextlib.suppress(Exception):
        module = module_of(sources, settings["patches"])
        note = patches.enter_context(module.installed_and_noted(settings["sessions"], settings["note"]))
        if not note.untried:
            extras["keep_handlers"] = module.keep_handlers
    return Fence(tried_fence(fence), **extras)


if __name__ == "__main__":
    main()
