#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_linked_role
version_added: 1.0.0
short_description: Create or delete one role that is linked to an AWS service
description:
  - Makes exactly one changing call, as C(aws iam create-service-linked-role) and C(delete-service-linked-role) do.
  - AWS deletes such a role in its own time, and only when the service needs it no more; the module waits for the end.
  - M(amazon.aws.iam_role) cannot create such a role and AWS refuses to let it delete one (UnmodifiableEntity).
author:
  - The Leastpriv team (!UNKNOWN)
options:
  service:
    description:
      - The service that the role is for, for O(state=present), such as V(elasticbeanstalk.amazonaws.com).
    type: str
  suffix:
    description:
      - What the service appends to the role's name.
    type: str
  description:
    description:
      - The description of the role.
    type: str
  name:
    description:
      - The name of the role to delete, for O(state=absent).
    type: str
  wait_timeout:
    description:
      - For how many seconds to wait for a deletion.
    type: int
    default: 120
  state:
    description:
      - V(present) creates the role, V(absent) deletes it.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: amazon.aws.iam_role
extends_documentation_fragment:
  - leastpriv.iam.one_change
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Delete the role of a service that is used no more
  leastpriv.iam.service_linked_role:
    name: AWSServiceRoleForElasticBeanstalk
    state: absent
"""

RETURN = r"""
role:
  description: What the role is afterwards; null when there is none.
  returned: success
  type: dict
response_metadata:
  description: C(request_id), the id of the call at AWS, for CloudTrail and AWS support.
  returned: when something was changed
  type: dict
"""

import time

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.one_change import Change, given, make_change

# Seconds between two looks at a deletion.
PAUSE = 2


def change(params, account):
    """The one call that creates the role or asks for its deletion."""
    return _deletion(params, account) if params["state"] == "absent" else _creation(params, account)


def _creation(params, account):
    service, suffix = params["service"], params["suffix"]
    roles = account.fact("service_roles", service) or {}
    same = [name for name in roles if name.partition("_")[2] == suffix] if suffix else list(roles)
    wanted = {"AWSServiceName": service, "CustomSuffix": suffix, "Description": params["description"]}
    after = {"role": given(service=service, suffix=suffix)}
    return Change(
        act=f"create the service-linked role of {service}",
        call="create_service_linked_role",
        parameters=given(**wanted),
        before=after if same else {"role": None},
        after=after,
    )


def _deletion(params, account):
    name = params["name"]
    return Change(
        act=f"delete the service-linked role {name}",
        call="delete_service_linked_role",
        parameters={"RoleName": name},
        before={"role": {"name": name} if account.fact("role", name) else None},
        after={"role": None},
        removes=True,
    )


def await_deletion(module, client, answer):
    """Wait until AWS has deleted the role, or has returned the reason why not."""
    task = answer.get("DeletionTaskId")
    give_up = time.monotonic() + module.params["wait_timeout"]
    while task:
        deletion = client.get_service_linked_role_deletion_status(DeletionTaskId=task)
        if deletion["Status"] == "SUCCEEDED":
            return
        if deletion["Status"] == "FAILED":
            reason = deletion.get("Reason", {}).get("Reason", "AWS gave no reason")
            module.fail_json(msg=f"AWS did not delete {module.params['name']}: {reason}")
        if time.monotonic() > give_up:
            module.fail_json(msg=f"AWS is still deleting {module.params['name']} (task {task}); look again later")
        time.sleep(PAUSE)


def main():
    module = AnsibleAWSModule(
        argument_spec={
            "service": {"type": "str"},
            "suffix": {"type": "str"},
            "description": {"type": "str"},
            "name": {"type": "str"},
            "wait_timeout": {"type": "int", "default": 120},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ("service",)), ("state", "absent", ("name",))],
        supports_check_mode=True,
    )
    make_change(module, change, await_deletion)


if __name__ == "__main__":
    main()
