# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWS side of the stack: moto's server under a WSGI layer that identifies, records and disturbs calls.

Runs in the server's process only. The layer adds what an emulator leaves out and tests need: unknown keys are
refused, every call is in a log, and faults can be injected per action.
"""

from __future__ import annotations

import functools
import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID, responses
from moto.core.model_instances import reset_model_data
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse
from moto.organizations.models import organizations_backends
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.sqs import models as sqs_models
from moto.sqs.models import Message, SQSBackend, sqs_backends

from . import access_analyzer
from .authorisation import denied, role_of, simulate_principal_policy
from .cloudtrail import lookup_events
from .control import Faults, answer_json, drop_line, read_body, wait_while_asked
from .copies import Copies
from .details import details
from .iam_additions import LAST_ACCESSED
from .iam_gaps import close_gaps
from .sessions import Sessions
from .settings import BASE_ACCESS_KEY, OWN_USER_AGENT, QUEUE_NAME, QUEUE_REGION, RUN_PREFIX

READ_ONLY = ("Check", "Get", "List", "Lookup", "Simulate", "Generate", "Receive", "AssumeRole", "Decode")
# Members of IAM's and STS's requests whose shape is `sensitive` in botocore's models.
SECRETS = ("Password", "OldPassword", "NewPassword", "PrivateKey", "AuthenticationCode1", "AuthenticationCode2")
# moto's dictionaries and lists are not made for threads. A long poll would hold the others up.
SERIALISED = ("iam", "sts", "sqs")
NOT_SERIALISED = ("ReceiveMessage",)


class _Milliseconds:
    """The time since the epoch. Each is later than the one before, or a message released now would stay hidden."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self) -> float:
        self._last = max(time.time() * 1000, self._last + 0.001)
        return self._last


class Aws:
    """A WSGI application: moto's services for several accounts, with a log and faults.

    Control, for the test's process: GET/DELETE /_stack/calls, GET /_stack/changes, POST/DELETE /_stack/faults,
    POST /_stack/end_waits, POST /_stack/reset, POST /_stack/visible, POST /_stack/keep, POST /_stack/give,
    GET/POST /_stack/sessions, POST /_stack/last_accessed, GET /_stack/queue/<name>, GET /_stack/details/<account>,
    GET /_stack/cpu.
    """

    def __init__(self, reset_vendor_api: Callable[[], None]) -> None:
        close_gaps()
        self.reset_vendor_api = reset_vendor_api
        IamResponse.simulate_principal_policy = simulate_principal_policy
        SQSBackend.is_message_valid_based_on_retention_period = _is_retained
        # moto asks for every message of the queue, at every call, and by way of two dates: ten thousand took minutes.
        sqs_models.unix_time_millis = _Milliseconds()
        self.moto = DomainDispatcherApplication(create_backend_app)
        # moto finds both out again for every call, its services by listing its own folder: a third of a call's time.
        self.moto.get_backend_for_host = functools.cache(self.moto.get_backend_for_host)
        responses.method_names_from_class = functools.cache(responses.method_names_from_class)
        self.calls: list[dict[str, Any]] = []
        # The changes that playbooks asked for, until the reset.
        self.changes: list[dict[str, Any]] = []
        # Every change of IAM by whomever, for CloudTrail.
        self.history: list[dict[str, Any]] = []
        self.faults = Faults()
        self.sessions = Sessions()
        self.copies = Copies()
        self.called: set[str] = set()
        self.lock = threading.RLock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/_stack/"):
            return self.control(environ, start_response)
        call = _read_call(environ)
        if call["account"] is None:
            return refuse(start_response, call, "InvalidClientTokenId", 403, "The security token is invalid.")
        self.called.add(call["account"])
        if call["mutating"] and call["service"] == "iam":
            self.history.append(call)
        if OWN_USER_AGENT in environ.get("HTTP_USER_AGENT", ""):
            return self.forward(environ, start_response, call)
        self.calls.append(call)
        if call["run"] and call["mutating"] and call["service"] == "iam":
            self.changes.append(call)
        if self.sessions.have_ended(_read_credential(environ.get("HTTP_AUTHORIZATION", ""))[0]):
            return refuse(start_response, call, "ExpiredToken", 403, "The security token included in it is expired.")
        with self.lock:
            reason = denied(call)
        if reason:
            call["status"] = 403
            return refuse(start_response, call, "AccessDenied", 403, reason)
        fault = self.faults.take(call)
        if fault is None and call["action"] == "LookupEvents":
            return answer_json(start_response, lookup_events(call, self.history))
        if fault is None:
            return self.forward(environ, start_response, call)
        return self.disturb(fault, environ, start_response, call)

    def forward(self, environ: dict[str, Any], start_response: Any, call: dict[str, Any]) -> Iterable[bytes]:
        """Let moto answer, and note the status of its answer in the log."""

        def note_status(status: str, headers: Any, *rest: Any) -> Any:
            call["status"] = int(status.split()[0])
            return start_response(status, headers, *rest)

        if call["service"] == access_analyzer.SERVICE:
            return answer_json(note_status, *access_analyzer.answer(call))
        if call["service"] not in SERIALISED or call["action"] in NOT_SERIALISED:
            return self.moto(environ, note_status)
        try:
            with self.lock:
                return list(self.moto(environ, note_status))
        except NotImplementedError:
            call["status"] = 501
            reason = f"moto lacks {call['action']}: add it to tests/stack/iam_additions.py."
            return refuse(start_response, call, "NotImplemented", 501, reason)

    def disturb(
        self, fault: dict[str, Any], environ: dict[str, Any], start_response: Any, call: dict[str, Any]
    ) -> Iterable[bytes]:
        """Carry out one fault: wait, lose the answer of a call that was carried out, drop the line, or refuse."""
        was_applied = fault.get("applied") and list(self.forward(environ, lambda *ignored: None, call))
        ended = self.faults.ended
        is_asked = wait_while_asked(environ, fault.get("seconds", 0), lambda: self.faults.ended > ended)
        if fault.get("drop") or not is_asked or (was_applied and "code" not in fault):
            return drop_line(environ, start_response)
        if "code" not in fault:
            return self.forward(environ, start_response, call)
        call["status"] = fault.get("status", 400)
        return refuse(start_response, call, fault["code"], call["status"], fault.get("message", "Injected fault."))

    def control(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"].removeprefix("/_stack/")
        if path.startswith("queue/"):
            return answer_json(start_response, _messages_in(path.removeprefix("queue/")))
        if path.startswith("details/"):
            with self.lock:
                return answer_json(start_response, details(iam_backends[path.removeprefix("details/")]["aws"]))
        commands = {
            ("GET", "calls"): lambda: list(self.calls),
            ("DELETE", "calls"): self.calls.clear,
            ("GET", "changes"): lambda: list(self.changes),
            ("POST", "faults"): lambda: self.faults.add(json.loads(read_body(environ))),
            ("DELETE", "faults"): self.faults.clear,
            ("POST", "end_waits"): self.faults.end_waits,
            ("POST", "reset"): self.reset,
            ("GET", "sessions"): lambda: self.sessions.keys,
            ("POST", "last_accessed"): lambda: LAST_ACCESSED.update(json.loads(read_body(environ))),
            ("POST", "sessions"): lambda: self.sessions.set(json.loads(read_body(environ))["seconds"]),
            ("POST", "visible"): _end_visibility_timeouts,
            ("GET", "cpu"): time.process_time,
            ("POST", "keep"): lambda: self.copy_account(self.copies.keep, **json.loads(read_body(environ))),
            ("POST", "give"): lambda: self.copy_account(self.copies.give, **json.loads(read_body(environ))),
        }
        return answer_json(start_response, commands[environ["REQUEST_METHOD"], path]())

    def copy_account(self, copy: Any, name: str, account: str, **remark: Any) -> Any:
        """Keep what an account has in IAM, or give it to one. Copies stay after a reset."""
        with self.lock:
            self.called.add(account)
            return copy(name, iam_backends[account]["aws"], **remark)

    def reset(self) -> None:
        """Empty every account, queue and bucket, the vendor's API too, and dissolve the organization.

        Assumed roles stay valid, as sessions outlive a change of an account.
        """
        self.calls.clear()
        self.changes.clear()
        self.history.clear()
        self.faults.clear()
        self.sessions.set(None)
        LAST_ACCESSED.clear()
        with self.lock:
            # Only accounts that were called can hold anything: hundreds exist after some tests, and each reset costs.
            for account_id in sorted(self.called):
                for backend in list(iam_backends[account_id].values()):
                    sessions = {key: value for key, value in backend.access_keys.items() if value.user_name is None}
                    backend.reset()
                    backend.access_keys.update(sessions)
            self.called.clear()
            for account in [*sqs_backends.values(), *s3_backends.values(), *organizations_backends.values()]:
                account.reset()
            # moto remembers everything that it ever made: gigabytes, over all tests.
            reset_model_data()
            sqs_backends[DEFAULT_ACCOUNT_ID][QUEUE_REGION].create_queue(QUEUE_NAME)
        self.reset_vendor_api()


def _is_retained(self: SQSBackend, queue_name: str, message: Message) -> bool:
    # moto itself counts all messages of the queue again for each one that it gives: a second for ten of a thousand.
    return self.get_queue(queue_name).message_retention_period + message.sent_timestamp / 1000 > time.time()


def _messages_in(queue_name: str) -> list[dict[str, Any]]:
    """What a queue holds, without receiving it (no message changes its visibility or its receive count)."""
    queue = get_backend("sqs")[DEFAULT_ACCOUNT_ID][QUEUE_REGION].queues[queue_name]
    return [
        {
            "message_id": message.id,
            "body": message.body,
            "visible": message.visible,
            "receive_count": message.approximate_receive_count,
            "hidden_seconds": max(0.0, message.visible_at / 1000 - time.time()),
        }
        for message in list(queue._messages)
    ]


def _end_visibility_timeouts() -> None:
    """Let the visibility timeout of every message pass now."""
    for queue in get_backend("sqs")[DEFAULT_ACCOUNT_ID][QUEUE_REGION].queues.values():
        for message in queue._messages:
            message.change_visibility(0)


def _read_call(environ: dict[str, Any]) -> dict[str, Any]:
    access_key, service = _read_credential(environ.get("HTTP_AUTHORIZATION", ""))
    body = read_body(environ)
    environ["wsgi.input"] = io.BytesIO(body)
    action, parameters = _read_action(environ, body)
    account = _account_of(access_key)
    return {
        "time": time.time(),
        "account": account,
        "role": role_of(account, access_key),
        "run": _read_run(environ.get("HTTP_USER_AGENT", "")),
        "service": service,
        "action": action,
        "parameters": parameters,
        "mutating": not action.startswith(READ_ONLY),
        "status": None,
    }


def _read_run(user_agent: str) -> str | None:
    """The artifacts folder of the playbook that calls, see runs.py; None for other callers."""
    found = re.search(rf" app/{RUN_PREFIX}(\S+)", user_agent)
    return found[1] if found else None


def _read_credential(authorization: str) -> tuple[str, str]:
    """Key id and service of a signature version 4 header.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
    """
    scope = authorization.partition("Credential=")[2].partition(",")[0].split("/")
    return (scope[0], scope[3]) if len(scope) == 5 else ("", "")


def _account_of(access_key: str) -> str | None:
    if access_key == BASE_ACCESS_KEY:
        return DEFAULT_ACCOUNT_ID
    for account_id, account in list(iam_backends.items()):
        if access_key in account["aws"].access_keys:
            return account_id
    return None


def _read_action(environ: dict[str, Any], body: bytes) -> tuple[str, dict[str, Any]]:
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return target.rpartition(".")[2], json.loads(body or b"{}")
    if environ["PATH_INFO"] in access_analyzer.ACTIONS:
        return access_analyzer.ACTIONS[environ["PATH_INFO"]], json.loads(body)
    parameters = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    parameters.pop("Version", None)
    action = parameters.pop("Action", "")
    return action, {name: "***" if name in SECRETS else value for name, value in parameters.items()}


def refuse(start_response: Any, call: dict[str, Any], code: str, status: int, message: str) -> Iterable[bytes]:
    """Answer with a service error in the caller's protocol: XML for the query services, JSON for the others."""
    if call["service"] in ("cloudtrail", "organizations", "sqs", access_analyzer.SERVICE):
        kind = f"com.amazonaws.{call['service']}#{code}"
        return answer_json(start_response, {"__type": kind, "message": message}, status)
    body = (
        "<ErrorResponse><Error><Type>Sender</Type>"
        f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
    )
    start_response(f"{status} {code}", [("Content-Type", "text/xml")])
    return [body.encode()]
