# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulator answers, in the shapes of API_SimulatePrincipalPolicy, and what is said of it."""

from __future__ import annotations

import boto3
import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.account.simulator import Simulator
from ansible_collections.leastpriv.iam.plugins.modules.permission_check import check, check_itself
from botocore.stub import ANY, Stubber

ROLE = "arn:aws:iam::123456789012:role/ops/fixer"
USER = "arn:aws:iam::123456789012:user/bob"


@pytest.fixture
def asked():
    """Gives a simulator of a principal that answers with decisions, each a dict of what is not the usual."""
    client = boto3.client("iam", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:

        def simulator(principal, *results):
            parameters = {name: ANY for name in ("ActionNames", "ContextEntries", "ResourceArns")}
            stub.add_response(
                "simulate_principal_policy",
                {"EvaluationResults": list(results), "IsTruncated": False},
                {**parameters, "PolicySourceArn": principal},
            )
            return Simulator(client, principal)

        yield simulator
        stub.assert_no_pending_responses()


def decision(action, word, **more):
    return {"EvalActionName": action, "EvalDecision": word, **more}


@pytest.mark.parametrize(
    ("more", "status", "shown"),
    [
        ({}, "missing", "not allowed with iam:PolicyARN arn:x: iam:AttachUserPolicy (implicitDeny)"),
        ({"MissingContextValues": ["aws:SourceIp"]}, "unknown", "it depends on aws:SourceIp"),
        (
            {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}},
            "missing",
            "a service control policy of the organization does not allow it",
        ),
        (
            {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}},
            "missing",
            "its permissions boundary does not allow it",
        ),
    ],
)
def test_what_is_not_allowed_is_reported_with_the_policy_that_does_not_allow_it(asked, more, status, shown):
    allowed, refused = decision("iam:GetUser", "allowed"), decision("iam:AttachUserPolicy", "implicitDeny", **more)
    actions = ["iam:AttachUserPolicy", "iam:GetUser"]
    found = check(asked(ROLE, allowed, refused), "payments", actions, USER, {"iam:PolicyARN": "arn:x"})
    assert (found["subject"], found["status"]) == ("payments", status)
    assert shown in found["found"]
    assert "iam:GetUser" not in found["found"]
    assert "playbooks/policies.yml" in found["next"]


@pytest.mark.parametrize(
    ("principal", "action", "status"),
    [(ROLE, "iam:PutRolePolicy", "advice"), (USER, "iam:CreateAccessKey", "advice"), (ROLE, None, "ok")],
)
def test_who_may_change_itself_is_reported(asked, principal, action, status):
    kind = principal.split(":")[5].partition("/")[0].capitalize()
    actions = [f"iam:Attach{kind}Policy", f"iam:Put{kind}Policy", f"iam:Delete{kind}PermissionsBoundary"]
    actions.append("iam:UpdateAssumeRolePolicy" if kind == "Role" else "iam:CreateAccessKey")
    results = [decision(one, "allowed" if one == action else "explicitDeny") for one in actions]
    found = check_itself(asked(principal, *results), "payments")
    assert found["status"] == status
    assert action is None or found["found"] == f"it may change itself: {action}"
