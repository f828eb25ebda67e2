# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a run that is not finished: its alerts, their outcomes, and the settled messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.queue.acknowledgement import Wanted, sort_receipts
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import AlertOutcome
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.run_end import EndedRun, end_run
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import facts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text


@dataclass
class Unfinished:
    """The state of one run, from its start to its end.

    :ivar record: the fact `RUN` with the id of the run and its start; None before the role has set it.
    :ivar received: the facts `RECEIVED`, and `finished` the facts `OUTCOMES`. They stay text, because the alerts in it
        take several times as much memory, which every worker of Ansible inherits.
    :ivar receipts: the receipts of all alerts that were received.
    """

    record: Mapping[str, Any] | None = None
    received: list[str | list[AlertOutcome]] = field(default_factory=list)
    finished: list[str | list[AlertOutcome]] = field(default_factory=list)
    receipts: list[dict[str, Any]] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)
    settings: list[dict[str, Any]] = field(default_factory=list)
    undoes: list[str] = field(default_factory=list)
    is_reported: bool = False

    def learn(self, result: Mapping[str, Any]) -> None:
        """Take the state of the run from a task's result; other results are ignored."""
        known = result.get("ansible_facts") or {}
        if facts.RUN in known:
            self.record = {**known[facts.RUN], "run_id": known[facts.RUN_ID], "started": known[facts.STARTED]}
        if facts.RECEIVED in known:
            self.received.append(known[facts.RECEIVED])
            self.receipts += [receipt for alert in from_text(known[facts.RECEIVED]) for receipt in alert["receipts"]]
        if facts.OUTCOMES in known:
            self.finished.append(known[facts.OUTCOMES])
        self.settings += [known[facts.SETTINGS]] if facts.SETTINGS in known else []
        self.undoes += known.get(facts.UNDOES) or []
        self.is_reported = self.is_reported or "verdict" in result
        self.settled.update(result.get("settled") or ())

    def held(self) -> list[str]:
        """The receipt handles of all messages that were not deleted or returned yet."""
        return [each["receipt_handle"] for each in self.receipts if each["message_id"] not in self.settled]

    def is_broken_off(self) -> bool:
        """Whether messages are still held without a report, which would name them."""
        return not self.is_reported and any(self.wanted().values())

    def alerts(self, reason: str) -> list[AlertOutcome]:
        """All alerts as they are: finished ones keep their disposition, the others have failed for this reason."""
        finished = _by_message(self.finished)
        return [
            finished.get(message_id) or _decided(alert, reason)
            for message_id, alert in _by_message(self.received).items()
        ]

    def wanted(self) -> Wanted:
        """The messages that are not settled yet, by what is to be done with them."""
        return sort_receipts(self._unsettled(), (self.record or {}).get("check_mode", False))

    def _unsettled(self) -> list[AlertOutcome]:
        def kept(alert: AlertOutcome) -> list[dict[str, Any]]:
            return [each for each in alert["receipts"] if each["message_id"] not in self.settled]

        return [{**alert, "receipts": kept(alert)} for alert in self.alerts("")]

    def end(self, interrupted: str, unsettled: list[str]) -> EndedRun:
        """Write the files of the run so far.

        :param interrupted: what ended it.
        :param unsettled: the reasons why messages could not be deleted or released.
        """
        again = "Undo again" if self.undoes else "Run again"
        reason = f"{interrupted} before it was finished. {again}: steps that were already applied are skipped."
        more = {"settings": self.settings, "undoes": self.undoes, "unsettled": unsettled, "interrupted": interrupted}
        return end_run(self.record or {}, self.alerts(reason), **more)


def _by_message(facts_of_alerts: Iterable[str | list[AlertOutcome]]) -> dict[str, AlertOutcome]:
    return {alert["message_id"]: alert for fact in facts_of_alerts for alert in from_text(fact)}


def _decided(alert: AlertOutcome, reason: str) -> AlertOutcome:
    return alert if alert["disposition"] else {**alert, "disposition": "failed", "reason": reason}
