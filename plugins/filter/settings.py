# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: settings
version_added: 1.0.0
short_description: Check what a run may do in an account
description:
  - Checks the settings of the guardrails of one account before anything is received, and fails on what it does not
    know, so that a slip of the pen opens nothing and closes nothing unnoticed.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - The account's name in the inventory.
    type: str
    required: true
  allow:
    description:
      - Guardrails and operations to open.
    type: list
    elements: str
    default: []
  protected_principals:
    description:
      - Principals that are never touched. An entry that cannot be read is the business of M(leastpriv.iam.observe),
        which then refuses everything.
    type: list
    elements: dict
    default: []
  max_changes:
    description:
      - How many principals and settings of the account may change, from 0.
    type: int
    required: true
  max_failures:
    description:
      - After how many failing steps in a row the account is left alone, from 1.
    type: int
    required: true
  aws_config:
    description:
      - botocore configuration for the modules.
    type: dict
    default: {}
  on_quota:
    description:
      - What becomes of an alert whose principal can take no further managed policy.
    type: str
    choices: [fail, consolidate]
    default: fail
  plan_lifetime:
    description:
      - How long the plan of a review may be applied.
    type: str
    default: 24h
  unfenced:
    description:
      - Whether steps are applied where no call fence can stand.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Stop when a guardrail is misspelt
  ansible.builtin.debug:
    msg: "{{ inventory_hostname | leastpriv.iam.settings(['no_tags'], max_changes=50, max_failures=5) }}"
"""

RETURN = r"""
_value:
  description: C(account), C(allow), C(protected), C(max_failures) and C(unfenced) of it.
  type: dict
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import (
    SettingError,
    check_allow,
    check_aws_config,
    check_limits,
    check_on_quota,
    check_unfenced,
    read_lifetime,
)


def settings(
    account,
    allow=(),
    protected_principals=(),
    *,
    max_changes,
    max_failures,
    aws_config=None,
    on_quota="fail",
    plan_lifetime="24h",
    unfenced=False,
):
    """See DOCUMENTATION.

    :raises AnsibleFilterError: naming the setting and what is wrong with it.
    """
    try:
        check_limits(max_changes, max_failures)
        check_aws_config(aws_config or {})
        check_on_quota(on_quota)
        read_lifetime(plan_lifetime)
        return {
            "account": account,
            "allow": check_allow(allow),
            "protected": list(protected_principals),
            "max_failures": int(max_failures),
            "unfenced": check_unfenced(unfenced),
        }
    except SettingError as error:
        raise AnsibleFilterError(f"{error} (host {account}; nothing was received)") from error


class FilterModule:
    def filters(self):
        return {"settings": settings}
