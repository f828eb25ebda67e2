# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each alert of a run writes and relies on, so no alert reverts or weakens the change of another one.

All alerts of an account are observed before the first step runs. So an alert must neither write what another one
writes in a different way, nor rely on what another one changes. IAM's names are case-insensitive: all keys are in
lower case. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..account.overlay import AccountOverlay, Conflict, Observation, named_principals
from ..operations import OPERATIONS
from ..policies.arns import DOCUMENTS
from ..shapes import Step
from .reviewed import ACCOUNT_WIDE

PRINCIPALS = ("user", "role", "group")
# The families of facts whose key is a name that is unique in an account.
NAMED = (*PRINCIPALS, "instance_profile", "openid_connect_provider", "policy", "saml_provider", "server_certificate")
NOUNS = {
    "attached": "policies attached to",
    "groups_of": "groups of",
    "inline": "inline policy of",
    "inline_names": "inline policies of",
    "openid_connect_provider": "OpenID Connect provider",
    "policy_document": "the document of policy",
    "saml_provider": "SAML provider",
    "trust": "trust policy",
}
AGAIN = "run again after it"


@dataclass(frozen=True)
class Claim:
    """What one step writes and relies on.

    :ivar alert_id: whose step it is.
    :ivar keys: the keys of what it writes.
    :ivar wants: their values after the change; two alerts that want the same may share a key.
    :ivar premises: the aspects of the account that it relies on.
    :ivar alterations: the aspects of the account that it changes.
    """

    alert_id: str
    keys: frozenset[Any]
    wants: object
    premises: frozenset[Any]
    alterations: frozenset[Any]


class Claims:
    """The claims of the alerts that a run is going to apply in one account."""

    def __init__(self) -> None:
        self._wanted: dict[Any, tuple[str, Any]] = {}
        self._relied_on: dict[Any, set[str]] = {}
        self._altered: dict[Any, set[str]] = {}

    def check(self, claim: Claim) -> None:
        """Check that a claim is compatible with those of other alerts.

        :raises Conflict: naming the other alert.
        """
        for key in _sorted(claim.keys):
            writer, wanted = self._wanted.get(key, (claim.alert_id, claim.wants))
            if writer != claim.alert_id and wanted != claim.wants:
                raise Conflict(_says_taken(key, writer))
        for table, aspects in ((self._altered, claim.premises), (self._relied_on, claim.alterations)):
            for aspect in _sorted(aspect for aspect in aspects if aspect in table):
                others = sorted(table[aspect] - {claim.alert_id})
                if others:
                    detail = "changes" if table is self._altered else "relies on"
                    raise Conflict(f"alert {others[0]} of this run {detail} {_name(aspect)}; {AGAIN}")

    def take(self, claims: Iterable[Claim]) -> None:
        """Keep the claims of an alert that is going to be applied."""
        for claim in claims:
            self._wanted.update(dict.fromkeys(claim.keys, (claim.alert_id, claim.wants)))
            for table, aspects in ((self._altered, claim.alterations), (self._relied_on, claim.premises)):
                for aspect in aspects:
                    table.setdefault(aspect, set()).add(claim.alert_id)


def claim_of(overlay: AccountOverlay, step: Step, found: Observation, alert_id: str, shared_wants: Any = None) -> Claim:
    """The claim of a step that was observed just now.

    :param overlay: the `AccountOverlay` that it was observed with.
    :param found: its `Observation`.
    :param shared_wants: the common value of steps that add to each other.
    """
    parameters = {name: value for name, value in step["parameters"].items() if name not in DOCUMENTS}
    created = {key for key, (was, will_be) in overlay.written.items() if key[0] in NAMED and None in (was, will_be)}
    return Claim(
        alert_id,
        frozenset(normalised(key) for key in {found.writes, *created}),
        shared_wants or (step["operation"], parameters, found.after),
        frozenset(_premises(overlay, step)),
        frozenset(aspect for key, values in overlay.written.items() for aspect in _alterations(key, *values)),
    )


def normalised(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """A key in lower case; of a managed policy its name alone, which is unique whatever the path."""
    if key[0] == "policy":
        key = ("policy", key[1].rsplit("/", 1)[-1])
    return tuple(part.lower() if isinstance(part, str) else part for part in key)


def _premises(overlay: AccountOverlay, step: Step) -> Iterator[tuple[Any, ...]]:
    for key in overlay.premises:
        if key[0] not in ACCOUNT_WIDE:
            yield (*normalised(key), "exists") if _is_principal(key) else normalised(key)
    # iam_role writes the trust policy that was observed, whatever it is about.
    if "$live.trust" in OPERATIONS[step["operation"]].args.values():
        for kind, name in named_principals(step):
            yield kind, name.lower(), "trust"


def _alterations(key: tuple[Any, ...], was: Any, will_be: Any) -> list[tuple[Any, ...]]:
    if not _is_principal(key):
        return [normalised(key)] if key[0] not in ACCOUNT_WIDE else []
    if was is None or will_be is None:
        return [(*normalised(key), aspect) for aspect in ("exists", "trust")]
    return [(*normalised(key), field) for field in will_be if will_be[field] != was.get(field)]


def _is_principal(key: tuple[Any, ...]) -> bool:
    return key[0] in PRINCIPALS


def _sorted(keys: Iterable[Any]) -> list[Any]:
    return sorted(keys, key=repr)


def _says_taken(key: tuple[Any, ...], writer: str) -> str:
    if key[0] in NAMED:
        unique = f"{_noun(key[0])} names are unique in an account, whatever their path and letter case"
        return f"alert {writer} of this run changes {_name(key)} in another way, and {unique}; {AGAIN}"
    return f"alert {writer} of this run changes the same thing in another way (letter case aside); {AGAIN}"


def _noun(family: str) -> str:
    return NOUNS.get(family, family.replace("_", " "))


def _name(aspect: tuple[Any, ...]) -> str:
    """An aspect in words: `("role", "ci", "trust")` -> `the trust policy of role ci`."""
    family, *names = (str(part) for part in aspect)
    if family in PRINCIPALS and len(names) > 1:
        whose = f"{family} {names[0]}"
        return whose if names[1] == "exists" else f"the {NOUNS.get(names[1], names[1])} of {whose}"
    return " ".join([_noun(family), *names])
