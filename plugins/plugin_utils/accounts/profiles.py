# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles of the AWS configuration that a run cannot use, because they would ask a person.

Sources: "Configuration and credential file settings" of the AWS CLI; botocore.tokens and botocore.utils.SSOTokenLoader.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import read_time

BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
EXPORT = re.compile(r"\s*export\s")


def profile_problems(
    names: Iterable[str], configuration: Mapping[str, Any], now: datetime, sso_cache: Path
) -> list[str]:
    """What keeps a run from using the profiles, and what to do, a sentence each.

    :param configuration: botocore's ``full_config``: `profiles` and `sso_sessions` by their names.
    :param sso_cache: the folder in which ``aws sso login`` keeps its tokens.
    """
    profiles = configuration.get("profiles", {})
    problems = []
    for name in names:
        for link in _chain(name, profiles):
            settings = profiles.get(link, {})
            if settings.get("mfa_serial") and settings.get("role_arn"):
                problems.append(_asks_for_mfa(name, link))
            elif not _has_login(settings, now, sso_cache):
                problems.append(f"{_which(name, link)} has no valid SSO login: run aws sso login --profile {link}.")
    return list(dict.fromkeys(problems))


def _chain(name: str, profiles: Mapping[str, Any]) -> list[str]:
    """The profile and those that it takes its credentials from."""
    links: list[str] = []
    while name and name in profiles and name not in links:
        links.append(name)
        settings = profiles[name]
        name = settings.get("source_profile", "") if settings.get("role_arn") else ""
    return links


def _which(name: str, link: str) -> str:
    return f"Profile {name}" if name == link else f"Profile {name} begins with profile {link}, which"


def _asks_for_mfa(name: str, link: str) -> str:
    return (
        f"{_which(name, link)} asks for an MFA code (mfa_serial), which a run cannot enter: use a profile without "
        "mfa_serial, or put the keys of aws sts get-session-token into a profile."
    )


def _has_login(settings: Mapping[str, Any], now: datetime, cache: Path) -> bool:
    """Whether a profile of IAM Identity Center has a token that is valid or can be renewed; others need none."""
    named = settings.get("sso_session")
    key = named or settings.get("sso_start_url")
    if not key or "aws_access_key_id" in settings:
        return True
    try:
        token = json.loads((cache / f"{hashlib.sha1(key.encode()).hexdigest()}.json").read_text(encoding="utf-8"))
        can_renew = bool(named and token.get("refreshToken") and token.get("clientId"))
        return _is_ahead(token.get("expiresAt"), now) or (
            can_renew and _is_ahead(token.get("registrationExpiresAt"), now)
        )
    except (OSError, ValueError, AttributeError):
        return False


def _is_ahead(text: Any, now: datetime) -> bool:
    # The AWS CLI wrote UTC for Z once.
    return bool(text) and read_time(str(text).replace("UTC", "Z")) > now


def file_problems(files: Iterable[Path]) -> list[str]:
    """What makes files of the AWS configuration unreadable, or mean something else than was meant."""
    problems = []
    for file in files:
        try:
            content = file.read_bytes()
        except OSError:
            continue
        if content.startswith(BYTE_ORDER_MARKS):
            problems.append(f"{file} begins with a byte order mark: save it as UTF-8 without one.")
            continue
        for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
            if EXPORT.match(line):
                problems.append(f"{file}, line {number}, begins with export: write name = value there.")
    return problems
