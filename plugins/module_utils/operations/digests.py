# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of what a step removes by reference, and from whom: an undo compares them, see observation/taken.py.

A detached policy or a former boundary is restored by its name, and its content may have changed in between.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ..account.overlay import AccountOverlay
from ..policies.document import PolicyDocumentError, canonical, denies, is_deny_only

# (what, in words; its `sha256`, None if it cannot be read; whether it `grants` and `restricts`)
Digest = tuple[str, dict[str, Any]]


def document_digest(name: str, document: Any) -> Digest:
    """A policy document; one that cannot be read might do anything, and fails no run that does not look into it."""
    unread = {"sha256": None, "grants": True, "restricts": True}
    if document is None:
        return name, unread
    try:
        parts = {"grants": not is_deny_only(document), "restricts": bool(denies(document))}
        return name, {"sha256": sha256(canonical(document)), **parts}
    except PolicyDocumentError:
        return name, unread


def stored(overlay: AccountOverlay, *key: str) -> Any:
    """A document of the account; None for one that is not there or cannot be read."""
    try:
        return overlay.fact(*key)
    except PolicyDocumentError:
        return None


def name_digest(name: str, grants: bool) -> Digest:
    """Something described by its name alone: its existence grants or restricts something."""
    return name, {"sha256": sha256(name), "grants": grants, "restricts": not grants}


def sha256(text: str) -> str:
    """64 hex digits."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def policy_digest(overlay: AccountOverlay, arn: str) -> Digest:
    """A managed policy, by its default document."""
    return document_digest(f"policy {arn}", stored(overlay, "policy_document", arn))


def policy_digests(overlay: AccountOverlay, kind: str, name: str) -> list[Digest]:
    """The policies of a principal, which its new members get."""
    attached = [policy_digest(overlay, arn) for arn in overlay.fact("attached", kind, name) or []]
    return attached + [
        document_digest(f"inline policy {policy} of {kind} {name}", stored(overlay, "inline", kind, name, policy))
        for policy in overlay.fact("inline_names", kind, name) or []
    ]


def boundary_digests(overlay: AccountOverlay, kind: str, name: str) -> list[Digest]:
    """The permissions boundary of a user or role, in a list of one or none."""
    boundary = (overlay.fact(kind, name) or {}).get("boundary")
    return [name_digest(f"permissions boundary {boundary} of {kind} {name}", grants=False)] if boundary else []


def reached(overlay: AccountOverlay, kind: str, name: str) -> list[Digest]:
    """The principals that get the restored access, and its boundary."""
    if kind == "group":
        return [name_digest(f"member {user} of group {name}", grants=True) for user in overlay.members_of(name)]
    found = overlay.fact(kind, name)
    trust = [document_digest(f"trust policy of role {name}", found["trust"])] if kind == "role" and found else []
    return trust + boundary_digests(overlay, kind, name)
