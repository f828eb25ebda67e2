# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alert ids -> the vendor's CLI scripts, by either version of its remediation API.

Sources: the vendor's OpenAPI files: `POST /login`, `GET /auth_token/extend`,
`POST /api/v1/permission/alert/remediation`, `GET /iam/api/v2/alert/{alertId}/remediation_command`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message import one_line, script_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.transport import ApiError, Response, Transport

# A token lives ten minutes; a batch that begins just before must still end within them.
RENEW_AFTER = 480.0

# Refusals of the run or of its pace. One bad id, or too many ids, can cause any other 4xx: that batch is halved.
NOT_HALVED = (401, 403, 429)
SUCCESSES = (200, 201)

_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_V2_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")

_EXPIRED = (
    "The token in AUTH_KEY has expired or is not valid (the API answered 401{said}). Tokens live 10 minutes, and only "
    "a valid one can be renewed. Set PRISMACLOUD_USERNAME and PRISMACLOUD_PASSWORD to an access key instead, which "
    "logs in by itself, or export a fresh AUTH_KEY."
)
_BAD_ID_ADVICE = "the API does not accept this alert id; look the alert up in the console"
_ADVICE = {
    400: _BAD_ID_ADVICE,
    401: "the token was refused although it is new; check that the access key is active and belongs to this tenant",
    403: "the access key's role may not see remediations of this alert; assign a role with IAM permissions",
    404: "the API knows no remediation for this alert; check that API_ENDPOINT is the tenant that sent it",
    **dict.fromkeys((405, 406, 409, 410, 422), _BAD_ID_ADVICE),
    413: "the question is too large for the API; lower api_batch_size",
    429: "the API's rate limit is used up; run again later, or less often",
    500: "the API has an error of its own; run again later",
    502: "the API is down; run again later",
    503: "the API is down or in maintenance; run again later",
    504: "the API is too slow just now; run again later, or lower api_batch_size",
}
_OTHER_ADVICE = "check API_ENDPOINT, and proxies between you and the API"


class ApiSettingsError(LeastprivError):
    """The API has to be asked, and a setting for it is missing or cannot be right."""


@dataclass(frozen=True)
class Credentials:
    """An access key, which is preferred because it can log in again, or a static token."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    prisma_id: str | None = None
    auth_key: str | None = field(default=None, repr=False)

    @property
    def can_log_in(self) -> bool:
        return bool(self.username and self.password)

    @property
    def used(self) -> dict[str, str | None]:
        """By setting, what is sent to the API."""
        if not self.can_log_in:
            return {"AUTH_KEY (auth_key)": self.auth_key}
        return {
            "PRISMACLOUD_USERNAME (api_username)": self.username,
            "PRISMACLOUD_PASSWORD (api_password)": self.password,
            "prisma_id": self.prisma_id,
        }

    @property
    def secrets(self) -> set[str]:
        return {secret for secret in (self.password, self.auth_key) if secret}


@dataclass(frozen=True)
class Answer:
    """The API's answer about one alert; `disposition` and `reason` if it has no script."""

    script: str | None = None
    description: str | None = None
    disposition: str | None = None
    reason: str | None = None


def check_credentials(credentials: Credentials) -> None:
    """Raises ApiSettingsError, without any value, when they cannot be used."""
    check_characters(credentials)
    if not credentials.can_log_in and not credentials.auth_key:
        raise ApiSettingsError(
            "No API credentials. Set PRISMACLOUD_USERNAME and PRISMACLOUD_PASSWORD (api_username, api_password) to an "
            "access key, or AUTH_KEY (auth_key) to a token."
        )
    if not credentials.can_log_in and not _TOKEN.fullmatch(credentials.auth_key or ""):
        raise ApiSettingsError(
            "AUTH_KEY (auth_key) has a space, a line break or another character that no token has: export it again."
        )


def check_characters(credentials: Credentials) -> None:
    """Raises ApiSettingsError, without any value, if one contains characters that were added by accident."""
    for setting, value in credentials.used.items():
        if value and (value != value.strip() or _CONTROL.search(value)):
            raise ApiSettingsError(
                f"{setting} begins or ends with white space, or contains a line break or another control character. "
                "Set it again without it."
            )


class Tokens:
    """The token of one run: got once, renewed before it ends, and once when it is refused."""

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        self._transport = transport
        self._credentials = credentials
        self._monotonic = transport.timing.monotonic
        self._token: str | None = None
        self._since = 0.0
        transport.secrets |= credentials.secrets

    def current(self) -> str:
        """A living token. Raises ApiError when there is none to be had."""
        if self._token is None:
            self._begin()
        elif self._monotonic() - self._since > RENEW_AFTER:
            self._renew(self._token)
        return self._token or ""

    def replaced(self, refusal: Response) -> str:
        """Another token in place of one that was refused."""
        if not self._credentials.can_log_in:
            raise self._expired(refusal)
        self._log_in()
        return self._token or ""

    def resume(self, token: str, since: float) -> None:
        """Go on with a token that an earlier process got, at a time of the same monotonic clock."""
        self._keep(token)
        self._since = since

    @property
    def known(self) -> tuple[str | None, float]:
        """The token, None where none was needed so far, and since when."""
        return self._token, self._since

    def _begin(self) -> None:
        if self._credentials.can_log_in:
            self._log_in()
        else:
            # The age of a static token is unknown: it is extended at once, or used unchanged if that fails.
            self._keep(self._credentials.auth_key or "")
            self._renew(self._credentials.auth_key or "")

    def _renew(self, token: str) -> None:
        response = self._transport.call("GET", "/auth_token/extend", token_header(token))
        extended = _token_in(response)
        if extended:
            self._keep(extended)
        elif self._credentials.can_log_in:
            self._log_in()
        elif response.status == 401:
            raise self._expired(response)

    def _expired(self, refusal: Response) -> ApiError:
        return ApiError(_EXPIRED.format(said=self._transport.explained(refusal)), is_final=True)

    def _log_in(self) -> None:
        credentials = self._credentials
        body = {"username": credentials.username, "password": credentials.password}
        if credentials.prisma_id:
            body["prismaId"] = credentials.prisma_id
        response = self._transport.call("POST", "/login", body=body)
        token = _token_in(response)
        if not token:
            raise ApiError(self._login_failure(response), is_final=True)
        self._keep(token)

    def _login_failure(self, response: Response) -> str:
        tried = f"Logging in to the API at {self._transport.endpoint.url} failed (status {response.status})"
        said = self._transport.explained(response)
        if response.status in SUCCESSES:
            return f"{tried}: the answer has no token{said}; check API_ENDPOINT."
        if response.status in (400, 401, 403):
            return (
                f"{tried}: the access key was refused{said}; check PRISMACLOUD_USERNAME and PRISMACLOUD_PASSWORD, that "
                "the key is active and not expired, and that API_ENDPOINT is the tenant it belongs to."
            )
        return f"{tried}{said}: {_ADVICE.get(response.status, _OTHER_ADVICE)}."

    def _keep(self, token: str) -> None:
        self._token = token
        self._since = self._monotonic()
        self._transport.secrets.add(token)


@dataclass(frozen=True)
class Version:
    """How one version of the API is asked: the most ids per call, the call, and how its answer is read."""

    largest_batch: int | None
    call: Callable[[Sequence[str]], tuple[str, str, Any]]
    read: Callable[[Any, Sequence[str]], Mapping[str, Answer]]


class RemediationApi:
    """Asks for scripts. One alert's failure never costs another's answer."""

    def __init__(self, transport: Transport, tokens: Tokens, version: str = "v1", batch_size: int = 50) -> None:
        self._transport = transport
        self._tokens = tokens
        self._version = VERSIONS[version]
        self._batch_size = max(1, min(batch_size, self._version.largest_batch or batch_size))

    def scripts(self, alert_ids: Iterable[str]) -> dict[str, Answer]:
        """Return an answer for each alert id. Never raises because of the API."""
        ids = list(dict.fromkeys(alert_ids))
        waiting = deque(ids[start : start + self._batch_size] for start in range(0, len(ids), self._batch_size))
        answers: dict[str, Answer] = {}
        while waiting:
            batch = waiting.popleft()
            try:
                response = self._ask(batch)
            except ApiError as error:
                # What ends the conversation as such would only fail again, slowly, for all the others.
                lost = [batch, *(waiting if error.is_final else ())]
                answers.update((alert_id, _unavailable(str(error))) for ids in lost for alert_id in ids)
                if error.is_final:
                    break
                continue
            may_be_one_id = 400 <= response.status < 500 and response.status not in NOT_HALVED
            if len(batch) > 1 and (may_be_one_id or _holds_unreadable(response)):
                middle = len(batch) // 2
                waiting.extendleft((batch[middle:], batch[:middle]))
            else:
                answers.update(self._read(response, batch))
        return answers

    def _ask(self, batch: Sequence[str]) -> Response:
        method, path, body = self._version.call(batch)
        response = self._transport.call(method, path, token_header(self._tokens.current()), body)
        if response.status == 401:
            response = self._transport.call(method, path, token_header(self._tokens.replaced(response)), body)
        if response.status == 401:
            raise ApiError(self._refusal(response), is_final=True)
        return response

    def _read(self, response: Response, batch: Sequence[str]) -> Mapping[str, Answer]:
        if response.status not in SUCCESSES:
            return dict.fromkeys(batch, _unavailable(self._refusal(response)))
        try:
            return self._version.read(response.json(), batch)
        except (ValueError, RecursionError) as error:
            reason = f"The API answered with something else than its own JSON ({error}): {_OTHER_ADVICE}."
            return dict.fromkeys(batch, _unavailable(self._transport.scrubbed(reason)))

    def _refusal(self, response: Response) -> str:
        advice = _ADVICE.get(response.status, _OTHER_ADVICE)
        said = self._transport.explained(response)
        return f"The API gave no script (status {response.status}{said}): {advice}.{_limits(response)}"


def _holds_unreadable(response: Response) -> bool:
    """Whether an answer is an object that cannot be read, perhaps because of one alert's script in it."""
    if response.status not in SUCCESSES or not response.body.lstrip().startswith(b"{"):
        return False
    try:
        response.json()
    except ValueError:
        return True
    return False


def token_header(token: str) -> dict[str, str]:
    """The header that the API reads the token from."""
    return {"x-redlock-auth": token}


def _call_v1(batch: Sequence[str]) -> tuple[str, str, Any]:
    return "POST", "/api/v1/permission/alert/remediation", {"alerts": list(batch)}


def _call_v2(batch: Sequence[str]) -> tuple[str, str, Any]:
    [alert_id] = batch
    # Servers and proxies disagree about what an encoded slash or dot in a path means.
    if not _V2_ID.fullmatch(alert_id):
        raise ApiError(
            "The alert id contains characters that are not valid in a URL of the API's version 2: use api_version v1."
        )
    return "GET", f"/iam/api/v2/alert/{quote(alert_id, safe='')}/remediation_command", None


def _read_v1(answer: Any, batch: Sequence[str]) -> Mapping[str, Answer]:
    """`{"alertIdVsCliScript": {id: script}, "cliDescription": text}`; the description is one for all ids."""
    if not isinstance(answer, dict) or "alertIdVsCliScript" not in answer:
        raise ValueError("no alertIdVsCliScript")
    scripts = {} if answer["alertIdVsCliScript"] is None else answer["alertIdVsCliScript"]
    if not isinstance(scripts, dict):
        raise ValueError("alertIdVsCliScript is not an object")
    description = one_line(answer.get("cliDescription"))
    return {alert_id: _answer(scripts.get(alert_id), description) for alert_id in batch}


def _read_v2(answer: Any, batch: Sequence[str]) -> Mapping[str, Answer]:
    """`{"cliCommand": script, "cliDescription": text}`."""
    if not isinstance(answer, dict) or "cliCommand" not in answer:
        raise ValueError("no cliCommand")
    return {batch[0]: _answer(answer["cliCommand"], one_line(answer.get("cliDescription")))}


VERSIONS = {
    "v1": Version(None, _call_v1, _read_v1),
    "v2": Version(1, _call_v2, _read_v2),
}


def _answer(script: Any, description: str | None) -> Answer:
    if script is not None and not isinstance(script, str):
        kind = {dict: "an object", list: "a list"}.get(type(script), "a number or a truth value")
        return _unavailable(f"The API gave {kind} where the script should be: {_OTHER_ADVICE}.")
    text = script_text(script)
    if text is None:
        reason = "The API has no script for this alert."
        return Answer(None, description, "not_remediable", reason)
    return Answer(text, description)


def _unavailable(reason: str) -> Answer:
    return Answer(None, None, "unavailable", reason)


def _token_in(response: Response) -> str | None:
    if response.status not in SUCCESSES:
        return None
    try:
        answer = response.json()
    except ValueError:
        return None
    token = answer.get("token") if isinstance(answer, dict) else None
    return token if isinstance(token, str) and _TOKEN.fullmatch(token) else None


def _limits(response: Response) -> str:
    """The state of the v2 API's request bucket, which it sends with a 429."""
    names = ("Remaining", "Burst-Capacity", "Replenish-Rate")
    known = [(name, one_line(response.headers.get(f"X-RateLimit-{name}"))) for name in names]
    limits = ", ".join(f"{name} {value[:20]}" for name, value in known if value)
    return f" Its limits: {limits}." if limits and response.status == 429 else ""
