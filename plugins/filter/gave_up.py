# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: gave_up
version_added: 1.0.0
short_description: Tell why nothing more is tried in an account
description:
  - An account whose last steps all failed is left alone for the rest of the run.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input, max_failures
options:
  _input:
    description:
      - The loop results of the modules that ran in the account, in their order.
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
- name: Show why
  ansible.builtin.debug:
    msg: "{{ results | leastpriv.iam.gave_up(5) }}"
"""

RETURN = r"""
_value:
  description: The reason, for a person; empty while the account is worked on.
  type: str
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.outcome import why_it_gave_up


class FilterModule:
    def filters(self):
        return {"gave_up": why_it_gave_up}
