# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the table of docs/permissions.md from the table of operations: `python docs/make_permissions.py`."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "permissions.md"

if __name__ == "__main__":
    # Ansible reads its settings at import, and its list of collections only once.
    os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(ROOT / "collections")])

from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import STEPS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.needs import SETS, Scope, account_needs

HEAD = """
| command | in | reads | changes | limited to |
|---|---|---|---|---|
"""
MARK = "<!-- From here on written by docs/make_permissions.py. -->\n"


def page():
    """The whole page as text: what a person has written, and the table of every operation after it."""
    written = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    rows = sorted(STEPS, key=lambda row: cli_name(row.name))
    return written + MARK + HEAD + "".join(map(_line, rows))


def _line(row):
    named = [name for name, operations in SETS.items() if row.name in operations]
    actions = [action.removeprefix("iam:") for action in row.permissions]
    reads = [action for action in actions if action.startswith(("Get", "List"))]
    changes = [action for action in actions if action not in reads]
    (need,) = [one for one in account_needs([row], [], Scope("/")) if f"iam:{row.name}" in one.actions]
    cells = (f"`{cli_name(row.name)}`", f"`{named[0]}`", ", ".join(reads), ", ".join(changes), _limits(need))
    return f"| {' | '.join(cells)} |\n"


def _limits(need):
    shown = ", ".join(f"`{resource.split(':', 5)[-1]}`" for resource in need.resources)
    if not need.condition:
        return shown
    operator, key, patterns = need.condition
    named = " or ".join(f"`{pattern.split(':', 5)[-1]}`" for pattern in patterns)
    return f"{shown}, `{key}` {'not ' if operator == 'ArnNotLike' else ''}{named}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
