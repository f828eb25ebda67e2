# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import importlib.util
import shlex
import socket
import sys
import types
import zipfile
import zlib
from pathlib import Path

import ansible.constants as C
import pytest
from ansible.executor import module_common
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import module_loader
from ansible.template import Templar
from ansible_collections.leastpriv.iam.plugins.connection.warm import (
    ANSIBALLZ,
    NotWarm,
    commands_for,
    exit_status,
    read_command,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.fork_server import (
    NAME,
    STARTED,
    STATUS,
    PayloadFinder,
    Program,
    Reader,
    Source,
)
from hypothesis import given
from hypothesis import strategies as st

PAYLOAD = b"#!/usr/bin/python3\n" + ANSIBALLZ + b" = True"
PYTHON = "/usr/bin/python3"
NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True).map(lambda name: f"X{name}")


@given(st.dictionaries(NAMES, st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=5))
def test_what_ansible_sends_is_read_as_a_shell_reads_it(environment):
    for command in commands_for("/bin/sh", environment, PYTHON):
        assert read_command(command, PAYLOAD) == (PYTHON, environment)


@pytest.mark.parametrize(
    "inner",
    [
        "/usr/bin/python3 && sleep 0; rm -rf /",
        "X=$(id) /usr/bin/python3 && sleep 0",
        "X=`id` /usr/bin/python3 && sleep 0",
        "X=a\\ b /usr/bin/python3 && sleep 0",
        "/usr/bin/env python3 && sleep 0",
        "python3 && sleep 0",
        "/usr/bin/python3 /tmp/AnsiballZ_ping.py && sleep 0",
        "sudo -n /usr/bin/python3 && sleep 0",
        "/usr/bin/python3 && sleep 1",
        "1X=a /usr/bin/python3 && sleep 0",
        "\u00dc=a /usr/bin/python3 && sleep 0",
        "",
    ],
)
def test_any_other_command_is_left_to_the_local_connection(inner):
    with pytest.raises(NotWarm):
        read_command(f"/bin/sh -c {shlex.quote(inner)}", PAYLOAD)


@pytest.mark.parametrize("text", ["/bin/sh", "", "/bin/sh -c", "/bin/sh -c a b", "echo '"])
def test_text_that_is_no_shell_s_command_is_left_too(text):
    with pytest.raises(NotWarm):
        read_command(text, PAYLOAD)


@pytest.mark.parametrize("in_data", [None, b"", b"#!/usr/bin/perl"])
def test_what_is_no_python_module_is_left_too(in_data):
    with pytest.raises(NotWarm, match="no pipelined Python module"):
        read_command(commands_for("/bin/sh", {}, PYTHON)[0], in_data)


@pytest.mark.parametrize("name", ["PYTHONPATH", "LD_PRELOAD", "LC_ALL", "LANG", "HOME", "OPENSSL_CONF"])
def test_a_variable_that_python_reads_at_its_start_gets_a_new_python(name):
    with pytest.raises(NotWarm, match=f"Python reads {name} when it starts"):
        read_command(commands_for("/bin/sh", {name: "x"}, PYTHON)[0], PAYLOAD)


@pytest.mark.parametrize(
    ("shown", "status"),
    [(0, 0), (3, 3), (-9, 137), (None, 137)],
)
def test_the_status_is_that_of_a_shell(shown, status):
    server, connection = socket.socketpair()
    with server, connection:
        connection.sendall(STARTED + (b"" if shown is None else STATUS.pack(shown)))
        connection.close()
        assert exit_status(server) == status


@pytest.mark.parametrize("answer", [b"", STATUS.pack(1)])
def test_a_payload_that_was_never_begun_is_run_by_the_local_connection(answer):
    server, connection = socket.socketpair()
    with server, connection:
        connection.sendall(answer)
        connection.close()
        with pytest.raises(NotWarm):
            exit_status(server)


def test_a_request_that_was_never_read_is_run_by_the_local_connection():
    server, connection = socket.socketpair()
    with server, connection:
        server.sendall(b"a request")
        connection.close()
        with pytest.raises(NotWarm):
            exit_status(server)


def loaded(name: str, text: str, member: str) -> Source:
    module = types.ModuleType(name)
    module.came_from = "loaded"
    return Source(module, None, len(text), zlib.crc32(text.encode()), member)


@pytest.fixture
def payload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A payload as Ansible builds it; its archive is where its program would have put it."""
    path = tmp_path / "payload.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ansible/one.py", "one = 1")
        archive.writestr("ansible/two.py", "two = 2")
        archive.writestr("ansible/empty/__init__.py", "")
        archive.writestr("ansible/full/__init__.py", "full = 1")
        archive.writestr("ansible/__init__.py", "elsewhere = 1")
        archive.writestr("ansible/module_utils/__init__.py", "elsewhere = 1")
    monkeypatch.setattr(sys, "path", [str(path), *sys.path])
    monkeypatch.setattr(sys, "path_importer_cache", {**sys.path_importer_cache})
    return f"ZIPDATA = {base64.b64encode(path.read_bytes()).decode()!r}\n".encode()


def test_loaded_modules_are_given_where_the_payload_carries_the_same(payload):
    one = loaded("ansible.one", "one = 1", "ansible/one.py")
    reader = Reader({"ansible.one": one, "ansible.three": loaded("ansible.three", "three = 3", "ansible/three.py")})
    finder = PayloadFinder(reader.read(payload).given)
    spec = finder.find_spec("ansible.one", None)
    assert spec.origin == f"{sys.path[0]}/ansible/one.py"
    assert finder.create_module(spec).came_from == "loaded"
    assert finder.find_spec("ansible.three", None) is None, "the payload does not have it"
    assert finder.find_spec("json", None) is None


def test_a_package_that_is_empty_need_not_be_read(payload):
    finder = PayloadFinder(Reader({}).read(payload).given)
    spec = finder.find_spec("ansible.empty", None)
    package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    assert package.__path__ == [f"{sys.path[0]}/ansible/empty"]
    assert package.__file__ == f"{sys.path[0]}/ansible/empty/__init__.py"
    assert finder.find_spec("ansible.full", None) is None


def test_a_package_that_ansible_writes_runs_without_the_archive(payload):
    finder = PayloadFinder(Reader({}).read(payload).given)
    spec = finder.find_spec("ansible.module_utils")
    package = importlib.util.module_from_spec(spec)
    Path(sys.path[0]).unlink()
    spec.loader.exec_module(package)
    assert (package.elsewhere, package.__path__) == (1, [f"{sys.path[0]}/ansible/module_utils"])


def test_the_archive_is_read_for_what_is_not_given(payload):
    one = loaded("ansible.one", "one = 1", "ansible/one.py")
    finder = PayloadFinder(Reader({"ansible.one": one}).read(payload).given)
    finder.find_spec("ansible.empty")
    top, folder = (sys.path_importer_cache[path] for path in (sys.path[0], f"{sys.path[0]}/ansible"))
    assert folder.find_spec("ansible.one").loader is finder
    assert "_files" not in vars(folder), "nothing had to be read yet"
    two = folder.find_spec("ansible.two")
    module = importlib.util.module_from_spec(two)
    two.loader.exec_module(module)
    assert (module.two, module.__file__) == (2, f"{sys.path[0]}/ansible/two.py")
    assert folder.find_spec("ansible.three") is None
    assert top.find_spec("ansible").loader is finder
    assert (top.archive, top.prefix, folder.prefix) == (sys.path[0], "", "ansible/")
    with pytest.raises(AttributeError):
        _nothing = top.nothing


def test_one_file_that_differs_and_nothing_is_given(payload):
    reader = Reader(
        {
            "ansible.one": loaded("ansible.one", "one = 1", "ansible/one.py"),
            "ansible.two": loaded("ansible.two", "two = 3", "ansible/two.py"),
        }
    )
    assert reader.read(payload).given == {}


def test_an_archive_that_cannot_be_read_gives_nothing(payload):
    assert Reader({}).read(payload[:50] + b"'\n").given == {}
    broken = payload.replace(b"UEsDB", b"UEsDB\xff")
    assert Reader({}).read(broken) == Program(None, broken, "", {})


LITERAL = "UEsDB" * 300


def run(program: Program) -> dict[str, object]:
    names = {"__name__": "__main__", NAME: program.archive}
    if program.definitions:
        exec(program.definitions, names)
    exec(compile(program.text, "<stdin>", "exec"), names)
    return names


RUN = "def run(text, end):\n    global found\n    found = text, end\n"


@pytest.mark.parametrize(
    "payload",
    [
        # As ansible-core 2.19 and newer write it, and as older ones do.
        f'{RUN}\nif __name__ == "__main__":\n    run(\ntext={LITERAL!r},\nend=1,\n)',
        f"{RUN}\nrun(\ntext={LITERAL!r},\nend=1,\n)",
        f"def run():\n    global found\n    TEXT = {LITERAL!r}\n    found = TEXT, 1\nrun()",
        f"found = {LITERAL!r}, 1",
        f'found = \'params={{"TEXT": "{LITERAL}"}}\'[17:-2], 1',
        f"found = (\n'{LITERAL[:-5]}\\x55EsDB', 1)",
        f"TEXT = '{LITERAL[:-5]}\\x55EsDB'\nfound = TEXT, 1",
    ],
)
def test_a_payload_does_what_it_says_whatever_is_spared(payload):
    reader = Reader({})
    for _time in range(2):
        assert run(reader.read(payload.encode()))["found"] == (LITERAL, 1)


def test_what_all_modules_have_in_common_is_read_once_and_lines_stay():
    reader = Reader({})

    def read(end):
        definitions = "def run(text):\n    raise ValueError(text)\n\n\n"
        call = f'if __name__ == "__main__":\n    run(\ntext={LITERAL!r},\n)  # {end}'
        return reader.read((definitions + call).encode())

    first, second = read(1), read(2)
    assert first.definitions is second.definitions
    assert first.archive is second.archive
    assert LITERAL.encode() not in first.text
    with pytest.raises(ValueError, match=LITERAL) as error:
        run(first)
    assert [frame.lineno + 1 for frame in error.traceback][-2:] == [6, 2]


def test_ansible_puts_the_archive_where_it_is_looked_for():
    built = module_common.modify_module(
        module_name="ansible.builtin.ping",
        module_path=module_loader.find_plugin("ansible.builtin.ping"),
        module_args={},
        templar=Templar(DataLoader()),
        task_vars={"ansible_python_interpreter": PYTHON},
        module_compression=C.DEFAULT_MODULE_COMPRESSION,
    )
    payload = built[0] if isinstance(built, tuple) else built.b_module_data
    program = Reader({}).read(payload)
    assert len(program.archive) > 0.8 * len(payload)
    assert set(program.given) >= {"ansible.module_utils.common", "ansible.module_utils.common.text"}
    # Before ansible-core 2.19 the archive is among the definitions.
    assert bool(program.definitions) != isinstance(built, tuple)
