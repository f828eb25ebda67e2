# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many AWS calls and tasks a run takes: numbers that are the same on each machine. See docs/performance.md."""

from __future__ import annotations

import re
from collections import Counter

from stack import run_playbook, seed, send_alert

ACCOUNT = "payments"
APPLIED = 3
# Once: who calls (2), the role of the account (1), the names of its policies (1). For an alert: to observe it (2), to
# find the policy by name, create it, look at the user and attach (5). Where a change needs fewer, lower the numbers.
CALLS_OF_A_RUN, CALLS_OF_AN_ALERT = 4, 2 + 4
# However many alerts there are, with the pages of a long list.
CALLS_TO_OBSERVE = 9
# Of the role in all accounts, and of each wave: a task costs every account a worker.
TASKS_OF_A_RUN, TASKS_OF_A_WAVE = 19, 4
WAVES = 2


def send(stack, numbers):
    seed(stack, ACCOUNT, users=[f"user-{number}" for number in numbers])
    for number in numbers:
        send_alert(stack, f"I-{number}", ACCOUNT, "user", f"user-{number}")


def count_calls(stack, disposition, alerts, *args):
    """The IAM and STS calls of one run, by action, and the names of its tasks."""
    stack.clear_calls()
    run = run_playbook(stack, *args, env={"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"})
    assert run.report is not None, run.stdout
    assert run.report["totals"] == {disposition: alerts}, run.stdout
    calls = Counter(call["action"] for call in stack.calls() if call["service"] in ("iam", "sts"))
    return calls, re.findall(r"^TASK \[(.*)\]", run.stdout, re.MULTILINE)


def test_observing_fifty_alerts_costs_no_more_calls_than_one(stack):
    send(stack, range(50))
    calls, _tasks = count_calls(stack, "planned", 50, "--check")
    assert calls.total() <= CALLS_TO_OBSERVE, calls


def test_a_run_costs_no_more_calls_and_tasks_than_it_did_and_makes_exactly_the_changes_of_the_scripts(stack):
    send(stack, range(APPLIED))
    calls, tasks = count_calls(stack, "remediated", APPLIED)
    assert len(tasks) <= TASKS_OF_A_RUN + WAVES * TASKS_OF_A_WAVE, tasks
    assert calls.total() <= CALLS_OF_A_RUN + APPLIED * CALLS_OF_AN_ALERT, calls
    changes = Counter(call["action"] for call in stack.calls(service="iam", mutating=True))
    assert changes == {"CreatePolicy": APPLIED, "AttachUserPolicy": APPLIED}
