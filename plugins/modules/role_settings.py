#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: role_settings
version_added: 1.0.0
short_description: Change a role's description or session length
description:
  - Changes a role with one call of UpdateRole or UpdateRoleDescription, as C(aws iam update-role) and
    C(aws iam update-role-description) do.
  - M(amazon.aws.iam_role) sends one UpdateRole for each of the two, and IAM documents that an UpdateRole without a
    session length sets it to one hour; a new description would then also cut the sessions short.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  name:
    description:
      - The name of the role.
    type: str
    required: true
  description:
    description:
      - The role's description.
    type: str
  max_session_duration:
    description:
      - How long a session of the role may last, in seconds.
    type: int
  only_description:
    description:
      - Whether to call UpdateRoleDescription, which touches nothing else.
    type: bool
    default: false
seealso:
  - module: amazon.aws.iam_role
extends_documentation_fragment:
  - leastpriv.iam.one_change
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Let sessions of a role last an hour
  leastpriv.iam.role_settings:
    name: ci
    max_session_duration: 3600
"""

RETURN = r"""
settings:
  description: The settings of the task, as they are afterwards.
  returned: success
  type: dict
response_metadata:
  description: C(request_id), the id of the call at AWS, for CloudTrail and AWS support.
  returned: when something was changed
  type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.one_change import Change, given, make_change


def change(params, account):
    """The one call that changes the role's settings."""
    wanted = given(description=params["description"], max_session_duration=params["max_session_duration"])
    found = account.fact("role_settings", params["name"]) or {}
    values = given(Description=params["description"], MaxSessionDuration=params["max_session_duration"])
    return Change(
        act=f"change the settings of role {params['name']}",
        call="update_role_description" if params["only_description"] else "update_role",
        parameters={"RoleName": params["name"], **values},
        before={"settings": {field: found.get(field) for field in wanted}},
        after={"settings": wanted},
    )


def main():
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
            "max_session_duration": {"type": "int"},
            "only_description": {"type": "bool", "default": False},
        },
        required_one_of=[("description", "max_session_duration")],
        mutually_exclusive=[("max_session_duration", "only_description")],
        supports_check_mode=True,
    )
    make_change(module, change)


if __name__ == "__main__":
    main()
