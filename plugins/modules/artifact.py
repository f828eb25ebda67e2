# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact
version_added: 1.0.0
short_description: Write what a run leaves on the controller
description:
  - Writes text files on the controller that only its user can read (mode 0600). Folders that are not there are made,
    with mode 0700.
  - A file is there as a whole or not at all. One that cannot be written costs none of the others; the task fails after
    the others are written.
  - Files are written in check mode too, since a review leaves a report as well. Nothing counts as changed.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  folder:
    description:
      - The folder. It is made where there is none.
    type: path
    required: true
  files:
    description:
      - The texts by the name of their file.
    type: dict
    required: true
  public:
    description:
      - Whether everybody on the controller may read the files (mode 0644).
    type: bool
    default: false
attributes:
  action:
    description: Runs on the controller only, whatever the connection.
    support: full
  check_mode:
    description: Writes in check mode too.
    support: full
  diff_mode:
    description: Shows no difference.
    support: none
"""

EXAMPLES = r"""
- name: Write a report
  leastpriv.iam.artifact:
    folder: artifacts/20240701T101500Z-1a2b
    files:
      report.json: "{{ report | to_nice_json }}"
"""

RETURN = r"""
folder:
  description: Where the files are.
  returned: always
  type: str
  sample: artifacts/20240701T101500Z-1a2b
problems:
  description: What could not be made or written, a sentence for each file.
  returned: always
  type: list
  elements: str
"""
