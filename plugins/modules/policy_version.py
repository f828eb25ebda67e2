#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: policy_version
version_added: 1.0.0
short_description: Create, choose or delete one version of a managed policy
description:
  - Makes exactly one call, as C(aws iam create-policy-version), C(set-default-policy-version) or
    C(delete-policy-version) does.
  - M(amazon.aws.iam_managed_policy) addresses policies by name, deletes the oldest of five versions to make room,
    re-uses an older version of an equal document, and can only delete all versions but the default one.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  policy_arn:
    description:
      - The ARN of the managed policy. It must exist.
    type: str
    required: true
  policy:
    description:
      - The document of the version to create. If a version has an equal one already, none is created, unless it is
        to be the default and that version is not.
    type: json
  version_id:
    description:
      - The version to make the default (O(state=present)) or to delete (O(state=absent)).
    type: str
  default:
    description:
      - Whether the version becomes the default, the one in force.
    type: bool
    default: false
  state:
    description:
      - V(present) creates the version of O(policy), or makes O(version_id) the default.
      - V(absent) deletes O(version_id). AWS refuses to delete the default version.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: amazon.aws.iam_managed_policy
extends_documentation_fragment:
  - leastpriv.iam.one_change
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Put a stricter document in force
  leastpriv.iam.policy_version:
    policy_arn: arn:aws:iam::123456789012:policy/restrictions
    policy: '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]}'
    default: true

- name: Go back to an earlier version
  leastpriv.iam.policy_version:
    policy_arn: arn:aws:iam::123456789012:policy/restrictions
    version_id: v2
    default: true

- name: Make room for another version
  leastpriv.iam.policy_version:
    policy_arn: arn:aws:iam::123456789012:policy/restrictions
    version_id: v1
    state: absent
"""

RETURN = r"""
default_version:
  description: The version in force; V(new) in check mode when it would be created.
  returned: success
  type: str
versions:
  description: The ids of the versions, without that of a new one.
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
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import same_document

# The placeholder for the id of a version that is still to be created.
NEW = "new"


def change(params, account):
    """The one call that creates, chooses or deletes the version."""
    versions = account.fact("policy_versions", params["policy_arn"]) or {}
    if params["state"] == "absent":
        return _deletion(params, versions)
    return _creation(params, account, versions) if params["policy"] is not None else _choice(params, versions)


def _deletion(params, versions):
    arn, version = params["policy_arn"], params["version_id"]
    return Change(
        act=f"delete version {version} of {arn}",
        call="delete_policy_version",
        parameters={"PolicyArn": arn, "VersionId": version},
        before=_shown(versions),
        after=_shown({one: default for one, default in versions.items() if one != version}),
        removes=True,
    )


def _creation(params, account, versions):
    arn, document, default = params["policy_arn"], params["policy"], params["default"]
    equal = [one for one in versions if same_document(account.fact("version_document", arn, one), document)]
    there = any(versions[one] or not default for one in equal)
    before = _shown(versions)
    after = {**before, "versions": [*before["versions"], NEW]}
    return Change(
        act=f"create a version of {arn}",
        call="create_policy_version",
        parameters={"PolicyArn": arn, "PolicyDocument": document, "SetAsDefault": default},
        before=before,
        after=before if there else {**after, **({"default_version": NEW} if default else {})},
    )


def _choice(params, versions):
    arn, version = params["policy_arn"], params["version_id"]
    return Change(
        act=f"make {version} the default version of {arn}",
        call="set_default_policy_version",
        parameters={"PolicyArn": arn, "VersionId": version},
        before=_shown(versions),
        after={**_shown(versions), "default_version": version},
    )


def _shown(versions):
    """Versions (id -> is it the default) as people and playbooks see them."""
    default = next((version for version, is_default in versions.items() if is_default), None)
    return {"default_version": default, "versions": list(versions)}


def main():
    module = AnsibleAWSModule(
        argument_spec={
            "policy_arn": {"type": "str", "required": True},
            "policy": {"type": "json"},
            "version_id": {"type": "str"},
            "default": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "absent", ("version_id",))],
        required_one_of=[("policy", "version_id")],
        mutually_exclusive=[("policy", "version_id")],
        supports_check_mode=True,
    )
    if module.params["version_id"] and module.params["state"] == "present" and not module.params["default"]:
        module.fail_json(msg="version_id with state=present makes that version the default: set default=true")
    make_change(module, change)


if __name__ == "__main__":
    main()
