# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: outcomes
version_added: 1.0.0
short_description: Tell what became of each alert of an account
description:
  - Joins translation, observation and the results of the modules into one disposition per alert.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - The account's alerts, each combined with the result of P(leastpriv.iam.steps#filter).
    type: list
    elements: dict
    required: true
  observed:
    description:
      - The RV(leastpriv.iam.observe#module:alerts) of the first observation.
    type: list
    elements: dict
    default: []
  applied:
    description:
      - The loop results of the modules that ran, each with its C(step).
    type: list
    elements: dict
    default: []
  confirmed:
    description:
      - The RV(leastpriv.iam.observe#module:alerts) of a second observation, of alerts with a step that changed nothing
        although it was needed.
    type: list
    elements: dict
    default: []
  problem:
    description:
      - Why the account's work broke off, if it did.
    type: str
  check_mode:
    description:
      - Whether nothing was to be applied.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show the dispositions
  ansible.builtin.debug:
    msg: "{{ translated | leastpriv.iam.outcomes(observed=observed.alerts, applied=results) }}"
"""

RETURN = r"""
_value:
  description: The alerts with RV(ignore:disposition), RV(ignore:reason) and the status of each step.
  type: list
  elements: dict
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.outcome import outcomes


class FilterModule:
    def filters(self):
        return {"outcomes": outcomes}
