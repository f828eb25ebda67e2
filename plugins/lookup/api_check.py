# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: api_check
version_added: 1.0.0
short_description: Tell whether the vendor's API lets us in
description:
  - Logs in to the vendor's API with the access key, or extends the token in O(auth_key). Nothing else is asked.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  _terms:
    description: Not used.
  keep_token:
    description: Keep the token for P(leastpriv.iam.alerts#lookup) in the same run of Ansible.
    type: bool
    default: false
extends_documentation_fragment:
  - leastpriv.iam.api
"""

EXAMPLES = r"""
- name: Show whether the API can be used
  ansible.builtin.debug:
    msg: "{{ query('leastpriv.iam.api_check', api_endpoint='api.eu') }}"
"""

RETURN = r"""
_raw:
  description: What was found, as M(leastpriv.iam.permission_check) tells it.
  type: list
  elements: dict
"""

from functools import partial
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.lookup import LookupBase
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.counter import FILE_NAME, note_call
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import finding
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import unset_empty_variables
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.connection import (
    connect,
    keep_token,
    read_credentials,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.endpoint import read_endpoint

SUBJECT = "API"
CALLS = Path(constants.DEFAULT_LOCAL_TMP, FILE_NAME)
INSECURE = "validate_certs is false: anyone between you and the API can replace the scripts"


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, str]]:
        """One finding, and a second one as advice where something could be safer. Never raises because of the API."""
        unset_empty_variables()
        given = {name: value for name, value in kwargs.items() if value not in ("", None)}
        keeps_token = given.pop("keep_token", False)
        self.set_options(var_options=variables, direct=given)
        text = self.get_option("api_endpoint")
        tried = f"log in to {text}" if text else "log in to the API"
        try:
            endpoint = read_endpoint(text) if text else None
            transport, tokens = connect(endpoint, self.get_option, partial(note_call, CALLS, "vendor"))
            tokens.current()
            if keeps_token:
                keep_token(tokens, read_credentials(self.get_option), CALLS.parent)
        except LeastprivError as error:
            return [finding(SUBJECT, "missing", tried, str(error), "Correct the setting named there.")]
        return [finding(SUBJECT, "ok", tried, f"{transport.endpoint.url} gave a token"), *self._advice(endpoint)]

    def _advice(self, endpoint: Any) -> list[dict[str, str]]:
        token = "AUTH_KEY holds a token, which lives ten minutes: no schedule can rely on it"
        advices = {
            endpoint.warning or "": "Write the API's own address into API_ENDPOINT.",
            "" if self.get_option("api_password") else token: "Set PRISMACLOUD_USERNAME and PRISMACLOUD_PASSWORD.",
            "" if self.get_option("validate_certs") else INSECURE: "Set REQUESTS_CA_BUNDLE to the CA that is meant.",
        }
        return [
            finding(SUBJECT, "advice", "read the settings", found, advice) for found, advice in advices.items() if found
        ]
