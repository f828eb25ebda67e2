# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One deadline around an HTTP exchange, against servers on loopback that never come to an end."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.endpoint import Endpoint
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.exchange import (
    Deadline,
    DeadlineError,
    Exchanges,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.transport import ApiError, Timing, Transport

SECONDS = 0.3
# For a machine that is busy with other things; what has no end would take forever.
PATIENCE = 5.0
OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def server(behave):
    """A server on loopback that does this to each connection; gives its port and the connections that have ended."""

    def serve(connection):
        with connection, suppress(OSError):
            behave(connection, is_over)
        ended.append(connection)

    def accept():
        with suppress(OSError):
            while True:
                connection, _address = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    is_over, ended = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], ended
        is_over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def drip(piece, begin=b"", pause=0.05):
    """Begin, then send a piece now and then, endlessly."""

    def behave(connection, is_over):
        connection.recv(65536)
        connection.sendall(begin)
        while not is_over.wait(pause):
            connection.sendall(piece)

    return behave


def read_slowly(connection, is_over):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    while not is_over.wait(0.05):
        if not connection.recv(64):
            return


def say_nothing(connection, is_over):
    while connection.recv(65536):
        pass


def redirect_slowly(connection, is_over):
    connection.recv(65536)
    is_over.wait(SECONDS * 0.4)
    connection.sendall(b"HTTP/1.1 307 Again\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")


ENDLESS = {
    "a body": drip(b"x", OK + b"Content-Length: 100000\r\n\r\n"),
    "a chunked body": drip(b"1\r\nx\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n"),
    "the head of a chunk": drip(b"0", OK + b"Transfer-Encoding: chunked\r\n\r\n"),
    "trailers": drip(b"X-A: b\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"),
    "a header": drip(b"x", OK + b"X-Slow: "),
    "headers": drip(b"X-A: b\r\n", OK),
    "a status line": drip(b"0", b"HTTP/1.1 200 "),
    "100 Continue": drip(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "100 Continue without a pause": drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, pause=0),
    "nothing": say_nothing,
    "redirects": redirect_slowly,
}


def wait_for_end(ended):
    """The connection does not outlive the call."""
    started = time.monotonic()
    while not ended and time.monotonic() - started < PATIENCE:
        time.sleep(0.05)
    assert ended


@pytest.mark.parametrize(("name", "behave"), ENDLESS.items(), ids=ENDLESS)
def test_no_call_of_the_api_lasts_longer_than_its_deadline(name, behave):
    with server(behave) as (port, ended):
        transport = Transport(Endpoint(f"http://127.0.0.1:{port}"), timing=Timing(timeout=SECONDS, attempts=1))
        started = time.monotonic()
        with pytest.raises(ApiError, match=r"no (whole )?answer in time; run again later, or raise api_timeout"):
            transport.call("POST", "/x", body={"a": 1})
        assert time.monotonic() - started < SECONDS + PATIENCE
        # What the kernel has received by then is read first, some megabytes.
        if name != "100 Continue without a pause":
            wait_for_end(ended)


def test_retries_of_endless_answers_end_with_the_time_for_retries():
    with server(ENDLESS["a body"]) as (port, _ended):
        timing = Timing(timeout=SECONDS, attempts=5, retry_seconds=SECONDS, sleep=lambda _seconds: None)
        started = time.monotonic()
        with pytest.raises(ApiError):
            Transport(Endpoint(f"http://127.0.0.1:{port}"), timing=timing).call("GET", "/x")
        assert time.monotonic() - started < 2 * SECONDS + PATIENCE


def send(url, **request):
    """Send with a deadline; gives the seconds that it took. Raises what was raised."""
    started = time.monotonic()
    with pytest.raises(DeadlineError):
        Exchanges(trusts_environment=True).send(Deadline(SECONDS), 1000, "POST", url, **request)
    return time.monotonic() - started


def test_a_server_that_reads_the_request_slowly_is_cut_off():
    with server(read_slowly) as (port, _ended):
        assert send(f"http://127.0.0.1:{port}", data=b"x" * 32_000_000) < SECONDS + PATIENCE


@pytest.mark.parametrize("behave", [say_nothing, drip(b"\x16\x03\x03\x40\x00"), drip(b"\x00", b"\x16\x03\x03\x40\x00")])
def test_a_slow_tls_handshake_is_cut_off(behave):
    with server(behave) as (port, _ended):
        assert send(f"https://127.0.0.1:{port}") < SECONDS + PATIENCE


@pytest.mark.parametrize("url", ["http://api.example/", "https://api.example/"])
def test_a_slow_proxy_is_cut_off(url, monkeypatch):
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with server(drip(b"x", OK + b"X-Slow: ")) as (port, ended):
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        assert send(url) < SECONDS + PATIENCE
        wait_for_end(ended)


def test_a_slow_look_up_of_the_name_is_not_waited_for(monkeypatch):
    is_over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: is_over.wait(60))
    try:
        assert send("http://api.example/") < SECONDS + PATIENCE
    finally:
        is_over.set()


def test_connections_are_kept_for_the_next_exchange():
    """A batch, or a script of the API's second version, costs no connection of its own."""
    served = []

    def behave(connection, is_over):
        while connection.recv(65536):
            served.append(connection)
            connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")

    with server(behave) as (port, _ended):
        exchanges = Exchanges(trusts_environment=True)
        for _time in range(3):
            assert exchanges.send(Deadline(30), 1000, "GET", f"http://127.0.0.1:{port}").body == b"{}"
        assert (len(served), len(set(served))) == (3, 1)
