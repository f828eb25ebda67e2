# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of `remediate_protected_principals`: which principals each of them names, and until when. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ..errors import LeastprivError
from ..iso_time import read_time
from ..policies.arns import resource_of

SETTING = "remediate_protected_principals"
# What an entry can name principals by; a principal must meet all that it has.
NAMES = ("arn", "tag", "path")
KEYS = {*NAMES, "owner", "reason", "expires"}
TAG_KEYS = {"key", "value"}
# A bare name or an ARN of STS would not protect a principal.
PATTERN = re.compile(r"\*.*|arn:[^:]*:(iam|\*):[^:]*:[^:]*:.+|arn:[^:]*\*.*")
PATH = re.compile(r"/([!-)+-.0->@-~]+/)*")
# Source: the shapes tagKeyType and tagValueType of the IAM API.
TAG_MARKS = "_.:/=+-@"
MAX_TAG_KEY, MAX_TAG_VALUE = 128, 256
# An entry that expires within this time is announced.
NOTICE = timedelta(days=14)
# Whom almost every account has, under one name or another.
EXAMPLES = (
    ("user/break-glass-*", "security team", "emergency access"),
    ("role/SecurityAudit*", "security team", "the security tools read the accounts as it"),
    ("role/OrganizationAccountAccessRole", "platform team", "administration from the management account"),
)


class ProtectionError(LeastprivError):
    """`remediate_protected_principals` cannot be read; the message names the entry and what is wrong."""


def check_entries(entries: Any) -> None:
    """Check what the user gave, before a value is converted: a tag's value `yes` is a boolean in YAML.

    :raises ProtectionError: naming the first entry that cannot be read.
    """
    for number, entry in enumerate(entries, 1):
        _check(f"entry {number} of {SETTING}", entry)


def check_tags(tags: Any, setting: str) -> None:
    """Check tags with a `key`, and a `value` or none, as the user gave them.

    :raises ProtectionError: naming the setting and the first tag that is not one.
    """
    for tag in tags:
        if not isinstance(tag, Mapping) or not {"key"} <= {*tag} <= TAG_KEYS:
            raise ProtectionError(f"{setting} has {tag!r}, which has no key, or another member")
        if problem := _wrong_tag({"key": tag["key"], "value": "" if tag.get("value") is None else tag["value"]}):
            raise ProtectionError(f"{setting} has {tag!r}, {problem}")


def in_force(entries: Iterable[Any], now: datetime) -> list[dict[str, Any]]:
    """The entries that have not expired.

    :param now: the present time, aware.
    :raises ProtectionError: naming the first entry that cannot be read.
    """
    entries = list(entries)
    check_entries(entries)
    return [entry for entry in entries if not entry.get("expires") or now < read_time(str(entry["expires"]))]


def expiring(entries: Iterable[Any], now: datetime) -> list[dict[str, Any]]:
    """The entries that are in force and expire within `NOTICE`.

    :raises ProtectionError: naming the first entry that cannot be read.
    """
    lasting = in_force(entries, now)
    later = in_force(lasting, now + NOTICE)
    return [entry for entry in lasting if entry not in later]


def is_named(entry: Mapping[str, Any], arn: str, tags: Callable[[], Mapping[str, str]]) -> bool:
    """Whether a principal is one that an entry names.

    :param arn: its live ARN.
    :param tags: reads its tags; only called for an entry with a tag, if everything else of it fits.
    """
    kind, path, _name = resource_of(arn)
    if entry.get("arn") and not matches(arn, entry["arn"]):
        return False
    if entry.get("path") and not path.lower().startswith(entry["path"].lower()):
        return False
    tag = entry.get("tag")
    # IAM gives groups no tags. A change of a group reaches its members, and each of them is looked at.
    return not tag or (kind != "group" and _has_tag(tags(), tag))


def _has_tag(tags: Mapping[str, str], tag: Mapping[str, str]) -> bool:
    """For users and roles, IAM takes keys that differ in letter case alone for the same."""
    return any(key.lower() == tag["key"].lower() and value == tag["value"] for key, value in tags.items())


def may_be_named(entry: Any, account_id: str, kind: str, name: str) -> bool:
    """Whether an entry may name a principal whose path and tags are not known.

    In doubt it may. Expired entries count, too.
    """
    arn = entry.get("arn") if isinstance(entry, Mapping) else entry
    head, slash, last = str(arn or "").rpartition("/")
    if not slash or not matches(name, last):
        return not slash
    parts = head.split(":", 5)
    if len(parts) < 6:
        return True
    return matches(account_id, parts[4]) and matches(kind, parts[5].split("/")[0])


def may_be_in(account_id: str, entry: Mapping[str, Any]) -> bool:
    """Whether an entry can name a principal of an account."""
    parts = str(entry.get("arn") or "").split(":", 5)
    return len(parts) < 6 or parts[4] == account_id or not re.fullmatch("[0-9]{12}", parts[4])


def describe(entry: Any) -> str:
    """What an entry names, for people: `arn:aws:iam::*:user/x, tag protect=yes`. Unreadable entries as they are."""
    if not isinstance(entry, Mapping):
        return str(entry)
    tag = entry.get("tag")
    named = f"tag {tag['key']}={tag['value']}" if isinstance(tag, Mapping) and {*tag} >= TAG_KEYS else tag
    path = f"path {entry['path']}" if entry.get("path") else None
    return ", ".join(str(part) for part in (entry.get("arn"), named, path) if part)


def matches(text: str, pattern: str) -> bool:
    """`*` is any text and `?` any character; all other characters, brackets too, are literal. Letter case is none."""
    meant = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(meant, text, re.IGNORECASE | re.DOTALL) is not None


def example_entries(account_ids: Sequence[str], partition: str = "aws") -> str:
    """`remediate_protected_principals` to paste, as YAML, for accounts without protected principals.

    :param account_ids: 12 digits each; several accounts become `*`.
    """
    account_id = account_ids[0] if len(account_ids) == 1 else "*"
    lines = [
        line
        for name, owner, reason in EXAMPLES
        for line in (
            f"  - arn: arn:{partition}:iam::{account_id}:{name}",
            f"    owner: {owner}",
            f"    reason: {reason}",
        )
    ]
    return "\n".join([f"{SETTING}:", *lines])


def _check(where: str, entry: Any) -> None:
    if not isinstance(entry, Mapping):
        raise ProtectionError(f"{where} is not a dictionary of arn, tag or path, owner and reason")
    unknown = sorted(str(key) for key in {*entry} - KEYS)
    if unknown:
        raise ProtectionError(f"{where} has an unknown key {unknown[0]!r}")
    if not any(entry.get(key) for key in NAMES):
        raise ProtectionError(f"{where} has none of arn, tag and path, so it names no principal")
    for key in ("owner", "reason"):
        if not entry.get(key) or isinstance(entry[key], (Mapping, list)):
            raise ProtectionError(f"{where} has no {key}")
    for key, check in CHECKS.items():
        if entry.get(key) is not None and (problem := check(entry[key])):
            raise ProtectionError(f"{where} has the {key} {entry[key]!r}, {problem}")
    if entry.get("expires"):
        _check_expiry(where, str(entry["expires"]))


def _wrong_arn(arn: Any) -> str:
    if isinstance(arn, str) and (not arn or PATTERN.fullmatch(arn)):
        return ""
    return "which can match no principal of IAM; write arn:aws:iam::*:user/name, or :role/ or :group/"


def _wrong_path(path: Any) -> str:
    if isinstance(path, str) and (not path or PATH.fullmatch(path)):
        return ""
    return "which is not a path of IAM; write /team/, which names all below it, without wildcards"


def _wrong_tag(tag: Any) -> str:
    if not isinstance(tag, Mapping) or {*tag} != TAG_KEYS:
        return "which is not a dictionary of key and value"
    if not tag["key"] or not all(_is_tag_text(tag[key], most) for key, most in _TAG_LENGTHS.items()):
        return "which is not a tag of IAM; quote its key and value, and write them exactly, without wildcards"
    return ""


_TAG_LENGTHS = {"key": MAX_TAG_KEY, "value": MAX_TAG_VALUE}
CHECKS: dict[str, Callable[[Any], str]] = {"arn": _wrong_arn, "path": _wrong_path, "tag": _wrong_tag}


def _is_tag_text(text: Any, most: int) -> bool:
    return (
        isinstance(text, str)
        and len(text) <= most
        and all(char.isalnum() or char == " " or char in TAG_MARKS for char in text)
    )


def _check_expiry(where: str, text: str) -> None:
    try:
        read_time(text)
    except ValueError as error:
        raise ProtectionError(f"{where} expires at {text!r}, which is not an ISO 8601 date") from error
