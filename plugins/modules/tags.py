#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tags
version_added: 1.0.0
short_description: Set or remove single tags of an IAM resource
description:
  - Makes exactly one call, as C(aws iam tag-policy), C(untag-user) and their like do; tags that are not named stay.
  - The modules of amazon.aws can only remove tags by purging all that are not listed, address policies by name, and
    know no tags of MFA devices, identity providers and server certificates.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  kind:
    description:
      - What carries the tags.
    type: str
    required: true
    choices:
      - user
      - role
      - policy
      - instance_profile
      - mfa_device
      - openid_connect_provider
      - saml_provider
      - server_certificate
  name:
    description:
      - The name of what carries the tags; for a policy or an identity provider its ARN, for an MFA device its serial
        number.
    type: str
    required: true
  tags:
    description:
      - The tags to set, for O(state=present).
    type: dict
  tag_keys:
    description:
      - The keys of the tags to remove, for O(state=absent).
    type: list
    elements: str
  state:
    description:
      - V(present) sets O(tags), V(absent) removes O(tag_keys).
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: amazon.aws.iam_user
  - module: amazon.aws.iam_role
extends_documentation_fragment:
  - leastpriv.iam.one_change
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Tag a policy with its owner
  leastpriv.iam.tags:
    kind: policy
    name: arn:aws:iam::123456789012:policy/restrictions
    tags:
      owner: security

- name: Take a tag from a user
  leastpriv.iam.tags:
    kind: user
    name: alice
    tag_keys:
      - admin
    state: absent
"""

RETURN = r"""
tags:
  description: All tags as they are afterwards.
  returned: success
  type: dict
response_metadata:
  description: C(request_id), the id of the call at AWS, for CloudTrail and AWS support.
  returned: when something was changed
  type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import without_tags
from ansible_collections.leastpriv.iam.plugins.module_utils.one_change import Change, make_change

# kind -> (the API parameter that names it, boto3's noun)
CARRIERS = {
    "user": ("UserName", "user"),
    "role": ("RoleName", "role"),
    "policy": ("PolicyArn", "policy"),
    "instance_profile": ("InstanceProfileName", "instance_profile"),
    "mfa_device": ("SerialNumber", "mfa_device"),
    "openid_connect_provider": ("OpenIDConnectProviderArn", "open_id_connect_provider"),
    "saml_provider": ("SAMLProviderArn", "saml_provider"),
    "server_certificate": ("ServerCertificateName", "server_certificate"),
}


def change(params, account):
    """The one call that sets or removes the tags."""
    found = account.fact(params["kind"], params["name"])
    tags = found["tags"] if found else {}
    return _removal(params, tags) if params["state"] == "absent" else _setting(params, tags)


def _setting(params, tags):
    parameter, noun = CARRIERS[params["kind"]]
    wanted = [{"Key": key, "Value": value} for key, value in params["tags"].items()]
    return Change(
        act=f"tag {params['name']}",
        call=f"tag_{noun}",
        parameters={parameter: params["name"], "Tags": wanted},
        before={"tags": tags},
        after={"tags": {**tags, **params["tags"]}},
    )


def _removal(params, tags):
    parameter, noun = CARRIERS[params["kind"]]
    return Change(
        act=f"untag {params['name']}",
        call=f"untag_{noun}",
        parameters={parameter: params["name"], "TagKeys": params["tag_keys"]},
        before={"tags": tags},
        after={"tags": without_tags(tags, params["tag_keys"])},
        removes=True,
    )


def main():
    module = AnsibleAWSModule(
        argument_spec={
            "kind": {"type": "str", "required": True, "choices": list(CARRIERS)},
            "name": {"type": "str", "required": True},
            "tags": {"type": "dict"},
            "tag_keys": {"type": "list", "elements": "str", "no_log": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ("tags",)), ("state", "absent", ("tag_keys",))],
        supports_check_mode=True,
    )
    make_change(module, change)


if __name__ == "__main__":
    main()
