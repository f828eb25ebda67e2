# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: permission_checks
version_added: 1.0.0
short_description: What an identity must be allowed, as questions to IAM's simulator
description:
  - The same permissions as M(leastpriv.iam.policy_files) writes, as M(leastpriv.iam.permission_check)
    takes them.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - The settings of the permissions. An empty or missing setting has its default.
      - Lists may be texts with commas, as with C(-e).
    type: dict
    required: true
    suboptions:
      operations:
        description:
          - What the account roles may do. V(vendor) is what the vendor's own scripts need, V(restrict) every operation
            that takes access away, V(all) every operation; or names such as V(detach-user-policy).
        type: list
        elements: str
        default: [vendor]
      undo:
        description: Whether they may also undo it.
        type: bool
        default: false
      on_quota:
        description: With V(consolidate) they may also put inline policies.
        type: str
        default: fail
      prove:
        description: With V(access_analyzer) they may also ask IAM Access Analyzer about replacements.
        type: str
        default: local
      runner:
        description: The ARNs of the roles or users that run the playbooks and assume the account roles.
        type: list
        elements: str
      account_role:
        description:
          - Path and name of the role in each account.
          - By default that of the inventory's C(role_arn), else V(/leastpriv-remediation).
        type: str
      external_id:
        description: The external id that the runner must send. By default the inventory's.
        type: str
      policy_names:
        description: Names of the policies that may be created, changed, attached and deleted, with C(*) and C(?).
        type: list
        elements: str
        default: ["*-prisma-restrictions-*"]
      boundaries:
        description: Names of the policies that may be used as a permissions boundary, with C(*) and C(?).
        type: list
        elements: str
        default: ["*"]
      principal_path:
        description: The path under which users, roles and groups may be changed.
        type: str
        default: /
      protected_principals:
        description: Principals that may never be changed, as for M(leastpriv.iam.observe).
        type: list
        elements: dict
        default: []
      usage:
        description:
          - The setting C(remediate_usage). Unless it is V(off), the account role may ask when access was last used.
        type: str
        default: "off"
      accounts:
        description: Of each account the account id, C(role_arn) and C(external_id); the last two may be empty.
        type: list
        elements: list
      organization:
        description: The id of the organization, to allow the role in all its accounts instead of naming them.
        type: str
      queue:
        description: Name, URL or ARN of the alerts' queue. A name means a queue of the runner's account.
        type: str
      quarantine_queue:
        description: Name, URL or ARN of the quarantine queue.
        type: str
      redrive:
        description: Whether the runner may put quarantined alerts back.
        type: bool
        default: false
      region:
        description: The region of queues that are named by name. By default any.
        type: str
      key_arns:
        description: ARNs of the KMS keys that the queues are encrypted with.
        type: list
        elements: str
      journal:
        description: Where the journal is copied to, V(s3://bucket/prefix).
        type: str
      requeue:
        description: Whether reverted alerts are put back into the queue (C(playbooks/verify.yml)).
        type: bool
        default: false
      cloudtrail:
        description: Whether the account roles may read the event history of CloudTrail, to find who reverted a change.
        type: bool
        default: false
      cleanup:
        description: Whether files of old runs are removed there.
        type: bool
        default: false
  account_id:
    description: The account that the questions are about.
    type: str
    required: true
  of_runner:
    description: Whether the questions are about the runner, and not about an account role.
    type: bool
    default: false
  partition:
    description: The partition of the account.
    type: str
    default: aws
"""

EXAMPLES = r"""
- name: Check what the account role may do
  leastpriv.iam.permission_check:
    profile: payments
    checks: "{{ {'operations': ['vendor']} | leastpriv.iam.permission_checks(account_id='123456789012') }}"
"""

RETURN = r"""
_value:
  description: A list of dictionaries with C(actions), C(resource) and C(context).
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.needs import (
    PolicyError,
    account_needs,
    checks,
    runner_needs,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.settings import read_permissions


def permission_checks(
    settings: dict[str, Any], account_id: str, of_runner: bool = False, partition: str = "aws"
) -> list[dict[str, Any]]:
    """See DOCUMENTATION. Raises AnsibleFilterError for a setting that means nothing."""
    try:
        permissions = read_permissions(settings, partition)
        if of_runner:
            needs = runner_needs(permissions.queues, permissions.scope)
        else:
            needs = account_needs(permissions.rows, permissions.undoing, permissions.scope)
        # Whether it may ask is seen when it asks.
        return checks((need for need in needs if need.sid != "Doctor"), account_id)
    except PolicyError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self):
        return {"permission_checks": permission_checks}
