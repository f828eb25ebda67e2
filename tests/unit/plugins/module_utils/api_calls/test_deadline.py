# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deadline for each request to AWS, against an endpoint on loopback that never comes to an end."""

from __future__ import annotations

import signal
import socket
import threading
import time
from contextlib import contextmanager, suppress

import boto3
import botocore.handlers
import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls import deadline
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.counter import note_aws_calls
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from stack import settings

OK = b"HTTP/1.1 200 OK\r\n"
ENDLESS = {
    "a body": (OK + b"Content-Length: 100000\r\n\r\n", b"x"),
    "a header": (OK + b"X-Slow: ", b"x"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.fixture
def limited(tmp_path, monkeypatch):
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", list(botocore.handlers.BUILTIN_HANDLERS))
    monkeypatch.setattr(deadline, "REQUEST_SECONDS", 0.5)
    note_aws_calls(tmp_path / "calls")


@contextmanager
def endpoint(begin, piece):
    """An endpoint that sends pieces endlessly; returns its address and the number of requests."""

    def serve(connection):
        requests.append(connection)
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(begin)
            while not is_over.wait(0.05):
                connection.sendall(piece)

    def accept():
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    is_over, requests = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
        is_over.set()


def client(url, **retries):
    keys = {"aws_access_key_id": settings.BASE_ACCESS_KEY, "aws_secret_access_key": settings.BASE_SECRET_KEY}
    config = Config(retries={"mode": "standard", "total_max_attempts": 1, **retries}, proxies={})
    return boto3.session.Session().client("iam", endpoint_url=url, region_name="us-east-1", config=config, **keys)


@pytest.mark.parametrize(("begin", "piece"), ENDLESS.values(), ids=ENDLESS)
def test_an_answer_of_aws_without_an_end_is_a_time_out(limited, begin, piece):
    before = signal.getsignal(signal.SIGALRM)
    with endpoint(begin, piece) as (url, requests):
        started = time.monotonic()
        with pytest.raises(ReadTimeoutError):
            client(url, total_max_attempts=2).list_users()
        assert time.monotonic() - started < 10
        assert len(requests) == 2, "tried again as after any time-out"
    assert (signal.getitimer(signal.ITIMER_REAL), signal.getsignal(signal.SIGALRM)) == ((0.0, 0.0), before)


def test_nothing_of_the_deadline_is_left_after_an_answer(limited, stack):
    before = signal.getsignal(signal.SIGALRM)
    client(stack.url).list_users()
    assert (signal.getitimer(signal.ITIMER_REAL), signal.getsignal(signal.SIGALRM)) == ((0.0, 0.0), before)


def test_an_alarm_of_somebody_elses_is_left_alone(limited, stack):
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_ignored: rung.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, 60)
        client(stack.url).list_users()
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rung == []
