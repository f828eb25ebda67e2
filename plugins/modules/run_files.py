# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_files
version_added: 1.0.0
short_description: Write what is derived from the report of a run
description:
  - Writes C(report.html), C(report.csv), C(metrics.prom) and, after a review, C(plan.json) and C(plan.md) into the
    folder of the run. They are readable by its user only (mode 0600). Each is written whether or not the others can be
    made.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  folder:
    description: The folder of the run.
    type: path
    required: true
  report:
    description: The content of C(report.json), as text or as data.
    type: raw
    required: true
  planned:
    description:
      - Alerts as P(leastpriv.iam.outcomes#filter) returns them, or a list. Only V(planned) and V(already_remediated)
        ones are part of the plan. Without this option no plan is made.
      - Where E(REMEDIATE_PLAN_KEY) is set, the plan is signed with it. docs/plan.md has its schema.
    type: raw
  plan_lifetime:
    description: How long the plan may be applied, a number with a unit such as V(24h), or a number of seconds.
    type: str
    default: 24h
  awx:
    description: What AWX tells the job about itself, if it is one.
    type: dict
    default: {}
  api_endpoint:
    description:
      - The address of the vendor's API. The page then links each alert to the vendor's console. Empty takes
        E(API_ENDPOINT) or E(PRISMACLOUD_URL).
    type: str
    default: ""
  metrics_file:
    description: A second file for the metrics, readable by everybody (mode 0644). Empty writes none.
    type: str
    default: ""
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
- name: Write the page and the metrics again
  leastpriv.iam.run_files:
    folder: artifacts/20240701T101500Z-1a2b
    report: "{{ lookup('ansible.builtin.file', 'artifacts/20240701T101500Z-1a2b/report.json') }}"
"""

RETURN = r"""
metrics:
  description: The metrics, null if they could not be made.
  returned: always
  type: str
problems:
  description: What could not be made or written, a sentence for each file.
  returned: always
  type: list
  elements: str
"""
