#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: identity_provider
version_added: 1.0.0
short_description: Change one OpenID Connect or SAML identity provider
description:
  - Makes exactly one call, as C(aws iam create-open-id-connect-provider),
    C(remove-client-id-from-open-id-connect-provider), C(delete-saml-provider) and their like do.
  - amazon.aws has no module for them.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  kind:
    description:
      - What the provider is.
    type: str
    required: true
    choices: [openid_connect_provider, saml_provider]
  arn:
    description:
      - The ARN of the provider to change or delete.
    type: str
  url:
    description:
      - The address of an OpenID Connect provider to create, with V(https://).
    type: str
  name:
    description:
      - The name of a SAML provider to create.
    type: str
  client_id:
    description:
      - One client id to add to (O(state=present)) or remove from (O(state=absent)) the provider of O(arn).
    type: str
  client_ids:
    description:
      - The client ids of a provider to create.
    type: list
    elements: str
  thumbprints:
    description:
      - The thumbprints of the provider's server certificates. They replace those of O(arn).
    type: list
    elements: str
  metadata:
    description:
      - The metadata document of a SAML provider. It replaces that of O(arn).
    type: str
  tags:
    description:
      - The tags of a provider to create.
    type: dict
  state:
    description:
      - V(present) creates the provider of O(url) or O(name), or changes that of O(arn).
      - V(absent) removes O(client_id), or without it deletes the provider.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - leastpriv.iam.one_change
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Let one client sign in no more
  leastpriv.iam.identity_provider:
    kind: openid_connect_provider
    arn: arn:aws:iam::123456789012:oidc-provider/token.example.com
    client_id: sts.amazonaws.com
    state: absent

- name: Delete a SAML provider
  leastpriv.iam.identity_provider:
    kind: saml_provider
    arn: arn:aws:iam::123456789012:saml-provider/former-idp
    state: absent
"""

RETURN = r"""
provider:
  description: What the call was about, as it is afterwards; null if the provider does not exist.
  returned: success
  type: dict
response_metadata:
  description: C(request_id), the id of the call at AWS, for CloudTrail and AWS support.
  returned: when something was changed
  type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.one_change import Change, given, make_change

OIDC = "openid_connect_provider"
SAML = "saml_provider"
# kind -> (boto3's noun, the API parameter that names it)
NAMED = {OIDC: ("open_id_connect_provider", "OpenIDConnectProviderArn"), SAML: ("saml_provider", "SAMLProviderArn")}


def change(params, account):
    """The one call that creates, changes or deletes the provider."""
    if params["arn"] is None:
        return _creation(params, account)
    found = account.fact(params["kind"], params["arn"])
    if params["client_id"] is not None:
        return _client(params, found)
    return _deletion(params, found) if params["state"] == "absent" else _update(params, found)


def _creation(params, account):
    """Its existence is unknown without its ARN. AWS itself refuses to create it twice."""
    tags = [{"Key": key, "Value": value} for key, value in (params["tags"] or {}).items()] or None
    if params["kind"] == SAML:
        parameters = given(Name=params["name"], SAMLMetadataDocument=params["metadata"], Tags=tags)
    else:
        lists = {"ClientIDList": params["client_ids"], "ThumbprintList": params["thumbprints"]}
        parameters = given(Url=params["url"], Tags=tags, **lists)
    named = params["name"] or params["url"]
    return Change(
        act=f"create the provider {named}",
        call=f"create_{NAMED[params['kind']][0]}",
        parameters=parameters,
        before={"provider": None},
        after={"provider": {"name": named}},
    )


def _client(params, found):
    absent, client = params["state"] == "absent", params["client_id"]
    there = client in (found or {}).get("client_ids", [])
    verb, direction = ("remove", "from") if absent else ("add", "to")
    return Change(
        act=f"{verb} the client id {client} {direction} {params['arn']}",
        call=f"{verb}_client_id_{direction}_open_id_connect_provider",
        parameters={"OpenIDConnectProviderArn": params["arn"], "ClientID": client},
        before={"provider": {"client_ids": [client] if there else []}},
        after={"provider": {"client_ids": [] if absent else [client]}},
        removes=absent,
    )


def _deletion(params, found):
    noun, parameter = NAMED[params["kind"]]
    return Change(
        act=f"delete {params['arn']}",
        call=f"delete_{noun}",
        parameters={parameter: params["arn"]},
        before={"provider": found},
        after={"provider": None},
        removes=True,
    )


def _update(params, found):
    live = found or {}
    if params["kind"] == SAML:
        field, wanted = "metadata", params["metadata"]
        call, parameter = "update_saml_provider", "SAMLMetadataDocument"
    else:
        field, wanted = "thumbprints", sorted(params["thumbprints"])
        call, parameter = "update_open_id_connect_provider_thumbprint", "ThumbprintList"
    return Change(
        act=f"change the {field} of {params['arn']}",
        call=call,
        parameters={NAMED[params["kind"]][1]: params["arn"], parameter: params[field]},
        before={"provider": {field: live.get(field)}},
        after={"provider": {field: wanted}},
    )


def main():
    module = AnsibleAWSModule(
        argument_spec={
            "kind": {"type": "str", "required": True, "choices": [OIDC, SAML]},
            "arn": {"type": "str"},
            "url": {"type": "str"},
            "name": {"type": "str"},
            "client_id": {"type": "str"},
            "client_ids": {"type": "list", "elements": "str"},
            "thumbprints": {"type": "list", "elements": "str"},
            "metadata": {"type": "str"},
            "tags": {"type": "dict"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_one_of=[("arn", "url", "name")],
        mutually_exclusive=[("arn", "url", "name")],
        required_if=[("state", "absent", ("arn",))],
        supports_check_mode=True,
    )
    make_change(module, change)


if __name__ == "__main__":
    main()
