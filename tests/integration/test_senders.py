# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worked examples of docs/senders.md through the real playbook."""

from __future__ import annotations

import json

from stack import run_playbook
from stack.senders import message, shapes

from .test_replacement import PAYMENTS, a_document, a_trust

ANALYZER, HUB = "IAM Access Analyzer", "Security Hub"
WITHOUT_API = dict.fromkeys(["API_ENDPOINT", "PRISMACLOUD_USERNAME", "PRISMACLOUD_PASSWORD"])
SHAPES = {"remediate_message_shapes": [*shapes(ANALYZER), *shapes(HUB)]}
SQS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"


def furnish(iam):
    iam.create_role(RoleName="reports", Path="/app/", AssumeRolePolicyDocument=a_trust("ec2.amazonaws.com"))
    storage = iam.create_policy(PolicyName="storage", PolicyDocument=a_document("s3:*"))["Policy"]["Arn"]
    for arn in (SQS, storage):
        iam.attach_role_policy(RoleName="reports", PolicyArn=arn)
    iam.put_role_policy(RoleName="reports", PolicyName="functions", PolicyDocument=a_document("lambda:*"))
    for user in ("dora", "emil"):
        iam.create_user(UserName=user)
        iam.put_user_policy(UserName=user, PolicyName="work", PolicyDocument=a_document("s3:Get*"))


def messages(account_id):
    """The documented messages, and what each sender can do wrong, by alert id."""
    finding, hub = message(ANALYZER, account_id), message(HUB, account_id)
    good = {finding["detail"]["findingId"]: finding, hub["detail"]["findings"][0]["Id"]: hub}
    wider = json.loads(json.dumps(hub).replace("dora", "emil").replace("s3:GetObject", "s3:PutObject"))
    wider["detail"]["findings"][0]["Id"] = "wider"
    bad = {"wider": wider}
    for alert_id, recommendation in (
        ("none", None),
        ("early", {"status": "IN_PROGRESS"}),
        ("another", {**finding["detail"]["recommendation"], "resourceArn": "arn:aws:iam::999999999999:role/reports"}),
    ):
        bad[alert_id] = finding | {
            "detail": finding["detail"] | {"findingId": alert_id, "recommendation": recommendation}
        }
    return good, bad


def test_findings_of_aws_end_as_smaller_policies_without_the_vendor_s_api(stack):
    account_id, iam = stack.account_id(PAYMENTS), stack.client("iam", PAYMENTS)
    furnish(iam)
    good, bad = messages(account_id)
    for sent in [*good.values(), *bad.values(), {"new": "sender"}]:
        stack.send(sent)
    run = run_playbook(stack, "-e", json.dumps(SHAPES), env=WITHOUT_API)
    found = run.dispositions
    assert {alert_id: found.pop(alert_id) for alert_id in (*good, *bad)} == {
        **dict.fromkeys(good, "remediated"),
        "wider": "refused",
        "none": "not_remediable",
        "early": "invalid",
        "another": "invalid",
    }, run.stdout
    assert [*found.values()] == ["invalid"]
    assert stack.api_requests() == []
    reasons = {alert_id: alert["reason"] for alert_id, alert in run.alerts.items()}
    assert "guardrail no_widening" in reasons["wider"]
    assert "allows s3:PutObject on arn:aws:s3:::reports/" in reasons["wider"]
    assert reasons["none"].startswith(
        "Its message (IAM Access Analyzer) has no recommendation at detail.recommendation"
    )
    assert "its recommendation is not complete (status 'IN_PROGRESS')" in reasons["early"]
    assert f"about account 999999999999, and the message about {account_id}" in reasons["another"]
    assert "remediate_message_shapes (docs/senders.md)" in reasons[next(iter(found))]
    [attached] = iam.list_attached_role_policies(RoleName="reports")["AttachedPolicies"]
    assert attached["PolicyName"].startswith("storage-leastpriv-")
    version = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId="v1")["PolicyVersion"]["Document"]
    assert version["Statement"][0]["Action"] == ["s3:GetObject", "s3:ListBucket"]
    functions = iam.get_role_policy(RoleName="reports", PolicyName="functions")["PolicyDocument"]
    assert functions["Statement"][0]["Action"] == "lambda:ListFunctions"
    work = iam.get_user_policy(UserName="dora", PolicyName="work")["PolicyDocument"]
    assert work["Statement"][0]["Resource"] == "arn:aws:s3:::reports/*"
