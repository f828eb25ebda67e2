# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/operations.md from the table of operations: `python docs/make_operations.py`."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "operations.md"

if __name__ == "__main__":
    # Ansible reads its settings at import, and its list of collections only once.
    os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(ROOT / "collections")])

from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import REFUSED, STEPS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.undo import Undo

HEAD = """# IAM operations

<!-- Written by docs/make_operations.py from plugins/module_utils/operations/. Do not edit. -->

Every operation of IAM that changes something is in one of two tables: it becomes a step, or it is refused and no
setting opens it. Operations that only read are dropped from a script. The guardrails are explained in
[guardrails.md](guardrails.md); those that look at the live account are not listed here. An effect is what the operation
does to access within its guardrails, or if it has to be opened, what it would do. What each step needs to be allowed in
AWS is in [permissions.md](permissions.md).
"""
STEPS_HEAD = """
## Steps

| command | module | effect | already true when | guardrails | undone by |
|---|---|---|---|---|---|
"""
REFUSED_HEAD = """
## Refused

| command | effect | why |
|---|---|---|
"""


def page():
    """The whole page as text."""
    steps = sorted(STEPS, key=lambda row: cli_name(row.name))
    refused = sorted(REFUSED, key=lambda row: cli_name(row.name))
    return "".join(
        [
            HEAD,
            STEPS_HEAD,
            *map(_step_line, steps),
            REFUSED_HEAD,
            *(f"| `{cli_name(row.name)}` | {row.effect} | {row.refused} |\n" for row in refused),
        ]
    )


def _step_line(row):
    guards = ", ".join(f"`{guard}`" for guard in row.guards) or "-"
    cells = (f"`{cli_name(row.name)}`", f"`{row.module}`", row.effect, row.already_true, guards, _undo(row))
    return f"| {' | '.join(cells)} |\n"


def _undo(row):
    if isinstance(row.undo, Undo):
        return " or ".join(f"`{cli_name(name)}`" for name in row.undo.operations)
    return f"nothing: {row.undo}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
