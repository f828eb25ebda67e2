#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: group_membership
version_added: 1.0.0
short_description: Remove one user from an IAM group
description:
  - Removes exactly one user from a group with one call, as C(aws iam remove-user-from-group) does.
  - M(amazon.aws.iam_group) can only remove by purging every user that is not listed; that would also remove users who
    was added since the list was read.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  group:
    description:
      - The name of the group.
    type: str
    required: true
  user:
    description:
      - The name of the user.
    type: str
    required: true
  state:
    description:
      - V(absent) removes. Adding is what M(amazon.aws.iam_group) is for.
    type: str
    choices: [absent]
    default: absent
seealso:
  - module: amazon.aws.iam_group
extends_documentation_fragment:
  - leastpriv.iam.one_change
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Take a user out of the administrators
  leastpriv.iam.group_membership:
    group: admins
    user: alice
    state: absent
"""

RETURN = r"""
groups:
  description: The names of the groups that the user stays in.
  returned: success
  type: list
  elements: str
response_metadata:
  description: C(request_id), the id of the call at AWS, for CloudTrail and AWS support.
  returned: when something was changed
  type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.one_change import Change, make_change


def change(params, account):
    """The one call that removes the user."""
    group, user = params["group"], params["user"]
    groups = account.fact("groups_of", user) or []
    return Change(
        act=f"remove {user} from group {group}",
        call="remove_user_from_group",
        parameters={"GroupName": group, "UserName": user},
        before={"groups": groups},
        after={"groups": [name for name in groups if name != group]},
        removes=True,
    )


def main():
    module = AnsibleAWSModule(
        argument_spec={
            "group": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["absent"], "default": "absent"},
        },
        supports_check_mode=True,
    )
    make_change(module, change)


if __name__ == "__main__":
    main()
