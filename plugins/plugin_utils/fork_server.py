# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python that has loaded what AWS modules import, and forks one child for each module run.

The connection plugin leastpriv.iam.warm starts this file as a program of the module's own interpreter; it imports
nothing of the collection. It is one thread that never talks to AWS, so that a child inherits no lock, no socket, no
client and no credential. It ends when the controller does.

A run is one connection to the socket: the plugin sends the pipes for the module's output and a request (two lengths; a
JSON object with `environment`, `directory`, `umask`; the payload as Ansible built it). Back come STARTED, just before
the payload runs, and its exit status as a signed 32-bit number when it has ended. Hanging up ends the module (SIGTERM).
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import re
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
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

LENGTHS = struct.Struct("!II")
STATUS = struct.Struct("!i")
STARTED = b"+"
# What Python exits with when it cannot write its output.
LOST_OUTPUT = 120
# The plugin sends all of a request at once; one that stands still must not stop the others.
SLOWEST_REQUEST = 10.0
PAYLOAD_PACKAGES = ("ansible", "ansible_collections")
# A payload's archive: a line of its own that begins as an assignment or as a named argument.
ARCHIVE = re.compile(
    rb"^ *\w+ ?= ?(?P<literal>(?P<quote>['\"])(?P<text>[A-Za-z0-9+/=]{1000,})(?P=quote)),?$", re.MULTILINE
)
# ISO 8601 as all Pythons read it.
IN_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z", re.ASCII)


@dataclass(frozen=True)
class Source:
    """One module of Ansible or of a collection: what its file held, and what became of it here."""

    module: types.ModuleType | None
    code: types.CodeType | None
    size: int
    checksum: int
    member: str

    def is_in(self, members: dict[str, zipfile.ZipInfo]) -> bool:
        """Whether the payload carries this very file; what it does not carry cannot differ."""
        carried = members.get(self.member)
        return carried is None or (carried.file_size, carried.CRC) == (self.size, self.checksum)


class PayloadFinder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Gives a payload the modules that are loaded already, if all of them are what the payload carries.

    The payload's archive is the first entry of sys.path by the time it imports anything. One file that differs, and
    nothing is given: a module of one release must not meet a module of another.
    """

    def __init__(self, sources: dict[str, Source]) -> None:
        self._sources = sources
        self._archive: str | None = None
        self._given: dict[str, Source] = {}

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in PAYLOAD_PACKAGES:
            return None
        self._read_archive()
        source = self._given.get(fullname)
        if source is None:
            return None
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

    def _read_archive(self) -> None:
        if self._archive is None:
            self._archive = sys.path[0]
            with zipfile.ZipFile(self._archive) as archive:
                members = {member.filename: member for member in archive.infolist()}
            if all(source.is_in(members) for source in self._sources.values()):
                self._given = {name: source for name, source in self._sources.items() if source.member in members}


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
    """What loading has warned of is no module's result: ansible-core 2.20 deprecates names that amazon.aws imports."""
    from ansible.module_utils.common import warnings

    for told in (warnings._global_warnings, warnings._global_deprecations):
        told.clear()


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
    # A package without a word in it is made anew from the payload, where its other modules are.
    if is_package and not text.strip():
        return None
    member = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
    return Source(module, code, len(text), zlib.crc32(text), member)


def load_service_models(services: Iterable[str]) -> None:
    """Let all boto3 sessions share one reader of service models, and read those of `services`.

    The reader holds files, no setting and no credential. A session that is told another folder gets its own reader.
    """
    import botocore.session
    from botocore.exceptions import DataNotFoundError

    create_loader = botocore.session.create_loader
    shared = create_loader(None)
    botocore.session.create_loader = lambda path=None: create_loader(path) if path else shared
    session = botocore.session.Session()
    session.set_credentials("none", "none")
    for service in services:
        # Nothing is sent: a client connects with its first call.
        client = session.create_client(service, region_name="us-east-1")
        for kind in ("paginators-1", "waiters-2"):
            with contextlib.suppress(DataNotFoundError):
                shared.load_service_model(service, kind, client.meta.service_model.api_version)


def share_client_classes() -> None:
    """Let all clients of a service share the class that botocore makes of the service's model, and of nothing else."""
    import botocore.client

    creator = botocore.client.ClientCreator
    create_class = creator._create_client_class
    made: dict[int, tuple[type, Any]] = {}

    def create_class_once(self: Any, service_name: str, service_model: Any) -> type:
        # A part of what the reader of service models has read once: another reader's model is another one.
        read = service_model.metadata
        if id(read) not in made:
            made[id(read)] = create_class(self, service_name, service_model), read
        return made[id(read)][0]

    creator._create_client_class = create_class_once


def timestamp_parser() -> Callable[[Any], datetime]:
    """Botocore's own with a short way for what AWS sends: a list of an account's policies holds thousands of these."""
    from botocore.utils import parse_timestamp
    from dateutil.tz import tzutc

    def parse(value: Any) -> datetime:
        if isinstance(value, str) and IN_UTC.fullmatch(value):
            with contextlib.suppress(ValueError):
                return datetime.fromisoformat(value[:-1]).replace(tzinfo=tzutc())
        return parse_timestamp(value)

    return parse


def make_session() -> None:
    """Give the first boto3 session of a module a botocore session that is made already, with all its event handlers.

    It holds no setting and no credential: it looks at the environment and at files when it is asked for something.
    """
    import botocore.session

    get_session = botocore.session.get_session
    made = [get_session()]
    made[0].get_component("response_parser_factory").set_parser_defaults(timestamp_parser=timestamp_parser())

    def get_made_session(env_vars: Any = None) -> Any:
        if env_vars or not made:
            return get_session(env_vars)
        session = made.pop()
        # The one part that has looked at the environment.
        session._register_user_agent_creator()
        return session

    botocore.session.get_session = get_made_session


def share_assumed_roles(folder: str) -> None:
    """Let profiles assume a role once and not for every module, by botocore's file cache, as in the AWS CLI.

    Its keys are made of the role's ARN and all that it is assumed with; who is near the end of its time is not taken.
    """
    import botocore.credentials
    from botocore.utils import JSONFileCache

    create_resolver = botocore.credentials.create_credential_resolver
    shared = JSONFileCache(folder)

    def create_sharing_resolver(session: Any, cache: Any = None, region_name: str | None = None) -> Any:
        return create_resolver(session, cache=shared if cache is None else cache, region_name=region_name)

    botocore.credentials.create_credential_resolver = create_sharing_resolver


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
    for descriptor in descriptors:
        os.close(descriptor)


class ForkServer:
    """Runs modules, each in a child of its own, until the controller has ended; what runs then is left to finish."""

    def __init__(self, listener: socket.socket, controller: int, sources: dict[str, Source]) -> None:
        self._listener = listener
        self._controller = controller
        self._sources = sources
        self._running: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        self._watch(self._listener, self._accept)
        self._watch_children()
        is_watched = self._watch_controller()
        while is_watched or is_alive(self._controller):
            for key, _events in self._selector.select(None if is_watched else 1.0):
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
        child = os.fork()
        if child == 0:
            self._run(request, connection)
        close_all(request.outputs)
        self._running[child] = connection
        # Nothing more is to be read from it: when it can be read, the plugin has hung up.
        self._watch(connection, lambda hung_up: self._end(child, hung_up))

    def _run(self, request: Request, connection: socket.socket) -> NoReturn:
        status = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for inherited in (self._selector, self._listener, self._signalled, *self._running.values()):
                inherited.close()
            become(request, self._sources)
            connection.sendall(STARTED)
            connection.close()
            status = run_payload(request.payload)
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


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def become(request: Request, sources: dict[str, Source]) -> None:
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
    sys.meta_path.insert(0, PayloadFinder(sources))


def run_payload(payload: bytes) -> int:
    """Run it as the program, end as an interpreter does (threads, exit functions, output), and give the exit status."""
    program = types.ModuleType("__main__")
    program.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = program
    status = 0
    try:
        exec(compiled(payload, program.__dict__), program.__dict__)
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


def compiled(payload: bytes, names: dict[str, Any]) -> types.CodeType:
    """The code of a payload, with its archive among the program's names: Python takes long to read such a literal."""
    archive = ARCHIVE.search(payload)
    if archive:
        name = "_payload_archive"
        names[name] = archive["text"].decode()
        payload = b"".join([payload[: archive.start("literal")], name.encode(), payload[archive.end("literal") :]])
    return compile(payload, "<stdin>", "exec")


def _status_of(code: Any) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def main() -> None:
    settings = json.loads(sys.argv[1])
    # The folder of this file holds modules with names like those of Python's own.
    del sys.path[0]
    sources = load(settings["roots"], settings["modules"], settings["programs"])
    # Nobody's profile, region or endpoint is looked at before a module runs with its own.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    # The encoding of the names in an archive, which Python imports when it opens the first one.
    "".encode("cp437")
    with contextlib.suppress(Exception):
        share_client_classes()
    with contextlib.suppress(Exception):
        load_service_models(settings["services"])
        share_assumed_roles(settings["sessions"])
        # Before the session, which takes its handlers from botocore's list when it is made.
        sources[settings["noter"]].module.note_aws_calls(settings["calls"])
        make_session()
    # What is here stays: no child has to copy its pages to count references in a collection.
    gc.collect()
    gc.freeze()
    try:
        ForkServer(socket.socket(fileno=settings["listener"]), settings["controller"], sources).serve()
    finally:
        # Ansible removes it too, unless it is killed.
        shutil.rmtree(settings["sessions"], ignore_errors=True)


if __name__ == "__main__":
    main()
