# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of module_utils: few enough to find things by name, and no import that points up."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4] / "plugins" / "module_utils"
FILES = {"dispositions", "errors", "iso_time", "one_change", "shapes"}
PROOF = {"policies", "policy_proof"}
MAY_IMPORT = {
    "policies": set(),
    "policy_proof": {"policies"},
    "guardrails": {"policies"},
    "account": {*PROOF, "guardrails"},
    "operations": {*PROOF, "guardrails", "account"},
    "observation": {*PROOF, "guardrails", "account", "operations"},
    # The call fence looks at the rows; the rest of the package imports nothing.
    "api_calls": {*PROOF, "guardrails", "account", "operations"},
    "queue": {"api_calls"},
}
PREFIX = "ansible_collections.leastpriv.iam.plugins.module_utils."


def test_all_code_is_in_a_few_packages_and_files():
    found = {path.stem for path in ROOT.iterdir() if path.name != "__pycache__"}
    assert found == FILES | set(MAY_IMPORT)
    assert len(found) <= 13


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_package_imports_one_above_it(package):
    wrong = [
        f"{package}/{path.name} imports {target}"
        for path in sorted((ROOT / package).glob("*.py"))
        for target in _imported(path)
        if target not in MAY_IMPORT[package] | FILES | {package}
    ]
    assert wrong == []


def _imported(path: Path) -> list[str]:
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    modules = [f"{PREFIX if node.level == 2 else ''}{node.module}" for node in nodes if node.level != 1]
    return [module.removeprefix(PREFIX).partition(".")[0] for module in modules if module.startswith(PREFIX)]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_each_package_says_what_it_is_for(package):
    docstring = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text())) or ""
    assert "Private to the collection" in docstring
