# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notification after a run, over real HTTP: what is sent. test_metrics.py has a webhook that does not answer."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from stack import run_playbook
from stack.alerts import nested_alert

NO_BUCKET = "s3://no-such-bucket-anywhere/runs"
# Nothing listens on the discard port.
NO_GATEWAY = "http://127.0.0.1:9/metrics/job/a"
SECRET = "T000-B000-sEcReT"
HOSTILE = "<!channel> {{ 7 * 7 }} & <https://evil.example|click>"


def answer_ok(request):
    request.send_response(200)
    request.end_headers()


def answer_never(request):
    request.server.ended.wait(60)


@contextmanager
def listener(answer):
    """A webhook on loopback; gives its address and the (path, body) of each request."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, json.loads(body)))
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        def do_GET(self):
            received.append((self.path, None))

        def log_message(self, *ignored):
            pass

    received = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.ended = True, threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/services/{SECRET}", received
        server.ended.set()
        server.shutdown()


def run_with_webhook(stack, url, *arguments, **settings):
    """The address comes from the environment, as the README shows: what is given with -e, Ansible shows at -vvvv."""
    from_environment = "{{ lookup('ansible.builtin.env', 'SLACK_WEBHOOK_URL') }}"
    settings = {"remediate_webhook_url": from_environment, "remediate_webhook_timeout": 1, **settings}
    return run_playbook(stack, "-e", json.dumps(settings), *arguments, env={"SLACK_WEBHOOK_URL": url})


def test_a_review_tells_the_webhook_whom_it_needs_without_telling_its_address(stack):
    """A copy of its files and a Pushgateway that fail are warnings."""
    stack.send(nested_alert("I-1", stack.account_id("payments")))
    stack.script("I-1", f"aws iam tag-user --user-name alice --tags 'Key=a,Value={HOSTILE}'")
    stack.send(nested_alert("I-2", "999999999999", resource={"resourceName": HOSTILE}, alertId=f"I-2{HOSTILE}"))
    with listener(answer_ok) as (url, received):
        settings = {
            "remediate_report_url": "https://reports.example/runs",
            "remediate_artifacts_s3": NO_BUCKET,
            "remediate_metrics_push_url": NO_GATEWAY,
        }
        review = run_with_webhook(stack, url, "--check", "-vvvv", **settings)
        assert review.rc == 2
        printed = " ".join(review.stdout.split())
        assert "Warning: Not copied to remediate_artifacts_s3: " in printed
        assert "the metrics were not pushed (the gateway could not be reached (Connection refused))" in printed
        ((path, body),) = received
        assert path == f"/services/{SECRET}"
        run_id = review.report["run_id"]
        assert body["text"].startswith("Leastpriv: 2 of 2 alerts need attention. Review: nothing was changed.")
        written = json.dumps(body, ensure_ascii=False)
        assert "• I-2&lt;!channel&gt; {{ 7 * 7 }} &amp; &lt;https://evil.example|click&gt; (999999999999)" in written
        assert f"<https://reports.example/runs/{run_id}/report.html|report.html>" in written
        assert "<!channel>" not in written
        assert SECRET not in review.stdout + review.stderr
        assert SECRET not in "".join(file.read_text() for file in review.artifacts.glob("*/*"))


def test_an_empty_queue_tells_nobody(stack):
    with listener(answer_ok) as (url, received):
        empty = run_with_webhook(stack, url)
        assert (empty.rc, received) == (0, [])
        assert not [*empty.artifacts.glob("*/journal.jsonl")]
