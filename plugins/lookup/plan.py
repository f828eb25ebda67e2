# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: plan
version_added: 1.0.0
short_description: Read a plan, and check that it may be applied
description:
  - Reads the C(plan.json) that a review has left, and checks its schema, its digest, its expiry and, with O(key), its
    signature. It fails for a plan that must not be applied.
  - See docs/plan.md for the content of a plan.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  _terms:
    description:
      - One plan, as the id of the run that made it, as the path of a file, or as the plan's own content,
        JSON text or a dictionary.
      - Without a plan, for an empty text, the result is an empty dictionary.
    type: list
    elements: raw
    required: true
extends_documentation_fragment:
  - leastpriv.iam.past_runs
"""

EXAMPLES = r"""
- name: Show until when a plan may be applied
  ansible.builtin.debug:
    msg: "{{ lookup('leastpriv.iam.plan', '20260101T000000Z-3f2a', artifacts_dir='artifacts').expires }}"
"""

RETURN = r"""
_list:
  description: The plan, or an empty dictionary.
  type: list
  elements: dict
  contains:
    run_id:
      description: The review that made it.
      type: str
    alerts:
      description: The alerts that it is about, see docs/plan.md.
      type: list
      elements: dict
"""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.past_runs import NotReported, plan_of
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.plan import PlanError, check_plan


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """See DOCUMENTATION. Raises AnsibleLookupError for a plan that must not be applied."""
        self.set_options(var_options=variables, direct=kwargs)
        (named,) = terms
        if not named:
            return [{}]
        is_content = isinstance(named, Mapping) or str(named).lstrip().startswith("{")
        where = "given as a variable" if is_content else named
        try:
            plan = named if isinstance(named, Mapping) else plan_of(str(named), self.get_option("artifacts_dir"))
            return [check_plan(plan, datetime.now(timezone.utc), self.get_option("key"))]
        except (NotReported, PlanError) as error:
            raise AnsibleLookupError(f"The plan {where} cannot be applied; nothing was received. {error}") from None
