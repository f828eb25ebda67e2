# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
version_added: 1.0.0
short_description: Show the progress of each account, then the summary
description:
  - While the role P(leastpriv.iam.remediate#role) works, a terminal shows one line per account, redrawn in place, with
    the steps that are done, their rate, and the time left. Without a terminal, each account prints a plain line when it
    starts and when it ends.
  - The summary follows, fitted to the width of the terminal and in colours. E(COLUMNS) sets another width, and
    C(NO_COLOR), C(ANSIBLE_NOCOLOR) and C(ANSIBLE_FORCE_COLOR) work as usual.
  - Failures are shown at once, in a line or two each. Warnings, retries and diffs are shown as
    P(ansible.builtin.default#callback) does. The rest of the role's tasks is left out, and so is the recap if a
    playbook has no other tasks.
  - With C(-v) the summary shows every script and its steps.
  - With C(-vvv), and for everything outside of the role and of this collection's playbooks, it is
    P(ansible.builtin.default#callback).
author:
  - The Leastpriv team (!UNKNOWN)
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as C(stdout_callback = leastpriv.iam.progress) in C(ansible.cfg), as the one of this project does
seealso:
  - plugin: ansible.builtin.default
    plugin_type: callback
"""

import atexit
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ansible.plugins.callback.default import CallbackModule as Default
from ansible.utils.fqcn import add_internal_fqcns
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import attempt
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.diagnosis import diagnosis_lines
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.progress import Progress
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import EMPTY, Line, line, plain, wrapped
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import COLUMNS, summary_of
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.terminal import columns, painted, show
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.facts import DIAGNOSIS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.terminal_text import printable

ROLE = "leastpriv.iam.remediate"
RUN_FILES = "leastpriv.iam.run_files"
PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
DEBUG = add_internal_fqcns(("debug",))

LABEL = "_ansible_item_label"
WARNING = "Warning:"
# What Ansible puts before the message of a lookup of ours: which task and which variable asked it.
AROUND = re.compile(r"\A.*(The lookup plugin '[\w.]+' failed: |original message: )", re.DOTALL)
# With this many -v everything is shown as the default callback shows it.
EVERYTHING = 3
# Seconds between two drawings: more often is not readable.
PAUSE = 0.1


class Footer:
    """Lines at the end of the terminal that are redrawn in place, and make way for whatever else is printed.

    The cursor waits at their beginning: they are cleared without knowing how many they are, and a program that dies
    leaves nothing that the next line would not overwrite.
    """

    def __init__(self, display: Any) -> None:
        self.display = display
        self.owner = os.getpid()
        self.shown: list[str] = []
        self.replaced: Callable[..., None] | None = None

    def draw(self, lines: list[str]) -> None:
        with self.display._lock:
            if lines and lines != self.shown:
                self._make_way()
                up = f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""
                self.shown = lines
                self._write("\r" + "\x1b[K\n".join(lines) + f"\x1b[J{up}\r")
            elif not lines:
                self.clear()

    def clear(self) -> None:
        # Workers are copies of the controller, and have no screen.
        if self.shown and os.getpid() == self.owner:
            with self.display._lock:
                self.shown = []
                self._write("\r\x1b[J")

    def _make_way(self) -> None:
        """Clear before anything is printed: warnings of workers and the end of an interrupted run, too."""
        if self.replaced:
            return
        self.replaced = self.display.display

        def display(*args: Any, **kwargs: Any) -> None:
            # Ansible holds the lock while it forks, so a worker must not ask for it: it only passes its text on.
            if os.getpid() != self.owner:
                return self.replaced(*args, **kwargs)
            with self.display._lock:
                self.clear()
                return self.replaced(*args, **kwargs)

        self.display.display = display
        atexit.register(self.clear)

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


class CallbackModule(Default):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "leastpriv.iam.progress"

    def __init__(self) -> None:
        super().__init__()
        self.progress = Progress()
        self.footer = Footer(self._display)
        self.has_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self.drawn_at = 0.0
        self.holds_banner = False
        # The play whose banner waits for a task that is not the role's, and whether there was one.
        self.play_to_announce: Any = None
        self.has_other_tasks = False
        # Makes the text that is still to be shown, from the columns of the terminal and whether it is verbose.
        self.text_for: Callable[[int, bool], list[Line]] | None = None

    # --- tasks --------------------------------------------------------------------------------------------------------

    def get_option(self, k: str, *args: Any, **kwargs: Any) -> Any:
        # The default callback leaves a banner to the first result that is shown when skipped ones are not.
        return False if self.holds_banner and k == "display_skipped_hosts" else super().get_option(k, *args, **kwargs)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = self.play_to_announce = play

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self.holds_banner = self._is_filtered(task)
        if not self.holds_banner:
            self._announce()
        super().v2_playbook_on_task_start(task, is_conditional)
        if self.holds_banner:
            self._draw()
        else:
            self.footer.clear()
        self.holds_banner = False

    def v2_playbook_on_include(self, included_file: Any) -> None:
        if not self._is_filtered(included_file._task):
            super().v2_playbook_on_include(included_file)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._announce()
        super().v2_playbook_on_no_hosts_matched()

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        if self.has_other_tasks:
            super().v2_playbook_on_no_hosts_remaining()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self.footer.clear()
        # Everything of the role is shown by now.
        if self.has_other_tasks or self.get_option("show_custom_stats"):
            super().v2_playbook_on_stats(stats)

    def _announce(self) -> None:
        self.has_other_tasks = True
        if self.play_to_announce:
            super().v2_playbook_on_play_start(self.play_to_announce)
            self.play_to_announce = None

    # --- results ------------------------------------------------------------------------------------------------------

    def v2_runner_on_ok(self, result: Any) -> None:
        self._show(result, super().v2_runner_on_ok)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._show(result, super().v2_runner_on_skipped)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._show(result, super().v2_runner_item_on_ok)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        self._show(result, super().v2_runner_item_on_skipped)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not self._is_filtered(result._task):
            super().v2_runner_on_failed(result, ignore_errors)
            return
        self._handle_warnings(result._result)
        # Of a loop each item was shown; ignored failures are in the summary.
        if not ignore_errors and "results" not in _fields(result):
            self._show_failure(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if self._is_filtered(result._task):
            self._show_failure(result)
        else:
            super().v2_runner_on_unreachable(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        if not self._is_filtered(result._task):
            super().v2_runner_item_on_failed(result)
            return
        learned = self._learn(result, has_failed=True)
        self._handle_warnings(result._result)
        self._show_failure(result)
        self._tell(learned)

    def _show(self, result: Any, in_full: Callable[[Any], None]) -> None:
        lines = _said(result)
        if not self._is_filtered(result._task) or lines is None:
            in_full(result)
        elif lines:
            self._say(lines)
        else:
            learned = self._learn(result)
            if _has_diff(result):
                self._clean_label(result)
                in_full(result)
            else:
                self._handle_warnings(result._result)
            self._tell(learned)

    def _show_failure(self, result: Any) -> None:
        fields = _fields(result)
        is_of_run = result._task.run_once
        reason = str(fields.get("msg") or fields.get("censored") or "no reason given")
        shown = failure("" if is_of_run else result._host.get_name(), fields.get(LABEL) or "", reason, columns())
        self.footer.clear()
        show(self._display, [EMPTY, *shown] if is_of_run else shown)

    def _say(self, lines: list[str]) -> None:
        """Print a message of the role as it is. It is the last thing of a run: nothing is drawn below it."""
        self.progress = Progress()
        show(self._display, [EMPTY, *self._fitted(lines)])

    def _fitted(self, lines: list[str]) -> list[Line]:
        """The lines of a message. A summary is formatted again for this terminal: workers do not know its width."""
        text_for, self.text_for = self.text_for, None
        for is_verbose in (False, True) if text_for else ():
            made = [*map(plain, text_for(COLUMNS, is_verbose))]
            if lines[: len(made)] == made:
                return [*text_for(columns(), is_verbose), *map(line, lines[len(made) :])]
        return [row for text in lines for row in _warning_or_line(text)]

    # --- progress -----------------------------------------------------------------------------------------------------

    def _is_filtered(self, task: Any) -> bool:
        return self._display.verbosity < EVERYTHING and (_is_of_role(task) or _is_of_playbook(task))

    def _learn(self, result: Any, has_failed: bool = False) -> list[str]:
        if not self._is_filtered(result._task):
            return []
        fields = _fields(result)
        if result._task.action == RUN_FILES and "report" in fields:
            self.text_for = partial(summary_of, from_text(fields["report"]))
        if found := (fields.get("ansible_facts") or {}).get(DIAGNOSIS):
            self.text_for = partial(diagnosis_lines, found)
        learn = partial(self.progress.learn, result._host.get_name(), fields, time.monotonic(), has_failed)
        # What cannot be drawn is left out; the result itself is shown as ever.
        return attempt("showing the progress", learn, lambda _reason: [])

    def _clean_label(self, result: Any) -> None:
        if self._is_filtered(result._task) and LABEL in result._result:
            # It names what a script is about.
            result._result[LABEL] = printable(result._result[LABEL])

    def _tell(self, learned: list[str]) -> None:
        if self.has_terminal:
            self._draw(at_once=bool(learned))
            return
        show(self._display, map(line, learned))

    def _draw(self, at_once: bool = False) -> None:
        now = time.monotonic()
        if not self.has_terminal or (now - self.drawn_at < PAUSE and not at_once):
            return
        self.drawn_at = now
        width, rows = shutil.get_terminal_size()
        lines = self.progress.lines(now, width, rows - 1)
        self.footer.draw(["".join(map(painted, each)) for each in lines])


def _is_of_role(task: Any) -> bool:
    role = getattr(task, "_role", None)
    return role is not None and role.get_name() == ROLE


def _is_of_playbook(task: Any) -> bool:
    """Whether a task belongs to a playbook of this collection."""
    file = str(task.get_path() or "").rpartition(":")[0]
    return bool(file) and Path(file).resolve().parent == PLAYBOOKS


def _fields(result: Any) -> Mapping[str, Any]:
    """The fields of a task's result. Since ansible-core 2.19 the public name copies them all: hundreds of steps."""
    return getattr(result, "_return_data", None) or result._result


def _said(result: Any) -> list[str] | None:
    """The lines of a message that the role shows, none of another task; None for a message that is not text."""
    message = _fields(result).get("msg") if result._task.action in DEBUG else None
    lines = message.split("\n") if isinstance(message, str) else message or []
    return lines if isinstance(lines, list) and all(isinstance(line, str) for line in lines) else None


def _warning_or_line(text: str) -> list[Line]:
    if not text.startswith(WARNING):
        return [line(text)]
    return wrapped(text.removeprefix(WARNING).lstrip(), columns(), hanging=2, lead=(WARNING, "caution"))


def failure(account: str, item: str, reason: str, width: int) -> list[Line]:
    """What failed, where, and why; the account is empty for what is about the whole run."""
    where = " ".join(map(printable, filter(None, (account, item))))
    first, *others = AROUND.sub("", reason.strip()).split("\n")
    lines = wrapped(first, width, hanging=2, lead=(f"ERROR: {where}:" if where else "ERROR:", "bad"))
    for text in others:
        lines += wrapped(text.lstrip(), width, indent=len(text) - len(text.lstrip()), hanging=2)
    return lines


def _has_diff(result: Any) -> bool:
    fields = _fields(result)
    return bool(result._task.diff and fields.get("diff") and fields.get("changed"))
