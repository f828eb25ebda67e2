# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP exchange with one deadline: from the look-up of the host's name to the last byte of the answer.

A time-out of requests, as of every socket, begins again with each byte, each address and each `100 Continue`. So an
exchange runs in a thread of its own, and when its time has passed its connections are shut down, which ends whatever
the thread waits for. Only the look-up of a name cannot be cut short: its thread is left to end by itself.
"""

from __future__ import annotations

import socket
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

with suppress(ImportError):  # Exchanges reports it.
    import requests
    from requests.adapters import HTTPAdapter

from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.background import in_background
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError

_CHUNK = 65536
_CONNECT_SECONDS = 10.0


class ExchangeError(LeastprivError):
    """The library is missing."""


class DeadlineError(LeastprivError):
    """The time had passed before the answer was whole."""


class AnswerTooLargeError(LeastprivError):
    """The answer is larger than it may be."""


@dataclass(frozen=True)
class RawAnswer:
    """An HTTP answer, read to its end; a redirect is one like any other."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Deadline:
    """A point in time, `seconds` from now. The clock is the machine's own: a deadline is about real waiting."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(0.001, self._ends - time.monotonic())

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._ends


class Exchanges:
    """HTTP exchanges that share connections. `trusts_environment`: whether proxies are taken from it."""

    def __init__(self, trusts_environment: bool) -> None:
        if "requests" not in globals():
            raise ExchangeError(
                "The Python library requests is not installed. Install it for the Python that runs ansible-playbook."
            )
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self.session = requests.Session()
        self.session.trust_env = trusts_environment
        # An auth of our own keeps requests from sending a password out of ~/.netrc.
        self.session.auth = lambda request: request
        # Even with allow_redirects=False requests reads a redirect's body whole and stumbles over a broken Location.
        self.session.get_redirect_target = lambda _answer: None
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, self._adapter())

    def send(self, deadline: Deadline, largest: int, method: str, url: str, **request: Any) -> RawAnswer:
        """Make one request and read its answer.

        :param largest: the most bytes that the answer's body may have.
        :param request: more options of requests, such as `headers`, `json`, `verify`.
        :raises DeadlineError: AnswerTooLargeError, or what requests raises.
        """
        outcome: list[Any] = []
        finished = threading.Event()

        def exchange() -> None:
            try:
                outcome.append(self._exchange(deadline, largest, method, url, request))
            except BaseException as error:
                outcome.append(error)
            finally:
                finished.set()

        in_background(exchange)
        is_late = not finished.wait(deadline.left)
        if is_late:
            self._cut_off()
        # What fails at the very end, such as a connection that has milliseconds left, fails because the time is over.
        if is_late or (isinstance(outcome[0], requests.RequestException) and deadline.is_over):
            raise DeadlineError(f"it was not done within {deadline.seconds:g} s")
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    def _exchange(
        self, deadline: Deadline, largest: int, method: str, url: str, request: Mapping[str, Any]
    ) -> RawAnswer:
        # This ends a thread that was left behind, too.
        timeout = (min(_CONNECT_SECONDS, deadline.left), deadline.left)
        with self.session.request(
            method, url, timeout=timeout, allow_redirects=False, stream=True, **request
        ) as answer:
            body = bytearray()
            for chunk in answer.iter_content(_CHUNK):
                body += chunk
                if len(body) > largest:
                    raise AnswerTooLargeError(f"its answer is larger than {largest} bytes")
            return RawAnswer(answer.status_code, answer.headers, bytes(body))

    def _cut_off(self) -> None:
        for connection in list(self._connections):
            with suppress(AttributeError, OSError, TypeError):
                # Not the TLS socket's own, which would first take leave of the peer.
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    def _adapter(self) -> HTTPAdapter:
        """An adapter whose connections are known here, those through a proxy too."""
        adapter = HTTPAdapter()
        make_proxy_manager = adapter.proxy_manager_for
        self._watch(adapter.poolmanager)
        adapter.proxy_manager_for = lambda *args, **kwargs: self._watch(make_proxy_manager(*args, **kwargs))
        return adapter

    def _watch(self, manager: Any) -> Any:
        if not hasattr(manager, "leastpriv_watched"):
            pools = manager.pool_classes_by_scheme
            manager.pool_classes_by_scheme = {scheme: self._watched(pool) for scheme, pool in pools.items()}
            manager.leastpriv_watched = True
        return manager

    def _watched(self, pool: Any) -> Any:
        connections = self._connections

        class Connection(pool.ConnectionCls):
            def connect(self) -> None:
                connections.add(self)
                super().connect()

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})
