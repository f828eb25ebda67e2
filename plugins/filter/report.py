# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: report
version_added: 1.0.0
short_description: Make the report of a run
description:
  - Makes the data of C(report.json) of the alerts with their outcomes. Secrets in scripts are masked.
  - Where E(REMEDIATE_PLAN_KEY) is set, it is signed with that key.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - Alerts as P(leastpriv.iam.outcomes#filter) returns them, or a list.
    type: raw
    required: true
  decided:
    description:
      - Further alerts, which were decided when they were received.
    type: list
    elements: dict
    default: []
  run_id:
    description: Names the run.
    type: str
    required: true
  started:
    description: When the run began, ISO 8601 in UTC.
    type: str
    required: true
  finished:
    description: When the run ended, ISO 8601 in UTC.
    type: str
    required: true
  check_mode:
    description: Whether the run was a review.
    type: bool
    required: true
  tolerate:
    description: Dispositions that do not need attention.
    type: list
    elements: str
    default: []
  settings:
    description: What P(leastpriv.iam.settings#lookup) returned for each account.
    type: list
    elements: dict
    default: []
  unsettled:
    description: Why messages could not be deleted or released.
    type: list
    elements: str
    default: []
  undoes:
    description:
      - The ids of the runs that are undone, if this is an undo.
    type: list
    elements: str
    default: []
  awx:
    description:
      - What AWX tells the job about itself, such as C(awx_job_id) and C(awx_user_name), if it is one.
    type: dict
  quarantine_queue:
    description:
      - Where the messages of V(invalid), V(unsupported) and V(refused) alerts were moved to, if there is such a queue.
    type: str
  unmoved:
    description:
      - The message ids of alerts for which that did not work.
    type: list
    elements: str
    default: []
  plan:
    description:
      - The plan that was applied, as P(leastpriv.iam.plan#lookup) gives it, if there was one.
    type: dict
"""

EXAMPLES = r"""
- name: Show the totals
  ansible.builtin.debug:
    msg: "{{ (outcomes | leastpriv.iam.report('run-1', start, end, check_mode=false)).totals }}"
  vars:
    start: "2026-01-01T00:00:00Z"
    end: "2026-01-01T00:01:00Z"
"""

RETURN = r"""
_value:
  description:
    - What the report says, in short, and all of it as text.
  type: dict
  contains:
    text:
      description: The content of C(report.json), see docs/report.md for its schema.
      type: str
    totals:
      description: How many alerts have which disposition.
      type: dict
      sample: {"remediated": 3}
    needs_person:
      description: Those of them that need attention.
      type: dict
    verdict:
      description: The result in one sentence.
      type: str
    accounts:
      description: The accounts of alerts that need attention.
      type: list
      elements: str
    unsettled:
      description: Why messages could not be deleted or released.
      type: list
      elements: str
    alerts:
      description: How many alerts there are.
      type: int
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report import report as reports
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.run_files import report_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text


def report(alerts, run_id, started, finished, check_mode, decided=(), **more):
    """See DOCUMENTATION."""
    made = reports.report(reports.Run([*decided, *from_text(alerts)], run_id, started, finished, check_mode, **more))
    wanting = [alert for alert in made["alerts"] if alert["disposition"] in made["needs_person"]]
    accounts = list(dict.fromkeys(alert["account"] or alert["account_id"] or "no account" for alert in wanting))
    return {
        **{field: made[field] for field in ("totals", "needs_person", "unsettled")},
        "verdict": reports.verdict(made),
        "accounts": accounts,
        "alerts": len(made["alerts"]),
        "text": report_text(made),
    }


class FilterModule:
    def filters(self):
        return {"report": report}
