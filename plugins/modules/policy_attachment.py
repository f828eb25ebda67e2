#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: policy_attachment
version_added: 1.0.0
short_description: Detach one managed policy from a user, role or group
description:
  - Detaches exactly one managed policy with one call, as C(aws iam detach-*-policy) does.
  - M(amazon.aws.iam_user), M(amazon.aws.iam_role) and M(amazon.aws.iam_group) can only detach by purging every policy
    that is not listed; that would also detach a policy that was attached since the list was read.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  kind:
    description:
      - What the policy is detached from.
    type: str
    required: true
    choices: [user, role, group]
  name:
    description:
      - The name of the user, role or group.
    type: str
    required: true
  policy_arn:
    description:
      - The ARN of the managed policy.
    type: str
    required: true
  state:
    description:
      - V(absent) detaches. Attaching is what the modules of M(amazon.aws.iam_user) and its like are for.
    type: str
    choices: [absent]
    default: absent
seealso:
  - module: amazon.aws.iam_user
  - module: amazon.aws.iam_role
  - module: amazon.aws.iam_group
extends_documentation_fragment:
  - leastpriv.iam.one_change
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Take administrator access from a user
  leastpriv.iam.policy_attachment:
    kind: user
    name: alice
    policy_arn: arn:aws:iam::aws:policy/AdministratorAccess
    state: absent
"""

RETURN = r"""
attached_policies:
  description: The ARNs of the managed policies that stay attached.
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
    """The one call that detaches the policy."""
    kind, name, policy_arn = params["kind"], params["name"], params["policy_arn"]
    attached = account.fact("attached", kind, name) or []
    return Change(
        act=f"detach {policy_arn} from {kind} {name}",
        call=f"detach_{kind}_policy",
        parameters={f"{kind.capitalize()}Name": name, "PolicyArn": policy_arn},
        before={"attached_policies": attached},
        after={"attached_policies": [arn for arn in attached if arn != policy_arn]},
        removes=True,
    )


def main():
    module = AnsibleAWSModule(
        argument_spec={
            "kind": {"type": "str", "required": True, "choices": ["user", "role", "group"]},
            "name": {"type": "str", "required": True},
            "policy_arn": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["absent"], "default": "absent"},
        },
        supports_check_mode=True,
    )
    make_change(module, change)


if __name__ == "__main__":
    main()
