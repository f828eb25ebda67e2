# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: notification
version_added: 1.0.0
short_description: Tell a run in a few lines, for a chat
description:
  - Makes the body of a request to a webhook, JSON that Slack accepts, of the report of a run.
  - Text of the alerts is escaped, so it cannot mention people or create links.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input, report_file
options:
  _input:
    description:
      - The content of C(report.json), as text or as data.
    type: raw
    required: true
  report_file:
    description: Where C(report.html) is.
    type: str
    required: true
  report_url:
    description: Address under which people can read the folder of all runs; the message then links to the report.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Tell the team
  ansible.builtin.uri:
    url: "{{ webhook }}"
    method: POST
    body_format: json
    body: "{{ report | leastpriv.iam.notification('artifacts/run-1/report.html') }}"
  no_log: true
  vars:
    report: "{{ lookup('ansible.builtin.file', 'artifacts/run-1/report.json') }}"
"""

RETURN = r"""
_value:
  description: The body, with C(text) and C(blocks).
  type: dict
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.notification import notification
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text


def notification_of(report, report_file, report_url=""):
    """See DOCUMENTATION."""
    return notification(from_text(report), report_file, report_url)


class FilterModule:
    def filters(self):
        return {"notification": notification_of}
