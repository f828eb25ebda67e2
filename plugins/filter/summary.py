# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: summary
version_added: 1.0.0
short_description: Show a report as text
description:
  - One line per alert, the details of those that have any, and what to do about each kind of disposition.
  - Control characters of the alerts are escaped, so that they cannot steer a terminal.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - The content of C(report.json), as text or as data.
    type: raw
    required: true
  verbose:
    description: Show the script and the steps of every alert as well.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what happened
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'report.json') | leastpriv.iam.summary }}"
"""

RETURN = r"""
_value:
  description: The text, several lines.
  type: str
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import summary_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text


def summary(report, verbose=False):
    """See DOCUMENTATION."""
    return summary_text(from_text(report), verbose)


class FilterModule:
    def filters(self):
        return {"summary": summary}
