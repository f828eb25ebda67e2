# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the collection importable as Ansible itself does, before any test module is collected."""

from __future__ import annotations

import functools
import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import botocore.session
import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

# Ansible reads its settings at import: a developer's own ansible.cfg must not reach the tests.
os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")

# Children inherit what a shell, nohup or a service manager ignores or blocks, and no signal would then end a run.
for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD):
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.pthread_sigmask(signal.SIG_SETMASK, ())

# Each session would read IAM's model of half a megabyte again: a third of what the tests in this process take.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

# Both measure how busy the machine is.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

from ansible.plugins.loader import init_plugin_loader
from scale import EXHAUSTIVE
from stack import Stack

init_plugin_loader([str(ROOT / "collections")])

from stack.declared import undeclared_calls


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "exhaustive: one of many alike; only in `make test-exhaustive`")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is exhaustive, and keep together, for pytest-xdist, the tests that share more than the stack."""
    left_out = [item for item in items if item.get_closest_marker("exhaustive") and not EXHAUSTIVE]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
    for item in items:
        if "integration" not in item.path.parts or _shares_a_fixture(item):
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(ROOT))))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a pytest whose node ids pytest-xdist cannot mark with a group: every worker would then make every fixture.

    So do pytest 9.2 and pytest-xdist 3.8 together.
    """
    if getattr(session.config.option, "loadgroup", False):
        for item in session.items:
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError(f"pytest {pytest.__version__} and pytest-xdist do not group {item.nodeid}")
    # What was imported and collected stays: it need not be looked through again and again.
    gc.collect()
    gc.freeze()


def _shares_a_fixture(item: pytest.Item) -> bool:
    definitions = item._fixtureinfo.name2fixturedefs.values()
    return any(definition[-1].scope == "module" for definition in definitions)


@pytest.fixture(scope="session")
def running_stack() -> Iterator[Stack]:
    with Stack() as running:
        yield running


@pytest.fixture
def stack(running_stack: Stack) -> Iterator[Stack]:
    """The emulated accounts, queue and vendor's API, empty. Whatever a playbook changed must have been declared."""
    running_stack.reset()
    yield running_stack
    assert undeclared_calls(running_stack) == []


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
