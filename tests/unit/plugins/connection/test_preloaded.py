# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fork server has loaded before the first module runs, counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible_collections.leastpriv.iam.plugins.connection import warm
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm import fork_server

PLUGINS = Path(warm.__file__).parents[1]
LOAD = """\
import json, sys
sys.path.insert(0, {folder!r})
import fork_server
del sys.path[0]
sources = fork_server.load(*json.loads(sys.argv[1]))
print(json.dumps([sorted(n for n, s in sources.items() if s.module), sorted(n for n, s in sources.items() if s.code)]))
"""


@pytest.fixture(scope="module")
def loaded() -> tuple[list[str], list[str]]:
    """The names of the modules that are imported, and of those that are compiled, as in a run."""
    roots = [f"{folder}/ansible_collections" for folder in AnsibleCollectionConfig.collection_paths]
    settings = json.dumps([roots, *warm.preloaded()])
    program = LOAD.format(folder=str(Path(fork_server.__file__).parent))
    ran = subprocess.run([sys.executable, "-c", program, settings], capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def names(kind: str) -> set[str]:
    """Every file of this collection that holds code."""
    files = [file for file in (PLUGINS / kind).rglob("*.py") if file.read_text().strip()]
    parts = [[part for part in file.relative_to(PLUGINS).with_suffix("").parts if part != "__init__"] for file in files]
    return {".".join([warm.OURS, *one]) for one in parts}


def test_all_module_utils_are_imported(loaded):
    ours = {name for name in loaded[0] if name.startswith(f"{warm.OURS}.module_utils")}
    assert ours == names("module_utils")
    assert {f"{warm.OURS}.module_utils.{name}" for name in ("api_calls.call_fence", "api_calls.counter")} <= ours


def test_the_patches_and_what_amazon_aws_shares_are_imported(loaded):
    theirs = [name for name in loaded[0] if name.startswith(f"{warm.AMAZON}.module_utils.")]
    assert set(theirs) >= {name for name in warm.MODULES if name.startswith(warm.AMAZON)}
    assert len(theirs) >= 4
    assert f"{warm.OURS}.plugin_utils.warm.botocore_patches" in loaded[0]
    assert "ansible.module_utils.basic" in loaded[0]


def test_our_modules_and_eight_of_amazon_aws_are_compiled(loaded):
    ours = {name for name in loaded[1] if name.startswith(warm.OURS)}
    theirs = [name for name in loaded[1] if name.startswith(f"{warm.AMAZON}.modules.")]
    assert ours == names("modules")
    assert (len(theirs), set(theirs)) == (8, set(warm.PROGRAMS))


def test_packages_are_looked_through_too(tmp_path, monkeypatch):
    for name in ("one.py", "package/__init__.py", "package/inner/two.py", "__init__.py", "notes.txt"):
        file = tmp_path / "module_utils" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    monkeypatch.setattr(warm, "__file__", str(tmp_path / "connection" / "warm.py"))
    found = [name.removeprefix(f"{warm.OURS}.module_utils.") for name in warm.ours("module_utils")]
    assert found == ["one", "package", "package.inner.two"]


def test_the_files_to_delete_are_there():
    listed = [line.split()[0] for line in warm.ARCHITECTURE.splitlines() if line.startswith("    ") and "/" in line]
    files = [name for name in listed if name.endswith(".py")]
    assert len(files) >= 9
    assert [name for name in files if not (PLUGINS.parent / name).is_file()] == []
