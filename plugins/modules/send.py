# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: send
version_added: 1.0.0
short_description: Send a text to a webhook or a gateway within a deadline
description:
  - Sends one HTTP request from the controller, without retries and without following redirects.
  - O(deadline) is for all of it, from the look-up of the host's name to the last byte of the answer. The time-outs of
    M(ansible.builtin.uri) begin again with each byte.
  - Never fails because of the network. What went wrong is in RV(problem).
  - Proxies of the environment are used, but not for loopback. C(REQUESTS_CA_BUNDLE) names the CA file.
author:
  - The Leastpriv team (!UNKNOWN)
requirements:
  - requests
options:
  url:
    description:
      - The address. It is not shown in any result.
    type: str
    required: true
  method:
    description:
      - The HTTP method.
    type: str
    choices: [POST, PUT]
    default: POST
  body:
    description:
      - The text to send.
    type: str
    required: true
  content_type:
    description:
      - The type of the text.
    type: str
    required: true
  deadline:
    description:
      - How many seconds the request may take in all.
    type: int
    required: true
attributes:
  action:
    description: Runs on the controller only, whatever the connection.
    support: full
  check_mode:
    description: Sends in check mode too, since a review is reported as well.
    support: full
  diff_mode:
    description: Shows no difference.
    support: none
"""

EXAMPLES = r"""
- name: Notify a webhook
  leastpriv.iam.send:
    url: "{{ lookup('ansible.builtin.env', 'SLACK_WEBHOOK_URL') }}"
    body: "{{ {'text': 'Done.'} | to_json }}"
    content_type: application/json
    deadline: 10
  no_log: true
"""

RETURN = r"""
delivered:
  description: Whether the answer's status was one of 200 to 299.
  returned: always
  type: bool
status:
  description: The answer's status, null without an answer.
  returned: always
  type: int
problem:
  description: Why it was not delivered, as the rest of a sentence; empty if it was.
  returned: always
  type: str
  sample: did not answer within 10 s
"""
