# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_files
version_added: 1.0.0
short_description: Write the files of a run that ends now
description:
  - Writes C(report.json) into the folder of the run, then C(report.html), C(report.csv), C(metrics.prom) and, after a
    review, C(plan.json) and C(plan.md). They are readable by its user only (mode 0600). Each is written whether or not
    the others can be made.
  - Where E(REMEDIATE_PLAN_KEY) is set, report and plan are signed with it. Secrets in scripts are masked.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  run:
    description:
      - The run, as the role P(leastpriv.iam.remediate#role) records it in C(tasks/begin.yml). Among it are C(run_id),
        C(started), C(artifacts_dir), C(check_mode) and C(tolerate).
    type: dict
    required: true
  alerts:
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
  settings:
    description: What P(leastpriv.iam.settings#lookup) returned for each account.
    type: list
    elements: dict
    default: []
  undoes:
    description:
      - The ids of the runs that are undone, if this is an undo.
    type: list
    elements: str
    default: []
  plan:
    description:
      - The plan that was applied, as P(leastpriv.iam.plan#lookup) returns it, if there was one.
    type: dict
  unsettled:
    description: Why messages could not be deleted or released.
    type: list
    elements: str
    default: []
  unmoved:
    description:
      - The message ids of alerts that could not be moved to the quarantine queue.
    type: list
    elements: str
    default: []
  requeued:
    description: The ids of the reverted alerts that a verification put back into the queue.
    type: list
    elements: str
    default: []
  address:
    description: Where C(report.html) can be found, for the notification.
    type: str
    required: true
  verbose:
    description: Show the script and the steps of every alert in the summary.
    type: bool
    default: false
attributes:
  action:
    description: Runs on the controller only, whatever the connection.
    support: full
  check_mode:
    description: Writes the files, too, since a review has a report.
    support: full
  diff_mode:
    description: Shows no difference.
    support: none
"""

EXAMPLES = r"""
- name: Write the files of the run
  leastpriv.iam.run_files:
    run: "{{ run }}"
    alerts: "{{ outcomes }}"
    address: "{{ run.artifacts_dir }}/{{ run.run_id }}/report.html"
  register: written

- name: Show the summary
  ansible.builtin.debug:
    msg: "{{ written.summary }}"
"""

RETURN = r"""
report:
  description: The content of C(report.json) as JSON text, see docs/report.md for its schema.
  returned: success
  type: str
totals:
  description: How many alerts have which disposition.
  returned: success
  type: dict
  sample: {"remediated": 3}
needs_person:
  description: Those of them that need attention.
  returned: success
  type: dict
verdict:
  description: The result in one sentence.
  returned: success
  type: str
accounts:
  description: The accounts of alerts that need attention.
  returned: success
  type: list
  elements: str
unsettled:
  description: Why messages could not be deleted or released.
  returned: success
  type: list
  elements: str
alerts:
  description: How many alerts there are.
  returned: success
  type: int
summary:
  description: The lines of the summary for a terminal, with control characters escaped.
  returned: success
  type: list
  elements: str
notification:
  description: The body of a message that Slack, Microsoft Teams and others understand, as JSON text.
  returned: success
  type: str
metrics:
  description: The metrics as OpenMetrics text (docs/metrics.md), null if they could not be made.
  returned: success
  type: str
files:
  description: The names of the files in the folder of the run.
  returned: success
  type: list
  elements: str
problems:
  description: What could not be made or written, a sentence for each file.
  returned: success
  type: list
  elements: str
"""
