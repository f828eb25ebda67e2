# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which messages are renewed, and when; tests/integration/test_runner.py renews those of a real job."""

from __future__ import annotations

import json
import multiprocessing
import time

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts import renewal
from stack import wait_until

SECONDS = 1
LONG_ENOUGH = 3 * SECONDS * renewal.SHARE
IN_THE_END = 30


@pytest.fixture
def renewed(tmp_path, monkeypatch):
    """What was renewed so far, each call as (queue, handles, seconds); the first call fails."""
    file = tmp_path / "renewed"

    def extend(queue, handles, seconds):
        with file.open("a") as calls:
            calls.write(json.dumps([queue, handles, seconds]) + "\n")
        if len(file.read_text().splitlines()) == 1:
            raise OSError("no answer")

    monkeypatch.setattr(renewal, "extend", extend)
    monkeypatch.setattr(renewal, "open_queue_of", lambda run: run["queue_name"])
    return lambda: [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_process_renews_what_is_held_and_nothing_else(renewed):
    run = {"queue_name": "alerts", "visibility_timeout": SECONDS}
    held = renewal.Renewal(run, lambda: None)
    try:
        held.hold(["a", "b"])
        assert wait_until(lambda: len(renewed()) >= 2, IN_THE_END), "a failure is not the end"
        assert renewed()[-1] == ["alerts", ["a", "b"], SECONDS]
        held.hold([])
        so_far = renewed()
        time.sleep(LONG_ENOUGH)
        assert renewed() == so_far, "a message that is being returned is left alone"
        held.hold(["b"])
        assert wait_until(lambda: renewed()[-1][1] == ["b"], IN_THE_END)
    finally:
        held.end()
    so_far = renewed()
    time.sleep(LONG_ENOUGH)
    assert renewed() == so_far
    assert multiprocessing.active_children() == []


def test_a_process_that_has_died_does_not_keep_the_run(renewed):
    held = renewal.Renewal({"queue_name": "alerts", "visibility_timeout": SECONDS}, lambda: None)
    held._process.kill()
    held._process.join()
    began = time.monotonic()
    held.hold(["a"])
    held.end()
    assert time.monotonic() - began < renewal.MAX_PAUSE_SECONDS / 2


def test_a_thread_renews_while_the_block_runs(renewed):
    with renewal.renewing("alerts", ["a"], SECONDS):
        assert wait_until(lambda: len(renewed()) >= 2, IN_THE_END)
    so_far = renewed()
    time.sleep(LONG_ENOUGH)
    assert renewed() == so_far == [["alerts", ["a"], SECONDS]] * len(so_far)
