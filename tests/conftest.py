# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the collection importable as Ansible itself does, before any test module is collected."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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


@pytest.fixture
def at_most() -> Callable[[float], AbstractContextManager[None]]:
    """A block that may take so many processor seconds: its own thread's, and without what looking through the objects
    of all other tests costs the garbage collector."""

    @contextmanager
    def at_most(seconds: float) -> Iterator[None]:
        gc.freeze()
        started = time.thread_time()
        try:
            yield
        finally:
            gc.unfreeze()
        assert time.thread_time() - started < seconds

    return at_most
