# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""metrics.prom of real runs, as Prometheus reads it, against what the emulator and the API were really asked."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from stack import seed, send_alert

from .test_notification import SECRET, answer_never, listener, run_with_webhook


@contextmanager
def gateway():
    """A Pushgateway on loopback; gives its address and the (path, type, body) of what is put to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received.append((self.path, self.headers["Content-Type"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *ignored):
            pass

    received = []
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/metrics/job/leastpriv", received
        server.shutdown()


def metrics_of(run):
    [file] = run.artifacts.glob("*/metrics.prom")
    return file.read_text()


def samples(text, name):
    """{its labels besides the mode: value} of one metric."""
    [family] = [one for one in text_string_to_metric_families(text) if one.name == f"leastpriv_{name}"]
    return {
        tuple(value for label, value in sample.labels.items() if label != "mode"): sample.value
        for sample in family.samples
    }


def test_a_run_tells_prometheus_what_it_did_and_every_call_and_a_webhook_that_fails_changes_nothing(stack, tmp_path):
    """How each kind of failure of a webhook is found is in tests/unit/plugins/action/test_send.py."""
    seed(stack, "payments", users=["alice"])
    seed(stack, "analytics", users=["bob"])
    send_alert(stack, "I-1", "payments", "user", "alice")
    send_alert(stack, "I-2", "analytics", "user", "bob")
    stack.send("no alert")
    stack.clear_calls()
    stack.fault(action="AttachUserPolicy", code="Throttling", status=400, count=2)
    stack.api_fault(endpoint="remediation", status=429, headers={"Retry-After": "0"})
    file = tmp_path / "leastpriv.prom"
    settings = {"remediate_metrics_file": str(file), "remediate_tolerate": ["invalid"]}
    with gateway() as (url, received), listener(answer_never) as (webhook, notified):
        run = run_with_webhook(stack, webhook, remediate_metrics_push_url=url, **settings)
    assert run.rc == 0, run.stdout
    assert run.dispositions.pop("I-1") == "remediated"
    assert stack.depth() == (1, 0)
    assert "(the webhook did not answer within 1 s)" in " ".join(run.stdout.split())
    assert SECRET not in run.stdout + run.stderr
    assert len(notified) == 1, "not tried again"
    text = metrics_of(run)
    alerts = {word: count for (word,), count in samples(text, "alerts").items() if count}
    assert alerts == {"remediated": 2, "invalid": 1}
    calls = {(call["service"], call["action"]): 0 for call in stack.calls()}
    calls |= Counter((call["service"], call["action"]) for call in stack.calls())
    calls |= {("vendor", "login"): 1, ("vendor", "remediation"): 2}
    assert samples(text, "api_calls") == calls
    throttles = {operation: count for operation, count in samples(text, "api_throttles").items() if count}
    assert throttles == {("iam", "AttachUserPolicy"): 2, ("vendor", "remediation"): 1}
    assert (file.read_text(), file.stat().st_mode & 0o777) == (text, 0o644)
    assert received == [("/metrics/job/leastpriv", "text/plain; version=0.0.4", text)]
