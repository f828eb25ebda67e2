#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
version_added: 1.0.0
short_description: Check everything that a run needs before it receives anything
description:
  - Checks the settings that P(leastpriv.iam.settings#lookup) has read for all hosts of the play, and what O(checks)
    names. It fails with one message of at most five lines that names all that is wrong.
  - Nothing is received or changed, and no queue counts a receive.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  checks:
    description:
      - What is checked besides settings and installed programs.
      - V(accounts) are the account ids of the inventory, V(hosts) whether hosts walk together and modules run on the
        controller, V(artifacts) whether files can be written, V(profiles) whether a profile would ask a person and
        which identities the run depends on, V(queue) whether the queues exist, and V(api) whether the API lets us in.
      - Roles that the AWS configuration names (C(role_arn) of a profile) are taken from there. STS is asked only which
        identity such a chain begins with, by one call of GetCallerIdentity for each distinct beginning, most often one
        for a run. An identity that cannot be learnt is a warning, or an error if steps would be applied and
        C(remediate_unknown_identity) does not accept it.
    type: list
    elements: str
    choices: [accounts, hosts, artifacts, profiles, queue, api]
    default: []
  as_findings:
    description: Do not fail, and return C(findings).
    type: bool
    default: false
attributes:
  action:
    description: Runs on the controller only, whatever the connection.
    support: full
  check_mode:
    description: Checks the same.
    support: full
  diff_mode:
    description: Has nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Check the settings and the queue
  leastpriv.iam.preflight:
    checks: [queue]
  run_once: true
"""

RETURN = r"""
findings:
  description: What was found, as M(leastpriv.iam.permission_check) returns it.
  returned: when O(as_findings)
  type: list
  elements: dict
api:
  description: What V(api) of O(checks) has found, in the same form.
  returned: success
  type: list
  elements: dict
runners:
  description: The ARNs of the identities that the run depends on, as STS or the AWS configuration names them.
  returned: success
  type: list
  elements: str
"""
