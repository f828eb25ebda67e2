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
    that is not listed; that would also take away what somebody attached since the list was read.
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
attributes:
  check_mode:
    description: Tells whether the policy is attached, changes nothing.
    support: full
  diff_mode:
    description: Shows the attached policies before and after.
    support: full
seealso:
  - module: amazon.aws.iam_user
  - module: amazon.aws.iam_role
  - module: amazon.aws.iam_group
extends_documentation_fragment:
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
"""

from contextlib import suppress

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.iam_account import IamAccount


def detach(module, client):
    """Detach the policy; a policy that is gone meanwhile is what was wanted."""
    kind, policy_arn = module.params["kind"], module.params["policy_arn"]
    named = {f"{kind.capitalize()}Name": module.params["name"], "PolicyArn": policy_arn}
    try:
        getattr(client, f"detach_{kind}_policy")(**named)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            module.fail_json_aws(error, msg=f"Failed to detach {policy_arn} from {kind} {module.params['name']}")
    except BotoCoreError as error:
        module.fail_json_aws(error, msg=f"Failed to detach {policy_arn} from {kind} {module.params['name']}")


def attached_policies(module, client):
    try:
        return IamAccount(client).fact("attached", module.params["kind"], module.params["name"]) or []
    except (ClientError, BotoCoreError) as error:
        module.fail_json_aws(
            error, msg=f"Failed to list the policies of {module.params['kind']} {module.params['name']}"
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
    client = module.client("iam")
    before = attached_policies(module, client)
    after = [arn for arn in before if arn != module.params["policy_arn"]]
    if after != before and not module.check_mode:
        detach(module, client)
    module.exit_json(
        changed=after != before,
        attached_policies=after,
        diff={"before": {"attached_policies": before}, "after": {"attached_policies": after}},
    )


if __name__ == "__main__":
    main()
