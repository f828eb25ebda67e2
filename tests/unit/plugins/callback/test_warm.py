# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gc
import multiprocessing
from pathlib import Path
from types import SimpleNamespace

import ansible.constants as C
import pytest
from ansible.plugins.loader import module_loader
from ansible_collections.leastpriv.iam.plugins.callback import warm


@pytest.mark.skipif(warm.trust_as_template is None, reason="ansible-core 2.19 and newer")
def test_modules_are_packed_where_ansible_looks_for_them(monkeypatch, tmp_path):
    monkeypatch.setattr(C, "DEFAULT_LOCAL_TMP", str(tmp_path))
    packing = multiprocessing.get_context("fork").Process(target=warm.pack, args=[["nobody.s.module", *warm.APPLYING]])
    packing.start()
    packing.join(60)
    assert packing.exitcode == 0
    packed = {file.name.partition("-")[0] for file in Path(tmp_path, "ansiballz_cache").iterdir()}
    for module in warm.APPLYING:
        namespace, collection, name = module.split(".")
        assert f"ansible_collections.{namespace}.{collection}.plugins.modules.{name}" in packed


def test_a_play_makes_ready_for_its_workers_once(monkeypatch):
    made, connected, registered = [], [], []
    server = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(warm, "connect", lambda *_args: (connected.append(1), server)[1])
    monkeypatch.setattr(warm.atexit, "register", registered.append)
    monkeypatch.setattr(warm.os, "register_at_fork", lambda after_in_child: registered.append(after_in_child))
    templates = SimpleNamespace(install=lambda: made.append(1), prepare=made.append)
    monkeypatch.setattr(warm, "CompiledTemplates", lambda: templates)
    monkeypatch.setattr(warm, "end_workers_with_controller", lambda: made.append("workers"))
    callback = warm.CallbackModule()
    callback.v2_playbook_on_task_start(SimpleNamespace(run_once=False), False)
    for connection in ("local", warm.CONNECTION, warm.CONNECTION):
        callback.v2_playbook_on_play_start(SimpleNamespace(connection=connection, roles=[]))
    assert (connected, registered) == ([1, 1], [gc.freeze, gc.freeze])
    tasks = [SimpleNamespace(run_once=once) for once in (False, True)]
    for task in tasks:
        callback.v2_playbook_on_task_start(task, False)
    assert [thing for thing in made if thing == "workers"] == ["workers"] * 2
    assert [thing for thing in made if thing != "workers"] == ([1, tasks[0]] if warm.trust_as_template else [])


@pytest.mark.parametrize(
    ("action", "role", "expected"),
    [
        ("leastpriv.iam.redrive", None, [1]),
        ("ansible.builtin.set_fact", warm.ROLE, [1]),
        ("ansible.builtin.set_fact", None, []),
        ("leastpriv.other.redrive", "leastpriv.other.remediate", []),
    ],
)
def test_only_runs_that_use_the_collection_are_touched(monkeypatch, action, role, expected):
    touched = []
    monkeypatch.setattr(warm, "end_workers_with_controller", lambda: touched.append(1))
    task = SimpleNamespace(action=action, run_once=False, _role=role and SimpleNamespace(get_name=lambda: role))
    warm.CallbackModule().v2_playbook_on_task_start(task, False)
    assert touched == expected


def test_what_is_packed_and_loaded_is_there():
    for module in (*warm.REVIEWING, *warm.APPLYING):
        assert module_loader.find_plugin(module), module
    for loader, names in warm.PLUGINS:
        for name in names:
            assert loader.get_with_context(name, class_only=True).object, name


@pytest.mark.skipif(warm.trust_as_template is None, reason="ansible-core 2.19 and newer")
def test_the_template_that_makes_ready_is_one():
    templar = warm.Templar(warm.DataLoader())
    assert templar.template(warm.trust_as_template(warm.TEMPLATE)) is False
