# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No script of an attacker with queue and API gains access, or takes it from those who could repair the damage."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import NOT_BY_HAND
from ansible_collections.leastpriv.iam.plugins.modules.observe import observe_alerts
from stack import iam_state
from stack.escalations import PROTECTED, RUNNERS, attempts, furnish

ACCOUNT = "payments"
CALLERS = {
    "role/runner": "arn:aws:sts::{0}:assumed-role/Runner/remediate",
    "user/deployer": "arn:aws:iam::{0}:user/deployer",
}
NAMES = [one["attempt"] for one in attempts("123456789012")]


@pytest.fixture(scope="module")
def account(running_stack):
    """The account that the attempts are after; observing changes nothing in it, so that all can share it."""
    running_stack.reset()
    furnish(running_stack, ACCOUNT)
    running_stack.clear_calls()
    return running_stack


def decide(stack, script, caller="role/runner", alert_id="I-1"):
    """(disposition, reason) of a script as filter and observation decide."""
    account_id = stack.account_id(ACCOUNT)
    translated = filter_loader.get("leastpriv.iam.steps").j2_function(script, account_id)
    if translated["disposition"] is not None:
        return translated["disposition"], translated["reason"]
    alert = {"message_id": alert_id, "alert_id": alert_id, "steps": translated["steps"]}
    parameters = {"account_id": account_id, "allow": [], "protected_principals": PROTECTED}
    parameters["runners"] = [arn.format(account_id) for arn in RUNNERS]
    module = SimpleNamespace(
        params={**parameters, "max_changes": 50, "on_quota": "fail", "undo": False},
        client=lambda service: stack.client(service, ACCOUNT),
    )
    (seen,) = observe_alerts(module, [alert], CALLERS[caller].format(account_id))
    return seen["disposition"], seen["reason"]


def test_there_are_many_attempts_and_each_has_its_own_name():
    assert len(NAMES) == len(set(NAMES)) >= 60


@pytest.mark.parametrize("name", NAMES)
def test_an_attempt_ends_before_anything_is_changed(account, name, at_most):
    one = next(one for one in attempts(account.account_id(ACCOUNT)) if one["attempt"] == name)
    with at_most(5):
        disposition, reason = decide(account, one["script"], one.get("caller", "role/runner"))
    if "ends" in one:
        assert disposition == one["ends"], reason
    elif "rule" in one:
        assert disposition == "refused", reason
        assert f"guardrail {one['rule']}" in reason
        if one["rule"] in NOT_BY_HAND:
            assert _worst_command(one["script"]) not in reason.partition("by hand: ")[2]
    else:
        assert disposition in ("refused", "unsupported"), reason
    assert account.calls(service="iam", mutating=True) == []


def _worst_command(script):
    """The last command; of a swap the one before, since what only takes away may be run by hand."""
    commands = [one.strip(" &;\n") for one in script.split("aws iam ")[1:]]
    return next((one for one in reversed(commands) if not one.startswith("detach-")), commands[-1])


def test_what_follows_a_refused_command_is_not_reported_either_if_it_widens_access(account):
    attach = "aws iam attach-user-policy --user-name bob --policy-arn arn:aws:iam::aws:policy/{}"
    quarantine = attach.format("AWSCompromisedKeyQuarantineV2")
    script = "\n".join([quarantine.replace("attach", "detach"), attach.format("AdministratorAccess"), quarantine])
    disposition, reason = decide(account, script)
    assert (disposition, "guardrail keep_deny" in reason) == ("refused", True)
    assert reason.splitlines()[-2:] == [
        "1 of 3 commands shown; the rest must not be run manually either",
        f"by hand: {quarantine}",
    ]


def test_the_account_is_worth_the_attempts(account):
    """Each of these would be an escalation if it were applied: the account holds what they are after."""
    state = json.dumps(iam_state(account, ACCOUNT))
    for name in ("AdministratorAccess", "AWSCompromisedKeyQuarantineV2", "guard", "break-glass-1", "Root-Admin"):
        assert name in state
