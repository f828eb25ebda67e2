# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: policy_files
version_added: 1.0.0
short_description: Write the IAM policies that Leastpriv itself needs
description:
  - Makes the permissions policies of the runner and of the account roles, and the account roles' trust policy, from the
    table of operations, with no more than the chosen operations need.
  - They deny any change of the account role itself, of the runner, and of protected principals.
  - Writes C(runner-role.json), C(account-role.json), C(account-role-trust.json), C(account-role.cloudformation.yml) and
    C(account-role.tf), readable by their user only (mode 0600).
author:
  - The Leastpriv team (!UNKNOWN)
options:
  folder:
    description: The folder of the files. It is made, with mode 0700, if it does not exist.
    type: path
    required: true
  settings:
    description: The settings of the permissions, as P(leastpriv.iam.permission_checks#filter) describes them.
    type: dict
    required: true
attributes:
  action:
    description: Runs on the controller only, whatever the connection.
    support: full
  check_mode:
    description: Writes in check mode too.
    support: full
  diff_mode:
    description: Shows no difference.
    support: none
seealso:
  - plugin: leastpriv.iam.permission_checks
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write the policies
  leastpriv.iam.policy_files:
    folder: policies
    settings:
      operations: [vendor]
      runner: [arn:aws:iam::123456789012:role/leastpriv]
      queue: prisma-cloud-alerts
"""

RETURN = r"""
folder:
  description: Where the files are.
  returned: success
  type: str
  sample: policies
"""
