# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: api_calls
version_added: 1.0.0
short_description: Count the API calls of this run
description:
  - Tells how often each operation of AWS and of the vendor's API has been called since C(ansible-playbook) was started,
    and how often it was throttled. Every try counts, as it does for who limits the rate.
  - Known are the calls of P(leastpriv.iam.alerts#lookup), and those of all modules that the connection
    P(leastpriv.iam.warm#connection) runs. With P(ansible.builtin.local#connection) modules start where calls cannot be
    counted, so their operations are left out.
author:
  - The Leastpriv team (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Show how often AWS has throttled
  ansible.builtin.debug:
    msg: "{{ query('leastpriv.iam.api_calls') | map(attribute='throttled') | sum }}"
"""

RETURN = r"""
_list:
  description: One entry for each operation that was called, sorted.
  type: list
  elements: dict
  contains:
    service:
      description: The service as boto3 names it, or V(vendor).
      type: str
      sample: iam
    operation:
      description: The operation of AWS, or the last word of the path of the vendor's API.
      type: str
      sample: CreatePolicy
    calls:
      description: How often it was tried.
      type: int
    throttled:
      description: How often the answer was that there were too many calls.
      type: int
"""

from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.lookup import LookupBase
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.counter import FILE_NAME, count_calls


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """One dictionary per operation. Raises OSError for a file that cannot be read."""
        return count_calls(Path(constants.DEFAULT_LOCAL_TMP, FILE_NAME))
