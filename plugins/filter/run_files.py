# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: run_files
version_added: 1.0.0
short_description: Make the files that a run leaves beside its report
description:
  - Makes C(report.html), C(metrics.prom) and, after a review, C(plan.json), for a run that applies exactly that.
    Secrets in scripts are masked.
  - A file that cannot be made costs none of the others.
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
  outcomes:
    description:
      - Alerts as P(leastpriv.iam.outcomes#filter) returns them, or a list. Only V(planned) and V(already_remediated)
        ones are part of the plan. Without this option no plan is made.
    type: raw
  lifetime:
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
  key:
    description: A secret to sign the plan with. Without one it has a digest alone.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Make the files of a run anew
  leastpriv.iam.artifact:
    folder: artifacts/run-1
    files: "{{ lookup('ansible.builtin.file', 'artifacts/run-1/report.json') | leastpriv.iam.run_files }}"
"""

RETURN = r"""
_value:
  description:
    - By file name a dictionary of C(text), null where the file could not be made, and C(problem), why it is missing or
      what is missing in it. docs/plan.md has the schema of C(plan.json).
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.run_files import run_files
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.who import user_name
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import environment
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import SettingError, read_lifetime


def files_of(
    report: Any,
    calls: Any = (),
    outcomes: Any = None,
    lifetime: Any = "24h",
    awx: Any = None,
    key: str = "",
    api_endpoint: str = "",
) -> dict[str, Any]:
    """See DOCUMENTATION. Raises AnsibleFilterError for a lifetime that means nothing."""
    endpoint = api_endpoint or environment.api_endpoint()
    if not outcomes:
        return run_files(from_text(report), calls, api_endpoint=endpoint)
    job = (awx or {}).get("awx_job_id")
    who = {
        "user": user_name(),
        "awx_user": (awx or {}).get("awx_user_name"),
        "awx_job": None if job is None else str(job),
    }
    try:
        planning = {"alerts": from_text(outcomes), "lifetime": read_lifetime(lifetime), "who": who, "key": key}
    except SettingError as error:
        raise AnsibleFilterError(str(error)) from error
    return run_files(from_text(report), calls, planning, endpoint)


class FilterModule:
    def filters(self):
        return {"run_files": files_of}
