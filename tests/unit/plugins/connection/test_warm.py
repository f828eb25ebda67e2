# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shlex
import socket
import sys
import types
import zipfile
import zlib
from pathlib import Path

import ansible.constants as C
import boto3
import botocore.client
import botocore.session
import botocore.utils
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
from ansible_collections.leastpriv.iam.plugins.plugin_utils import fork_server
from ansible_collections.leastpriv.iam.plugins.plugin_utils.fork_server import PayloadFinder, Source
from hypothesis import given
from hypothesis import strategies as st

PAYLOAD = b"#!/usr/bin/python3\n" + ANSIBALLZ + b" = True"
PYTHON = "/usr/bin/python3"
NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True).map(lambda name: f"X{name}")


@given(st.dictionaries(NAMES, st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
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
    ("told", "status"),
    [(0, 0), (3, 3), (-9, 137), (None, 137)],
)
def test_the_status_is_told_as_a_shell_tells_it(told, status):
    server, connection = socket.socketpair()
    with server, connection:
        connection.sendall(fork_server.STARTED + (b"" if told is None else fork_server.STATUS.pack(told)))
        connection.close()
        assert exit_status(server) == status


@pytest.mark.parametrize("answer", [b"", fork_server.STATUS.pack(1)])
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
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "payload.zip"
    with zipfile.ZipFile(path, "w") as payload:
        payload.writestr("ansible/one.py", "one = 1")
        payload.writestr("ansible/two.py", "two = 2")
    monkeypatch.setattr(sys, "path", [str(path), *sys.path])
    return path


def test_loaded_modules_are_given_where_the_payload_carries_the_same(archive):
    finder = PayloadFinder(
        {
            "ansible.one": loaded("ansible.one", "one = 1", "ansible/one.py"),
            "ansible.three": loaded("ansible.three", "three = 3", "ansible/three.py"),
        }
    )
    spec = finder.find_spec("ansible.one", None)
    assert spec.origin == f"{archive}/ansible/one.py"
    assert finder.create_module(spec).came_from == "loaded"
    assert finder.find_spec("ansible.three", None) is None, "the payload does not have it"
    assert finder.find_spec("json", None) is None


def test_one_file_that_differs_and_nothing_is_given(archive):
    finder = PayloadFinder(
        {
            "ansible.one": loaded("ansible.one", "one = 1", "ansible/one.py"),
            "ansible.two": loaded("ansible.two", "two = 3", "ansible/two.py"),
        }
    )
    assert finder.find_spec("ansible.one", None) is None


def test_the_session_that_is_made_already_knows_only_what_the_module_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(botocore.session, "get_session", botocore.session.get_session)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    fork_server.make_session()
    credentials = tmp_path / "credentials"
    credentials.write_text("[payments]\naws_access_key_id = AKIA1\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_EXECUTION_ENV", "somewhere")
    made, other = (boto3.session.Session(profile_name="payments") for _time in range(2))
    assert made._session is not other._session
    for session in (made, other):
        assert session.get_credentials().access_key == "AKIA1"
        assert session.region_name == "eu-central-1"
        assert "exec-env/somewhere" in session.client("iam").meta.config.user_agent
    assert made.client("iam").meta.config.user_agent == other.client("iam").meta.config.user_agent


@given(
    st.one_of(
        st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='microseconds')}Z"),
        st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='milliseconds')}Z"),
        st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='seconds')}Z"),
        st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='seconds')}+02:00"),
        st.from_regex(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z", fullmatch=True),
        st.sampled_from(["2024-01-01", "Wed, 02 Oct 2002 13:00:00 GMT", "1704067200", 1704067200.5, "", None]),
    )
)
def test_timestamps_are_what_botocore_makes_of_them(value):
    def parsed(parse):
        try:
            moment = parse(value)
        except Exception as error:
            return type(error), str(error)
        return moment, moment.isoformat(), moment.tzname()

    assert parsed(fork_server.timestamp_parser()) == parsed(botocore.utils.parse_timestamp)


LITERAL = "UEsD" * 300


@pytest.mark.parametrize(
    "payload",
    [
        # As ansible-core 2.19 and newer write it, and as older ones do.
        f"def run(text, end):\n    global found\n    found = text, end\nrun(\ntext={LITERAL!r},\nend=1,\n)",
        f"def run():\n    global found\n    TEXT = {LITERAL!r}\n    found = TEXT, 1\nrun()",
        f"found = {LITERAL!r}, 1",
        f"found = 'params={{\"TEXT\": \"{LITERAL}\"}}'[17:-2], 1",
    ],
)
def test_a_payload_does_what_it_says_whatever_is_spared(payload):
    names = {}
    exec(fork_server.compiled(payload.encode(), names), names)
    assert names["found"] == (LITERAL, 1)


def test_the_archive_is_spared_and_its_line_stays():
    names = {}
    payload = f"def run(text):\n    raise ValueError(text)\nrun(\ntext={LITERAL!r},\n)"
    code = fork_server.compiled(payload.encode(), names)
    assert LITERAL in names.values()
    assert LITERAL not in code.co_consts
    with pytest.raises(ValueError, match=LITERAL) as error:
        exec(code, names)
    assert [frame.lineno + 1 for frame in error.traceback][-2:] == [3, 2]


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
    assert len(fork_server.ARCHIVE.search(payload)["text"]) > 0.8 * len(payload)


def test_one_class_for_all_clients_of_a_service_as_long_as_its_model_is_the_same(monkeypatch):
    creator = botocore.client.ClientCreator
    monkeypatch.setattr(creator, "_create_client_class", creator._create_client_class)
    fork_server.share_client_classes()
    first, second, other = (botocore.session.Session() for _time in range(3))
    second.register_component("data_loader", first.get_component("data_loader"))
    for session in (first, second, other):
        session.set_credentials("none", "none")
    classes = [session.create_client("iam", region_name="us-east-1").__class__ for session in (first, second, other)]
    assert classes[0] is classes[1]
    assert classes[0] is not classes[2], "it reads models elsewhere"
    assert first.create_client("sts", region_name="us-east-1").__class__.__name__ == "STS"
