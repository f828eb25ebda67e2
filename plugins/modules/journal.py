# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: journal
version_added: 1.0.0
short_description: Record what was applied, and what is about to be applied
description:
  - Appends lines to the journal of a run, C(journal.jsonl), and returns when the disk has them. The file is readable by
    its user only (mode 0600). Several hosts may write at the same time.
  - Where E(REMEDIATE_PLAN_KEY) is set, every line is signed with it.
  - Written before the steps of a wave, it shows what a run that was killed may have done; docs/undo.md describes it.
  - Reads the variables of the role P(leastpriv.iam.remediate#role) that have the account's observed steps and the
    results of the last wave. Writes nothing if there is neither a step nor a result.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  file:
    description:
      - The journal. It is made, with its folder, if it does not exist.
    type: path
    required: true
  run:
    description:
      - What the first line records of the run, among it C(run_id), C(started) and C(mode). The user who runs it is
        added.
    type: dict
    required: true
  account:
    description:
      - What every line records of the account, such as C(account), C(account_id) and C(caller).
    type: dict
    required: true
  wave:
    description:
      - The next wave, as P(leastpriv.iam.waves#filter) returns it. A dictionary without C(wave) ends the account's
        work, and a last line records that, if there were any others.
    type: dict
    required: true
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
- name: Write the changes into the journal
  leastpriv.iam.journal:
    file: artifacts/20240701T101500Z-1a2b/journal.jsonl
    run:
      run_id: 20240701T101500Z-1a2b
      started: "2024-07-01T10:15:00Z"
      mode: apply
    account:
      account: payments
      account_id: "123456789012"
    wave: "{{ waves.0 }}"
"""

RETURN = r"""
kept:
  description: What the rest of the run needs of the results of all waves so far, a list as JSON.
  returned: always
  type: str
pending:
  description:
    - The steps of O(wave) that the account needs. An alert stops at its first failure, and an account whose last steps
      all failed has none.
  returned: always
  type: list
  elements: dict
"""
