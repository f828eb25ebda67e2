# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of plugin_utils: three floors and the warm layer, and no import that points up or sideways."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[4] / "plugins" / "plugin_utils"
MAY_IMPORT = {
    "script": set(),
    "alerts": {"script"},
    "vendor_api": {"script", "alerts"},
    "run": {"script", "alerts"},
    "report": {"script", "alerts", "vendor_api", "run"},
    "permissions": {"script", "alerts", "vendor_api", "run"},
    "accounts": {"script", "alerts", "vendor_api", "run"},
    "warm": set(),
}
PREFIX = "ansible_collections.leastpriv.iam.plugins.plugin_utils."


def test_all_code_is_in_the_packages():
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert (folders, list(ROOT.glob("*.py"))) == (set(MAY_IMPORT), [])


def test_no_package_imports_one_above_it():
    wrong = [
        f"{path.parent.name}/{path.name} imports {target}"
        for path in sorted(ROOT.rglob("*.py"))
        for target in _imported_packages(path)
        if target not in MAY_IMPORT[path.parent.name] | {path.parent.name}
    ]
    assert wrong == []


def _imported_packages(path: Path) -> list[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return [module.removeprefix(PREFIX).partition(".")[0] for module in modules if module.startswith(PREFIX)]


def test_each_package_says_what_it_is_for():
    for package in MAY_IMPORT:
        docstring = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text())) or ""
        assert "Private to the collection" in docstring
