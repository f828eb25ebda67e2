# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of the files for later runs: plan, journal and report. HMAC-SHA-256 (RFC 2104), 64 hex digits."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError

KEY = "REMEDIATE_PLAN_KEY"
# The signed text begins with its kind, so a signature is not valid for another kind. A plan begins with "{".
JOURNAL, REPORT = "journal", "report"


class SealError(LeastprivError):
    """A file does not have the required signature; the text is a clause with the reason and what to do."""


def read_key() -> str:
    """The key in the environment of the controller; empty when there is none."""
    return os.environ.get(KEY, "")


def keyed_digest(text: str, key: str) -> str:
    """The signature of a text."""
    return hmac.new(os.fsencode(key), text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()


def is_signature(given: Any, text: str, key: str) -> bool:
    """Whether something, untrusted, is the signature of a text."""
    return hmac.compare_digest(str(given).encode(errors="replace"), keyed_digest(text, key).encode())


def canonical_json(value: Any) -> str:
    """One text for equal JSON values, whatever the order of their keys; ASCII."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Ansible's own dictionaries and lists may be lazy, so they are copied."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def sign_report(report: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The report with its `signature`, where there is a key."""
    return {**report, "signature": keyed_digest(_signed(report), key)} if key else dict(report)


def check_report(report: Mapping[str, Any], key: str) -> None:
    """Raise SealError if it is not a report, or not signed with the key, if there is one."""
    if not isinstance(report, Mapping):
        raise SealError("it is not a report")
    if key and not is_signature(report.get("signature"), _signed(report), key):
        raise SealError(
            f"it is not signed with the key in {KEY}. To read a report of a run that had no key, and that you trust, "
            f"leave {KEY} empty once"
        )


def _signed(report: Mapping[str, Any]) -> str:
    return f"{REPORT}\n{canonical_json({name: value for name, value in report.items() if name != 'signature'})}"
