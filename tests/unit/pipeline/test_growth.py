# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done for one alert does not look at all others: ten times as many alerts take ten times as long.

`make growth` measures whole runs.
"""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.claims import Claim, Claims, Conflict
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import Message
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts import inbox as inboxes
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.inbox import AlertMessages, Inbox, Reception
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.progress import Progress
from stack.alerts import nested_alert

ACCOUNT = "123456789012"
MANY = 200


class Table(dict):
    """A dictionary that may be asked for a key, and not be walked through."""

    def __iter__(self):
        pytest.fail("all of it was looked at")

    keys = values = items = __iter__


class Count(Counter):
    """A counter of the same kind."""

    def __iter__(self):
        pytest.fail("all of it was looked at")

    keys = values = items = __iter__


def claim(number, premises=(), alterations=()):
    """The claim of an alert that writes something of its own."""
    return Claim(f"I-{number}", frozenset({("user", str(number))}), number, frozenset(premises), frozenset(alterations))


def test_a_claim_is_not_compared_with_all_others():
    claims = Claims()
    claims._relied_on, claims._altered = Table(), Table()
    for number in range(MANY):
        claims.check(claim(number, [("role", number)], [("user", number)]))
        claims.take([claim(number, [("role", number)], [("user", number)])])
    with pytest.raises(Conflict, match="alert I-7 of this run changes user 7"):
        claims.check(claim(MANY, [("user", 7)]))


def test_a_receive_does_not_look_at_all_alerts_before_it(monkeypatch):
    looked = []

    class Counted(AlertMessages):
        @property
        def newest(self):
            looked.append(self)
            return super().newest

    bodies = iter([json.dumps(nested_alert(f"I-{number}", ACCOUNT)) for number in range(MANY)])

    def receive(_queue, wanted, *_timing):
        found = [body for _number, body in zip(range(wanted), bodies, strict=False)]
        return tuple(Message(body, body, body, 0, 1) for body in found)

    monkeypatch.setattr(inboxes, "AlertMessages", Counted)
    monkeypatch.setattr(inboxes, "receive", receive)
    inbox = Inbox(SimpleNamespace(visible=MANY, is_fifo=False))
    inbox.collect(Reception(MANY, 0, 900))
    assert (len(inbox.own), len(inbox.open), len(looked)) == (MANY, MANY, MANY)


def test_the_progress_of_a_step_does_not_look_at_all_alerts():
    progress = Progress()
    progress.learn("any", {"ansible_facts": {"__remediate_run": {"check_mode": False}}}, 0)
    progress.learn("any", {"ansible_facts": {"__remediate_translated": {"payments": {"count": MANY}}}}, 0)
    steps = [{"message_id": f"m-{number}", "status": "needed"} for number in range(MANY)]
    alerts = [{"message_id": step["message_id"], "disposition": None, "steps": [step, step]} for step in steps]
    progress.learn("payments", {"alerts": alerts, "problem": ""}, 0)
    account = progress.accounts["payments"]
    account.left = Count(account.left)
    for step in [*steps, *steps[:-1]]:
        assert progress.learn("payments", {"step": step}, 1) == []
    assert (account.done, len(account.left)) == (2 * MANY - 1, 1)
