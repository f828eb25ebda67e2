# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users write as the API's address -> its base URL. Pure.

Follows the vendor's table of console and API addresses (one `api…` host per `app…` console, all under
prismacloud.io, and api.prismacloud.cn).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message import quoted

_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.)*[a-z0-9](?:[a-z0-9-]{0,62})")
_SUBDOMAIN = re.compile(r"(?:api|app)\d*(?:\.[a-z]{2,4})?")
_CONSOLE = re.compile(r"app(?=\d*\.(?:[a-z]{2,4}\.)?prismacloud\.(?:io|cn)$)")
_API = re.compile(r"api(?=\d*\.(?:[a-z]{2,4}\.)?prismacloud\.(?:io|cn)$)")
_ALERT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CHINA = {"api.cn": "api.prismacloud.cn", "app.cn": "app.prismacloud.cn"}


class EndpointError(LeastprivError):
    """The API's address means nothing, or would send secrets in the clear."""


@dataclass(frozen=True)
class Endpoint:
    """The API's base URL without a slash at its end; `warning` names a change in it."""

    url: str
    warning: str | None = None

    @property
    def is_loopback(self) -> bool:
        return is_loopback(urlsplit(self.url).hostname or "")

    @property
    def console(self) -> str:
        """The base URL of the tenant's console; empty for a host that is not in the vendor's table."""
        host = self.url.removeprefix("https://")
        return f"https://{_API.sub('app', host)}" if _API.match(host) else ""

    def alert_page(self, alert_id: str | None) -> str:
        """The address of an alert in the console; empty without a known console, or for an id unlike the vendor's."""
        if not self.console or not _ALERT_ID.fullmatch(alert_id or ""):
            return ""
        wanted = quote(f'{{"alert.id":["{alert_id}"]}}')
        return f"{self.console}/alerts/overview?viewId=default&filters={wanted}"


def read_endpoint(text: str) -> Endpoint:
    """Read a full URL, a host or a subdomain ("api.eu"). Raises EndpointError with what to write instead."""
    split = _split(text)
    host = _full_host(split.hostname or "")
    if not _HOST.fullmatch(host) and not _is_address(host):
        raise _no_endpoint(text, "it names no host")
    if "." not in host and not is_loopback(host):
        raise _no_endpoint(text, "its host is not a full name")
    if split.scheme == "http" and not is_loopback(host):
        raise _no_endpoint(text, "http:// would send the access key in the clear; use https://")
    api_host = _CONSOLE.sub("api", host)
    path = "" if api_host != host else split.path.rstrip("/")
    bracketed = f"[{api_host}]" if ":" in api_host else api_host
    url = f"{split.scheme}://{bracketed}{f':{split.port}' if split.port else ''}{path}"
    return Endpoint(url, _console_warning(host, api_host))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    if host == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _split(text: str) -> SplitResult:
    stripped = text.strip()
    if "@" in stripped:
        raise EndpointError(
            "API_ENDPOINT (api_endpoint) contains a user name or password. Write only the address, and set the access "
            "key with PRISMACLOUD_USERNAME and PRISMACLOUD_PASSWORD."
        )
    try:
        split = urlsplit(stripped if "://" in stripped else f"https://{stripped}")
        _port = split.port
    except ValueError:
        raise _no_endpoint(text, "it is not a URL") from None
    if split.scheme not in ("http", "https"):
        raise _no_endpoint(text, "only https:// is supported")
    return split


def _full_host(host: str) -> str:
    if host in _CHINA:
        return _CHINA[host]
    return f"{host}.prismacloud.io" if _SUBDOMAIN.fullmatch(host) else host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _console_warning(host: str, api_host: str) -> str | None:
    if api_host == host:
        return None
    return f"API_ENDPOINT names the console {host}; its API is {api_host}, which is used instead."


def _no_endpoint(text: str, why: str) -> EndpointError:
    return EndpointError(
        f"API_ENDPOINT (api_endpoint) is {quoted(text)}: {why}. Write the API's address of your tenant, for example "
        '"https://api.eu.prismacloud.io", "api.eu.prismacloud.io" or "api.eu".'
    )
