# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: declaration
version_added: 1.0.0
short_description: Declare the calls of a step
description:
  - Makes the text that tells the call fence which calls a step may make, see docs/guardrails.md. It belongs into the
    environment variable E(LEASTPRIV_CALLS) of the step's module.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - A step as M(leastpriv.iam.observe) gives it, or an empty dictionary, which declares no call.
    type: dict
    required: true
  required:
    description:
      - Whether the module must not run where the fence cannot stand.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Attach the policy, and do nothing else
  amazon.aws.iam_user: "{{ step.args }}"
  environment:
    LEASTPRIV_CALLS: "{{ step | leastpriv.iam.declaration }}"
"""

RETURN = r"""
_value:
  description: JSON on one line, in which nothing is taken for a template.
  type: str
"""

from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.call_fence import declaration, declared_calls
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import to_text


def declare(step: dict[str, Any], required: bool = True) -> str:
    """See DOCUMENTATION."""
    if not step:
        return to_text(declaration([], required))
    return to_text(declaration(declared_calls(step), required, OPERATIONS[step["operation"]].ends))


class FilterModule:
    def filters(self):
        return {"declaration": declare}
