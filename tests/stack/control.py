# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both servers of the stack share: JSON answers, reading a body, and the list of injected faults."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterable
from typing import Any

EFFECTS = ("count", "skip", "seconds", "status", "code", "message", "headers", "body", "applied", "drop")


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


class Faults:
    """Faults that wait for a matching call. A fault is a dict: whatever is no effect is what a call must equal.

    `count` calls are disturbed (default 1) after the first `skip` matching ones have passed (default 0).
    """

    def __init__(self) -> None:
        self.waiting: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    def add(self, fault: dict[str, Any]) -> None:
        self.waiting.append({"count": 1, "skip": 0, **fault})

    def clear(self) -> None:
        self.waiting.clear()

    def take(self, call: dict[str, Any]) -> dict[str, Any] | None:
        """Gives the first fault that matches `call`, and counts it down."""
        with self.lock:
            for fault in self.waiting:
                if all(call.get(name) == value for name, value in fault.items() if name not in EFFECTS):
                    return self.count_down(fault)
        return None

    def count_down(self, fault: dict[str, Any]) -> dict[str, Any] | None:
        if fault["skip"]:
            fault["skip"] -= 1
            return None
        fault["count"] -= 1
        if not fault["count"]:
            self.waiting.remove(fault)
        return fault
