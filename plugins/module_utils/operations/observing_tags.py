# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observers of tags, whatever carries them."""

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import tags_of, without_tags
from ansible_collections.leastpriv.iam.plugins.module_utils.account.overlay import changed_fact, compared, existing

# The parameter that names what carries the tags -> the family of facts that holds them.
CARRIERS = {
    "InstanceProfileName": "instance_profile",
    "OpenIDConnectProviderArn": "openid_connect_provider",
    "PolicyArn": "policy",
    "RoleName": "role",
    "SAMLProviderArn": "saml_provider",
    "SerialNumber": "mfa_device",
    "ServerCertificateName": "server_certificate",
    "UserName": "user",
}


def tag(script, step):
    kind, name = _carrier(step)
    found = existing(script, step, kind, name)
    return changed_fact(script, found, {"tags": {**found["tags"], **tags_of(step["parameters"])}}, kind, name)


def untag(script, step):
    kind, name = _carrier(step)
    found = script.fact(kind, name)
    if found is None:
        return compared({"tags": {}}, {"tags": {}}, (kind, name))
    return changed_fact(script, found, {"tags": without_tags(found["tags"], step["parameters"]["TagKeys"])}, kind, name)


def _carrier(step):
    parameter = next(name for name in CARRIERS if name in step["parameters"])
    return CARRIERS[parameter], step["parameters"][parameter]
