# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
from pathlib import Path

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
