# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of each account of a run, by the results of its tasks, and the lines that show it. No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import Line, cut, line, pad
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.facts import OUTCOMES, PROBLEM, RUN, TRANSLATED
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.terminal_text import cells, printable

BAR, SHORTEST_BAR = 20, 4
NAME = 32
# The width of the text behind the bar, such as `20/40 steps, 5.0/s, 0:04 left`, and the blanks and brackets.
STATE, BETWEEN = 32, 6
RECEIVING = "Receiving the alerts and their scripts"
READING = "Reading the journal"
SETTLING = "Deleting or releasing the messages, writing the report"


@dataclass
class Account:
    """The work in one account. Times are seconds of one clock; `left` counts the steps to come of each message."""

    name: str
    alerts: int
    left: Counter[str] = field(default_factory=Counter)
    done: int = 0
    failed: int = 0
    began: float | None = None
    ended: float | None = None
    has_dropped_out: bool = False

    @property
    def total(self) -> int:
        return self.done + self.left.total()

    @property
    def style(self) -> str:
        if self.failed or self.has_dropped_out:
            return "bad"
        return "" if self.ended is None else "good"


class Progress:
    """One run of the role, from its first task to its report."""

    def __init__(self) -> None:
        self.stage: str | None = None
        self.is_review = False
        self.accounts: dict[str, Account] = {}

    def learn(self, host: str, result: Mapping[str, Any], now: float, has_failed: bool = False) -> list[str]:
        """Take the progress of this host from the result of a task or an item.

        Returns the news as text, at most one line per account and phase, for output that cannot be redrawn.
        """
        facts = result.get("ansible_facts") or {}
        if RUN in facts:
            return self._begin(facts[RUN])
        if TRANSLATED in facts:
            return self._line_up(facts[TRANSLATED])
        if OUTCOMES in facts:
            return self._settle(now)
        account = self.accounts.get(host)
        if account is None or account.ended is not None:
            return []
        if facts.get(PROBLEM):
            return _drop_out(account, now)
        if account.began is None:
            return self._observe(account, result, now) if {"alerts", "problem"} <= {*result} else []
        return _apply(account, result["step"]["message_id"], now, has_failed) if "step" in result else []

    def _begin(self, run: Mapping[str, Any]) -> list[str]:
        self.accounts = {}
        self.is_review = run["check_mode"]
        self.stage = READING if run.get("is_undo") or run.get("is_verify") else RECEIVING
        return [self.stage]

    def _line_up(self, translated: Mapping[str, Mapping[str, Any]]) -> list[str]:
        self.stage = None
        self.accounts = {name: Account(name, entry["count"]) for name, entry in translated.items()}
        return [f"{printable(name)}: checking {_count(it.alerts, 'alert')}" for name, it in self.accounts.items()]

    def _observe(self, account: Account, result: Mapping[str, Any], now: float) -> list[str]:
        workable = [alert for alert in result["alerts"] if alert["disposition"] is None]
        needed = [step for alert in workable for step in alert["steps"] if step["status"] == "needed"]
        account.began = now
        account.has_dropped_out = bool(result["problem"])
        account.left.update(step["message_id"] for step in needed)
        if self.is_review or not needed:
            account.ended = now
        return [f"{printable(account.name)}: {_found(account, self.is_review)}"]

    def _settle(self, now: float) -> list[str]:
        self.stage = SETTLING
        open_accounts = [account for account in self.accounts.values() if account.ended is None]
        for account in open_accounts:
            account.ended = now
        return [f"{printable(account.name)}: {_ended(account)}" for account in open_accounts]

    def lines(self, now: float, columns: int, rows: int) -> list[Line]:
        """What a terminal of this size shows now; a line takes less than `columns`, and there are at most `rows`."""
        if self.stage:
            return [line(cut(self.stage, columns - 1))]
        accounts = list(self.accounts.values())
        if len(accounts) > rows:
            accounts.sort(key=lambda account: account.ended is not None)
        shown, hidden = (accounts, []) if len(accounts) <= rows else (accounts[: rows - 1], accounts[rows - 1 :])
        widest = min(NAME, columns // 4, max((cells(printable(account.name)) for account in shown), default=0))
        width = min(BAR, max(SHORTEST_BAR, columns - 1 - widest - BETWEEN - STATE))
        parts = [line((cut(self._row(account, widest, width, now), columns - 1), account.style)) for account in shown]
        return parts + [line(cut(_rest(hidden), columns - 1))] * bool(hidden)

    def _row(self, account: Account, widest: int, width: int, now: float) -> str:
        name = pad(printable(account.name), widest)
        return f"{name}  [{_bar(account, width, self.is_review)}]  {self._state(account, now)}"

    def _state(self, account: Account, now: float) -> str:
        if account.began is None:
            return f"checking {_count(account.alerts, 'alert')}"
        if self.is_review or not account.total:
            return _found(account, self.is_review)
        return _ended(account) if account.ended is not None else _going(account, now)


def _apply(account: Account, message_id: str, now: float, has_failed: bool) -> list[str]:
    account.done += 1
    account.left[message_id] -= 1
    account.failed += has_failed
    # An alert stops at its first failure.
    if has_failed or account.left[message_id] <= 0:
        del account.left[message_id]
    if account.left:
        return []
    account.ended = now
    return [f"{printable(account.name)}: {_ended(account)}"]


def _drop_out(account: Account, now: float) -> list[str]:
    account.ended, account.has_dropped_out = now, True
    return [f"{printable(account.name)}: {_ended(account)}"]


def _found(account: Account, is_review: bool) -> str:
    if account.has_dropped_out:
        return "not processed"
    if not account.total:
        return "nothing to apply"
    return f"{_count(account.total, 'step')} {'needed' if is_review else 'to apply'}"


def _going(account: Account, now: float) -> str:
    """Rate and time left are known once a step is done."""
    seconds = _seconds(account, now)
    parts = [f"{account.done}/{_count(account.total, 'step')}"]
    if account.done and seconds > 0:
        parts += [f"{account.done / seconds:.1f}/s", f"{_duration(account.left.total() * seconds / account.done)} left"]
    return ", ".join([*parts, *_failures(account)])


def _ended(account: Account) -> str:
    if account.has_dropped_out:
        return "not finished"
    seconds = _seconds(account, account.ended)
    parts = f"{account.done}/{_count(account.total, 'step')} in {_duration(seconds)}"
    return ", ".join([parts, *_failures(account)])


def _seconds(account: Account, until: float | None) -> float:
    """How long the account has been worked on; 0 before that."""
    return 0.0 if until is None or account.began is None else until - account.began


def _failures(account: Account) -> list[str]:
    return [f"{account.failed} failed"] if account.failed else []


def _rest(hidden: list[Account]) -> str:
    finished = sum(account.ended is not None for account in hidden)
    return f"and {_count(len(hidden), 'account')} more, {finished} finished"


def _bar(account: Account, width: int, is_review: bool) -> str:
    # To look is all the work of a review.
    is_through = account.ended is not None and not account.has_dropped_out
    whole = is_through and (is_review or not account.left)
    filled = width if whole else width * account.done // max(account.total, 1)
    return "#" * filled + "-" * (width - filled)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
