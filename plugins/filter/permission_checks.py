# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: permission_checks
version_added: 1.0.0
short_description: What an identity must be allowed, as questions to IAM's simulator
description:
  - The same permissions as P(leastpriv.iam.policy_files#filter) writes, as M(leastpriv.iam.permission_check)
    takes them.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
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
extends_documentation_fragment:
  - leastpriv.iam.permissions
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
