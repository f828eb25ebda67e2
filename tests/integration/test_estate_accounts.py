# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real accounts through the playbook: the rows of tests/fixtures/estates/accounts.yml, as alerts of one run."""

from __future__ import annotations

import json

import pytest
import yaml
from botocore.exceptions import ClientError
from stack import ROOT, run_playbook
from stack.alerts import nested_alert
from stack.furnishing import TRUST

ROWS = yaml.safe_load((ROOT / "tests" / "fixtures" / "estates" / "accounts.yml").read_text())
ALERTS = {f"I-{number}": row for number, row in enumerate(ROWS, 1)}
ACCOUNT = "payments"
DENY = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}'
ALLOW = DENY.replace("Deny", "Allow")
# Where a row has to end in the account, whatever guardrails say of deletions and tags.
OPEN = {"remediate_allow": ["no_deletion", "no_tags"]}


def furnish(iam, arn):
    for name, document in (("wide", ALLOW), ("narrow", DENY)):
        iam.create_policy(PolicyName=name, PolicyDocument=document)
    for user in ("ann", "ben", "eve"):
        iam.create_user(UserName=user)
    iam.create_role(RoleName="Ci", AssumeRolePolicyDocument=TRUST)
    path = "/aws-reserved/sso.amazonaws.com/eu-west-1/"
    iam.create_role(RoleName="AWSReservedSSO_Data_0123456789abcdef", AssumeRolePolicyDocument=TRUST, Path=path)
    for group in ("Crew", "Staff"):
        iam.create_group(GroupName=group)
    iam.attach_user_policy(UserName="ann", PolicyArn=f"{arn}:policy/wide")
    iam.attach_role_policy(RoleName="Ci", PolicyArn=f"{arn}:policy/wide")
    iam.put_group_policy(GroupName="Staff", PolicyName="Inline", PolicyDocument=ALLOW)
    iam.add_user_to_group(GroupName="Crew", UserName="ben")
    iam.create_login_profile(UserName="ben", Password="emulated-Passw0rd")
    iam.create_open_id_connect_provider(Url="https://token.example.com", ClientIDList=["a", "b"])
    iam.update_account_password_policy(MinimumPasswordLength=14, RequireSymbols=True)


@pytest.fixture(scope="module")
def played(running_stack):
    """(the run of all rows, IAM of the account, the beginning of its ARNs)."""
    running_stack.reset()
    arn = f"arn:aws:iam::{running_stack.account_id(ACCOUNT)}"
    iam = running_stack.client("iam", ACCOUNT)
    furnish(iam, arn)
    for alert_id, row in ALERTS.items():
        running_stack.script(alert_id, row["script"].replace("@ACCOUNT@", arn).replace("@DENY@", DENY))
        running_stack.send(nested_alert(alert_id, running_stack.account_id(ACCOUNT)))
    return run_playbook(running_stack, "-e", json.dumps(OPEN)), iam, arn


@pytest.mark.parametrize("alert_id", ALERTS, ids=[f"{row['row']}: {row['name']}" for row in ROWS])
def test_an_alert_meets_the_account_as_it_is(played, alert_id):
    run, iam, arn = played
    row, alert = ALERTS[alert_id], run.alerts[alert_id]
    assert alert["disposition"] == row["disposition"], alert["reason"]
    assert row.get("says", "") in (alert["reason"] or "")
    assert row.get("lacks", "\0") not in (alert["reason"] or "")
    if "gone" in row:
        assert row["gone"]["lacks"] not in answer(iam, arn, row["gone"]["call"], row["gone"]["parameters"])


def answer(iam, arn, call, parameters):
    """What a call answers, as text; empty where IAM does not know what it asks for."""
    named = {name: value.replace("@ACCOUNT@", arn) for name, value in parameters.items()}
    try:
        return str(getattr(iam, call)(**named))
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return ""
        raise


def test_each_message_is_deleted_or_returned(running_stack, played):
    run, _iam, _arn = played
    kept = [word for word in run.dispositions.values() if word not in ("remediated", "already_remediated")]
    assert (run.rc, running_stack.depth()) == (2, (len(kept), 0))
