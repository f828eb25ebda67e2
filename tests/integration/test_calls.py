# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many AWS calls a run makes in an account: IAM throttles there. See docs/performance.md."""

from __future__ import annotations

from collections import Counter

from stack import run_playbook, seed, send_alert

ACCOUNT = "payments"
APPLIED = 3
# 5 to find out who and what is there, 2 to observe an alert, 25 to apply it: amazon.aws.iam_managed_policy lists every
# policy of the account at each call, AWS's own included. Where a change needs fewer, lower the number.
MAX_CALLS_TO_APPLY = 5 + APPLIED * (2 + 25)


def send(stack, numbers):
    seed(stack, ACCOUNT, users=[f"user-{number}" for number in numbers])
    for number in numbers:
        send_alert(stack, f"I-{number}", ACCOUNT, "user", f"user-{number}")


def count_calls(stack, disposition, alerts, *args):
    """The IAM and STS calls of one run, by action."""
    stack.clear_calls()
    run = run_playbook(stack, *args)
    assert run.report is not None, run.stdout
    assert run.report["totals"] == {disposition: alerts}, run.stdout
    return Counter(call["action"] for call in stack.calls() if call["service"] in ("iam", "sts"))


def test_observing_twenty_alerts_costs_no_more_calls_than_ten(stack):
    send(stack, range(10))
    ten = count_calls(stack, "planned", 10, "--check")
    send(stack, range(10, 20))
    assert count_calls(stack, "planned", 20, "--check") == ten


def test_an_alert_costs_no_more_calls_than_it_did_and_exactly_the_changes_of_its_script(stack):
    send(stack, range(APPLIED))
    calls = count_calls(stack, "remediated", APPLIED)
    assert calls.total() <= MAX_CALLS_TO_APPLY, calls
    changes = Counter(call["action"] for call in stack.calls(service="iam", mutating=True))
    assert changes == {"CreatePolicy": APPLIED, "AttachUserPolicy": APPLIED}
