# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs on one queue at once: schedules overlap, AWX slices, somebody runs it by hand."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict

import pytest
from scale import exhaustive, scaled
from stack import new_artifacts_folder, read_report, seed, send_alert, start_playbook
from stack.alerts import deny_policy_name, nested_alert

RUNS = scaled(2, 4)
ALERTS = scaled(12, 24)
# `LEASTPRIV_ALERTS=1000 pytest tests/integration/test_competing_runs.py` is the same on a large scale.
MANY = int(os.environ.get("LEASTPRIV_ALERTS", scaled(28, 300)))
ACCOUNTS = {f"account-{number}": f"30000000000{number}" for number in range(scaled(4, 10))}
# Of so many alerts one is bad, each time in the next of these ways.
POISON = ("invalid", "unsupported", "refused", "unmapped_account", "not_aws", "not_remediable", "filtered")
ONE_IN = scaled(4, 20)
# A queue delivers at least once: rarely two runs get the same message, and one of them finds everything done.
DONE = {"remediated", "already_remediated"}


def run_at_once(stack, *args, timeout=300):
    """Start all runs at once; returns the reports and the outputs."""
    folders = [new_artifacts_folder(stack) for _run in range(RUNS)]
    runs = [start_playbook(stack, *args, artifacts=folder) for folder in folders]
    shown = [run.communicate(timeout=timeout)[0] for run in runs]
    reports = [read_report(folder) for folder in folders]
    assert None not in reports, shown
    return [run.returncode for run in runs], reports, shown


# With bad alerts among them and throttling, the test below shows the same.
@exhaustive
def test_every_alert_is_applied_by_exactly_one_of_the_runs(stack):
    accounts = sorted(stack.accounts)
    users = {f"I-{number}": (accounts[number % len(accounts)], f"user-{number}") for number in range(ALERTS)}
    for account in accounts:
        seed(stack, account, users=[user for place, user in users.values() if place == account])
    for alert_id, (account, user) in users.items():
        send_alert(stack, alert_id, account, "user", user)
    # Each takes at most its share, so that the others are still receiving while it works.
    statuses, reports, shown = run_at_once(stack, "-e", f"remediate_max_alerts={ALERTS // RUNS}")
    assert statuses == [0] * RUNS, shown
    dispositions = Counter(alert["disposition"] for report in reports for alert in report["alerts"])
    assert dispositions["remediated"] == ALERTS
    assert set(dispositions) <= DONE
    created = Counter(call["parameters"]["PolicyName"] for call in stack.calls(action="CreatePolicy"))
    assert created == {deny_policy_name(user, alert_id): 1 for alert_id, (_account, user) in users.items()}
    assert "EntityAlreadyExists" not in "".join(shown)
    assert stack.depth() == (0, 0)


@pytest.fixture
def many_accounts(stack):
    """The arguments for runs that know many accounts, each with a user for every alert."""
    if "account-0" not in (stack.folder / "aws-config").read_text():
        stack.add_profiles(ACCOUNTS)
    hosts = {name: {"account_id": account_id, "aws_profile": name} for name, account_id in ACCOUNTS.items()}
    inventory = stack.write_inventory(stack.folder / "many-accounts.yml", **hosts)
    for number, account_id in enumerate(ACCOUNTS.values()):
        seed(stack, account_id, users=[f"user-{place}" for place in range(number, MANY, len(ACCOUNTS))])
    return ["-i", str(inventory)]


def send_good(stack, number):
    account_id = ACCOUNTS[f"account-{number % len(ACCOUNTS)}"]
    alert_id, user = f"I-{number}", f"user-{number}"
    send_alert(stack, alert_id, account_id, "user", user)
    return alert_id


def send_bad(stack, number, disposition):
    """Put one bad alert into the queue; gives what the report calls it."""
    alert_id, account_id = f"I-{number}", ACCOUNTS["account-0"]
    scripts = {
        "unsupported": "aws ec2 revoke-security-group-ingress --group-id sg-1",
        "refused": "aws iam create-user --user-name backdoor",
    }
    alerts = {
        "unmapped_account": nested_alert(alert_id, "999999999999"),
        "not_aws": nested_alert(alert_id, account_id, account={"cloudType": "azure", "id": "b1946ac9-2f0e"}),
        "filtered": nested_alert(alert_id, account_id, policy={"severity": "low"}),
    }
    if disposition in scripts:
        stack.script(alert_id, scripts[disposition])
    message = "{no json" if disposition == "invalid" else alerts.get(disposition) or nested_alert(alert_id, account_id)
    message_id = stack.send(message)
    return message_id if disposition == "invalid" else alert_id


def test_many_alerts_with_poison_among_them_while_iam_throttles(stack, many_accounts):
    expected = {}
    for number in range(MANY):
        if number % ONE_IN:
            expected[send_good(stack, number)] = "remediated"
        else:
            poison = POISON[number // ONE_IN % len(POISON)]
            expected[send_bad(stack, number, poison)] = poison
    stack.fault(service="iam", code="Throttling", message="Rate exceeded", share=0.1)
    # So few that no run can take all. Released messages are received by the other runs too, and count there.
    settings = {
        "remediate_max_alerts": 3 * MANY // 4,
        "remediate_max_changes": MANY,
        "remediate_severities": ["high"],
    }
    statuses, reports, shown = run_at_once(stack, *many_accounts, "-e", json.dumps(settings), timeout=240 + 3 * MANY)
    assert set(statuses) <= {0, 2}, shown
    found = defaultdict(list)
    for report in reports:
        for alert in report["alerts"]:
            found[alert["alert_id"] or alert["message_id"]].append(alert["disposition"])
    good = [alert_id for alert_id, word in expected.items() if word == "remediated"]
    bad = {alert_id: {word} for alert_id, word in expected.items() if word != "remediated"}
    assert {alert_id: set(found[alert_id]) for alert_id in bad} == bad
    assert {alert_id: found[alert_id].count("remediated") for alert_id in good} == dict.fromkeys(good, 1)
    assert {word for alert_id in good for word in found[alert_id]} <= DONE
    created = Counter(call["parameters"]["PolicyName"] for call in stack.calls(action="CreatePolicy", status=200))
    assert created == {deny_policy_name(f"user-{alert_id[2:]}", alert_id): 1 for alert_id in good}
    attached = {call["parameters"]["UserName"] for call in stack.calls(action="AttachUserPolicy", status=200)}
    assert attached == {f"user-{alert_id[2:]}" for alert_id in good}
    assert "EntityAlreadyExists" not in "".join(shown)
    assert stack.depth() == (len(expected) - len(good), 0)
