# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: held_to_plan
version_added: 1.0.0
short_description: Leave only what was reviewed to be worked on
description:
  - Compares alerts with the plan that a run applies. One that is not in it is V(filtered), one whose message or script
    has changed since has V(failed); the others get the steps of the plan, for M(leastpriv.iam.observe) to compare the
    account with.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input, plan
options:
  _input:
    description:
      - The alerts, as P(leastpriv.iam.alerts#lookup) gives them.
    type: list
    elements: dict
    required: true
  plan:
    description:
      - The plan, as P(leastpriv.iam.plan#lookup) gives it. An empty one changes nothing.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what of the plan is not as it was
  ansible.builtin.debug:
    msg: "{{ received | leastpriv.iam.held_to_plan(plan) | from_json | selectattr('disposition', 'eq', 'failed') }}"
"""

RETURN = r"""
_value:
  description:
    - The alerts, those that are still to be decided with C(reviewed), their steps in the plan; a list as JSON.
  type: str
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import plan as plans
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import to_text


def held_to_plan(alerts, plan):
    """See DOCUMENTATION."""
    return to_text(plans.held_to_plan(alerts, plan))


class FilterModule:
    def filters(self):
        return {"held_to_plan": held_to_plan}
