# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import multiprocessing
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import ansible.constants as C
import jinja2
import pytest
from ansible.plugins.loader import module_loader
from ansible_collections.leastpriv.iam.plugins.callback import preload

ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def jinja_as_it_is(monkeypatch):
    monkeypatch.setattr(jinja2.Environment, "compile", jinja2.Environment.compile)


@pytest.mark.skipif(preload.trust_as_template is None, reason="ansible-core 2.19 and newer")
def test_modules_are_packed_where_ansible_looks_for_them(monkeypatch, tmp_path):
    monkeypatch.setattr(C, "DEFAULT_LOCAL_TMP", str(tmp_path))
    packing = multiprocessing.get_context("fork").Process(
        target=preload.pack, args=[["nobody.s.module", *preload.APPLYING]]
    )
    packing.start()
    packing.join(60)
    assert packing.exitcode == 0
    packed = {file.name.partition("-")[0] for file in Path(tmp_path, "ansiballz_cache").iterdir()}
    for module in preload.APPLYING:
        namespace, collection, name = module.split(".")
        assert f"ansible_collections.{namespace}.{collection}.plugins.modules.{name}" in packed


def test_a_play_makes_ready_for_its_workers_once(monkeypatch):
    made, connected = [], []
    server = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(preload, "connect", lambda _python, _pid, more: (connected.append(more), server)[1])
    monkeypatch.setattr(preload, "end_workers_with_controller", lambda: made.append("workers"))
    monkeypatch.setattr(preload.CallbackModule, "_make_ready", lambda _self: made.append("ready"))
    callback = preload.CallbackModule()
    awx_role = SimpleNamespace(get_name=lambda: preload.AWX_ROLE)
    for connection, roles in (("local", []), (preload.CONNECTION, []), (preload.CONNECTION, [awx_role])):
        callback.v2_playbook_on_play_start(SimpleNamespace(connection=connection, roles=roles))
    assert (connected, made) == ([(), preload.AWX_MODULES], ["workers", "ready", "workers"])


def test_workers_do_not_look_for_garbage_in_what_the_controller_has_loaded(monkeypatch):
    frozen = []
    monkeypatch.setattr(preload, "LIBRARIES", ())
    monkeypatch.setattr(preload, "PLUGINS", ())
    monkeypatch.setattr(preload.gc, "freeze", lambda: frozen.append(1))
    preload.CallbackModule()._make_ready()
    assert frozen == [1]
    worker = multiprocessing.get_context("fork").Process(target=lambda: sys.exit(len(frozen)))
    worker.start()
    worker.join(60)
    assert worker.exitcode == 2


@pytest.mark.skipif(preload.trust_as_template is None, reason="ansible-core 2.19 and newer")
def test_templates_are_compiled_once_from_the_play_until_the_end_of_the_run(lines):
    original = jinja2.Environment.compile
    callback = preload.CallbackModule()
    callback.v2_playbook_on_play_start(play())
    assert jinja2.Environment.compile is not original
    templates = callback.templates._codes
    given = {"args": {"a": "{{ b + 1 }}"}, "environment": None, "vars": {}, "module_defaults": None}
    task = SimpleNamespace(action="leastpriv.iam.redrive", _role=None, **given)
    callback.v2_playbook_on_task_start(task, False)
    assert "{{ b + 1 }}" in {source for _environment, source in templates}
    callback.v2_playbook_on_stats(None)
    assert jinja2.Environment.compile is original


def play(entry: str = "main") -> SimpleNamespace:
    role = SimpleNamespace(get_name=lambda: preload.ROLE, _from_files={"tasks": entry})
    return SimpleNamespace(roles=[role], connection="ssh")


@pytest.fixture
def lines(monkeypatch, tmp_path):
    """What a run says at its end, by how much it is to say."""
    said = {"always": [], "-v": []}
    monkeypatch.setattr(C, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(preload, "connect", lambda *_args: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(preload, "end_workers_with_controller", lambda: None)
    monkeypatch.setattr(preload.CallbackBase, "__init__", lambda self: None)
    show = SimpleNamespace(display=said["always"].append, v=said["-v"].append)
    monkeypatch.setattr(preload.CallbackModule, "_display", show, raising=False)
    return said


@pytest.mark.skipif(preload.trust_as_template is None, reason="ansible-core 2.19 and newer")
@pytest.mark.parametrize(("version", "packs"), [("2.21.9", True), ("2.22.0", False), ("3.0.0.dev0", False)])
def test_an_ansible_core_that_was_not_tried_packs_for_itself_and_the_run_says_so(monkeypatch, lines, version, packs):
    packing = []
    context = SimpleNamespace(Process=lambda **_how: SimpleNamespace(start=lambda: packing.append(1)))
    monkeypatch.setattr(preload.multiprocessing, "get_context", lambda _how: context)
    monkeypatch.setattr(preload, "ansible_version", version)
    callback = preload.CallbackModule()
    for entry in ("main", "settings", "apply"):
        callback.v2_playbook_on_play_start(play(entry))
    callback.v2_playbook_on_stats(None)
    assert packing == ([1, 1] if packs else [])
    assert [line.partition(" was not tried")[0] for line in lines["always"]] == (
        [] if packs else [f"ansible-core {version}"]
    )


def test_what_was_not_replaced_is_said_once_at_the_end(lines, tmp_path):
    note = {"untried": ["botocore 9 was not tried"], "misfits": ["botocore.a.b is not replaced"]}
    for name in ("warm-1.patches", "warm-2.patches"):
        (tmp_path / name).write_text(json.dumps(note))
    preload.CallbackModule().v2_playbook_on_stats(None)
    assert lines == {"always": note["untried"], "-v": note["misfits"]}


def test_the_versions_that_were_tried_are_those_of_the_matrix():
    rows = re.findall(r"^\| (\d+\.\d+)\.\d+ ", (ROOT / "docs" / "compatibility.md").read_text(), re.MULTILINE)
    assert max(rows, key=lambda row: int(row.partition(".")[2])) == preload.TRIED[1]


@pytest.mark.parametrize(
    ("action", "role", "expected"),
    [
        ("leastpriv.iam.redrive", None, [1]),
        ("ansible.builtin.set_fact", preload.ROLE, [1]),
        ("ansible.builtin.set_fact", None, []),
        ("leastpriv.other.redrive", "leastpriv.other.remediate", []),
    ],
)
def test_only_runs_that_use_the_collection_are_touched(monkeypatch, action, role, expected):
    touched = []
    monkeypatch.setattr(preload, "end_workers_with_controller", lambda: touched.append(1))
    task = SimpleNamespace(action=action, run_once=False, _role=role and SimpleNamespace(get_name=lambda: role))
    preload.CallbackModule().v2_playbook_on_task_start(task, False)
    assert touched == expected


def test_what_is_packed_and_loaded_is_there():
    for module in (*preload.REVIEWING, *preload.APPLYING):
        assert module_loader.find_plugin(module), module
    for loader, names in preload.PLUGINS:
        for name in names:
            assert loader.get_with_context(name, class_only=True).object, name


@pytest.mark.skipif(preload.trust_as_template is None, reason="ansible-core 2.19 and newer")
def test_the_template_that_makes_ready_is_one():
    templar = preload.Templar(preload.DataLoader())
    assert templar.template(preload.trust_as_template(preload.TEMPLATE)) is False
