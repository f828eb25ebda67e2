# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callback leaves alone; tests/integration/test_interruption.py interrupts real runs."""

from __future__ import annotations

import atexit
import signal
from types import SimpleNamespace

import pytest
from ansible.plugins.loader import callback_loader
from ansible_collections.leastpriv.iam.plugins.callback.interruption import SIGNALS


@pytest.fixture
def handlers():
    # Whoever starts the tests in the background may have them ignore signals, which then stay ignored.
    before = [signal.signal(signum, signal.SIG_DFL) for signum in SIGNALS]
    yield [signal.SIG_DFL] * len(SIGNALS)
    for signum, handler in zip(SIGNALS, before, strict=True):
        signal.signal(signum, handler)


@pytest.fixture
def callback(handlers):
    plugin = callback_loader.get("leastpriv.iam.interruption")
    yield plugin
    atexit.unregister(plugin._wind_up)


def task(role):
    return SimpleNamespace(_role=role and SimpleNamespace(get_name=lambda: role))


def installed():
    return [signal.getsignal(signum) for signum in SIGNALS]


def result(**told):
    return SimpleNamespace(_result=told)


@pytest.mark.parametrize("role", [None, "somebody.else.role", "remediate"])
def test_another_playbook_is_left_alone(callback, handlers, role):
    callback.v2_playbook_on_task_start(task(role), False)
    callback.v2_runner_on_ok(result(ansible_facts={"__remediate_alerts": [{}]}))
    assert installed() == handlers
    assert callback.run is None


def test_signals_are_taken_from_the_role_s_first_task_to_the_end_of_the_playbook(callback, handlers):
    callback.v2_playbook_on_task_start(task("leastpriv.iam.remediate"), False)
    assert installed() == [callback._interrupt] * len(SIGNALS)
    callback.v2_playbook_on_stats(None)
    assert installed() == handlers


def test_an_ignored_signal_stays_ignored(callback, handlers):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    callback.v2_playbook_on_task_start(task("leastpriv.iam.remediate"), False)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    callback.v2_playbook_on_stats(None)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
