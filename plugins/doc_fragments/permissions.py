# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of Leastpriv's own permissions: options of the filters about them."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
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
        description: The external id that the runner must give. By default the inventory's.
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
      cleanup:
        description: Whether files of old runs are removed there.
        type: bool
        default: false
"""
