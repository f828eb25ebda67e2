# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several plugins have are documented once, in a fragment."""

from __future__ import annotations

import ast

import yaml
from stack import ROOT

# The names of what has no name of its own.
POSITIONAL = ("_input", "_terms")


def documentation_of(file):
    """The `DOCUMENTATION` of a plugin without its fragments."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION":
            return yaml.safe_load(ast.literal_eval(node.value))
    return {}


def test_no_option_is_documented_twice():
    places = {}
    for file in sorted((ROOT / "plugins").glob("*/*.py")):
        for name, option in (documentation_of(file).get("options") or {}).items():
            if name not in POSITIONAL:
                places.setdefault((name, yaml.safe_dump(option)), []).append(file.name)
    copies = {name: files for (name, _option), files in places.items() if len(files) > 1}
    assert not copies, "move these options into plugins/doc_fragments"
