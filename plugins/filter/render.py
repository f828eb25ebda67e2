# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: render
version_added: 1.0.0
short_description: Render a report for its readers
description:
  - Renders the content of C(report.json) as a web page, as text for a terminal, as metrics, or as a message.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input, form
options:
  _input:
    description:
      - The content of C(report.json), as text or as data.
    type: raw
    required: true
  form:
    description:
      - V(html) is C(report.html), one file that loads nothing else. Everything from the alerts and every invisible
        character is escaped. It takes O(api_endpoint).
      - V(summary) is text for a terminal, with control characters escaped. It takes O(verbose).
      - V(metrics) is OpenMetrics text, docs/metrics.md describes it. It takes O(calls).
      - V(notification) is the body of a message that Slack, Microsoft Teams and others understand, a dictionary with
        C(text) and C(blocks). It takes O(report_file) and O(report_url).
    type: str
    choices: [html, summary, metrics, notification]
    required: true
  api_endpoint:
    description:
      - The address of the vendor's API. The page then links each alert to the vendor's console. Without it there are
        no such links.
    type: str
    default: ""
  verbose:
    description: Show the script and the steps of every alert as well.
    type: bool
    default: false
  calls:
    description: The calls of the run, as P(leastpriv.iam.api_calls#lookup) returns them.
    type: list
    elements: dict
    default: []
  report_file:
    description: Where C(report.html) is.
    type: str
  report_url:
    description: Address under which people can read the folder of all runs; the message then links to the report.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Write the page
  ansible.builtin.copy:
    content: "{{ lookup('ansible.builtin.file', 'report.json') | leastpriv.iam.render('html') }}"
    dest: report.html
    mode: "0600"
"""

RETURN = r"""
_value:
  description: Text; a dictionary for V(notification).
  type: raw
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.html_report import html_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.metrics import metrics
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.notification import notification
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import summary_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text

FORMS = {"html": html_report, "summary": summary_text, "metrics": metrics, "notification": notification}


def render(report: Any, form: str, **options: Any) -> Any:
    """See DOCUMENTATION. Raises AnsibleFilterError for an unknown form."""
    if form not in FORMS:
        raise AnsibleFilterError(f"leastpriv.iam.render: {form} is not one of {', '.join(FORMS)}")
    return FORMS[form](from_text(report), **options)


class FilterModule:
    def filters(self):
        return {"render": render}
