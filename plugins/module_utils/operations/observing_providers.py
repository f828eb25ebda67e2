# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observers of identity providers: OpenID Connect and SAML."""

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import tags_of
from ansible_collections.leastpriv.iam.plugins.module_utils.account.overlay import (
    aws_error,
    changed_fact,
    compared,
    existing,
)

OIDC, SAML = "openid_connect_provider", "saml_provider"


def create_openid_connect_provider(script, step):
    parameters = step["parameters"]
    url = parameters["Url"].partition("://")[2]
    wanted = {"url": url, "client_ids": sorted(parameters.get("ClientIDList", [])), "tags": tags_of(parameters)}
    # Without thumbprints IAM fetches the provider's own.
    if "ThumbprintList" in parameters:
        wanted["thumbprints"] = sorted(parameters["ThumbprintList"])
    return _create(script, step, (OIDC, script.arn(f"oidc-provider/{url}")), wanted)


def create_saml_provider(script, step):
    parameters = step["parameters"]
    wanted = {"metadata": parameters["SAMLMetadataDocument"], "tags": tags_of(parameters)}
    return _create(script, step, (SAML, script.arn(f"saml-provider/{parameters['Name']}")), wanted)


def _create(script, step, key, wanted):
    found = script.fact(*key)
    after = {"arn": key[1], **wanted}
    if found is None:
        script.will_be({"thumbprints": [], **wanted}, *key)
        return compared({}, after, key)
    if {field: found[field] for field in wanted} != wanted:
        raise aws_error(step, "EntityAlreadyExists", f"{key[1]} already exists, and differs.")
    return compared(after, after, key)


def delete_provider(script, step):
    key = _provider(step)
    found = script.fact(*key)
    if found is None:
        return compared({}, {}, key)
    script.will_be(None, *key)
    return compared(found, {}, key)


def _provider(step):
    parameters = step["parameters"]
    if "SAMLProviderArn" in parameters:
        return SAML, parameters["SAMLProviderArn"]
    return OIDC, parameters["OpenIDConnectProviderArn"]


def add_client_id(script, step):
    key = _provider(step)
    found = existing(script, step, *key)
    client_ids = sorted({*found["client_ids"], step["parameters"]["ClientID"]})
    return changed_fact(script, found, {"client_ids": client_ids}, *key)


def remove_client_id(script, step):
    key = _provider(step)
    found = script.fact(*key)
    if found is None:
        return compared({}, {}, key)
    client_ids = [one for one in found["client_ids"] if one != step["parameters"]["ClientID"]]
    if found["client_ids"] and not client_ids:
        # Without an audience no token is accepted: the same as deleting the provider.
        script.guard("no_deletion", step, f"it removes the last client id of {key[1]}, which ends every sign-in by it")
    return changed_fact(script, found, {"client_ids": client_ids}, *key)


def update_thumbprints(script, step):
    key = _provider(step)
    found = existing(script, step, *key)
    return changed_fact(script, found, {"thumbprints": sorted(step["parameters"]["ThumbprintList"])}, *key)


def update_saml_metadata(script, step):
    key = _provider(step)
    found = existing(script, step, *key)
    return changed_fact(script, found, {"metadata": step["parameters"]["SAMLMetadataDocument"]}, *key)
