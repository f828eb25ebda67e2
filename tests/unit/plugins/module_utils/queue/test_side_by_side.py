# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.queue import side_by_side as module
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.errors import QueueError
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.side_by_side import CALLS_AT_ONCE, side_by_side


@pytest.mark.parametrize("at_once", [1, CALLS_AT_ONCE])
def test_every_call_is_made_and_no_more_at_once_than_allowed(at_once):
    together = threading.Barrier(at_once, timeout=30)
    running, most, done = [], [], []

    def call(item):
        running.append(item)
        together.wait()
        most.append(len(running))
        together.wait()
        running.remove(item)
        done.append(item)

    side_by_side(call, range(2 * at_once), at_once)
    assert sorted(done) == list(range(2 * at_once))
    assert set(most) == {at_once}


def test_a_single_call_needs_no_thread():
    threads = []
    side_by_side(lambda _item: threads.append(threading.current_thread()), [1])
    assert threads == [threading.main_thread()]


def test_an_error_is_raised_after_the_others_have_ended():
    done = []

    def call(item):
        if item == 0:
            raise QueueError("no access")
        time.sleep(0.05)
        done.append(item)

    with pytest.raises(QueueError, match="no access"):
        side_by_side(call, range(6))
    assert sorted(done) == [1, 2, 3, 4, 5]


def test_an_interruption_begins_no_other_call_and_waits_for_those_under_way():
    begun, done = [], []

    def call(item):
        begun.append(item)
        if threading.current_thread() is threading.main_thread():
            time.sleep(0.05)
            raise KeyboardInterrupt
        time.sleep(0.2)
        done.append(item)

    with pytest.raises(KeyboardInterrupt):
        side_by_side(call, range(2 * CALLS_AT_ONCE))
    assert len(begun) == CALLS_AT_ONCE
    assert len(done) == CALLS_AT_ONCE - 1


def test_a_call_without_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "_MAX_SECONDS", 0.2)
    is_over = threading.Event()

    def call(_item):
        if threading.current_thread() is not threading.main_thread():
            is_over.wait(10)

    with pytest.raises(QueueError, match="no whole answer to a call within"):
        side_by_side(call, [1, 2])
    is_over.set()
