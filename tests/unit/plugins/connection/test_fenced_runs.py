# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module runs that declare their calls: what runs, what does not, and the outcome of a stopped module."""

from __future__ import annotations

import json
import os
import shlex
import socket
from pathlib import Path

import pytest
from ansible_collections.leastpriv.iam.plugins.connection.warm import (
    MAX_SOCKET_PATH,
    as_stopped,
    commands_for,
    requires_fence,
    socket_address,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls import call_fence
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.fork_server import (
    DECLARATION,
    STOPPED,
    Fence,
    Program,
    run_fenced,
)

REQUIRED = json.dumps(call_fence.declaration([]))
NOT_REQUIRED = json.dumps(call_fence.declaration([], required=False))
PYTHON = "/usr/bin/python3"
SAYS_CHANGED = """\
import json
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls import call_fence
try:
    call_fence._standing[0].check("iam", "CreateUser", {"UserName": "ann"})
except Exception:
    pass
print(json.dumps({"changed": True}))
"""


def run(text, declaration, monkeypatch, module=call_fence):
    """Run a program in a child, since it ends as an interpreter does; gives its exit status."""
    if declaration is not None:
        monkeypatch.setenv(DECLARATION, declaration)
    child = os.fork()
    if child == 0:
        try:
            os._exit(run_fenced(Program(None, text.encode(), "", {}), Fence(module)))
        finally:
            os._exit(255)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_module_that_catches_the_error_and_says_changed_has_failed(monkeypatch, capfd):
    status = run(SAYS_CHANGED, REQUIRED, monkeypatch)
    rc, output, errors = as_stopped(status, *(text.encode() for text in capfd.readouterr()))
    result = json.loads(output)
    assert (status, rc, errors) == (STOPPED, 1, b"")
    assert (result["failed"], result["changed"], result["error"]["code"]) == (True, False, "NotInScript")
    assert "The module wanted to call CreateUser" in result["msg"]


def test_a_module_without_a_declaration_runs_without_a_fence(monkeypatch, capfd):
    assert run("print(1)", None, monkeypatch) == 0
    assert capfd.readouterr().out == "1\n"


@pytest.mark.parametrize("declaration", ["", "{", "[]", '{"calls": [{}], "required": false}', '{"required": false}'])
def test_a_declaration_that_cannot_be_read_runs_nothing(monkeypatch, capfd, declaration):
    status = run("print(1)", declaration, monkeypatch)
    _rc, output, _errors = as_stopped(status, b"", capfd.readouterr().err.encode())
    assert "the declared calls cannot be read" in json.loads(output)["msg"]


@pytest.mark.parametrize(("declaration", "runs"), [(REQUIRED, False), (NOT_REQUIRED, True)])
def test_where_no_fence_can_stand_a_module_runs_only_where_none_is_required(monkeypatch, capfd, declaration, runs):
    status = run("print(1)", declaration, monkeypatch, module=None)
    assert (capfd.readouterr().out == "1\n", status == 0) == (runs, runs)


def test_an_answer_that_got_lost_is_a_failure():
    assert json.loads(as_stopped(STOPPED, b'{"changed": true}', b"")[1])["failed"] is True


@pytest.mark.parametrize(
    ("environment", "required"),
    [
        ({}, False),
        ({DECLARATION: REQUIRED}, True),
        ({DECLARATION: NOT_REQUIRED}, False),
        ({DECLARATION: "{"}, True),
        ({"X": "1", DECLARATION: NOT_REQUIRED}, False),
    ],
)
def test_a_command_tells_whether_it_must_not_run_elsewhere(environment, required):
    for command in commands_for("/bin/sh", environment, PYTHON):
        assert requires_fence(command) is required
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    assert requires_fence(f"/bin/sh -c {shlex.quote(f'sudo sh -c {shlex.quote(words)} python')}") is required
    assert requires_fence(f"{words} '") is bool(environment)


def test_a_folder_of_any_length_holds_the_socket(tmp_path: Path):
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    path = folder / "warm.socket"
    assert len(str(path)) > MAX_SOCKET_PATH
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        with socket_address(path) as address:
            listener.bind(address)
        listener.listen(1)
        with socket_address(path) as address:
            client.connect(address)
    assert path.is_socket()
