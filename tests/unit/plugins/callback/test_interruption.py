# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callback leaves alone; tests/integration/test_interruption.py interrupts real runs."""

from __future__ import annotations

import atexit
import multiprocessing
import signal
import threading
from types import SimpleNamespace

import pytest
from ansible.plugins.loader import callback_loader
from ansible.plugins.strategy import StrategyBase
from ansible_collections.leastpriv.iam.plugins.callback import interruption
from ansible_collections.leastpriv.iam.plugins.callback.interruption import SIGNALS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report import run_end
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.unfinished import Unfinished


@pytest.fixture
def handlers():
    # Tests in the background of a shell may ignore signals, which then stay ignored.
    taken = (*SIGNALS, signal.SIGALRM)
    before = [signal.signal(signum, signal.SIG_DFL) for signum in taken]
    yield [signal.SIG_DFL] * len(SIGNALS)
    for signum, handler in zip(taken, before, strict=True):
        signal.signal(signum, handler)


@pytest.fixture
def callback(handlers):
    plugin = callback_loader.get("leastpriv.iam.interruption")
    yield plugin
    plugin.has_ended.set()
    atexit.unregister(plugin._wind_up)


def task(role):
    return SimpleNamespace(_role=role and SimpleNamespace(get_name=lambda: role))


def installed():
    return [signal.getsignal(signum) for signum in SIGNALS]


def result(**fields):
    return SimpleNamespace(_result=fields)


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


@pytest.fixture
def shown(callback, monkeypatch):
    """What is displayed of an interrupted run."""
    shown = []

    def tell(text, **options):
        if not options.get("log_only"):
            shown.append(text)

    monkeypatch.setattr(callback, "_display", SimpleNamespace(display=tell, error=tell))
    return shown


def interrupted(folder, **more):
    settings = {"artifacts_dir": str(folder), "check_mode": False, "tolerate": [], "awx": {}, "metrics_file": ""}
    settings |= {"api_endpoint": "", "is_undo": False}
    received = {"alert_id": "I-1", "message_id": "m", "account": "payments", "disposition": None, "receipts": []}
    run = {**settings, "run_id": "run-1", "started": "2026-01-01T00:00:00Z", **more}
    return Unfinished(record=run, received=[[{**received, "reason": None}]])


def test_the_report_of_an_interrupted_run_depends_on_no_page(callback, shown, tmp_path, monkeypatch):
    monkeypatch.setattr(run_end, "html_report", {}.__getitem__)
    callback._report(interrupted(tmp_path), [])
    assert sorted(path.name for path in (tmp_path / "run-1").iterdir()) == ["metrics.prom", "report.csv", "report.json"]
    assert "failed  I-1  payments" in shown, "the summary comes first"
    assert "report.html: Unexpected error while making report.html: " in shown[-1]
    assert sum("Unexpected error" in text for text in shown) == 1


def test_a_folder_that_cannot_be_written_takes_neither_summary_nor_metrics_away(callback, shown, tmp_path):
    (tmp_path / "file").touch()
    metrics = tmp_path / "shown" / "leastpriv.prom"
    callback._report(interrupted(tmp_path / "file", metrics_file=str(metrics)), [])
    place = shown.index("failed  I-1  payments")
    for name in ("report.json", "report.html", "metrics.prom"):
        assert name in " ".join(shown[place:])
    assert metrics.read_text().endswith("# EOF\n")


@pytest.fixture
def strategy(callback, monkeypatch):
    """Ansible's, at the end of a play of the role."""
    monkeypatch.setattr(interruption, "LOOK_SECONDS", 0.1)
    callback.v2_playbook_on_task_start(task("leastpriv.iam.remediate"), False)
    results = threading.Thread(target=lambda: None)
    results.start()
    return SimpleNamespace(_active_connections={}, _final_q=multiprocessing.SimpleQueue(), _results_thread=results)


@pytest.mark.parametrize(("interrupted_by", "status"), [(None, 1), (signal.SIGTERM, 143)])
def test_a_run_that_waits_in_vain_for_a_killed_worker_is_ended(callback, shown, strategy, interrupted_by, status):
    # A worker that is killed while it sends a result takes the lock with it.
    strategy._final_q._wlock.acquire()
    callback.signal = interrupted_by
    with pytest.raises(SystemExit) as ended:
        StrategyBase.cleanup(strategy)
    assert ended.value.code == status
    callback._wind_up()
    assert shown == [interruption.WAITED_IN_VAIN]


def test_a_run_whose_plays_end_is_not(callback, shown, strategy):
    StrategyBase.cleanup(strategy)
    callback.v2_playbook_on_stats(None)
    assert not callback.is_stuck
    assert shown == []
