# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SECURITY.md names a test for each claim: they are there, and each row has one."""

from __future__ import annotations

import re

from stack import ROOT

TEXT = (ROOT / "SECURITY.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_test_that_is_named_exists():
    missing = [name for file, name in NAMED.findall(TEXT) if f"def {name}(" not in (ROOT / file).read_text()]
    assert missing == []


def test_every_claim_names_its_test():
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| cannot")]
    assert [row for row in rows if not NAMED.search(row) and "the table above" not in row] == []
    assert len(rows) > 20
