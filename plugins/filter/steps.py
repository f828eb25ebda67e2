# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: steps
version_added: 1.0.0
short_description: Translate a remediation script of AWS CLI commands into steps
description:
  - Translates the AWS CLI text of a remediation script into the M(amazon.aws) module calls that have the same effect.
    The script is never run.
  - Nothing is translated unless everything can be. All problems of a script are reported together, each with line,
    column and a caret.
  - Pure. It reads no file, no environment and no network; the live account is the business of
    M(leastpriv.iam.observe).
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input, account_id
options:
  _input:
    description:
      - The script, as the vendor's API returns it. V(null) and the vendor's placeholders are understood.
    type: str
    required: true
  account_id:
    description:
      - The account that the alert is about, 12 digits. Every account that the script names must be this one.
    type: str
    required: true
  allow:
    description:
      - Guardrails and operations to open, for example V(no_tags) or V(tag-user).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what a script becomes
  ansible.builtin.debug:
    msg: "{{ script | leastpriv.iam.steps(account_id='123456789012') }}"
  vars:
    script: >-
      aws iam detach-user-policy --user-name alice
      --policy-arn arn:aws:iam::aws:policy/AdministratorAccess
"""

RETURN = r"""
_value:
  description:
    - A dictionary.
  type: dict
  contains:
    disposition:
      description: V(unsupported), V(refused), V(not_aws), V(not_remediable), or null when the steps can be applied.
      type: str
    reason:
      description: Why there are no steps; with line, column and a caret for each problem in the script.
      type: str
    notes:
      description: What was left out because it changes nothing, such as C(--output) or a C(list-) command.
      type: list
      elements: str
    by_hand:
      description:
        - The commands that a person would have to run, secrets masked, where the script is not applied. Those that
          cannot be read, or shown as they are, are left out.
      type: list
      elements: str
    steps:
      description: The steps in the order of the script.
      type: list
      elements: dict
      contains:
        index:
          description: The place among the script's changing commands, from 1.
          type: int
        wave:
          description: The index and the module; steps of one wave can be applied by one task.
          type: str
        operation:
          description: The API operation, for example C(AttachUserPolicy).
          type: str
        target:
          description: The name of what is changed; empty for the account itself.
          type: str
        parameters:
          description: The API parameters that the AWS CLI would send.
          type: dict
        module:
          description: The module that makes the change.
          type: str
        args:
          description: The module's options.
          type: dict
        line:
          description: The line of the command in the script.
          type: int
        column:
          description: The column of the command in its line.
          type: int
        command:
          description: The command's text.
          type: str
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.translation import translate


def steps(script, account_id, allow=()):
    """See DOCUMENTATION.

    :raises AnsibleFilterError: for an invalid account_id, or without botocore.
    """
    try:
        return translate(script, account_id, allow)
    except (LeastprivError, ValueError) as error:
        raise AnsibleFilterError(f"leastpriv.iam.steps: {error}") from error


class FilterModule:
    def filters(self):
        return {"steps": steps}
