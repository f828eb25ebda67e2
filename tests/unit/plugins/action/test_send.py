# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent to a webhook or a gateway, and what is shown if that fails; over real HTTP."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from actions import load_action
from ansible.errors import AnsibleError

SECRET = "hunter2hunter2"


@contextmanager
def listener(status=200, headers=(), piece=b"", pause=0.0, answer=None):
    """A server that notes each request, and answers with pieces of an endless body if there are any.

    `answer` is called with the stream and the event of the end, in the place of all this.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            received.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
            if answer:
                _answer_with(answer, self, over)
                return
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            while piece and not over.wait(pause):
                try:
                    self.wfile.write(piece)
                except OSError:
                    return

        do_PUT = do_POST

        def log_message(self, *ignored):
            pass

    received, over = [], threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", received
        over.set()
        server.shutdown()


def _answer_with(answer, handler, over):
    handler.close_connection = True
    with suppress(OSError):
        answer(handler.wfile, over)


def send(url, **options):
    """What the action gives."""
    given = {"url": url, "body": "x", "content_type": "text/plain", "deadline": 1, **options}
    return load_action("leastpriv.iam.send", given).run(task_vars={})


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_text_arrives_with_its_type(method):
    with listener(204) as (place, received):
        result = send(
            f"http://{place}/a", method=method, body='{"a": "ü"}', content_type="application/json", deadline=30
        )
    assert (result["delivered"], result["status"], result["problem"], result["changed"]) == (True, 204, "", False)
    ((command, path, headers, body),) = received
    assert (command, path, headers["Content-Type"], body) == (method, "/a", "application/json", '{"a": "ü"}'.encode())
    assert "Authorization" not in headers


def test_credentials_of_the_address_are_used():
    with listener() as (place, received):
        assert send(f"http://ann:p%40ss@{place}/", deadline=30)["delivered"]
    assert received[0][2]["Authorization"] == "Basic YW5uOnBAc3M="


@pytest.mark.parametrize("status", [302, 307, 404, 500])
def test_a_status_that_is_no_success_is_reported_and_nothing_is_followed_or_repeated(status):
    with listener(status, [("Location", "/elsewhere")]) as (place, received):
        result = send(f"http://{place}/{SECRET}", deadline=30)
    assert (result["delivered"], result["status"], result["problem"]) == (
        False,
        status,
        f"answered with status {status}",
    )
    assert len(received) == 1


def test_an_answer_without_an_end_is_cut_off_at_the_deadline():
    with listener(piece=b"x", pause=0.05) as (place, _received):
        started = time.monotonic()
        result = send(f"http://{place}/")
        assert time.monotonic() - started < 6
    assert (result["delivered"], result["problem"]) == (False, "did not answer within 1 s")


def never(_stream, over):
    over.wait(60)


def drop_by_drop(stream, over):
    stream.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not over.wait(0.1):
        stream.write(b"x")


def with_continues(stream, over):
    while not over.wait(0.1):
        stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("answer", [never, drop_by_drop, with_continues])
def test_an_answer_that_does_not_begin_is_given_up_at_the_deadline(answer):
    with listener(answer=answer) as (place, received):
        started = time.monotonic()
        result = send(f"http://{place}/{SECRET}")
        assert time.monotonic() - started < 6
    assert (result["delivered"], result["problem"], len(received)) == (False, "did not answer within 1 s", 1)


def test_an_answer_that_is_slow_is_waited_for():
    def slowly(stream, over):
        over.wait(1.2)
        stream.write(b"HTTP/1.1 200 OK\r\n\r\n")

    with listener(answer=slowly) as (place, _received):
        assert send(f"http://{place}/", deadline=30)["delivered"]


def test_a_large_answer_is_not_read():
    with listener(piece=b"x" * 65536) as (place, _received):
        assert send(f"http://{place}/", deadline=30)["problem"] == "gave an answer of more than 1048576 bytes"


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:9/{SECRET}",
        f"http://{SECRET}.invalid/",
        f"https://127.0.0.1:9/{SECRET}",
        f"{SECRET}",
        f"ftp://{SECRET}/",
        f"http://[{SECRET}",
        f"http://127.0.0.1:port{SECRET}/",
        f"http://ann:{SECRET}@127.0.0.1:9/",
        "http://",
    ],
)
def test_an_address_that_cannot_be_reached_is_reported_without_the_address(url):
    result = send(url, deadline=30)
    assert not result["delivered"]
    assert result["problem"].startswith("could not be reached (")
    assert SECRET not in str(result)


def test_the_ca_bundle_of_the_environment_counts_and_an_empty_one_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with listener() as (place, _received):
        assert send(f"https://{place}/")["problem"] == "could not be reached (OSError)"
        monkeypatch.setenv("CURL_CA_BUNDLE", "")
        assert "OSError" not in send(f"https://{place}/")["problem"]


def test_an_option_that_cannot_be_read_is_an_error():
    with pytest.raises(AnsibleError, match="deadline"):
        send("http://127.0.0.1:9/", deadline="soon")
