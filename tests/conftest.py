# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the collection importable as Ansible itself does, before any test module is collected."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Ansible reads its settings at import: a developer's own ansible.cfg must not reach the tests.
os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")

from ansible.plugins.loader import init_plugin_loader
from stack import Stack

init_plugin_loader([str(ROOT / "collections")])


@pytest.fixture(scope="session")
def running_stack() -> Iterator[Stack]:
    with Stack() as running:
        yield running


@pytest.fixture
def stack(running_stack: Stack) -> Stack:
    """The emulated accounts, queue and vendor's API, empty."""
    running_stack.reset()
    return running_stack
