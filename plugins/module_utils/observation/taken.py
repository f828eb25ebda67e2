# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of the access that a step removes by reference, and of its principals: an undo restores it only unchanged.

A detached policy, a group that a user left or a former boundary is put back by its name, and its content may have
changed in between. Steps that are put back by value (a document, a tag) need only who would get it.
"""

from __future__ import annotations

import hashlib

from ansible_collections.leastpriv.iam.plugins.module_utils.account.overlay import principal
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.observing_principals import members_of
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import (
    PolicyDocumentError,
    canonical,
    canonical_text,
    denies,
    is_deny_only,
)


def taken_by(script, step):
    """Digest what a step takes away and what only its undo would reach.

    :param script: the `overlay.Script`, before or after the step.
    :param step: `operation`, `parameters` and `before`.
    :returns: {what: `sha256`, None where its document cannot be read; `grants` and `restricts`}; None where an undo
        gives nothing back that may have changed.
    """
    find = FINDERS.get(OPERATIONS[step["operation"]].observe)
    found = find(script, step["parameters"], step["before"]) if find else None
    return None if found is None else dict(found)


def more_than(taken, live):
    """Compare the access that an undo would restore with the access that the step removed.

    :returns: list of clauses for a person: what cannot be read, has changed, grants and is new, or restricted and is
        gone.
    """
    changes = [f"{name} {clause}" for name in sorted(live) if (clause := _difference(taken.get(name), live[name]))]
    gone = [name for name in sorted({*taken} - {*live}) if taken[name].get("restricts", True)]
    return changes + [f"{name} is gone" for name in gone]


def _difference(then, now):
    if now["sha256"] is None:
        return "cannot be read"
    if then is None:
        return "is new" if now["grants"] else None
    return None if then.get("sha256") == now["sha256"] else "was changed"


def _document(name, document):
    """A policy document; one that cannot be read might do anything, and fails no run that does not look into it."""
    unread = {"sha256": None, "grants": True, "restricts": True}
    if document is None:
        return name, unread
    try:
        parts = {"grants": not is_deny_only(document), "restricts": bool(denies(document))}
        return name, {"sha256": _digest(canonical(document)), **parts}
    except PolicyDocumentError:
        return name, unread


def _stored(script, *key):
    """A document of the account; None for one that is not there or cannot be read."""
    try:
        return script.fact(*key)
    except PolicyDocumentError:
        return None


def _name(name, grants):
    """What its name says all about: that it is there grants something, or restricts."""
    return name, {"sha256": _digest(name), "grants": grants, "restricts": not grants}


def _digest(text):
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _policy(script, arn):
    return _document(f"policy {arn}", _stored(script, "policy_document", arn))


def _policies(script, kind, name):
    """The policies of a principal, which its new members get."""
    attached = [_policy(script, arn) for arn in script.fact("attached", kind, name) or []]
    return attached + [
        _document(f"inline policy {policy} of {kind} {name}", _stored(script, "inline", kind, name, policy))
        for policy in script.fact("inline_names", kind, name) or []
    ]


def _boundary_of(script, kind, name):
    boundary = (script.fact(kind, name) or {}).get("boundary")
    return [_name(f"permissions boundary {boundary} of {kind} {name}", grants=False)] if boundary else []


def _reached(script, kind, name):
    """The principals that get the restored access, and its boundary."""
    if kind == "group":
        return [_name(f"member {user} of group {name}", grants=True) for user in members_of(script, name)]
    found = script.fact(kind, name)
    trust = [_document(f"trust policy of role {name}", found["trust"])] if kind == "role" and found else []
    return trust + _boundary_of(script, kind, name)


def _detached(script, parameters, before):
    return [_policy(script, parameters["PolicyArn"]), *_reached(script, *principal({"parameters": parameters}))]


def _inline(script, parameters, before):
    return _reached(script, *principal({"parameters": parameters})) if "document" in before else None


def _former_boundary(script, parameters, before):
    return [_policy(script, before["boundary"])] if before["boundary"] else None


def _former_version(script, parameters, before):
    """A policy that was made anew has a version of the same name; who has got the policy since would get it, too."""
    if "default_version" not in before:
        return None
    arn, version = parameters["PolicyArn"], before["default_version"]
    holders = script.attached_to(arn)
    return [
        _document(f"version {version} of policy {arn}", _stored(script, "version_document", arn, version)),
        *(_holder(script, arn, *holder) for holder in holders),
        *(part for kind, name in holders if kind == "group" for part in _reached(script, kind, name)),
    ]


def _holder(script, arn, kind, name):
    """Who has a policy, with what decides how far it reaches there."""
    found = script.fact(kind, name) or {}
    trust = _document("trust", found["trust"])[1]["sha256"] if "trust" in found else ""
    digest = None if trust is None else _digest(canonical_text([found.get("boundary"), trust]))
    return f"{kind} {name}, which has the policy {arn},", {"sha256": digest, "grants": True, "restricts": False}


def _group_left(script, parameters, before):
    policies = _policies(script, "group", parameters["GroupName"])
    return policies + _boundary_of(script, "user", parameters["UserName"])


def _role_of_profile(script, parameters, before):
    role = parameters["RoleName"]
    return [*_policies(script, "role", role), *_reached(script, "role", role)]


def _trusting_role(script, parameters, before):
    role = parameters["RoleName"]
    return _policies(script, "role", role) + _boundary_of(script, "role", role)


def _provider_field(field, noun):
    """What signs for a client id, and whom a thumbprint vouches for."""

    def find(script, parameters, before):
        arn = parameters["OpenIDConnectProviderArn"]
        found = script.fact("openid_connect_provider", arn) or {}
        return [_name(f"{noun} {one} of {arn}", grants=True) for one in found.get(field, [])]

    return find


# Those of the observers whose undo gives something back. An undo of a Deny, a boundary or a key set inactive lifts what
# the run itself had put there: what else its principal has been granted since is not looked at.
FINDERS = {
    "create_policy_version": _former_version,
    "delete_boundary": _former_boundary,
    "delete_inline_policy": _inline,
    "detach_policy": _detached,
    "put_boundary": _former_boundary,
    "put_inline_policy": _inline,
    "remove_client_id": _provider_field("thumbprints", "thumbprint"),
    "remove_member": _group_left,
    "remove_role_from_profile": _role_of_profile,
    "set_default_policy_version": _former_version,
    "update_thumbprints": _provider_field("client_ids", "client id"),
    "update_trust": _trusting_role,
}
