#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: entity
version_added: 1.0.0
short_description: Delete, rename or move one IAM entity
description:
  - Makes exactly one call, as C(aws iam delete-user), C(update-user) and their like do. Nothing is cascaded. What is
    still attached to the entity makes AWS refuse its deletion (DeleteConflict), and that is reported as it is.
  - The modules of amazon.aws take away first whatever is in the way of a deletion, some of them half of it, and cannot
    rename.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  kind:
    description:
      - What the entity is.
    type: str
    required: true
    choices: [user, group, role, policy, instance_profile, server_certificate]
  name:
    description:
      - The name of the entity; for O(kind=policy) its ARN.
    type: str
    required: true
  new_name:
    description:
      - The new name of a user, group or server certificate.
    type: str
  new_path:
    description:
      - The path to move a user, group or server certificate to.
    type: str
  state:
    description:
      - V(absent) deletes the entity.
      - V(present) renames or moves it, which needs O(new_name) or O(new_path). It is never created.
    type: str
    choices: [present, absent]
    required: true
seealso:
  - module: amazon.aws.iam_user
  - module: amazon.aws.iam_group
  - module: amazon.aws.iam_role
  - module: amazon.aws.iam_managed_policy
  - module: amazon.aws.iam_instance_profile
extends_documentation_fragment:
  - leastpriv.iam.one_change
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Delete a policy that is attached to nothing
  leastpriv.iam.entity:
    kind: policy
    name: arn:aws:iam::123456789012:policy/leftover
    state: absent

- name: Move a user to another path
  leastpriv.iam.entity:
    kind: user
    name: alice
    new_path: /former/
    state: present
"""

RETURN = r"""
entity:
  description: Name and path as they are afterwards; null if the entity does not exist.
  returned: success
  type: dict
response_metadata:
  description: C(request_id), the id of the call at AWS, for CloudTrail and AWS support.
  returned: when something was changed
  type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.one_change import Change, given, make_change

NAMED = {
    "user": "UserName",
    "group": "GroupName",
    "role": "RoleName",
    "policy": "PolicyArn",
    "instance_profile": "InstanceProfileName",
    "server_certificate": "ServerCertificateName",
}
RENAMED = ("user", "group", "server_certificate")


def change(params, account):
    """The one call that deletes, renames or moves the entity."""
    return _deletion(params, account) if params["state"] == "absent" else _renaming(params, account)


def _deletion(params, account):
    kind, name = params["kind"], params["name"]
    found = account.fact(kind, name)
    return Change(
        act=f"delete {_noun(kind)} {name}",
        call=f"delete_{kind}",
        parameters={NAMED[kind]: name},
        before={"entity": _shown(name, found)},
        after={"entity": None},
        removes=True,
    )


def _renaming(params, account):
    kind, name, new_name = params["kind"], params["name"], params["new_name"] or params["name"]
    found = account.fact(kind, name)
    renamed = account.fact(kind, new_name) if found is None else None
    path = params["new_path"] or (found or renamed or {}).get("path")
    parameters = {f"New{NAMED[kind]}": params["new_name"], "NewPath": params["new_path"]}
    return Change(
        act=f"rename or move {_noun(kind)} {name}",
        call=f"update_{kind}",
        parameters={NAMED[kind]: name, **given(**parameters)},
        before={"entity": _shown(new_name, renamed) if renamed else _shown(name, found)},
        after={"entity": {"name": new_name, "path": path}},
    )


def _noun(kind):
    return kind.replace("_", " ")


def _shown(name, found):
    return None if found is None else {"name": name, "path": found.get("path")}


def main():
    module = AnsibleAWSModule(
        argument_spec={
            "kind": {"type": "str", "required": True, "choices": list(NAMED)},
            "name": {"type": "str", "required": True},
            "new_name": {"type": "str"},
            "new_path": {"type": "str"},
            "state": {"type": "str", "required": True, "choices": ["present", "absent"]},
        },
        required_if=[("state", "present", ("new_name", "new_path"), True)],
        supports_check_mode=True,
    )
    if module.params["state"] == "present" and module.params["kind"] not in RENAMED:
        module.fail_json(msg=f"IAM cannot rename or move a {_noun(module.params['kind'])}")
    make_change(module, change)


if __name__ == "__main__":
    main()
