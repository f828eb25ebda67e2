# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What IAM says beforehand about the steps of an alert: denied, allowed, unknown, or not to be asked."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.modules.observe import observe_alerts
from stack.furnishing import TRUST

ACCOUNT = "payments"
DENY = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}'


def policy(*statements):
    allowed = [{"Effect": "Allow", "Resource": "*", **statement} for statement in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": allowed})


CREATE = {"Action": ["iam:CreatePolicy"], "Resource": ["arn:aws:iam::*:policy/team/deny"]}
ATTACH = {"Action": ["iam:AttachUserPolicy"], "Resource": ["arn:aws:iam::*:user/people/ann"]}
ONLY_OURS = {"Condition": {"ArnLike": {"iam:PolicyARN": ["arn:aws:iam::*:policy/team/*"]}}}
ONLY_OTHERS = {"Condition": {"ArnLike": {"iam:PolicyARN": ["arn:aws:iam::*:policy/others/*"]}}}


@pytest.fixture
def observe(stack):
    """Observes a script that creates a Deny and attaches it, as a role with a policy."""
    account_id = stack.account_id(ACCOUNT)
    iam = stack.client("iam", ACCOUNT)
    iam.create_user(UserName="ann", Path="/people/")
    iam.create_role(RoleName="Fixer", Path="/ops/", AssumeRolePolicyDocument=TRUST)
    script = (
        f"aws iam create-policy --policy-name deny --path /team/ --policy-document '{DENY}' && aws iam "
        f"attach-user-policy --user-name ann --policy-arn arn:aws:iam::{account_id}:policy/team/deny"
    )
    translated = filter_loader.get("leastpriv.iam.steps").j2_function(script, account_id)
    alert = {"message_id": "m", "alert_id": "I-1", "steps": translated["steps"]}

    def observe(document, simulate=True):
        iam.put_role_policy(RoleName="Fixer", PolicyName="own", PolicyDocument=document)
        asked = []
        iam.meta.events.register("before-parameter-build.iam.SimulatePrincipalPolicy", lambda **kwargs: asked.append(1))
        params = {"account_id": account_id, "allow": [], "max_changes": None, "on_quota": "fail", "undo": False}
        module = SimpleNamespace(
            params={**params, "protected_principals": [], "simulate": simulate},
            client=lambda service: stack.client(service, ACCOUNT),
        )
        caller = f"arn:aws:sts::{account_id}:assumed-role/Fixer/remediate"
        (seen,) = observe_alerts(module, [alert], caller)
        return seen, len(asked)

    return observe


@pytest.mark.parametrize("attach", [ATTACH, ATTACH | ONLY_OURS], ids=["any policy", "policies of ours"])
def test_what_is_allowed_goes_on_with_a_call_for_each_change(observe, attach):
    seen, asked = observe(policy(CREATE, attach))
    assert (seen["disposition"], seen["notes"], asked) == (None, [], 2)


@pytest.mark.parametrize(
    ("document", "command", "action"),
    [
        (policy(CREATE), "attach-user-policy", "iam:AttachUserPolicy"),
        (policy(CREATE, ATTACH | ONLY_OTHERS), "attach-user-policy", "iam:AttachUserPolicy"),
        (policy(ATTACH), "create-policy", "iam:CreatePolicy"),
    ],
    ids=["not allowed", "another policy", "the first command"],
)
def test_what_would_be_denied_fails_before_anything_is_created(observe, document, command, action):
    seen, _asked = observe(document)
    assert seen["disposition"] == "failed"
    assert seen["reason"].startswith(f"{command} (line 1,")
    assert ":role/ops/Fixer is not authorized to perform " + action in seen["reason"]
    assert "would fail: " in seen["reason"]
    assert {step["status"] for step in seen["steps"]} <= {"needed", "failed", "not_run"}


def test_nothing_is_asked_by_default(observe):
    seen, asked = observe(policy(CREATE), simulate=False)
    assert (seen["disposition"], seen["notes"], asked) == (None, [], 0)


def test_what_cannot_be_asked_is_a_note(stack, observe):
    iam = stack.client("iam", ACCOUNT)

    def deny(**ignored):
        error = {"Error": {"Code": "AccessDenied", "Message": "not you"}}
        raise iam.exceptions.ClientError(error, "SimulatePrincipalPolicy")

    iam.meta.events.register("before-parameter-build.iam.SimulatePrincipalPolicy", deny, unique_id="deny")
    try:
        seen, _asked = observe(policy(CREATE))
    finally:
        iam.meta.events.unregister("before-parameter-build.iam.SimulatePrincipalPolicy", deny, unique_id="deny")
    assert seen["disposition"] is None
    assert ["Permissions were not simulated" in note and "not you" in note for note in seen["notes"]] == [True]
