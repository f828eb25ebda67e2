# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS, the queue and the vendor's API fail in every way they can: each ends as its row says, in bounded time."""

from __future__ import annotations

import http.server
import json
import ssl
import threading

import pytest
from stack import attached, run_playbook, seed, send_alert
from stack.alerts import deny_policy_name
from stack.process import write_certificate

from .fault_rows import API_FAULTS, AWS_FAULTS, BYSTANDER, CERTIFICATES, DISTURBED

ALERTS = {DISTURBED: ("payments", "alice"), BYSTANDER: ("sandbox", "carol")}
# A call without an answer is given up after five seconds instead of botocore's sixty.
AWS_CONFIG = {"read_timeout": 5, "retries": {"mode": "adaptive", "max_attempts": 12}}
# What a run takes that nothing disturbs, on a slow machine.
UNDISTURBED = 60.0


def fill(stack):
    for alert_id, (account, user) in ALERTS.items():
        seed(stack, account, users=[user])
        send_alert(stack, alert_id, account, "user", user)


def run_with(stack, **env):
    return run_playbook(stack, "-e", json.dumps({"remediate_aws_config": AWS_CONFIG}), env=env, timeout=300)


def check_that_nothing_is_told(stack, run):
    told = run.stdout + run.stderr + json.dumps(run.report)
    assert stack.env["PRISMACLOUD_PASSWORD"] not in told
    assert "loopback-only" not in told, "the queue's secret key"
    assert "Traceback" not in told


@pytest.mark.parametrize("fault", AWS_FAULTS + API_FAULTS, ids=lambda fault: fault.name)
def test_a_fault_ends_as_its_row_says_and_the_next_run_finishes(stack, fault):
    fill(stack)
    for one in fault.aws:
        stack.fault(**one | ({"account": stack.account_id(one["account"])} if "account" in one else {}))
    for one in fault.api:
        stack.api_fault(**one)
    run = run_with(stack)
    others = fault.disposition if fault.everywhere else "remediated"
    assert run.dispositions == {DISTURBED: fault.disposition, BYSTANDER: others}, run.stdout
    assert run.rc == (0 if fault.disposition == "remediated" else 2)
    assert run.seconds < UNDISTURBED + fault.limit
    assert fault.reason in run.alerts[DISTURBED]["reason"]
    undone = [alert_id for alert_id, word in run.dispositions.items() if word != "remediated"]
    assert stack.depth() == (len(undone), 0)
    check_that_nothing_is_told(stack, run)
    stack.clear_faults()
    again = run_with(stack) if undone else run
    assert {alert_id: again.dispositions[alert_id] for alert_id in undone} == dict.fromkeys(undone, "remediated")
    assert stack.depth() == (0, 0)
    for alert_id, (account, user) in ALERTS.items():
        assert attached(stack, account, "user", user) == [deny_policy_name(user, alert_id)]


@pytest.fixture
def impostor(tmp_path):
    """Serves HTTPS with a certificate; gives its address, and what it was told."""
    servers = []

    def serve(certificate):
        write_certificate(tmp_path, certificate.hosts, certificate.days_left)
        told = []

        class Listener(http.server.BaseHTTPRequestHandler):
            def handle(self):
                told.append(self.connection)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"https://127.0.0.1:{server.server_port}", told

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("certificate", CERTIFICATES, ids=lambda certificate: certificate.name)
def test_an_api_that_cannot_prove_who_it_is_is_told_nothing(stack, impostor, tmp_path, certificate):
    fill(stack)
    address, told = impostor(certificate)
    trust = {"REQUESTS_CA_BUNDLE": str(tmp_path / "cert.pem")} if certificate.is_trusted else {}
    run = run_with(stack, API_ENDPOINT=address, **trust)
    assert run.rc == 2
    assert run.dispositions == dict.fromkeys(ALERTS, "unavailable")
    assert "TLS could not be set up" in run.alerts[DISTURBED]["reason"]
    assert told == []
    assert stack.depth() == (len(ALERTS), 0)
    check_that_nothing_is_told(stack, run)
