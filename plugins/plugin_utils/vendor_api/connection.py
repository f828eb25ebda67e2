# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the doc fragment `api` -> a connection to the vendor's API, and a check of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import finding
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.client import (
    ApiSettingsError,
    Credentials,
    Tokens,
    check_credentials,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.endpoint import Endpoint, read_endpoint
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.transport import Timing, Transport

SUBJECT = "API"
INSECURE = "validate_certs is false: anyone between you and the API can replace the scripts"
SHORT_LIVED = "AUTH_KEY is a token, which expires after ten minutes: do not use it for scheduled runs"


def connect(
    endpoint: Endpoint | None, get_option: Callable[[str], Any], note: Callable[..., Any] = lambda *_call: None
) -> tuple[Transport, Tokens]:
    """A connection before its first call, and the token for it; `note` is called for each call.

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
    """The access key or token in the options. A line end after a value, from a file or a paste, is dropped."""
    given = (get_option(name) for name in ("api_username", "api_password", "prisma_id", "auth_key"))
    return Credentials(*(value.rstrip("\r\n") if isinstance(value, str) else value for value in given))


def check_api(
    get_option: Callable[[str], Any], note: Callable[..., Any], folder: Path | None = None
) -> list[dict[str, str]]:
    """Log in to the API with the access key, or extend the token. Nothing else is asked.

    :param folder: where to keep the token for the next process of this run; None does not keep it.
    :returns: one finding (module_utils/shapes.py), and further ones as advice where something could be safer.
    """
    text = get_option("api_endpoint")
    tried = f"log in to {text}" if text else "log in to the API"
    try:
        endpoint = read_endpoint(text) if text else None
        transport, tokens = connect(endpoint, get_option, note)
        tokens.current()
        if folder:
            keep_token(tokens, read_credentials(get_option), folder)
    except LeastprivError as error:
        return [finding(SUBJECT, "missing", tried, str(error), "Correct the setting named there.")]
    advices = {
        transport.endpoint.warning or "": "Write the API's own address into API_ENDPOINT.",
        "" if get_option("api_password") else SHORT_LIVED: "Set PRISMACLOUD_USERNAME and PRISMACLOUD_PASSWORD.",
        "" if get_option("validate_certs") else INSECURE: "Set REQUESTS_CA_BUNDLE to the CA that is meant.",
    }
    return [
        finding(SUBJECT, "ok", tried, f"{transport.endpoint.url} gave a token"),
        *(finding(SUBJECT, "advice", "read the settings", found, advice) for found, advice in advices.items() if found),
    ]
