# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays of one's own around the role, and runs that break off after they have received: every message goes back."""

from __future__ import annotations

import json

import pytest
import yaml
from scale import exhaustive
from stack import run_playbook, seed, send_alert

ALERTS = {"I-1": ("payments", "alice"), "I-2": ("sandbox", "carol")}
PLAY = {
    "hosts": "aws_accounts",
    "gather_facts": False,
    "vars": {
        "ansible_connection": "leastpriv.iam.warm",
        "ansible_become": False,
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    },
    "roles": ["leastpriv.iam.remediate"],
}
FAILS = {"ansible.builtin.fail": {"msg": "of one's own"}}
UNREACHABLE = {"ansible.builtin.ping": {}, "vars": {"ansible_connection": "ansible.builtin.ssh", "ansible_port": 9}}
DENIED = {"action": "CreatePolicy", "code": "AccessDenied", "status": 403, "count": 1000}
BROKEN_RESCUE = {"__remediate_identity": "{{ 1 / 0 }}", "ansible_failed_result": "{{ 1 / 0 }}"}


@pytest.fixture
def alerts(stack):
    for alert_id, (account, user) in ALERTS.items():
        seed(stack, account, users=[user])
        send_alert(stack, alert_id, account, "user", user)


def run_own(stack, play, *args, env=None):
    playbook = stack.folder / "own.yml"
    playbook.write_text(yaml.safe_dump([play]))
    return run_playbook(stack, *args, playbook=str(playbook), env=env)


def test_what_breaks_after_the_role_takes_nothing_back(stack, alerts):
    """A task of one's own fails in one account, and the others become unreachable."""
    fails = {**FAILS, "when": "inventory_hostname == 'payments'"}
    run = run_own(stack, PLAY | {"post_tasks": [fails, UNREACHABLE]})
    assert run.rc == 4, run.stdout
    assert "failed=1" in run.stdout
    assert run.dispositions == dict.fromkeys(ALERTS, "remediated")
    assert run.report["interrupted"] is None
    assert stack.depth() == (0, 0)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"any_errors_fatal": True, "post_tasks": [FAILS]}, id="any_errors_fatal"),
        pytest.param({"max_fail_percentage": 0}, id="max_fail_percentage", marks=exhaustive),
    ],
)
def test_a_play_that_ends_at_its_first_failure_finishes_the_other_accounts(stack, alerts, changes):
    stack.fault(account=stack.account_id("payments"), **DENIED)
    run = run_own(stack, PLAY | changes)
    assert run.rc == 2, run.stdout
    assert run.dispositions == {"I-1": "failed", "I-2": "remediated"}, run.stdout
    assert run.report["interrupted"] is None
    assert stack.depth() == (1, 0)


def test_a_rescue_that_fails_releases_the_messages(stack, alerts):
    run = run_playbook(stack, "-e", json.dumps(BROKEN_RESCUE))
    assert run.rc == 2, run.stdout
    # Before ansible-core 2.19 the rescue fails with its template, and the callback ends the run.
    assert run.report["interrupted"] in (None, "The run broke off")
    assert run.dispositions == dict.fromkeys(ALERTS, "failed")
    assert stack.changes() == []
    assert stack.depth() == (2, 0)
