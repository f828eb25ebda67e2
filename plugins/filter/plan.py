# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: plan
version_added: 1.0.0
short_description: Make the plan of a review
description:
  - Makes the data of C(plan.json) of the alerts with their outcomes, for a run that applies exactly that. Secrets in
    scripts are masked.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input, run_id, created
options:
  _input:
    description:
      - Alerts as P(leastpriv.iam.outcomes#filter) returns them, or a list. Only V(planned) and V(already_remediated)
        ones are part of the plan.
    type: raw
    required: true
  run_id:
    description: Names the review.
    type: str
    required: true
  created:
    description: The present time, ISO 8601 in UTC.
    type: str
    required: true
  lifetime:
    description: How long the plan may be applied, a number with a unit such as V(24h), or a number of seconds.
    type: str
    default: 24h
  awx_user:
    description: The user who launched the job in AWX, if it is one.
    type: str
  awx_job:
    description: The id of the job in AWX, if it is one.
    type: str
  key:
    description: A secret to sign the plan with. Without one it has a digest alone.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what would be applied
  ansible.builtin.debug:
    msg: "{{ __remediate_outcomes | leastpriv.iam.plan('run-1', '2026-01-01T00:00:00Z') }}"
"""

RETURN = r"""
_value:
  description: The content of C(plan.json), see docs/plan.md for its schema.
  type: str
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.who import user_name
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text, to_page
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.plan import make_plan
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import SettingError, read_lifetime


def plan(
    alerts: str | list[dict[str, Any]],
    run_id: str,
    created: str,
    lifetime: Any = "24h",
    awx_user: str | None = None,
    awx_job: str | None = None,
    key: str = "",
) -> str:
    """See DOCUMENTATION. Raises AnsibleFilterError for a lifetime that means nothing."""
    who = {"user": user_name(), "awx_user": awx_user, "awx_job": None if awx_job is None else str(awx_job)}
    try:
        return to_page(make_plan(from_text(alerts), run_id, created, read_lifetime(lifetime), who, key))
    except SettingError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self):
        return {"plan": plan}
