# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: html_report
version_added: 1.0.0
short_description: Show a report as a web page
description:
  - Makes C(report.html), one file that needs nothing else and loads nothing, for a screen of any size and for paper.
  - Everything that comes from the alerts is escaped; invisible characters are escaped, too.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - The content of C(report.json), as text or as data.
    type: raw
    required: true
  api_endpoint:
    description:
      - The address of the vendor's API. The page then links each alert to the vendor's console. Without it there are
        no such links.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Write the page
  ansible.builtin.copy:
    content: "{{ lookup('ansible.builtin.file', 'report.json') | leastpriv.iam.html_report }}"
    dest: report.html
    mode: "0600"
"""

RETURN = r"""
_value:
  description: The page, HTML.
  type: str
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.html_report import html_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text


def html_report_of(report, api_endpoint=""):
    """See DOCUMENTATION."""
    return html_report(from_text(report), api_endpoint)


class FilterModule:
    def filters(self):
        return {"html_report": html_report_of}
