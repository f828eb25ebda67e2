# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account as one script finds it: live facts under what the script's earlier steps will have made.

Also what all observers share: the words of AWS's errors, and the comparison of before and after.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import LeastprivError
from ..guardrails.rules import Refusal, is_open
from ..policy_proof.denials import lost_denials
from ..policy_proof.lost_access import describe_lost_access, lost_access
from ..policy_proof.proof import prove
from .iam_account import IamAccount

# Facts that belong to a user, role or group under another name, for following a renamed one.
OWNERS = {
    "access_keys": "user",
    "groups_of": "user",
    "login_profile": "user",
    "members": "group",
    "mfa_devices": "user",
    "service_specific_credentials": "user",
    "signing_certificates": "user",
    "ssh_public_keys": "user",
}
NOT_FOUND = {
    "group": "The group with name {} cannot be found.",
    "instance_profile": "Instance Profile {} cannot be found.",
    "mfa_device": "VirtualMFADevice with serial number {} doesn't exist.",
    "openid_connect_provider": "OpenIDConnect Provider not found for arn {}",
    "policy": "Policy {} was not found.",
    "role": "The role with name {} cannot be found.",
    "saml_provider": "Manifest not found for arn {}",
    "server_certificate": "The Server Certificate with name {} cannot be found.",
    "user": "The user with name {} cannot be found.",
}

# Kind and name.
Principal = tuple[str, str]


class Conflict(LeastprivError):
    """A step cannot be applied to the account as it is; the text has the reason.

    :ivar code: the error code that AWS would return, None if AWS would not refuse it.
    """

    code: str | None = None


class AttachmentQuota(Conflict):
    """A principal can take no further managed policy."""


@dataclass(frozen=True)
class Observation:
    """What one step finds.

    :ivar status: `needed` or `unchanged`.
    :ivar before: the part of the account that the step is about, as it is.
    :ivar after: the same as it will be.
    :ivar writes: the key of what the step writes, to find alerts that write the same thing.
    """

    status: str
    before: Any
    after: Any
    writes: tuple[Any, ...]


class AccountOverlay:
    """The account as one script finds it: live facts, overlaid with the changes of its earlier steps.

    :param account: an `iam_account.IamAccount`.
    :param account_id: 12 digits.
    :param partition: `aws`, `aws-cn`, `aws-us-gov`, ...
    :param allow: the user's `remediate_allow`.
    :param pending: attachments that the alerts of this run will have made, key -> lower-cased ARNs.
    :param protects: whether the user protects any principal of this account.
    """

    def __init__(
        self,
        account: IamAccount,
        account_id: str,
        partition: str,
        allow: Collection[str],
        pending: dict[tuple[str, ...], Any],
        protects: bool = False,
    ) -> None:
        self._account = account
        self._overlay: dict[tuple[Any, ...], Any] = {}
        self._former_names: dict[Any, Any] = {}
        self._relied_on: dict[tuple[Any, ...], Any] = {}
        self._premises: set[tuple[Any, ...]] = set()
        self._written: dict[tuple[Any, ...], tuple[Any, Any]] = {}
        self._account_id = account_id
        self._partition = partition
        self._allow = allow
        self.pending = pending
        self.protects = protects
        self.notes: list[str] = []
        # Whose access the present step takes away, and which: `principal`, `services` (service -> actions).
        self.lost_access: list[dict[str, Any]] = []
        # The calls of the script that follow the present step, as (operation, parameters).
        self.following: list[tuple[str, Any]] = []
        # (kind, name) -> ARN -> the document of a policy that the script has attached.
        self.swapped_in: dict[Principal, dict[str, Any]] = {}
        # The states that are read again right before the present step's change, beside those of its row.
        self.read_again: list[Any] = []

    def fork(self) -> AccountOverlay:
        """The same account as this script finds it by now; what is overlaid there is not overlaid here."""
        twin = copy.copy(self)
        twin._overlay, twin._former_names = dict(self._overlay), dict(self._former_names)
        twin._relied_on, twin.pending = {}, dict(self.pending)
        twin._premises, twin._written, twin.notes, twin.lost_access = set(), {}, [], []
        twin.swapped_in = {key: dict(found) for key, found in self.swapped_in.items()}
        twin.read_again = []
        return twin

    def fact(self, *key: str) -> Any:
        """A fact as the earlier steps leave it, by its key (account/iam_account.py); None if it does not exist."""
        found = self._found(key)
        # A step does not depend on its own changes.
        self._relied_on.setdefault(key, found)
        return found

    def _found(self, key: tuple[Any, ...]) -> Any:
        if key in self._overlay:
            return self._overlay[key]
        former = self._former_key(key)
        if former != key:
            return self._found(former)
        self._premises.add(key)
        return self._account.fact(*key)

    def next_step(self) -> None:
        """Forget what the step before relied on, wrote and noted."""
        self._relied_on, self._premises, self._written = {}, set(), {}
        self.notes, self.lost_access, self.read_again = [], [], []

    @property
    def relied_on(self) -> dict[tuple[Any, ...], Any]:
        """The facts that the present step has asked for, by their keys, as they were before it."""
        return dict(self._relied_on)

    @property
    def premises(self) -> set[tuple[Any, ...]]:
        """The keys of the facts of the live account that the present step relies on and does not write."""
        return self._premises - set(self._written)

    @property
    def written(self) -> dict[tuple[Any, ...], tuple[Any, Any]]:
        """The facts that the present step writes: key -> (its former value, None if it was not read; its new value)."""
        return dict(self._written)

    def note(self, text: str) -> None:
        """Note in plain words what the present step grants or changes beyond its letter."""
        self.notes.append(text)

    def will_be(self, value: Any, *key: str) -> None:
        """Record that the present step makes a fact this value; None removes it."""
        self._overlay[key] = value
        self._written[key] = self._relied_on.get(key), value

    def will_be_named(self, kind: str, name: str, former: str) -> None:
        """From here on what IAM knows under the former name is found under the new one."""
        self._former_names[kind, name] = former

    def _former_key(self, key: tuple[Any, ...]) -> tuple[Any, ...]:
        place = 2 if key[0] in ("attached", "inline", "inline_names") else 1
        kind = key[1] if place == 2 else OWNERS.get(key[0], key[0])
        former = self._former_names.get((kind, key[place])) if len(key) > place else None
        return key if former is None else (*key[:place], former, *key[place + 1 :])

    def overlaid(self, family: str) -> list[tuple[Any, ...]]:
        """The keys of a family of facts that this script has changed, without the family's name."""
        return [key[1:] for key in self._overlay if key[0] == family]

    def arn(self, resource: str) -> str:
        """The ARN of a resource of this account: `"policy/path/name"`."""
        return f"arn:{self._partition}:iam::{self._account_id}:{resource}"

    def policy_arn(self, path: str, name: str) -> str:
        return self.arn(f"policy{path}{name}")

    def is_local(self, arn: str) -> bool:
        """True for what belongs to this account, e.g. no AWS-managed policy."""
        return arn.split(":")[4] == self._account_id

    def attached_to(self, arn: str) -> list[Principal]:
        """The (kind, name) of every principal that a managed policy is attached to or bounds."""
        premises = set(self._premises)
        entities = {*(self.fact("policy_entities", arn) or []), *self.overlaid("attached")}
        bounded = {(kind, name) for kind in ("user", "role") for (name,) in self.overlaid(kind)}
        found = sorted((kind, name) for kind, name in entities | bounded if self._has_policy(kind, name, arn))
        # Other steps that attach the policy rely on its document; other attachments do not matter.
        self._premises = premises
        return found

    def _has_policy(self, kind: str, name: str, arn: str) -> bool:
        principal_fact = self.fact(kind, name)
        if principal_fact is None:
            return False
        held = [*(self.fact("attached", kind, name) or []), principal_fact.get("boundary") or ""]
        # Names that differ in letter case alone are one name to IAM; here too many are better than too few.
        return arn.lower() in [one.lower() for one in held]

    def members_of(self, group: str) -> set[str]:
        """The names of a group's users."""
        moved = {user for (user,) in self.overlaid("groups_of")}
        live = {arn.split("/")[-1] for arn in self.fact("members", group) or []}
        return live - moved | {user for user in moved if group in (self.fact("groups_of", user) or [])}

    def stored_name(self, kind: str, name: str) -> Any:
        """A name in the letter case that IAM has it in; as it is where IAM knows no such name."""
        made = {one.lower(): one for (one,) in self.overlaid(kind) if self.fact(kind, one) is not None}
        if name.lower() in made:
            return made[name.lower()]
        if (name,) in self.overlaid(kind):
            return name
        found = self.fact(kind, name)
        if found is None:
            other = self.fact("names", kind).get(name.lower(), name)
            # The script itself has deleted or renamed it.
            return name if (other,) in self.overlaid(kind) else other
        last = (found.get("arn") or "").rsplit("/", 1)[-1]
        return last if last.lower() == name.lower() else name

    def guard(self, rule: str, step: Mapping[str, Any], detail: str) -> None:
        """Refuse a step unless the user opened the rule for it.

        :raises Refusal:
        """
        if not is_open(rule, step["operation"], self._allow):
            raise Refusal(rule, detail)

    def guard_replacement(
        self, step: Mapping[str, Any], rule: str, replaced: list[Any], document: Any, whose: str, act: str
    ) -> None:
        """Refuse a document that is not proven to allow no more than those that it replaces, and to deny no less.

        :param rule: the rule that forbids such a document if it replaces nothing; opening it opens this check, too.
        :param replaced: the documents that it takes the place of; without any, that rule decides.
        :param whose: whose access changes, for the note on what is not allowed any more.
        :param act: what the step does, as a clause.
        :raises Refusal:
        """
        if is_open(rule, step["operation"], self._allow):
            return
        if not replaced:
            self.guard(rule, step, act)
            return
        verdict = prove(replaced, [document], self._account_id)
        new_access = self._account.new_access if verdict.denies_enough else None
        refused = new_access.why_refused(replaced, document) if new_access else ""
        if not verdict.is_narrower and (not new_access or refused):
            self.guard("no_widening", step, f"{act}: {'; '.join(filter(None, [verdict.why, refused]))}")
            return
        if new_access:
            self.notes.append("IAM Access Analyzer found no new access where the local proof could not tell.")
        if lost := lost_access(replaced, [document]):
            self.notes.append(describe_lost_access(whose, lost))
            self.lost_access.append({"principal": whose, "services": lost})

    def guard_denies(self, step: Mapping[str, Any], document: Any, act: str, *replacements: Any) -> None:
        """Refuse to take away Deny statements; a document that cannot be read might hold one.

        :param replacements: documents in its place; one of them has to deny at least as much.
        :raises Refusal:
        """
        if document is None:
            self.guard("keep_deny", step, f"{act}, whose document cannot be read")
        elif all(lost_denials(document, one) for one in replacements or [None]):
            self.guard("keep_deny", step, f"{act}, which denies something")


def principal(step: Mapping[str, Any]) -> Any:
    """The (kind, name) of the principal that a step changes, or None: `("user", "bob")`."""
    return next(iter(named_principals(step)), None)


def named_principals(step: Mapping[str, Any]) -> list[Principal]:
    """The (kind, name) of every principal that a step names; of a membership the user, whose access changes, first."""
    named = {kind: step["parameters"].get(f"{kind.capitalize()}Name") for kind in ("user", "role", "group")}
    return [(kind, name) for kind, name in named.items() if name is not None]


def aws_error(code: str, message: str, kind: type[Conflict] = Conflict) -> Conflict:
    """The `Conflict`, or a subclass of it, for what AWS would refuse; nothing was sent to it."""
    conflict = kind(f"would fail: {message.rstrip('.')} ({code}).")
    conflict.code = code
    return conflict


def delete_conflict(message: str) -> Conflict:
    """AWS's DeleteConflict: something still depends on the resource."""
    return aws_error("DeleteConflict", message)


def already_exists(kind: str, name: str) -> Conflict:
    """AWS's EntityAlreadyExists, for a resource that differs from the one to create."""
    return aws_error("EntityAlreadyExists", f"{kind.capitalize()} with name {name} already exists, and differs.")


def not_found(kind: str, name: str) -> Conflict:
    """AWS's NoSuchEntity. `kind` is a key of `NOT_FOUND`."""
    return aws_error("NoSuchEntity", NOT_FOUND[kind].format(name))


def existing(overlay: AccountOverlay, step: Mapping[str, Any], kind: str, name: str) -> Any:
    """The fact of what must be there.

    :raises Conflict: AWS's NoSuchEntity.
    """
    found = overlay.fact(kind, name)
    if found is None:
        raise not_found(kind, name)
    return found


def existing_principal(overlay: AccountOverlay, step: Mapping[str, Any]) -> tuple[str, str, Any]:
    """The kind, the name and the fact of the step's principal, which must exist.

    :raises Conflict: AWS's NoSuchEntity.
    """
    kind, name = principal(step)
    return kind, name, existing(overlay, step, kind, name)


def compared(before: Any, after: Any, writes: tuple[Any, ...]) -> Observation:
    """The observation of a step that makes `before` into `after`."""
    return Observation("unchanged" if before == after else "needed", before, after, writes)


def changed_fact(overlay: AccountOverlay, found: Any, changes: dict[str, Any], *key: str) -> Observation:
    """Overlay some fields of a fact; before and after are these fields alone."""
    overlay.will_be({**found, **changes}, *key)
    return compared({field: found[field] for field in changes}, changes, key)


def removed_fact(overlay: AccountOverlay, *key: str) -> Observation:
    """Overlay that something is gone; before is its name, path and tags."""
    found = overlay.fact(*key)
    if found is None:
        return compared({}, {}, key)
    overlay.will_be(None, *key)
    return compared({"name": key[1], "path": found["path"], "tags": found["tags"]}, {}, key)
