# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: requeue_messages
version_added: 1.0.0
short_description: Make messages that put reverted alerts back into the queue
description:
  - Makes a message for each alert with the disposition V(reverted), of what the journal and the report of its run have.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - The alerts of P(leastpriv.iam.applied_changes#lookup) with what was found, a list or the same as JSON.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show how many alerts would be put back into the queue
  ansible.builtin.debug:
    msg: "{{ outcomes | leastpriv.iam.requeue_messages | length }}"
"""

RETURN = r"""
_value:
  description: The messages for M(leastpriv.iam.requeue).
  type: list
  elements: dict
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.verification import messages


def requeue_messages(alerts):
    """See DOCUMENTATION."""
    return messages(from_text(alerts))


class FilterModule:
    def filters(self):
        return {"requeue_messages": requeue_messages}
