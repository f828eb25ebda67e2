# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP for the vendor's API: verified TLS, deadlines, bounded retries, no redirect to strangers.

Retrying is a loop of its own and not urllib3's Retry, which caps neither Retry-After nor the time of all retries
together, and sleeps by the real clock.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

with suppress(ImportError):  # Exchanges reports it.
    import requests

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message import one_line, quoted
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import redact
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.endpoint import Endpoint
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.exchange import (
    AnswerTooLargeError,
    Deadline,
    DeadlineError,
    Exchanges,
)

TOO_MANY_REQUESTS = 429
RETRIED = (TOO_MANY_REQUESTS, 500, 502, 503, 504)
REDIRECTS = (301, 302, 303, 307, 308)
ANSWER_LIMIT = 64 * 1024 * 1024

_MAX_REDIRECTS = 3
_QUOTE_LENGTH = 200

# requests' exceptions by name, the most special first in each one's MRO: what happened, and whether to try again.
_FAILURES = {
    "SSLError": ("TLS could not be set up{cause}; set REQUESTS_CA_BUNDLE (ca_bundle) to your proxy's CA file", False),
    "ProxyError": ("the proxy did not let it through{cause}; check HTTPS_PROXY and NO_PROXY", True),
    "ConnectTimeout": ("there was no connection in time; check API_ENDPOINT, the network and HTTPS_PROXY", True),
    "ReadTimeout": ("there was no answer in time; run again later, or raise api_timeout", True),
    "DeadlineError": ("there was no whole answer in time; run again later, or raise api_timeout", True),
    "ConnectionError": ("the connection failed{cause}; check API_ENDPOINT, the network and HTTPS_PROXY", True),
    "ChunkedEncodingError": ("the connection broke within the answer; run again later", True),
    "ContentDecodingError": ("the answer cannot be decompressed; check proxies between you and the API", True),
    "RequestException": ("the request could not be made ({name}); check API_ENDPOINT and the settings", False),
}


class ApiError(LeastprivError):
    """The API could not be asked. `is_final`: asking for other alerts will not do better in this run."""

    def __init__(self, message: str, is_final: bool = False, is_transient: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final
        self.is_transient = is_transient


@dataclass(frozen=True)
class Response:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The JSON of the body. Raises ValueError when it is none."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deeply") from None


@dataclass(frozen=True)
class Timing:
    """Deadlines, in seconds. Clock, sleep and random numbers are parameters, so tests do not wait.

    `timeout` is for one try of a call with all its redirects, from the look-up of the host's name to the last byte.
    """

    timeout: float = 30.0
    retry_seconds: float = 120.0
    attempts: int = 5
    longest_wait: float = 60.0
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


@dataclass
class Transport:
    """A connection to one API. `secrets` never appear in an error's text.

    `verify` is True, False or the path of a CA bundle. `lost` counts the seconds that retries have cost in this run:
    beyond `timing.retry_seconds` every call is tried only once. `note` is called for every try, with the last word of
    its path and whether the API throttled it.
    """

    endpoint: Endpoint
    verify: bool | str = True
    timing: Timing = field(default_factory=Timing)
    secrets: set[str] = field(default_factory=set, repr=False)
    lost: float = 0.0
    note: Callable[[str, bool], None] = lambda _operation, _is_throttled: None

    def __post_init__(self) -> None:
        # Loopback never needs a proxy, and a proxy must not see plain http.
        self._exchanges = Exchanges(trusts_environment=not self.endpoint.is_loopback)

    def call(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Any = None) -> Response:
        """Make a call, and retry it after transient errors (429, 5xx, time-outs, broken connections).

        Returns the last answer, whatever its status. Raises ApiError without any.
        """
        for attempt in range(1, self.timing.attempts + 1):
            started = self.timing.monotonic()
            outcome = self._try(method, path, headers, body)
            self.note(path.rpartition("/")[2], isinstance(outcome, Response) and outcome.status == TOO_MANY_REQUESTS)
            if not _is_transient(outcome):
                break
            wait = self._wait(outcome, attempt)
            self.lost += self.timing.monotonic() - started + wait
            if attempt == self.timing.attempts or self.lost > self.timing.retry_seconds:
                break
            self.timing.sleep(wait)
        if isinstance(outcome, ApiError):
            raise outcome
        return outcome

    def scrubbed(self, text: str) -> str:
        """Text without any of the secrets, and without what looks like one."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "********")
        return redact(text)

    def explained(self, response: Response) -> str:
        """The API's own message in an unsuccessful answer: one short line, or empty."""
        texts = dict.fromkeys(one_line(self.scrubbed(text)) for text in (_message_in(response), _status_in(response)))
        said = "; ".join(text for text in texts if text)
        return f' ("{said[:_QUOTE_LENGTH]}")' if said else ""

    def _try(self, method: str, path: str, headers: Mapping[str, str] | None, body: Any) -> Response | ApiError:
        url = f"{self.endpoint.url}{path}"
        deadline = Deadline(self.timing.timeout)
        try:
            for _hop in range(_MAX_REDIRECTS + 1):
                response = self._once(deadline, method, url, headers, body)
                if response.status not in REDIRECTS:
                    return response
                url = self._redirected(url, response)
        except ApiError as error:
            return error
        return self._error(method, path, "it redirects in a circle; check API_ENDPOINT", is_final=True)

    def _once(
        self, deadline: Deadline, method: str, url: str, headers: Mapping[str, str] | None, body: Any
    ) -> Response:
        with self._explaining(method, url):
            answer = self._exchanges.send(
                deadline,
                ANSWER_LIMIT,
                method,
                url,
                headers={"Accept": "application/json", "User-Agent": "leastpriv.iam", **(headers or {})},
                json=body,
                # Given with each request: REQUESTS_CA_BUNDLE would override the session's own verify=False.
                verify=self.verify,
            )
            return Response(answer.status, answer.headers, answer.body)

    def _redirected(self, url: str, response: Response) -> str:
        target = _joined(url, response.headers.get("Location", ""))
        if target and _origin(target) == _origin(url):
            return target
        host = quoted(self.scrubbed(urlsplit(target).hostname or "")) if target else "a broken address"
        raise ApiError(
            f"The API at {self.endpoint.url} redirects to {host}, where the token must not go: refused. "
            "Set API_ENDPOINT to the address of your tenant's API itself.",
            is_final=True,
        )

    @contextmanager
    def _explaining(self, method: str, url: str) -> Iterator[None]:
        """Turn what requests raises into an ApiError, without its text: a bad header's text contains the token."""
        try:
            yield
        except AnswerTooLargeError as error:
            raise self._error(method, url, f"{error}; lower api_batch_size") from None
        except (requests.RequestException, DeadlineError, UnicodeError, OSError) as error:
            known = (kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _FAILURES)
            what, is_transient = _FAILURES[next(known, "RequestException")]
            why = what.format(cause=cause_of(error), name=type(error).__name__)
            raise self._error(method, url, why, is_final=True, is_transient=is_transient) from None

    def _error(self, method: str, url: str, why: str, is_final: bool = False, is_transient: bool = False) -> ApiError:
        path = urlsplit(url).path
        text = f"The API at {self.endpoint.url} did not answer {method} {path}: {why}."
        return ApiError(self.scrubbed(text), is_final, is_transient)

    def _wait(self, outcome: Response | ApiError, attempt: int) -> float:
        """Between half and all of 1, 2, 4, 8 … seconds, or as long as the API asks; in both cases capped."""
        asked = _asked_wait(outcome.headers) if isinstance(outcome, Response) else None
        jittered = min(2.0 ** (attempt - 1), self.timing.longest_wait) * (0.5 + self.timing.chance() / 2)
        return jittered if asked is None else min(asked + self.timing.chance(), self.timing.longest_wait)


def _is_transient(outcome: Response | ApiError) -> bool:
    return outcome.status in RETRIED if isinstance(outcome, Response) else outcome.is_transient


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by Retry-After (RFC 9110, 10.2.3), or by the replenish rate of the v2 API."""
    retry_after = headers.get("Retry-After", "").strip()
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    with suppress(TypeError, ValueError, IndexError, OverflowError):
        until = parsedate_to_datetime(retry_after) - parsedate_to_datetime(headers.get("Date", ""))
        return max(0.0, until.total_seconds())
    with suppress(ValueError, ZeroDivisionError, KeyError):
        return float(headers["X-RateLimit-Requested-Tokens"]) / float(headers["X-RateLimit-Replenish-Rate"])
    return None


def _joined(url: str, location: str) -> str | None:
    """The URL of a Location header; None if it is not valid."""
    try:
        target = urljoin(url, location)
        _origin(target)
    except ValueError:
        return None
    return target


def _origin(url: str) -> tuple[str, str, int]:
    split = urlsplit(url)
    return split.scheme, split.hostname or "", split.port or (443 if split.scheme == "https" else 80)


def cause_of(error: Exception) -> str:
    """The operating system's or OpenSSL's own words, taken out of urllib3's nested text."""
    text = str(error)
    match = re.search(r"certificate verify failed: ([^(\]]+)", text) or re.search(r"\[Errno -?\d+\] ([^'\")]+)", text)
    return f" ({match.group(1).strip()})" if match else ""


def _message_in(response: Response) -> str:
    try:
        answer = response.json()
    except ValueError:
        return ""
    for place in (("error", "message"), ("message",)):
        value = answer
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str):
            return value
    return ""


def _status_in(response: Response) -> str:
    """The reasons in the header x-redlock-status: a JSON list of objects with i18nKey, severity and subject."""
    header = response.headers.get("x-redlock-status") or ""
    try:
        reasons = json.loads(header)
    except (ValueError, RecursionError):
        return header
    reasons = reasons if isinstance(reasons, list) else [reasons]
    return ", ".join(text for reason in reasons if (text := _reason_text(reason)))


def _reason_text(reason: Any) -> str:
    if not isinstance(reason, dict):
        return one_line(reason) or ""
    key, subject = one_line(reason.get("i18nKey")) or "", one_line(reason.get("subject"))
    return f"{key} ({subject})" if key and subject else key or subject or ""
