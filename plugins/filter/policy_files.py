# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: policy_files
version_added: 1.0.0
short_description: The IAM policies that Leastpriv itself needs
description:
  - Makes the permissions policies of the runner and of the account roles, and the account roles' trust policy, from the
    table of operations, with no more than the chosen operations need.
  - They deny any change of the account role itself, of the runner, and of protected principals.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
seealso:
  - plugin: leastpriv.iam.permission_checks
    plugin_type: filter
extends_documentation_fragment:
  - leastpriv.iam.permissions
"""

EXAMPLES = r"""
- name: Write the policies
  leastpriv.iam.artifact:
    folder: policies
    files: "{{ settings | leastpriv.iam.policy_files }}"
  vars:
    settings:
      operations: [vendor]
      runner: [arn:aws:iam::123456789012:role/leastpriv]
      queue: prisma-cloud-alerts
"""

RETURN = r"""
_value:
  description:
    - The texts of C(runner-role.json), C(account-role.json), C(account-role-trust.json),
      C(account-role.cloudformation.yml) and C(account-role.tf).
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.files import policy_files as made_files
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.needs import PolicyError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.settings import check_runner, read_permissions


def policy_files(settings: dict[str, Any]) -> dict[str, str]:
    """See DOCUMENTATION. Raises AnsibleFilterError for a setting that means nothing."""
    try:
        permissions = read_permissions(settings)
        check_runner(permissions)
        return made_files(permissions)
    except PolicyError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self):
        return {"policy_files": policy_files}
