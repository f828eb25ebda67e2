#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: account_setting
version_added: 1.0.0
short_description: Change one setting of the AWS account itself
description:
  - Makes exactly one call, as C(aws iam create-account-alias), C(set-security-token-service-preferences),
    C(disable-outbound-web-identity-federation) and their like do.
  - amazon.aws has no module for these settings.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  alias:
    description:
      - The alias in the account's sign-in address. An account has one; another one takes its place.
    type: str
  sts_token_version:
    description:
      - The version of the tokens that the global endpoint of STS issues.
    type: str
    choices: [v1Token, v2Token]
  outbound_web_identity_federation:
    description:
      - Whether principals of the account can get tokens to sign in with elsewhere.
    type: bool
  state:
    description:
      - V(absent) deletes O(alias). The other settings know only V(present).
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: amazon.aws.iam_password_policy
extends_documentation_fragment:
  - leastpriv.iam.one_change
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Disable outbound federation of this account's principals
  leastpriv.iam.account_setting:
    outbound_web_identity_federation: false
"""

RETURN = r"""
setting:
  description: The setting after the change.
  returned: success
  type: dict
response_metadata:
  description: C(request_id), the id of the call at AWS, for CloudTrail and AWS support.
  returned: when something was changed
  type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.one_change import Change, make_change

SETTINGS = ("alias", "sts_token_version", "outbound_web_identity_federation")


def change(params, account):
    """The one call that changes the setting."""
    name = next(name for name in SETTINGS if params[name] is not None)
    return PLANS[name](params[name], params["state"] == "absent", account)


def _alias(alias, absent, account):
    live = account.fact("aliases")
    verb = "delete" if absent else "create"
    return Change(
        act=f"{verb} the account alias {alias}",
        call=f"{verb}_account_alias",
        parameters={"AccountAlias": alias},
        before={"setting": {"aliases": live}},
        after={"setting": {"aliases": [one for one in live if one != alias] if absent else [alias]}},
        removes=absent,
    )


def _token_version(version, _absent, account):
    live = account.fact("summary").get("GlobalEndpointTokenVersion", 1)
    return Change(
        act=f"set the version of STS tokens to {version}",
        call="set_security_token_service_preferences",
        parameters={"GlobalEndpointTokenVersion": version},
        before={"setting": {"sts_token_version": f"v{live}Token"}},
        after={"setting": {"sts_token_version": version}},
    )


def _federation(enabled, _absent, account):
    verb = "enable" if enabled else "disable"
    return Change(
        act=f"{verb} outbound web identity federation",
        call=f"{verb}_outbound_web_identity_federation",
        before={"setting": {"outbound_web_identity_federation": account.fact("outbound_federation")}},
        after={"setting": {"outbound_web_identity_federation": enabled}},
    )


PLANS = {
    "alias": _alias,
    "sts_token_version": _token_version,
    "outbound_web_identity_federation": _federation,
}


def main():
    module = AnsibleAWSModule(
        argument_spec={
            "alias": {"type": "str"},
            "sts_token_version": {"type": "str", "choices": ["v1Token", "v2Token"], "no_log": False},
            "outbound_web_identity_federation": {"type": "bool"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_one_of=[SETTINGS],
        mutually_exclusive=[SETTINGS],
        required_if=[("state", "absent", ("alias",))],
        supports_check_mode=True,
    )
    make_change(module, change)


if __name__ == "__main__":
    main()
