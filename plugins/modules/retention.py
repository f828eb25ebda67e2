# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: retention
version_added: 1.0.0
short_description: Remove the files of old runs
description:
  - Removes what expired runs have written into the artifacts folder, and into the bucket that it is copied to. Other
    files stay, and so do links and what they lead to.
  - The journal of an expired run stays if a change of it was not undone, or if it cannot be read. A run that was undone
    entirely is removed with its undo.
  - A run without a report, which may still be working, stays for a day.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  keep:
    description: Which runs stay, as an age such as V(90d), or as a number of runs such as V(30 runs). Empty keeps all.
    type: str
    required: true
  folder:
    description: The folder of all runs.
    type: path
    required: true
  run_id:
    description: The id of the current run, which stays.
    type: str
    default: ""
attributes:
  action:
    description: Runs on the controller only, whatever the connection.
    support: full
  check_mode:
    description: Removes nothing, and returns what it would remove.
    support: full
  diff_mode:
    description: Shows no difference.
    support: none
extends_documentation_fragment:
  - leastpriv.iam.past_runs.bucket
"""

EXAMPLES = r"""
- name: Remove what is older than 90 days
  leastpriv.iam.retention:
    keep: 90d
    folder: artifacts
"""

RETURN = r"""
removed:
  description: How many runs lost files, by folder and bucket.
  returned: always
  type: dict
  sample: {"/srv/leastpriv/artifacts": 12}
kept:
  description: The ids of the expired runs whose journals stay, by folder and bucket.
  returned: always
  type: dict
  sample: {"/srv/leastpriv/artifacts": ["20260101T000000Z-3f2a"]}
lines:
  description: What was removed and what stays, for people.
  returned: always
  type: list
  elements: str
problems:
  description: What could not be listed, read or removed, a sentence each.
  returned: always
  type: list
  elements: str
"""
