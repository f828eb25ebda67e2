# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that documents, docstrings and comments name are there."""

from __future__ import annotations

import re

from stack import ROOT

# Where a reader looks for a path, depending on the page.
BASES = [
    ROOT / base
    for base in (".", "plugins", "plugins/plugin_utils", "plugins/module_utils", "roles/remediate/tasks", "tests")
]
FOLDERS = {path.name for base in BASES for path in base.iterdir() if path.is_dir()} - {"artifacts", "inventory"}
PATH = re.compile(r"(?<![\w./<>{}*~-])([a-z_]+)/[\w/-]+\.(?:j2|md|py|yml)\b")
PLACES = (
    "*.md",
    "docs/*.md",
    "tests/stack/*.md",
    "bench/*.py",
    "docs/*.py",
    "plugins/**/*.py",
    "roles/**/*.yml",
    "playbooks/*.yml",
)
PAGES = sorted({page for place in PLACES for page in ROOT.glob(place) if page.name != "CHANGELOG.md"})


def test_the_files_that_a_page_names_are_there():
    named = [
        (page, found[0])
        for page in PAGES
        for found in PATH.finditer(page.read_text(encoding="utf-8"))
        if found[1] in FOLDERS
    ]
    assert len(named) > 100
    missing = [f"{page.relative_to(ROOT)}: {path}" for page, path in named if not _is_there(path)]
    assert missing == []


def test_the_map_for_contributors_leads_to_files():
    section = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Where things are")[2]
    named = re.findall(r"`([\w/]+(?:/|\.py|\.yml|\.md))`", section.partition("\n## ")[0])
    assert len(named) > 30
    alone = {path.name for path in ROOT.glob("plugins/**/*")}
    assert [path for path in named if not _is_there(path) and path.strip("/") not in alone] == []


def _is_there(path):
    return any((base / path).exists() for base in BASES)
