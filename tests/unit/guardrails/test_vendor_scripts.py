# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guardrails are not in the way of what the vendor really sends."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.modules.observe import observe_alerts
from stack.seed import TRUST_DOCUMENT
from stack.vendor_scripts import vendor_scripts

COUNT = 300
LIVE = 20
ACCOUNT = "payments"


def steps(script, account_id):
    return filter_loader.get("leastpriv.iam.steps").j2_function(script, account_id)


def test_no_script_of_the_vendor_is_refused():
    scripts = vendor_scripts("123456789012", COUNT)
    assert len({script.text for script in scripts}) == COUNT >= 200
    for script in scripts:
        result = steps(script.text, "123456789012")
        assert result["disposition"] is None, f"{result['reason']}\n{script.text}"
        assert len(result["steps"]) in (2, 4, 6)


def furnish(iam, scripts):
    for script in scripts:
        trust = {"AssumeRolePolicyDocument": json.dumps(TRUST_DOCUMENT)} if script.kind == "role" else {}
        getattr(iam, f"create_{script.kind}")(**{f"{script.kind.capitalize()}Name": script.name}, **trust)


@pytest.mark.parametrize("preloaded", [True, False])
def test_no_script_of_the_vendor_is_refused_in_a_live_account(stack, preloaded):
    account_id = stack.account_id(ACCOUNT)
    scripts = vendor_scripts(account_id, LIVE)
    furnish(stack.client("iam", ACCOUNT), scripts)
    alerts = [
        {"message_id": str(number), "alert_id": str(number), "steps": steps(script.text, account_id)["steps"]}
        for number, script in enumerate(scripts)
    ]
    caller = f"arn:aws:sts::{account_id}:assumed-role/runner/remediate"
    for batch in [alerts] if preloaded else [[alert] for alert in alerts]:
        parameters = {"account_id": account_id, "allow": [], "protected_principals": []}
        module = SimpleNamespace(
            params={**parameters, "max_changes": 50, "on_quota": "fail", "undo": False},
            client=lambda service: stack.client(service, ACCOUNT),
        )
        for seen in observe_alerts(module, batch, caller):
            assert seen["disposition"] is None, seen["reason"]
            assert {step["status"] for step in seen["steps"]} == {"needed"}
