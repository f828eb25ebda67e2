# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: shortfalls
version_added: 1.0.0
short_description: List the files and texts that a run could not write or send
description:
  - Reads the results of a run's last tasks, which are independent of each other.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - Results of M(leastpriv.iam.artifact).
    type: list
    elements: dict
    required: true
  copied:
    description: The result of the loop of M(amazon.aws.s3_object) that copies the files.
    type: dict
  metrics:
    description: The result of M(leastpriv.iam.send) that pushes the metrics.
    type: dict
  notification:
    description: The result of M(leastpriv.iam.send) that notifies.
    type: dict
"""

EXAMPLES = r"""
- name: Warn of what is missing
  ansible.builtin.debug:
    msg: "{{ ([written] | leastpriv.iam.shortfalls(copied=copied)).missing }}"
"""

RETURN = r"""
_value:
  description:
    - C(missing), the files that could not be written or copied, and C(unsent), the texts that could not be sent; a
      sentence for each.
  type: dict
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.shortfalls import missing, unsent


def shortfalls(written, copied=None, metrics=None, notification=None):
    """See DOCUMENTATION."""
    results = {"metrics": metrics or {}, "notification": notification or {}}
    return {"missing": missing(written, copied), "unsent": unsent(results)}


class FilterModule:
    def filters(self):
        return {"shortfalls": shortfalls}
