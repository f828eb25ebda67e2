# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wording lint finds what it is for, and nothing else."""

from __future__ import annotations

import pytest
from wording import findings

FOUND = {
    "a.md": (
        "curl is no command that is translated",
        "an API, of which only the host is known",
        "Whoever reads it",
        "nobody reads it",
        "An asterisk stands for any text",
        "what becomes of an alert",
        "the message is given back",
        "It gives them back.",
        "a review gives every message back",
        "6 alerts need a person",
        "control characters are spelt out",
        "it waits for ever",
        "docs/plan.md tells the rest",
        "the alerts as P(leastpriv.iam.alerts#lookup) gives them",
        "see what comes of it",
        "it is applied all the same.",
        "the file is made anew",
        "## What is compared",
    ),
    "a.py": (
        "told = 1",
        "def is_told(): ...",
        "MOST_LINES = 3",
        "_LATE = 0.1",
        '"""The C(name) of a host."""',
        "x = 1  # see M(leastpriv.iam.observe)",
    ),
}
LEFT_ALONE = {
    "a.md": (
        "There is no file.",
        "It is no longer there.",
        "the ten most important",
        "bold",
        "all the same ids",
        "# Alerts",
    ),
    "a.py": ('DOCUMENTATION = "The C(name) of a host."', "MAX_LINES = 3", "C(1)", "ALMOST = 1", "x = untold_stories"),
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in FOUND.items() for text in texts])
def test_ruled_out_wording_is_found(name, text):
    assert [line for line in findings(name, text) if line.startswith(f"{name}:1: ") and "better" in line]


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in LEFT_ALONE.items() for text in texts])
def test_other_wording_is_left_alone(name, text):
    assert [*findings(name, text)] == []
