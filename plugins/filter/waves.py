# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: waves
version_added: 1.0.0
short_description: Line up the steps of all accounts in waves
description:
  - A wave is what one task can apply in every account at once, the steps with the same place in their scripts and the
    same module, but no more than fifty of an account. All accounts go through the same waves, side by side.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - The alerts by account, as P(leastpriv.iam.translate#filter) returns them.
    type: dict
    required: true
  consolidates:
    description:
      - Whether observing may put inline policies in the place of the first steps.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show the waves
  ansible.builtin.debug:
    msg: "{{ received | leastpriv.iam.translate | leastpriv.iam.waves | map(attribute='wave') }}"
"""

RETURN = r"""
_value:
  description: The waves in their order.
  type: list
  elements: dict
  contains:
    wave:
      description: The C(wave) of its steps.
      type: str
    module:
      description: The module's name without its collection.
      type: str
    first:
      description: The place, from 0, of its first step among an account's steps with this C(wave).
      type: int
    end:
      description: The place of the first step that is not in it any more.
      type: int
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.waves import waves


class FilterModule:
    def filters(self):
        return {"waves": waves}
