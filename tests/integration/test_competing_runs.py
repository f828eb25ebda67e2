# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs on one queue at once: schedules overlap, AWX slices, somebody runs it by hand."""

from __future__ import annotations

from collections import Counter

from stack import new_artifacts_folder, read_report, seed, start_playbook
from stack.alerts import deny_policy_name, deny_script, nested_alert

RUNS = 3
ALERTS = 24


def test_every_alert_is_applied_by_exactly_one_of_the_runs(stack):
    accounts = sorted(stack.accounts)
    users = {f"I-{number}": (accounts[number % len(accounts)], f"user-{number}") for number in range(ALERTS)}
    for account in accounts:
        seed(stack, account, users=[user for place, user in users.values() if place == account])
    for alert_id, (account, user) in users.items():
        account_id = stack.account_id(account)
        stack.script(alert_id, deny_script("user", user, account_id, alert_id))
        stack.send(nested_alert(alert_id, account_id, name=user))
    folders = [new_artifacts_folder(stack) for _run in range(RUNS)]
    # Each takes at most its share, so that the others are still receiving while it works.
    share = f"remediate_max_alerts={ALERTS // RUNS}"
    runs = [start_playbook(stack, "-e", share, artifacts=folder) for folder in folders]
    told = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * RUNS, told
    dispositions = Counter(alert["disposition"] for folder in folders for alert in read_report(folder)["alerts"])
    assert dispositions == {"remediated": ALERTS}
    created = Counter(call["parameters"]["PolicyName"] for call in stack.calls(action="CreatePolicy"))
    assert created == {deny_policy_name(user, alert_id): 1 for alert_id, (_account, user) in users.items()}
    assert "EntityAlreadyExists" not in "".join(told)
    assert stack.depth() == (0, 0)
