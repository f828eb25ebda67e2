# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: transient_error
version_added: 1.0.0
short_description: Whether a module failed by an error of IAM that passes by itself
description:
  - What is new is not seen everywhere at once; a change whose answer was lost is there already; two changes of one
    thing get in each other's way. The module looks first and so can be run again.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  _input:
    description:
      - The result of a module of P(amazon.aws#collection) or of this collection.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Make the user
  amazon.aws.iam_user:
    name: alice
  register: made
  until: made is not leastpriv.iam.transient_error
  retries: 2
  delay: 2
"""

RETURN = r"""
_value:
  description: Whether it is worth another try.
  type: bool
"""

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.outcome import is_transient


class TestModule:
    def tests(self):
        return {"transient_error": is_transient}
