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
from ansible.plugins.loader import lookup_loader
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.connection import check_api
from scale import exhaustive
from stack import attached, run_playbook, seed, send_alert
from stack.alerts import deny_policy_name
from stack.process import write_certificate

from .fault_rows import API_FAULTS, AWS_FAULTS, BYSTANDER, CERTIFICATES, DISTURBED, NOT_RECEIVED

FAULTS = AWS_FAULTS + API_FAULTS
# Each of these meets an account of its own, in one run.
OF_ONE_ACCOUNT = {f"I-{number}": fault for number, fault in enumerate(FAULTS, 100) if fault.is_of_one_account}
# And these meet the queue and the API in the same run, and cost no alert.
OF_THE_REST = [fault for fault in FAULTS if fault.is_ridden_out_by_all]
# Each of these has a run to itself, before.
OF_EVERYBODY = [fault for fault in FAULTS if fault.is_of_everybody]
ALERTS = {DISTURBED: ("payments", "alice"), BYSTANDER: ("sandbox", "carol")}
# A call without an answer is given up after five seconds instead of botocore's sixty.
AWS_CONFIG = {"read_timeout": 5, "retries": {"mode": "adaptive", "max_attempts": 12}}
# What a run takes that nothing disturbs, on a slow machine.
UNDISTURBED = 60.0


def fill(stack):
    for alert_id, (account, user) in ALERTS.items():
        seed(stack, account, users=[user])
        send_alert(stack, alert_id, account, "user", user)


def run_with(stack, *args, **env):
    settings = json.dumps({"remediate_aws_config": AWS_CONFIG, "remediate_max_failures": len(FAULTS)})
    return run_playbook(stack, "-e", settings, *args, env=env, timeout=300)


def check_that_no_secret_is_shown(stack, run):
    shown = run.stdout + run.stderr + json.dumps(run.report)
    assert stack.env["PRISMACLOUD_PASSWORD"] not in shown
    assert "loopback-only" not in shown, "the queue's secret key"
    assert "Traceback" not in shown


def check_that_nothing_was_received(stack, run, reason):
    assert run.rc == 2
    assert run.report is None
    assert reason in " ".join(run.stdout.split()), run.stdout
    assert [message["receive_count"] for message in stack.messages()] == [0] * len(ALERTS)
    check_that_no_secret_is_shown(stack, run)


def disturb(stack, fault, account):
    for one in fault.aws:
        stack.fault(**one | ({"account": stack.account_id(account)} if "account" in one else {}))
    for one in fault.api:
        stack.api_fault(**one)


# Each by itself. The next test has all but the repetitions together.
@exhaustive
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_ends_as_its_row_says_and_the_next_run_finishes(stack, fault):
    fill(stack)
    disturb(stack, fault, "payments")
    run = run_with(stack)
    if fault.disposition == NOT_RECEIVED:
        check_that_nothing_was_received(stack, run, fault.reason)
        return
    others = fault.disposition if fault.everywhere else "remediated"
    assert run.dispositions == {DISTURBED: fault.disposition, BYSTANDER: others}, run.stdout
    assert run.rc == (0 if fault.disposition == "remediated" else 2)
    assert run.seconds < UNDISTURBED + fault.limit
    assert fault.reason in run.alerts[DISTURBED]["reason"]
    undone = [alert_id for alert_id, word in run.dispositions.items() if word != "remediated"]
    assert stack.depth() == (len(undone), 0)
    check_that_no_secret_is_shown(stack, run)
    stack.clear_faults()
    again = run_with(stack) if undone else run
    assert {alert_id: again.dispositions[alert_id] for alert_id in undone} == dict.fromkeys(undone, "remediated")
    assert stack.depth() == (0, 0)
    for alert_id, (account, user) in ALERTS.items():
        assert attached(stack, account, "user", user) == [deny_policy_name(user, alert_id)]


@pytest.fixture
def disturbed_accounts(stack):
    """The account of each fault by its alert, and the arguments for a run that knows them and the bystander's."""
    accounts = {alert_id: f"6{alert_id[2:]:0>11}" for alert_id in OF_ONE_ACCOUNT}
    stack.add_profiles(accounts)
    hosts = {alert_id: {"account_id": account_id, "aws_profile": alert_id} for alert_id, account_id in accounts.items()}
    bystander = {"account_id": stack.account_id("sandbox"), "aws_profile": "sandbox"}
    inventory = stack.write_inventory(stack.folder / "disturbed.yml", **hosts, sandbox=bystander)
    for alert_id, account_id in [*accounts.items(), (BYSTANDER, stack.account_id("sandbox"))]:
        seed(stack, account_id, users=["alice"])
        send_alert(stack, alert_id, account_id, "user", "alice")
    return accounts, ("-i", str(inventory))


def test_every_row_is_tried_or_a_repetition():
    assert {id(fault) for fault in [*OF_ONE_ACCOUNT.values(), *OF_THE_REST, *OF_EVERYBODY]} == {
        id(fault) for fault in FAULTS if not fault.is_repeat
    }


def test_faults_of_accounts_queue_and_api_side_by_side_each_end_as_their_rows_say(stack, disturbed_accounts):
    accounts, arguments = disturbed_accounts
    for fault in OF_EVERYBODY:
        disturb(stack, fault, None)
        check_that_all_alerts_meet(stack, fault, run_with(stack, *arguments))
        stack.clear_faults()
    for alert_id, fault in OF_ONE_ACCOUNT.items():
        disturb(stack, fault, accounts[alert_id])
    for fault in OF_THE_REST:
        disturb(stack, fault, None)
    run = run_with(stack, *arguments)
    expected = {alert_id: fault.disposition for alert_id, fault in OF_ONE_ACCOUNT.items()}
    assert run.dispositions == {**expected, BYSTANDER: "remediated"}, run.stdout
    assert run.rc == 2
    assert run.seconds < UNDISTURBED + 2 * max(fault.limit for fault in OF_ONE_ACCOUNT.values())
    for alert_id, fault in OF_ONE_ACCOUNT.items():
        assert fault.reason in (run.alerts[alert_id]["reason"] or ""), fault.name
    undone = [alert_id for alert_id, word in expected.items() if word != "remediated"]
    assert stack.depth() == (len(undone), 0)
    check_that_no_secret_is_shown(stack, run)
    stack.clear_faults()
    again = run_with(stack, *arguments)
    assert again.dispositions == dict.fromkeys(undone, "remediated")
    assert stack.depth() == (0, 0)
    for alert_id, account_id in accounts.items():
        assert attached(stack, account_id, "user", "alice") == [deny_policy_name("alice", alert_id)]


def check_that_all_alerts_meet(stack, fault, run):
    sent = [*OF_ONE_ACCOUNT, BYSTANDER]
    assert (run.rc, run.dispositions) == (2, dict.fromkeys(sent, fault.disposition)), run.stdout
    assert run.seconds < UNDISTURBED + fault.limit
    assert {fault.reason in alert["reason"] for alert in run.alerts.values()} == {True}
    assert stack.depth() == (len(sent), 0)
    check_that_no_secret_is_shown(stack, run)


@pytest.fixture
def impostor(tmp_path):
    """Serves HTTPS with a certificate; returns its address and the received requests."""
    servers = []

    def serve(certificate):
        write_certificate(tmp_path, certificate.hosts, certificate.days_left)
        shown = []

        class Listener(http.server.BaseHTTPRequestHandler):
            def handle(self):
                shown.append(self.connection)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"https://127.0.0.1:{server.server_port}", shown

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("certificate", CERTIFICATES, ids=lambda certificate: certificate.name)
def test_an_api_that_cannot_prove_who_it_is_is_sent_nothing(stack, impostor, tmp_path, monkeypatch, certificate):
    """What every run asks first, in this process."""
    address, shown = impostor(certificate)
    for name, value in (stack.env | {"API_ENDPOINT": address}).items():
        monkeypatch.setenv(name, value)
    if certificate.is_trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    alerts = lookup_loader.get("leastpriv.iam.alerts")
    alerts.set_options(direct={"api_endpoint": address})
    [found] = check_api(alerts.get_option, lambda *_call: None)
    assert (found["status"], shown) == ("missing", [])
    assert "TLS could not be set up" in found["found"]


# That a run receives nothing when this check fails is in tests/fixtures/estates/refused.yml.
@exhaustive
def test_a_run_receives_nothing_when_the_api_cannot_prove_who_it_is(stack, impostor):
    fill(stack)
    address, shown = impostor(CERTIFICATES[0])
    run = run_with(stack, API_ENDPOINT=address)
    assert shown == []
    check_that_nothing_was_received(stack, run, "TLS could not be set up")
