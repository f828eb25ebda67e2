# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn makes way for what is printed; tests/integration/test_progress.py looks at real runs."""

from __future__ import annotations

import atexit
import os
import threading
from functools import partial
from types import SimpleNamespace

import pytest
from ansible_collections.leastpriv.iam.plugins.callback.progress import CallbackModule, Footer, failure
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import finding
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.diagnosis import diagnosis_lines
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import plain
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import summary, summary_of, summary_text
from screens.scenes import mixed

CLEAR = "\r\x1b[J"


class Display:
    """Ansible's, as far as the footer uses it; writes into the same stream."""

    def __init__(self):
        self._lock = threading.RLock()

    def display(self, text, **options):
        print(text)


@pytest.fixture
def footer():
    footer = Footer(Display())
    yield footer
    atexit.unregister(footer.clear)


def test_lines_are_drawn_over_each_other_and_make_way_for_a_warning(footer, capsys):
    footer.draw(["one", "two"])
    assert capsys.readouterr().out == "\rone\x1b[K\ntwo\x1b[J\x1b[1A\r"
    footer.draw(["one"])
    assert capsys.readouterr().out == "\rone\x1b[J\r"
    footer.display.display("[WARNING]: mind this")
    assert capsys.readouterr().out == CLEAR + "[WARNING]: mind this\n"
    footer.display.display("and this")
    assert capsys.readouterr().out == "and this\n"


def test_what_is_shown_already_is_not_drawn_again(footer, capsys):
    footer.draw(["one"])
    capsys.readouterr()
    footer.draw(["one"])
    assert capsys.readouterr().out == ""
    footer.draw([])
    assert capsys.readouterr().out == CLEAR


def test_a_worker_leaves_the_screen_to_the_controller(footer, capsys, monkeypatch):
    footer.draw(["one"])
    capsys.readouterr()
    monkeypatch.setattr(os, "getpid", lambda: footer.owner + 1)
    footer.display.display("passed on to the controller")
    footer.clear()
    assert capsys.readouterr().out == "passed on to the controller\n"


def test_nothing_is_changed_where_nothing_is_drawn(footer, capsys):
    before = footer.display.display
    footer.clear()
    footer.draw([])
    assert footer.display.display == before
    assert capsys.readouterr().out == ""


def raise_key_error(*ignored):
    raise KeyError("status")


@pytest.mark.parametrize("columns", [60, 150])
@pytest.mark.parametrize("verbose", [False, True])
def test_the_summary_of_a_worker_is_made_again_for_this_terminal(monkeypatch, columns, verbose):
    monkeypatch.setenv("COLUMNS", str(columns))
    plugin = CallbackModule()
    plugin.text_for = partial(summary_of, mixed(is_review=True))
    shown = plugin._fitted([*summary_text(mixed(is_review=True), verbose).split("\n"), "Report: /a/report.html"])
    assert shown[:-1] == summary(mixed(is_review=True), columns, verbose)
    assert plain(shown[-1]) == "Report: /a/report.html"


def test_the_doctor_s_findings_are_fitted_to_this_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    plugin = CallbackModule()
    found = {"missing": 0, "findings": [finding("queue", "unknown", "look", "long " * 30)], "command": "review"}
    plugin.text_for = partial(diagnosis_lines, found)
    shown = plugin._fitted([plain(row) for row in diagnosis_lines(found, 80)])
    assert shown == diagnosis_lines(found, 60)
    assert max(len(plain(row)) for row in shown) <= 60


def test_another_message_is_shown_as_it_is_and_a_warning_is_wrapped(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    plugin = CallbackModule()
    script = "aws iam tag-user --user-name ann --tags Key=team,Value=blue Key=cost,Value=42"
    shown = plugin._fitted([script, "Warning: the metrics were not pushed. Check remediate_metrics_push_url."])
    assert [plain(row) for row in shown] == [
        script,
        "Warning: the metrics were not pushed. Check",
        "  remediate_metrics_push_url.",
    ]
    assert shown[1][0] == ("Warning:", "caution")


LOOKUP = {
    "2.19": "Task failed: Finalization of task args for 'ansible.builtin.set_fact' failed: Error while resolving value "
    "for '__remediate_alerts': The lookup plugin 'leastpriv.iam.alerts' failed: The queue is gone.",
    "2.17": "An unhandled exception occurred while running the lookup plugin 'leastpriv.iam.alerts'. Error was a "
    "<class 'ansible.errors.AnsibleError'>, original message: The queue is gone.",
    "module": "The queue is gone.",
}


@pytest.mark.parametrize("reason", LOOKUP.values(), ids=LOOKUP)
def test_a_failure_says_what_failed_without_what_ansible_puts_before_it(reason):
    assert [plain(row) for row in failure("payments", "", reason, 80)] == ["ERROR: payments: The queue is gone."]


def test_a_result_that_cannot_be_drawn_is_shown_all_the_same(monkeypatch):
    plugin = CallbackModule()
    monkeypatch.setattr(plugin, "progress", SimpleNamespace(learn=raise_key_error))
    monkeypatch.setattr(plugin, "_is_filtered", lambda task: True)
    result = SimpleNamespace(
        _task=SimpleNamespace(action="leastpriv.iam.observe"),
        _host=SimpleNamespace(get_name=lambda: "payments"),
        _result={"alerts": [{}]},
    )
    assert plugin._learn(result) == []
