# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the doc fragment `api` -> a connection to the vendor's API."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.client import (
    ApiSettingsError,
    Credentials,
    Tokens,
    check_credentials,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.endpoint import Endpoint
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.transport import Timing, Transport


def connect(
    endpoint: Endpoint | None, get_option: Callable[[str], Any], note: Callable[..., Any] = lambda *_call: None
) -> tuple[Transport, Tokens]:
    """A connection that has said nothing yet, and the token for it; `note` is called for each call.

    Raises ApiSettingsError where a setting is missing.
    """
    if endpoint is None:
        raise ApiSettingsError(
            "API_ENDPOINT (api_endpoint) is not set. Set it to the API's address of your tenant, for example "
            "https://api.eu.prismacloud.io."
        )
    credentials = read_credentials(get_option)
    check_credentials(credentials)
    timing = Timing(timeout=get_option("api_timeout"), retry_seconds=get_option("api_retry_seconds"))
    verify = (get_option("ca_bundle") or True) if get_option("validate_certs") else False
    transport = Transport(endpoint, verify, timing, note=note)
    return transport, Tokens(transport, credentials)


def keep_token(tokens: Tokens, credentials: Credentials, folder: Path) -> None:
    """Keep the token for the next process of this run, in a file that only its user can read."""
    with suppress(OSError), open(_kept(credentials, folder), "w", opener=_for_its_user, encoding="utf-8") as file:
        json.dump(tokens.known, file)


def resume_token(tokens: Tokens, credentials: Credentials, folder: Path) -> None:
    """Go on with the token that this run has kept, if it has; it can be used once."""
    file = _kept(credentials, folder)
    with suppress(OSError, ValueError, TypeError):
        token, since = json.loads(file.read_text(encoding="utf-8"))
        file.unlink()
        tokens.resume(token, since)


def _kept(credentials: Credentials, folder: Path) -> Path:
    digest = hashlib.sha256(json.dumps(astuple(credentials)).encode()).hexdigest()
    return folder / f"token-{digest[:16]}"


def _for_its_user(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def read_credentials(get_option: Callable[[str], Any]) -> Credentials:
    """The access key or token in the options. A line end after a value comes from a file or a paste, and is dropped."""
    given = (get_option(name) for name in ("api_username", "api_password", "prisma_id", "auth_key"))
    return Credentials(*(value.rstrip("\r\n") if isinstance(value, str) else value for value in given))
