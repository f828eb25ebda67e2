# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: in_short
version_added: 1.0.0
short_description: Keep of modules' results what the journal has to know
description:
  - Leaves of each result only what M(leastpriv.iam.journal) reads. Modules return all that they know of an object.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  _input:
    description:
      - The loop results of a task, each with its C(step).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Write down and keep the results of the wave
  leastpriv.iam.journal:
    applied: "{{ __remediate_applied.results | leastpriv.iam.in_short }}"
"""

RETURN = r"""
_value:
  description: The results with C(step), C(changed), C(failed), C(msg) and C(response_metadata).
  type: list
  elements: dict
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import in_short


class FilterModule:
    def filters(self):
        return {"in_short": in_short}
