# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: findings
version_added: 1.0.0
short_description: Gather what checks have found
description:
  - Takes the results of M(leastpriv.iam.queue_check), M(leastpriv.iam.permission_check), M(leastpriv.iam.observe) and
    P(leastpriv.iam.api_check#lookup).
  - A check that failed as such, because a profile does not exist for example, is a finding itself.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description: The results by their subject, a list for each.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what was found
  ansible.builtin.debug:
    msg: "{{ {'queue': [queue_check]} | leastpriv.iam.findings | leastpriv.iam.diagnosis }}"
"""

RETURN = r"""
_value:
  description: The findings of all subjects, as M(leastpriv.iam.permission_check) tells them.
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.finding import finding

IDENTITY = (
    "Correct the profile, role or credentials: of the inventory for an account, remediate_queue_profile for the runner."
)


def findings(results: dict[str, list[dict[str, Any]]]) -> list[dict[str, str]]:
    """See DOCUMENTATION."""
    return [found for subject, checks in results.items() for check in checks for found in _found(subject, check)]


def _found(subject: str, check: dict[str, Any]) -> list[dict[str, str]]:
    if check.get("skipped"):
        return []
    if "findings" in check:
        return check["findings"]
    if "problem" not in check:
        return [finding(subject, "missing", "use the identity", str(check.get("msg", "the check failed")), IDENTITY)]
    tried = "ask STS who the identity is"
    if check["problem"]:
        return [finding(subject, "missing", tried, check["problem"], IDENTITY)]
    return [finding(subject, "ok", tried, f"it is {check['caller']}")]


class FilterModule:
    def filters(self):
        return {"findings": findings}
