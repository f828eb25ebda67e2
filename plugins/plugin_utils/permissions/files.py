# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies as files that people deploy: JSON, a CloudFormation template for a stack set, Terraform. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.needs import PolicyError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.policies import (
    account_policy,
    runner_policy,
    trust_policy,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.settings import Permissions

POLICY_NAME = "leastpriv"
WRITTEN = "Written by playbooks/policies.yml of Leastpriv; docs/permissions.md describes its use."
SESSION_SECONDS = 3600

TERRAFORM = """\
# {written}
# For each account: a provider for it, and the role in it. The policies are read from the files beside this one.

resource "aws_iam_role" "leastpriv" {{
  name                 = "{name}"
  path                 = "{path}"
  description          = "Assumed by Leastpriv to remediate Prisma Cloud IAM alerts"
  max_session_duration = {seconds}
  assume_role_policy   = file("${{path.module}}/account-role-trust.json")
}}

resource "aws_iam_role_policy" "leastpriv" {{
  name   = "{policy}"
  role   = aws_iam_role.leastpriv.id
  policy = file("${{path.module}}/account-role.json")
}}

output "role_arn" {{
  value = aws_iam_role.leastpriv.arn
}}
"""


def policy_files(permissions: Permissions) -> dict[str, str]:
    """The texts by file name. Raises PolicyError, also if no principal is named that may assume the roles."""
    scope = permissions.scope
    if not scope.runners:
        raise PolicyError(
            "No principal is named that runs the playbooks and assumes the account roles: give the ARN of that role, "
            "-e runner=arn:aws:iam::123456789012:role/leastpriv."
        )
    account = account_policy(permissions.rows, permissions.undoing, scope)
    path, _slash, name = scope.role.rpartition("/")
    role = {"name": name, "path": f"{path}/"}
    return {
        "runner-role.json": _json(runner_policy(permissions.queues, scope)),
        "account-role.json": _json(account),
        "account-role-trust.json": _json(trust_policy(scope, permissions.external_id)),
        "account-role.cloudformation.yml": _cloudformation(
            role, account, trust_policy(scope, ""), permissions.external_id
        ),
        "account-role.tf": TERRAFORM.format(written=WRITTEN, policy=POLICY_NAME, seconds=SESSION_SECONDS, **role),
    }


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


def _cloudformation(role: Mapping[str, str], account: Any, trust: Any, external_id: str) -> str:
    """The external id is a parameter, so a stack set can set one per account."""
    asked = {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}}
    assume, tag = trust["Statement"]
    conditional = {**assume, "Condition": {"Fn::If": ["HasExternalId", asked, {"Ref": "AWS::NoValue"}]}}
    properties = {
        "RoleName": role["name"],
        "Path": role["path"],
        "Description": "Assumed by Leastpriv to remediate Prisma Cloud IAM alerts",
        "MaxSessionDuration": SESSION_SECONDS,
        "AssumeRolePolicyDocument": {**trust, "Statement": [conditional, tag]},
        "Policies": [{"PolicyName": POLICY_NAME, "PolicyDocument": account}],
    }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": WRITTEN,
        "Parameters": {"ExternalId": {"Type": "String", "Default": external_id}},
        "Conditions": {"HasExternalId": {"Fn::Not": [{"Fn::Equals": [{"Ref": "ExternalId"}, ""]}]}},
        "Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}},
        "Outputs": {"RoleArn": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}},
    }
    return yaml.dump(template, Dumper=_Plain, sort_keys=False, width=120)


class _Plain(yaml.SafeDumper):
    """Writes repeated values in full: CloudFormation does not support aliases."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True
