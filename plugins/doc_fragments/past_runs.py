# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of earlier runs: options of the plugins that read or remove them."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  artifacts_dir:
    description: The folder in which each run has made a folder of its own.
    type: path
    required: true
  key:
    description:
      - The secret that plans, reports and journals must be signed with. Without one a signed journal is not read, and
        the signatures of plans and reports are not checked.
    type: str
    default: ""
    env:
      - name: REMEDIATE_PLAN_KEY
"""

    # For the lookups that return alerts to work on.
    ACCOUNTS = r"""
options:
  accounts:
    description:
      - The hosts of the inventory, each a dictionary with C(name) and C(account_id). Alerts of other accounts get the
        disposition V(unmapped_account).
    type: list
    elements: dict
    required: true
  limit:
    description:
      - The names of the hosts to work on. Alerts of the others get the disposition V(filtered).
    type: list
    elements: str
    required: true
"""

    BUCKET = r"""
options:
  artifacts_s3:
    description: Where runs are copied to, V(s3://bucket/prefix). Empty if they are not.
    type: str
    default: ""
  profile:
    description: The AWS profile for that bucket. Empty uses AWS's usual chain.
    type: str
    default: ""
"""
