# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both servers of the stack share: JSON answers, reading a body, and the list of injected faults."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

EFFECTS = (
    "after", "applied", "body", "code", "count", "drop", "headers", "message", "seconds", "share", "skip", "status",
)  # fmt: skip


def read_body(environ: dict[str, Any]) -> bytes:
    return environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))


def answer_json(
    start_response: Any, answer: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Iterable[bytes]:
    body = json.dumps(answer).encode()
    start_response(
        f"{status} {'OK' if status < 400 else 'ERROR'}",
        [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *(headers or {}).items()],
    )
    return [body]


def drop_line(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Close the connection without an answer."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    start_response("500 DROPPED", [])
    return []


def wait_while_asked(environ: dict[str, Any], seconds: float, is_ended: Callable[[], bool] = lambda: False) -> bool:
    """Wait so long, but no longer than the caller does, and not after it is ended. False when the caller has gone."""
    deadline = time.monotonic() + seconds
    while not (is_gone := _is_closed(environ["werkzeug.socket"])) and time.monotonic() < deadline and not is_ended():
        time.sleep(min(0.05, max(0.0, deadline - time.monotonic())))
    return not is_gone


def _is_closed(connection: socket.socket) -> bool:
    try:
        # The method of the plain socket: one of TLS takes no flags.
        return socket.socket.recv(connection, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class Faults:
    """Faults that wait for a matching call. A fault is a dict: all keys but the effects are what a call must equal.

    `count` calls are disturbed (default 1) after the first `skip` matching ones have passed (default 0). With `share`
    it is that share of all matching calls, by chance but the same in every run. With `after` the fault begins to count
    once a call of that action has been made, in its account if it names one.
    """

    def __init__(self) -> None:
        self.waiting: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.chance = random.Random(0)
        # How often waits were ended.
        self.ended = 0

    def add(self, fault: dict[str, Any]) -> None:
        count = float("inf") if "share" in fault else 1
        self.waiting.append({"count": count, "skip": 0, **fault})

    def clear(self) -> None:
        self.waiting.clear()

    def end_waits(self) -> None:
        """Let the calls that wait now go on."""
        self.ended += 1

    def take(self, call: dict[str, Any]) -> dict[str, Any] | None:
        """Gives the first fault that matches `call`, and counts it down."""
        with self.lock:
            armed = [fault for fault in self.waiting if "after" not in fault and _matches(fault, call)]
            for fault in self.waiting:
                if "after" in fault and _arms(fault, call):
                    del fault["after"]
            return self.count_down(armed[0]) if armed else None

    def count_down(self, fault: dict[str, Any]) -> dict[str, Any] | None:
        if fault["skip"]:
            fault["skip"] -= 1
            return None
        if self.chance.random() >= fault.get("share", 1):
            return None
        fault["count"] -= 1
        if not fault["count"]:
            self.waiting.remove(fault)
        return fault


def _arms(fault: dict[str, Any], call: dict[str, Any]) -> bool:
    account = call.get("account")
    return fault["after"] == call.get("action") and fault.get("account", account) == account


def _matches(fault: dict[str, Any], call: dict[str, Any]) -> bool:
    return all(call.get(name) == value for name, value in fault.items() if name not in EFFECTS)
