# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: metrics
version_added: 1.0.0
short_description: Show a report as metrics for Prometheus
description:
  - Makes C(metrics.prom) of a report, in the OpenMetrics text format; docs/metrics.md tells what is in it.
  - It holds no text of an alert and no name of an account.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - The content of C(report.json), as text or as data.
    type: raw
    required: true
  calls:
    description:
      - What P(leastpriv.iam.api_calls#lookup) returns.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show the metrics of a run
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'report.json') | leastpriv.iam.metrics }}"
"""

RETURN = r"""
_value:
  description: OpenMetrics text.
  type: str
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.metrics import metrics
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text


def metrics_of(report, calls=()):
    """See DOCUMENTATION."""
    return metrics(from_text(report), calls)


class FilterModule:
    def filters(self):
        return {"metrics": metrics_of}
