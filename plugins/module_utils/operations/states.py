# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change replaces, as one text each: read when a step is observed and again right before it is applied.

IAM overwrites or takes away these without a condition, so only a second look keeps somebody else's change.
"""

from __future__ import annotations

import hashlib

from ansible_collections.leastpriv.iam.plugins.module_utils.account.overlay import principal
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import canonical, canonical_text


def state_of(kind, fact, parameters):
    """The SHA-256 of one thing that a call replaces or takes away.

    :param kind: one of C(READERS).
    :param fact: function of a fact's key, see C(iam_account.IamAccount).
    :param parameters: the API parameters of the call.
    """
    return hashlib.sha256(canonical_text(READERS[kind](fact, parameters)).encode()).hexdigest()


def _principal(parameters):
    return principal({"parameters": parameters})


def _inline(fact, parameters):
    """The inline policies of the name; IAM does not tell names apart by letter case."""
    kind, name = _principal(parameters)
    wanted = parameters["PolicyName"].lower()
    same = [policy for policy in fact("inline_names", kind, name) or [] if policy.lower() == wanted]
    return {policy: canonical(fact("inline", kind, name, policy) or {}) for policy in same}


def _policy_document(fact, parameters):
    document = fact("policy_document", parameters["PolicyArn"])
    return document and canonical(document)


def _trust(fact, parameters):
    role = fact("role", parameters["RoleName"])
    return role and canonical(role["trust"])


def _boundary(fact, parameters):
    found = fact(*_principal(parameters))
    return found and (found.get("boundary") or "")


def _boundary_document(fact, parameters):
    return _policy_document(fact, {"PolicyArn": parameters["PermissionsBoundary"]})


def _group_policies(fact, parameters):
    """What a member of a group gets."""
    name = parameters["GroupName"]
    documents = {("policy_document", arn) for arn in fact("attached", "group", name) or []}
    documents |= {("inline", "group", name, policy) for policy in fact("inline_names", "group", name) or []}
    return [[*key, canonical(fact(*key) or {})] for key in sorted(documents)]


def _field(family, parameter, field):
    """One field of what a parameter names."""

    def read(fact, parameters):
        found = fact(family, parameters[parameter])
        return found and found[field]

    return read


def _role_settings(fact, parameters):
    return fact("role_settings", parameters["RoleName"])


def _password_policy(fact, _parameters):
    return fact("password_policy")


READERS = {
    "boundary": _boundary,
    "boundary_document": _boundary_document,
    "group_policies": _group_policies,
    "inline": _inline,
    "password_policy": _password_policy,
    "policy_document": _policy_document,
    "role_settings": _role_settings,
    "saml_metadata": _field("saml_provider", "SAMLProviderArn", "metadata"),
    "thumbprints": _field("openid_connect_provider", "OpenIDConnectProviderArn", "thumbprints"),
    "trust": _trust,
}
