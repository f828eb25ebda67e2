# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: pending_steps
version_added: 1.0.0
short_description: Choose the steps that a wave applies in an account
description:
  - An alert stops at its first failure, and an account whose last steps all failed is left alone for the rest of the
    run.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input, wave, kept, max_failures
options:
  _input:
    description:
      - The C(alerts) of M(leastpriv.iam.observe).
    type: list
    elements: dict
    required: true
  wave:
    description:
      - One of the waves that P(leastpriv.iam.waves#filter) returns. An empty dictionary has no steps.
    type: dict
    required: true
  kept:
    description:
      - What M(leastpriv.iam.journal) has kept of the account's results so far, in their order. The loop results of the
        last wave can follow as they are.
    type: list
    elements: dict
    required: true
  max_failures:
    description:
      - How many failures in a row are too many.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show what comes next
  ansible.builtin.debug:
    msg: "{{ observed.alerts | leastpriv.iam.pending_steps(wave, results.kept, 5) | map(attribute='label') }}"
"""

RETURN = r"""
_value:
  description: The steps, as M(leastpriv.iam.observe) gives them.
  type: list
  elements: dict
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.waves import pending_steps


class FilterModule:
    def filters(self):
        return {"pending_steps": pending_steps}
