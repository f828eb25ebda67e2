# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: session
version_added: 1.0.0
short_description: Assume a role once per run, and work as it
description:
  - Returns the environment in which AWS modules work as a role. The modules must get the role's ARN as their
    C(profile), and empty C(access_key), C(secret_key) and C(session_token), so no other identity is used.
  - With O(step) it also declares to the call fence which calls the module may make, see docs/guardrails.md.
  - The role is assumed when it is first asked for, in check mode too. The temporary keys are kept in a file in
    Ansible's local temporary folder, which only its user can read, until the run ends. Neither the environment nor any
    output contains them.
  - A session is renewed ten minutes before it ends, or when five sixths of it are over where that is later. As
    C(environment) of a task is evaluated for every module that runs, none begins with keys that have ended.
  - The identity that assumes the role is O(profile), or the one of AWS's usual chain (E(AWS_ACCESS_KEY_ID),
    E(AWS_PROFILE), web identity, container and instance roles).
author:
  - The Leastpriv team (!UNKNOWN)
requirements:
  - boto3 >= 1.34.0
options:
  _terms:
    description: The ARN of one role. An empty text leaves the identity of the modules as it is.
    type: list
    elements: str
    required: true
  session_name:
    description: The name of the session, which CloudTrail shows.
    type: str
    required: true
  external_id:
    description: The external id that the role's trust policy asks for.
    type: str
  session_tags:
    description: Session tags, for which the trust policy must allow C(sts:TagSession).
    type: dict
    default: {}
  profile:
    description: The profile that assumes the role.
    type: str
  region:
    description:
      - The region of STS and of the modules. Without it the one of the environment or O(profile), or else one of the
        role's partition.
    type: str
  endpoint_url:
    description: An endpoint of your own for STS, such as an emulator.
    type: str
  aws_config:
    description: botocore's configuration for the call.
    type: dict
    default: {}
  step:
    description:
      - The step that the module applies, as M(leastpriv.iam.observe) returns it. An empty dictionary allows reads only.
    type: dict
  fenced:
    description: Whether the module must not run without the call fence.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Make a user in another account
  amazon.aws.iam_user:
    name: alice
    profile: "{{ role_arn }}"
    access_key: ""
    secret_key: ""
    session_token: ""
  environment: "{{ lookup('leastpriv.iam.session', role_arn, session_name='me', external_id='4711') }}"
  vars:
    role_arn: arn:aws:iam::123456789012:role/leastpriv
"""

RETURN = r"""
_list:
  description:
    - The variables to set. C(AWS_SHARED_CREDENTIALS_FILE) and C(AWS_CONFIG_FILE) are those of the role,
      C(LEASTPRIV_CALLS) that of O(step).
  type: list
  elements: dict
"""

from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls import call_fence
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.role_session import (
    SessionError,
    Wanted,
    environment,
    open_session,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import unset_empty_variables
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import to_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import end_worker_with_controller

OPTIONAL = ("external_id", "profile", "region", "endpoint_url")


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, str]]:
        """See DOCUMENTATION. Raises AnsibleLookupError for a role that cannot be assumed."""
        end_worker_with_controller()
        unset_empty_variables()
        self.set_options(var_options=variables, direct=kwargs)
        (role_arn,) = terms
        return [{**(self._session(str(role_arn)) if role_arn else {}), **self._calls()}]

    def _session(self, role_arn: str) -> dict[str, str]:
        # A variable that is not there is an empty text before ansible-core 2.19.
        optional = {name: self.get_option(name) or None for name in OPTIONAL}
        tags = {str(key): str(value) for key, value in self.get_option("session_tags").items()}
        wanted = Wanted(role_arn, self.get_option("session_name"), tags=tags, **optional)
        aws_config = self.get_option("aws_config")
        try:
            return environment(open_session(wanted, datetime.now(timezone.utc), Display().warning, aws_config))
        except SessionError as error:
            raise AnsibleLookupError(str(error)) from None

    def _calls(self) -> dict[str, str]:
        step = self.get_option("step")
        if step is None:
            return {}
        calls, ends = (call_fence.declared_calls(step), OPERATIONS[step["operation"]].ends) if step else ([], False)
        return {call_fence.VARIABLE: to_text(call_fence.declaration(calls, self.get_option("fenced"), ends))}
