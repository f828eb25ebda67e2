#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: permission_check
version_added: 1.0.0
short_description: Ask IAM whether an identity may do what it has to
description:
  - Asks IAM's simulator (SimulatePrincipalPolicy) about the identity whose credentials it uses. No action is tried.
  - Also checks whether the identity could change itself, which no identity of Leastpriv has to.
  - Needs C(iam:SimulatePrincipalPolicy) and, for a role, C(iam:GetRole) on the identity itself. Where that is not
    allowed, the finding is C(unknown) and nothing counts as missing.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  checks:
    description:
      - What must be allowed, as P(leastpriv.iam.permission_checks#filter) returns it.
    type: list
    elements: dict
    required: true
    suboptions:
      actions:
        description: Actions of IAM, V(iam:CreatePolicy) for example.
        type: list
        elements: str
        required: true
      resource:
        description: The ARN that they are about.
        type: str
        required: true
      context:
        description: Condition keys with the value that a request would have.
        type: dict
        default: {}
  subject:
    description: What to call the identity in the findings.
    type: str
    required: true
attributes:
  check_mode:
    description: Asks the same, changes nothing.
    support: full
  diff_mode:
    description: Has nothing to compare.
    support: none
seealso:
  - plugin: leastpriv.iam.permission_checks
    plugin_type: filter
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Check that the role may create the vendor's policies
  leastpriv.iam.permission_check:
    profile: payments
    subject: payments
    checks:
      - actions: [iam:CreatePolicy]
        resource: arn:aws:iam::123456789012:policy/bob-prisma-restrictions-I-1-1
"""

RETURN = r"""
findings:
  description: What was found.
  returned: success
  type: list
  elements: dict
  contains:
    subject:
      description: As given.
      type: str
    status:
      description: V(ok), V(missing), V(unknown) where it could not be found out, or V(advice).
      type: str
    tried:
      description: What was asked.
      type: str
    found:
      description: What the answer was.
      type: str
    next:
      description: What to do about it; empty where there is nothing to do.
      type: str
"""

from contextlib import suppress

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.account.simulator import Simulator, by_whom, principal_arn
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import finding

# What an identity would do to itself to gain access, by its kind: action -> the context of the worst request.
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ESCALATIONS = {
    "role": (
        "iam:AttachRolePolicy",
        "iam:PutRolePolicy",
        "iam:DeleteRolePermissionsBoundary",
        "iam:UpdateAssumeRolePolicy",
    ),
    "user": ("iam:AttachUserPolicy", "iam:PutUserPolicy", "iam:DeleteUserPermissionsBoundary", "iam:CreateAccessKey"),
}
POLICIES = (
    "Run playbooks/policies.yml and put what it writes in place of the identity's policies (docs/permissions.md)."
)


def check(simulator, subject, actions, resource, context):
    """The finding about one question: the missing actions, and those that depend on an unknown condition."""
    tried = f"simulate {len(actions)} actions on {resource} as {simulator.arn}"
    refused = simulator.refused(actions, resource, context)
    if not refused:
        return finding(subject, "ok", tried, f"allowed: {', '.join(actions)}")
    unknown = sorted({key for result in refused for key in result.get("MissingContextValues", [])})
    refusals = ", ".join(f"{result['EvalActionName']} ({result['EvalDecision']})" for result in refused)
    if unknown:
        advice = f"Check manually whether the requests of a run meet them. {POLICIES}"
        return finding(subject, "unknown", tried, f"{refusals}: it depends on {', '.join(unknown)}", advice)
    given = "".join(f" with {key} {value}" for key, value in sorted(context.items()))
    return finding(subject, "missing", tried, f"not allowed{given}: {refusals}{by_whom(refused)}", POLICIES)


def check_itself(simulator, subject):
    """Advice if the identity could grant itself more, as a stolen one would do first."""
    kind = simulator.arn.split(":", 5)[5].partition("/")[0]
    actions = ESCALATIONS.get(kind, ())
    context = {"iam:PolicyARN": ADMINISTRATOR} if actions else {}
    refused = (
        {result["EvalActionName"] for result in simulator.refused(actions, simulator.arn, context)} if actions else ()
    )
    allowed = [action for action in actions if action not in refused]
    tried = f"simulate changes of {simulator.arn} by itself"
    if allowed:
        advice = f"A stolen credential could widen its own access. {POLICIES}"
        return finding(subject, "advice", tried, f"it may change itself: {', '.join(allowed)}", advice)
    return finding(subject, "ok", tried, "it may not change itself")


def check_all(module):
    """All findings; what cannot be asked is unknown, and ends the asking."""
    subject = module.params["subject"]
    tried = "simulate what the identity may do"
    found = []
    try:
        iam = module.client("iam")
        simulator = Simulator(iam, principal_arn(iam, module.client("sts").get_caller_identity()["Arn"]))
        for question in module.params["checks"]:
            found.append(check(simulator, subject, **question))
        found.append(check_itself(simulator, subject))
    except (ClientError, BotoCoreError) as error:
        advice = (
            "Allow iam:GetRole and iam:SimulatePrincipalPolicy on the identity itself (statement Doctor of what "
            "playbooks/policies.yml writes), or compare its policies with the written ones manually."
        )
        found.append(finding(subject, "unknown", tried, str(error), advice))
    return found


def main():
    question = {
        "actions": {"type": "list", "elements": "str", "required": True},
        "resource": {"type": "str", "required": True},
        "context": {"type": "dict", "default": {}},
    }
    module = AnsibleAWSModule(
        argument_spec={
            "checks": {"type": "list", "elements": "dict", "required": True, "options": question},
            "subject": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, findings=check_all(module))


if __name__ == "__main__":
    main()
