# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts that role and Python share: set there, listed in run/facts.py, and named nowhere else in Python."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import facts

ROOT = Path(__file__).parents[3]
NAMES = {value for name, value in vars(facts).items() if name.isupper()}
NAME = re.compile(r"\b__remediate_\w+")


def test_the_role_sets_every_fact_that_python_reads():
    written = "\n".join(
        path.read_text() for folder in ("roles/remediate/tasks", "playbooks") for path in (ROOT / folder).rglob("*.yml")
    )
    set_there = set(re.findall(r"^ +(?:register: )?(__remediate_\w+):?", written, re.MULTILINE))
    assert NAMES - set_there == set()


def test_python_reads_no_other_variable_of_the_role_and_names_each_once():
    found = {}
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            # Documentation is text of several lines.
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
                for name in NAME.findall(node.value):
                    found.setdefault(name, []).append(path.name)
    assert found == {name: ["facts.py"] for name in NAMES}
