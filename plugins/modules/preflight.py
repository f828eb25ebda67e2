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
        controller, V(artifacts) whether files can be written, V(profiles) whether a profile would ask a person,
        V(queue) whether the queues exist, and V(api) whether the API lets us in.
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
"""
