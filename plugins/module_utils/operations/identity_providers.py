# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identity providers: OpenID Connect and SAML.kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..account.iam_account import tags_of
from ..account.overlay import AccountOverlay, Observation, aws_error, changed_fact, compared, existing
from ..policies.arns import resource_of
from ..shapes import Step
from .digests import Digest, name_digest
from .row import DESTRUCTIVE, RESTRICT, WIDEN, Fact, Operation, State, Target
from .targets import OIDC, SAML
from .undo import Calls, Operations, Parameters, former_field, given, tag_list, undone_by


def create_openid_connect_provider(overlay: AccountOverlay, step: Step) -> Observation:
    parameters = step["parameters"]
    url = parameters["Url"].partition("://")[2]
    wanted = {"url": url, "client_ids": sorted(parameters.get("ClientIDList", [])), "tags": tags_of(parameters)}
    # Without thumbprints IAM fetches the provider's own.
    if "ThumbprintList" in parameters:
        wanted["thumbprints"] = sorted(parameters["ThumbprintList"])
    return _create(overlay, (OIDC.kind, overlay.arn(f"oidc-provider/{url}")), wanted)


def create_saml_provider(overlay: AccountOverlay, step: Step) -> Observation:
    parameters = step["parameters"]
    wanted = {"metadata": parameters["SAMLMetadataDocument"], "tags": tags_of(parameters)}
    return _create(overlay, (SAML.kind, overlay.arn(f"saml-provider/{parameters['Name']}")), wanted)


def _create(overlay: AccountOverlay, key: tuple[str, str], wanted: Any) -> Observation:
    found = overlay.fact(*key)
    after = {"arn": key[1], **wanted}
    if found is None:
        overlay.will_be({"thumbprints": [], **wanted}, *key)
        return compared({}, after, key)
    if {field: found[field] for field in wanted} != wanted:
        raise aws_error("EntityAlreadyExists", f"{key[1]} already exists, and differs.")
    return compared(after, after, key)


def delete_provider(overlay: AccountOverlay, step: Step) -> Observation:
    key = _provider(step)
    found = overlay.fact(*key)
    if found is None:
        return compared({}, {}, key)
    overlay.will_be(None, *key)
    return compared(found, {}, key)


def _provider(step: Step) -> tuple[str, str]:
    parameters = step["parameters"]
    if "SAMLProviderArn" in parameters:
        return SAML.kind, parameters["SAMLProviderArn"]
    return OIDC.kind, parameters["OpenIDConnectProviderArn"]


def add_client_id(overlay: AccountOverlay, step: Step) -> Observation:
    key = _provider(step)
    found = existing(overlay, step, *key)
    client_ids = sorted({*found["client_ids"], step["parameters"]["ClientID"]})
    return changed_fact(overlay, found, {"client_ids": client_ids}, *key)


def remove_client_id(overlay: AccountOverlay, step: Step) -> Observation:
    key = _provider(step)
    found = overlay.fact(*key)
    if found is None:
        return compared({}, {}, key)
    client_ids = [one for one in found["client_ids"] if one != step["parameters"]["ClientID"]]
    if found["client_ids"] and not client_ids:
        # Without an audience no token is accepted: the same as deleting the provider.
        overlay.guard("no_deletion", step, f"it removes the last client id of {key[1]}, which ends every sign-in by it")
    return changed_fact(overlay, found, {"client_ids": client_ids}, *key)


def update_thumbprints(overlay: AccountOverlay, step: Step) -> Observation:
    key = _provider(step)
    found = existing(overlay, step, *key)
    return changed_fact(overlay, found, {"thumbprints": sorted(step["parameters"]["ThumbprintList"])}, *key)


def update_saml_metadata(overlay: AccountOverlay, step: Step) -> Observation:
    key = _provider(step)
    found = existing(overlay, step, *key)
    return changed_fact(overlay, found, {"metadata": step["parameters"]["SAMLMetadataDocument"]}, *key)


# --- undo ---


def remove_provider(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    name = "SAMLProviderArn" if operations[0] == "DeleteSAMLProvider" else "OpenIDConnectProviderArn"
    return [(operations[0], {name: after["arn"]})]


def former_provider(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    tags = given(Tags=tag_list(before["tags"]))
    if "SAMLProviderArn" in parameters:
        name = resource_of(parameters["SAMLProviderArn"])[2]
        return [(operations[0], {"Name": name, "SAMLMetadataDocument": before["metadata"], **tags})]
    lists = given(ClientIDList=before["client_ids"], ThumbprintList=before["thumbprints"])
    return [(operations[0], {"Url": f"https://{before['url']}", **lists, **tags})]


def provider_field(field: str, noun: str) -> Callable[[AccountOverlay, Parameters, Any], list[Digest]]:
    """What signs for a client id, and whom a thumbprint vouches for."""

    def find(overlay: AccountOverlay, parameters: Parameters, before: Any) -> list[Digest]:
        arn = parameters["OpenIDConnectProviderArn"]
        found = overlay.fact("openid_connect_provider", arn) or {}
        return [name_digest(f"{noun} {one} of {arn}", grants=True) for one in found.get(field, [])]

    return find


def _field(family: str, parameter: str, field: str) -> Callable[[Fact, Parameters], Any]:
    """One field of what a parameter names."""

    def read(fact: Fact, parameters: Parameters) -> Any:
        found = fact(family, parameters[parameter])
        return found and found[field]

    return read


SAML_METADATA = State(
    name="saml_metadata", read=_field(SAML.kind, "SAMLProviderArn", "metadata"), differs="its metadata differs"
)
THUMBPRINTS = State(
    name="thumbprints",
    read=_field(OIDC.kind, "OpenIDConnectProviderArn", "thumbprints"),
    differs="its thumbprints differ",
)
MODULE = "leastpriv.iam.identity_provider"
OF_OIDC: dict[str, Any] = {"kind": OIDC.kind, "arn": "$OpenIDConnectProviderArn"}
OF_SAML: dict[str, Any] = {"kind": SAML.kind, "arn": "$SAMLProviderArn"}

ROWS = (
    Operation(
        name="AddClientIDToOpenIDConnectProvider",
        module=MODULE,
        args={**OF_OIDC, "client_id": "$ClientID", "state": "present"},
        observe=add_client_id,
        already_true="the provider has the client id",
        effect=WIDEN,
        undo=undone_by("RemoveClientIDFromOpenIDConnectProvider"),
        guards=("no_trust",),
        target=OIDC,
    ),
    Operation(
        name="CreateOpenIDConnectProvider",
        module=MODULE,
        args={
            "kind": OIDC.kind,
            "url": "$Url",
            "client_ids": "$ClientIDList",
            "thumbprints": "$ThumbprintList",
            "tags": "$Tags",
            "state": "present",
        },
        observe=create_openid_connect_provider,
        already_true="it exists with the same client ids, tags and, if given, thumbprints",
        effect=WIDEN,
        undo=undone_by("DeleteOpenIDConnectProvider", calls=remove_provider),
        guards=("no_trust",),
        target=Target(parameter="Url", resource="oidc-provider/*"),
        reads=("GetOpenIDConnectProvider",),
        defaults={"ClientIDList": [], "Tags": [], "ThumbprintList": []},
    ),
    Operation(
        name="CreateSAMLProvider",
        module=MODULE,
        args={
            "kind": SAML.kind,
            "name": "$Name",
            "metadata": "$SAMLMetadataDocument",
            "tags": "$Tags",
            "state": "present",
        },
        observe=create_saml_provider,
        already_true="it exists with the same metadata and tags",
        effect=WIDEN,
        undo=undone_by("DeleteSAMLProvider", calls=remove_provider),
        guards=("no_trust",),
        target=Target(parameter="Name", resource="saml-provider/*"),
        reads=("GetSAMLProvider",),
        defaults={"Tags": []},
    ),
    Operation(
        name="DeleteOpenIDConnectProvider",
        module=MODULE,
        args={**OF_OIDC, "state": "absent"},
        observe=delete_provider,
        already_true="there is no such provider",
        effect=DESTRUCTIVE,
        undo=undone_by("CreateOpenIDConnectProvider", calls=former_provider),
        guards=("no_deletion",),
        target=OIDC,
    ),
    Operation(
        name="DeleteSAMLProvider",
        module=MODULE,
        args={**OF_SAML, "state": "absent"},
        observe=delete_provider,
        already_true="there is no such provider",
        effect=DESTRUCTIVE,
        undo=undone_by("CreateSAMLProvider", calls=former_provider),
        guards=("no_deletion",),
        target=SAML,
    ),
    Operation(
        name="RemoveClientIDFromOpenIDConnectProvider",
        module=MODULE,
        args={**OF_OIDC, "client_id": "$ClientID", "state": "absent"},
        observe=remove_client_id,
        already_true="the provider has no such client id",
        effect=RESTRICT,
        undo=undone_by("AddClientIDToOpenIDConnectProvider"),
        target=OIDC,
        takes=provider_field("thumbprints", "thumbprint"),
    ),
    Operation(
        name="UpdateOpenIDConnectProviderThumbprint",
        module=MODULE,
        args={**OF_OIDC, "thumbprints": "$ThumbprintList", "state": "present"},
        observe=update_thumbprints,
        already_true="these are the thumbprints",
        effect=WIDEN,
        undo=undone_by("UpdateOpenIDConnectProviderThumbprint", calls=former_field("ThumbprintList", "thumbprints")),
        guards=("no_trust",),
        target=OIDC,
        read_again=(THUMBPRINTS,),
        takes=provider_field("client_ids", "client id"),
    ),
    Operation(
        name="UpdateSAMLProvider",
        module=MODULE,
        args={**OF_SAML, "metadata": "$SAMLMetadataDocument", "state": "present"},
        observe=update_saml_metadata,
        already_true="this is the metadata",
        effect=WIDEN,
        undo=undone_by("UpdateSAMLProvider", calls=former_field("SAMLMetadataDocument", "metadata")),
        guards=("no_trust",),
        target=SAML,
        read_again=(SAML_METADATA,),
    ),
)
