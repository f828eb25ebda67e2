# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the vendor's API: real HTTP, the endpoints that remediation needs, and the vendor's own manners.

Sources: the vendor's OpenAPI files for `/login`, `/auth_token/extend`, `/api/v1/permission/alert/remediation`,
`/iam/api/v2/alert/{id}/remediation_command` and `/alert/{id}`.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .control import Faults, answer_json, drop_line, read_body, wait_while_asked
from .settings import VENDOR_PASSWORD, VENDOR_USERNAME

ROUTES = (
    ("login", "POST", r"/login"),
    ("extend", "GET", r"/auth_token/extend"),
    ("remediation", "POST", r"/api/v1/permission/alert/remediation"),
    ("command", "GET", r"/iam/api/v2/alert/(?P<alert_id>[^/]+)/remediation_command"),
    ("status", "GET", r"/alert/(?P<alert_id>[^/]+)"),
)
DESCRIPTION = "Removes the permissions that have not been used."


@dataclass
class Tenant:
    """What a test sets: the scripts by alert id (None: the API answers null) and the API's limits."""

    scripts: dict[str, str | None] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    bad_ids: list[str] = field(default_factory=list)
    max_batch: int = 100
    token_lifetime: float = 600.0
    description: str | None = DESCRIPTION


class Refusal(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, body: Any = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = {} if body is None else body


class VendorApi:
    """A WSGI application.

    Control, for the test's process: POST /_stack/scripts, /_stack/settings, /_stack/faults, /_stack/tokens,
    /_stack/expire; GET/DELETE /_stack/requests, DELETE /_stack/faults.
    """

    def __init__(self) -> None:
        self.tenant = Tenant()
        self.tokens: dict[str, float] = {}
        self.faults = Faults()
        self.requests: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = read_body(environ)
        if environ["PATH_INFO"].startswith("/_stack/"):
            return answer_json(start_response, self.control(environ, json.loads(body or b"null")))
        request = self.read_request(environ, body)
        self.requests.append(request)
        fault = self.faults.take(request) or {}
        is_asked = wait_while_asked(environ, fault.get("seconds", 0))
        if fault.get("drop") or not is_asked:
            return drop_line(environ, start_response)
        if "status" in fault:
            return _answer_fault(start_response, fault)
        return self.answer(request, environ.get("HTTP_X_REDLOCK_AUTH", ""), start_response)

    def read_request(self, environ: dict[str, Any], body: bytes) -> dict[str, Any]:
        """A request as the log keeps it: no token and no password."""
        endpoint, alert_id = _route(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        try:
            sent = json.loads(body or b"{}")
        except ValueError:
            sent = {}
        return {
            "time": time.time(),
            "endpoint": endpoint,
            "method": environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"],
            "alerts": [alert_id] if alert_id else sent.get("alerts"),
            "credentials": _credentials_in(sent),
            "has_token": bool(environ.get("HTTP_X_REDLOCK_AUTH")),
        }

    def answer(self, request: dict[str, Any], token: str, start_response: Any) -> Iterable[bytes]:
        answers: dict[str | None, Callable[[dict[str, Any]], Any]] = {
            "login": self.login,
            "extend": self.extend,
            "remediation": self.remediation,
            "command": self.command,
            "status": self.status,
            None: self.unknown,
        }
        try:
            if request["endpoint"] not in ("login", None) and self.tokens.get(token, 0) <= time.monotonic():
                raise Refusal(401, {"message": "unauthorized"})
            return answer_json(start_response, answers[request["endpoint"]](request))
        except Refusal as refusal:
            return answer_json(start_response, refusal.body, refusal.status)

    def new_token(self, token: str | None = None, lifetime: float | None = None) -> str:
        token = token or secrets.token_urlsafe(24)
        self.tokens[token] = time.monotonic() + (self.tenant.token_lifetime if lifetime is None else lifetime)
        return token

    def login(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["credentials"] != "valid":
            raise Refusal(401, {"message": "invalid_credentials"})
        return {"token": self.new_token(), "message": "login_successful", "customerNames": [{"prismaId": "1"}]}

    def extend(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"token": self.new_token(), "message": "token_extended"}

    def remediation(self, request: dict[str, Any]) -> dict[str, Any]:
        asked = request["alerts"]
        if not isinstance(asked, list) or len(asked) > self.tenant.max_batch or set(asked) & set(self.tenant.bad_ids):
            raise Refusal(400, {"message": "bad_request"})
        known = {alert_id: self.tenant.scripts[alert_id] for alert_id in asked if alert_id in self.tenant.scripts}
        return {"alertIdVsCliScript": known, "cliDescription": self.tenant.description}

    def command(self, request: dict[str, Any]) -> dict[str, Any]:
        [alert_id] = request["alerts"]
        if alert_id in self.tenant.bad_ids or alert_id not in self.tenant.scripts:
            raise Refusal(404, {"error": {"code": "NOT_FOUND", "message": f"No remediation for alert {alert_id}."}})
        return {"cliCommand": self.tenant.scripts[alert_id], "cliDescription": self.tenant.description}

    def status(self, request: dict[str, Any]) -> dict[str, Any]:
        [alert_id] = request["alerts"]
        return {"id": alert_id, "status": self.tenant.statuses.get(alert_id, "open")}

    def unknown(self, request: dict[str, Any]) -> dict[str, Any]:
        raise Refusal(404, {"message": "no such endpoint"})

    def control(self, environ: dict[str, Any], sent: Any) -> Any:
        commands: dict[tuple[str, str], Callable[[], Any]] = {
            ("POST", "scripts"): lambda: self.tenant.scripts.update(sent),
            ("POST", "settings"): lambda: self.tenant.__dict__.update(sent),
            ("POST", "faults"): lambda: self.faults.add(sent),
            ("DELETE", "faults"): self.faults.clear,
            ("POST", "tokens"): lambda: self.new_token(**sent),
            ("POST", "expire"): self.tokens.clear,
            ("GET", "requests"): lambda: list(self.requests),
            ("DELETE", "requests"): self.requests.clear,
        }
        return commands[environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix("/_stack/")]()

    def reset(self) -> None:
        self.tenant = Tenant()
        self.tokens.clear()
        self.faults.clear()
        self.requests.clear()


def _route(method: str, path: str) -> tuple[str | None, str | None]:
    for endpoint, expected, pattern in ROUTES:
        match = re.fullmatch(pattern, path)
        if match and method == expected:
            return endpoint, match.groupdict().get("alert_id")
    return None, None


def _credentials_in(sent: Any) -> str | None:
    if not isinstance(sent, dict) or "username" not in sent:
        return None
    is_valid = (sent["username"], sent.get("password")) == (VENDOR_USERNAME, VENDOR_PASSWORD)
    return "valid" if is_valid else "invalid"


def _answer_fault(start_response: Any, fault: dict[str, Any]) -> Iterable[bytes]:
    """Answers with the fault's status; `body` is sent as it is when it is text, so that broken JSON can be sent."""
    body, headers = fault.get("body", {}), fault.get("headers", {})
    if not isinstance(body, str):
        return answer_json(start_response, body, fault["status"], headers)
    start_response(f"{fault['status']} INJECTED", [("Content-Type", "application/json"), *headers.items()])
    return [body.encode()]
