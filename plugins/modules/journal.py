# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: journal
version_added: 1.0.0
short_description: Write down what is about to be done, and what came of it
description:
  - Appends lines to the journal of a run, C(journal.jsonl), and returns when the disk has them. The file is readable by
    its user only (mode 0600). Several hosts may write at the same time.
  - Where E(REMEDIATE_PLAN_KEY) is set, every line is signed with it.
  - Written before the steps of a wave, it tells what a run that was killed may have done; docs/undo.md describes it.
  - Writes nothing, and fails nothing, when there is neither a step nor a result.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  file:
    description:
      - The journal. It is made, with its folder, where there is none.
    type: path
    required: true
  run:
    description:
      - What the first line tells of the run, among it C(run_id), C(started) and C(mode). The user who runs it is
        added.
    type: dict
    required: true
  account:
    description:
      - What every line tells of the account, such as C(account), C(account_id) and C(caller).
    type: dict
    required: true
  steps:
    description:
      - Steps that are about to be applied, as M(leastpriv.iam.observe) gives them.
    type: list
    elements: dict
    default: []
  applied:
    description:
      - Results of a loop over such steps, each with its C(step), as a list or as its JSON text.
    type: raw
    default: []
  kept:
    description:
      - RV(kept) of the waves before.
    type: list
    elements: dict
    default: []
  is_last:
    description:
      - Whether the account's work ends with O(applied). A last line says so, if there were any others.
    type: bool
    default: false
attributes:
  action:
    description: Runs on the controller only, whatever the connection.
    support: full
  check_mode:
    description: Is skipped, since nothing is done that could be written down.
    support: none
  diff_mode:
    description: Shows no difference.
    support: none
"""

EXAMPLES = r"""
- name: Write down what is about to be done
  leastpriv.iam.journal:
    file: artifacts/20240701T101500Z-1a2b/journal.jsonl
    run:
      run_id: 20240701T101500Z-1a2b
      started: "2024-07-01T10:15:00Z"
      mode: apply
    account:
      account: payments
      account_id: "123456789012"
    steps: "{{ observed.alerts | map(attribute='steps') | flatten }}"
"""

RETURN = r"""
kept:
  description: O(kept), and what the rest of the run needs to know of O(applied).
  returned: always
  type: list
  elements: dict
"""
