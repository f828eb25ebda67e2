# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a document allows more than those that it replaces, asked of IAM Access Analyzer: CheckNoNewAccess.

Source: API_CheckNoNewAccess in the IAM Access Analyzer API Reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

from ..policies.document import pretty
from ..policy_proof.proof import Document

PASS = "PASS"
IDENTITY, RESOURCE = "IDENTITY_POLICY", "RESOURCE_POLICY"


class NewAccess:
    """Asks about each pair of documents once.

    :param client: makes the client of IAM Access Analyzer, when the first pair is asked about.
    """

    def __init__(self, client: Callable[[], Any]) -> None:
        self._make_client = client
        self._client: Any = None
        self._answers: dict[tuple[str, str], str] = {}

    def why_refused(self, replaced: Sequence[Document], new: Document) -> str:
        """Ask whether a document allows nothing that the replaced ones together do not allow.

        :returns: empty for the answer PASS; otherwise why not, as a clause. Whatever fails is a reason.
        """
        if len({one.get("Version") for one in (*replaced, new)}) > 1:
            return "IAM Access Analyzer was not asked, since the documents have different versions"
        existing = {**new, "Statement": [_unnamed(one) for document in replaced for one in _statements(document)]}
        pair = pretty(existing), pretty(new)
        if pair not in self._answers:
            is_trust = any({"Principal", "NotPrincipal"} & statement.keys() for statement in _statements(new))
            self._answers[pair] = self._ask(*pair, RESOURCE if is_trust else IDENTITY)
        return self._answers[pair]

    def _ask(self, existing: str, new: str, kind: str) -> str:
        try:
            self._client = self._client or self._make_client()
            answer = self._client.check_no_new_access(
                existingPolicyDocument=existing, newPolicyDocument=new, policyType=kind
            )
        except (ClientError, BotoCoreError) as error:
            return f"IAM Access Analyzer could not be asked: {error}"
        if answer.get("result") == PASS:
            return ""
        reasons = [str(one.get("description")) for one in answer.get("reasons") or []]
        return f"IAM Access Analyzer: {' '.join([str(answer.get('message')), *reasons])}"


def _statements(document: Document) -> list[dict[str, Any]]:
    found = document["Statement"]
    return found if isinstance(found, list) else [found]


def _unnamed(statement: dict[str, Any]) -> dict[str, Any]:
    """Without its name, which would be there twice in a document made of several."""
    return {name: value for name, value in statement.items() if name != "Sid"}
