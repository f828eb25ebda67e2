# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against the stand-in of the vendor's API, over real HTTP. Only time is a fake."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api import transport as api_transport
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.client import (
    Answer,
    ApiSettingsError,
    Credentials,
    RemediationApi,
    Tokens,
    check_credentials,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.connection import read_credentials
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.endpoint import Endpoint
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.transport import Timing, Transport
from stack import Stack
from stack.settings import VENDOR_PASSWORD, VENDOR_USERNAME

ACCESS_KEY = Credentials(username=VENDOR_USERNAME, password=VENDOR_PASSWORD)
SCRIPT = "aws iam delete-access-key --access-key-id AKIA --user-name alice"


@dataclass
class Clock:
    """Time that passes only when somebody sleeps, or when a test says so."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def connect(stack, clock):
    """Make a client of the stack's API; options are Timing's, Transport's and RemediationApi's."""

    def make(credentials=ACCESS_KEY, *, url=None, verify=True, version="v1", batch_size=50, **timing):
        times = Timing(monotonic=clock.monotonic, sleep=clock.sleep, chance=lambda: 1.0, **timing)
        transport = Transport(Endpoint(url or stack.api_url), verify, times)
        return RemediationApi(transport, Tokens(transport, credentials), version, batch_size)

    return make


def asked(stack, endpoint="remediation"):
    return [request["alerts"] for request in stack.api_requests(endpoint=endpoint)]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_scripts_and_description(stack, connect, version):
    stack.script("I-1", SCRIPT)
    stack.script("I-2", "dynamic aws cli commands")
    answers = connect(version=version).scripts(["I-1", "I-2", "I-1"])
    description = "Removes the permissions that have not been used."
    assert answers == {
        "I-1": Answer(SCRIPT, description),
        "I-2": Answer("dynamic aws cli commands", description),
    }
    assert [request["endpoint"] for request in stack.api_requests()].count("login") == 1


@pytest.mark.parametrize("script", [None, "", " ", "BLANK", "N/A"])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_no_script_is_not_remediable(stack, connect, version, script):
    stack.script("I-1", script)
    answer = connect(version=version).scripts(["I-1"])["I-1"]
    assert (answer.disposition, answer.script) == ("not_remediable", None)
    assert "no script for this alert" in answer.reason


def test_id_absent_from_the_answer_costs_no_neighbour(stack, connect):
    stack.script("I-1", SCRIPT)
    answers = connect().scripts(["I-1", "I-2"])
    assert (answers["I-1"].script, answers["I-2"].disposition) == (SCRIPT, "not_remediable")


def test_batches(stack, connect):
    ids = [f"I-{n}" for n in range(7)]
    for alert_id in ids:
        stack.script(alert_id, SCRIPT)
    answers = connect(batch_size=3).scripts(ids)
    assert {answer.script for answer in answers.values()} == {SCRIPT}
    assert asked(stack) == [ids[:3], ids[3:6], ids[6:]]


@pytest.mark.parametrize("value", ["1" * 5_000, "[" * 100_000, '"raw\nline"'], ids=["long", "deep", "raw line"])
def test_an_answer_that_cannot_be_read_is_asked_for_in_halves(stack, connect, value):
    ids = [f"I-{n}" for n in range(4)]
    for alert_id in ids:
        stack.script(alert_id, SCRIPT)
    stack.api_fault(endpoint="remediation", status=200, body=f'{{"alertIdVsCliScript": {{"I-0": {value}}}}}')
    assert {answer.script for answer in connect().scripts(ids).values()} == {SCRIPT}
    assert asked(stack) == [ids, ids[:2], ids[2:]]


@pytest.mark.parametrize("body", ["<html>log in</html>", '{"error": "maintenance"}', ""])
def test_another_answer_than_the_apis_own_is_asked_for_once(stack, connect, body):
    stack.api_fault(endpoint="remediation", status=200, body=body)
    answers = connect().scripts(["I-1", "I-2"])
    assert [answer.disposition for answer in answers.values()] == ["unavailable", "unavailable"]
    assert asked(stack) == [["I-1", "I-2"]]


@pytest.mark.parametrize("settings", [{"bad_ids": ["I-3"]}, {"max_batch": 2}])
def test_refused_batch_is_halved(stack, connect, settings):
    ids = [f"I-{n}" for n in range(6)]
    for alert_id in ids:
        stack.script(alert_id, SCRIPT)
    stack.api_settings(**settings)
    answers = connect().scripts(ids)
    bad = settings.get("bad_ids", [])
    assert [alert_id for alert_id in ids if answers[alert_id].script != SCRIPT] == bad
    for alert_id in bad:
        assert answers[alert_id].disposition == "unavailable"
        assert 'status 400 ("bad_request")' in answers[alert_id].reason
    assert len(asked(stack)) < 8


@pytest.mark.parametrize("status", [400, 404, 405, 406, 409, 410, 413, 418, 422])
def test_other_refusals_that_are_halved(stack, connect, status):
    stack.script("I-1", SCRIPT)
    stack.script("I-2", SCRIPT)
    stack.api_fault(endpoint="remediation", status=status)
    assert {answer.script for answer in connect().scripts(["I-1", "I-2"]).values()} == {SCRIPT}
    assert asked(stack) == [["I-1", "I-2"], ["I-1"], ["I-2"]]


@pytest.mark.parametrize("status", [405, 406, 409, 418, 422])
def test_a_refusal_that_stays_is_that_of_its_alert_alone(stack, connect, status):
    stack.script("I-2", SCRIPT)
    # The batch, then the alert alone.
    stack.api_fault(endpoint="remediation", status=status, count=2)
    answers = connect().scripts(["I-1", "I-2"])
    assert (answers["I-1"].disposition, answers["I-2"].script) == ("unavailable", SCRIPT)
    assert f"status {status}" in answers["I-1"].reason


def test_a_role_that_may_not_ask_is_not_asked_for_in_halves(stack, connect):
    stack.api_fault(endpoint="remediation", status=403)
    answers = connect().scripts(["I-1", "I-2"])
    assert {answer.disposition for answer in answers.values()} == {"unavailable"}
    assert asked(stack) == [["I-1", "I-2"]]


STATUS = '[{"i18nKey":"invalid_alert_id","severity":"error","subject":"alerts"}]'


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (STATUS, '("invalid_alert_id (alerts)")'),
        ('[{"i18nKey":"a","severity":"error","subject":null},{"i18nKey":"b"}]', '("a, b")'),
        ('{"i18nKey":"a","subject":""}', '("a")'),
        ("plain words", '("plain words")'),
        ("[]", "(status 409)"),
        ('[{"i18nKey":7},[],null]', '("7")'),
        ("[" * 5_000, "(status 409"),
        ('[{"i18nKey":"' + "k" * 500 + '"}]', "k" * 200 + '")'),
        (f'[{{"i18nKey":"bad_password","subject":"{VENDOR_PASSWORD}"}}]', '("bad_password (********)")'),
    ],
)
def test_the_header_s_reason_is_in_the_message(stack, connect, header, shown):
    stack.api_fault(endpoint="remediation", status=409, headers={"x-redlock-status": header})
    reason = connect().scripts(["I-1"])["I-1"].reason
    assert shown in reason
    assert VENDOR_PASSWORD not in reason


def test_the_header_s_reason_of_a_refused_login_and_of_an_old_token(stack, connect):
    stack.api_fault(endpoint="login", status=401, headers={"X-Redlock-Status": STATUS})
    assert "invalid_alert_id (alerts)" in connect().scripts(["I-1"])["I-1"].reason
    stack.api_fault(endpoint="extend", status=401, headers={"x-redlock-status": STATUS})
    assert "invalid_alert_id (alerts)" in connect(Credentials(auth_key="old")).scripts(["I-1"])["I-1"].reason


@pytest.mark.parametrize("fault", [{"status": 429}, {"status": 500}, {"status": 502}, {"status": 503}, {"status": 504}])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_transient_failures_are_retried_with_jittered_backoff(stack, connect, clock, fault, version):
    stack.script("I-1", SCRIPT)
    stack.api_fault(endpoint={"v1": "remediation", "v2": "command"}[version], count=3, **fault)
    assert connect(version=version).scripts(["I-1"])["I-1"].script == SCRIPT
    assert clock.slept == [1.0, 2.0, 4.0]


def test_broken_connection_is_retried(stack, connect, clock):
    stack.script("I-1", SCRIPT)
    stack.api_fault(endpoint="remediation", drop=True)
    assert connect().scripts(["I-1"])["I-1"].script == SCRIPT
    assert len(clock.slept) == 1


def test_time_out_is_retried(stack, connect, clock):
    stack.script("I-1", SCRIPT)
    stack.api_fault(endpoint="remediation", seconds=1.0)
    assert connect(timeout=0.3).scripts(["I-1"])["I-1"].script == SCRIPT
    assert len(clock.slept) == 1


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"Retry-After": "7"}, 8.0),
        ({"Retry-After": "86400"}, 60.0),
        ({"Retry-After": "soon"}, 1.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 31.0),
        ({"X-RateLimit-Requested-Tokens": "6", "X-RateLimit-Replenish-Rate": "2"}, 4.0),
        ({"X-RateLimit-Requested-Tokens": "6", "X-RateLimit-Replenish-Rate": "0"}, 1.0),
    ],
)
def test_retry_after_is_honoured_up_to_a_minute(headers, waited):
    transport = Transport(Endpoint("http://127.0.0.1:1"), timing=Timing(chance=lambda: 1.0))
    assert transport._wait(api_transport.Response(429, headers, b""), 1) == waited


def test_retries_end_and_say_what_to_do(stack, connect, clock):
    stack.api_fault(
        endpoint="remediation",
        status=429,
        count=99,
        headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Replenish-Rate": "5"},
    )
    answer = connect().scripts(["I-1"])["I-1"]
    assert answer.disposition == "unavailable"
    assert "status 429" in answer.reason
    assert "run again later" in answer.reason
    assert "Remaining 0, Replenish-Rate 5" in answer.reason
    assert len(asked(stack)) == 5


def test_all_retries_of_a_run_share_one_patience(stack, connect, clock):
    stack.api_fault(endpoint="remediation", status=503, headers={"Retry-After": "50"}, count=99)
    answers = connect(batch_size=1).scripts([f"I-{n}" for n in range(6)])
    assert {answer.disposition for answer in answers.values()} == {"unavailable"}
    assert sum(clock.slept) <= 120
    assert len(asked(stack)) == 8


def test_dead_api_is_not_asked_again_for_every_batch(connect, clock):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        answers = connect(url=url, batch_size=1).scripts(["I-1", "I-2", "I-3"])
    assert {answer.disposition for answer in answers.values()} == {"unavailable"}
    assert "Connection refused" in answers["I-3"].reason
    assert "check API_ENDPOINT" in answers["I-3"].reason
    assert len(clock.slept) == 4


@pytest.mark.parametrize(
    "body",
    [
        "{ broken",
        "",
        "[]",
        "null",
        "7",
        "[" * 100_000,
        "{}",
        '{"alertIdVsCliScript": []}',
        '{"alertIdVsCliScript": "x"}',
        '{"alertIdVsCliScript": {"I-1": {"a": 1}}}',
        '{"alertIdVsCliScript": {"I-1": ["x"]}}',
        '{"alertIdVsCliScript": {"I-1": 7}}',
        "\xff",
        "<html>login</html>",
    ],
)
def test_answer_of_another_shape_is_unavailable(stack, connect, body):
    stack.api_fault(endpoint="remediation", status=200, body=body)
    answer = connect().scripts(["I-1"])["I-1"]
    assert (answer.disposition, answer.script) == ("unavailable", None)
    assert "check API_ENDPOINT" in answer.reason


@pytest.mark.parametrize("body", ["[]", "{}", '{"cliCommand": 7}', "x"])
def test_v2_answer_of_another_shape_is_unavailable(stack, connect, body):
    stack.api_fault(endpoint="command", status=200, body=body)
    assert connect(version="v2").scripts(["I-1"])["I-1"].disposition == "unavailable"


def test_odd_description_is_dropped(stack, connect):
    stack.script("I-1", SCRIPT)
    stack.api_settings(description={"a": 1})
    assert connect().scripts(["I-1"])["I-1"] == Answer(SCRIPT)


@pytest.mark.parametrize("alert_id", ["I/1", "..", "I%2F1", "I 1", "I?x=1", "{{ x }}", ""])
def test_v2_id_that_cannot_stand_in_a_path(stack, connect, alert_id):
    stack.script("I-1", SCRIPT)
    answers = connect(version="v2").scripts([alert_id, "I-1"])
    assert (answers[alert_id].disposition, answers["I-1"].script) == ("unavailable", SCRIPT)
    assert "use api_version v1" in answers[alert_id].reason
    assert asked(stack, "command") == [["I-1"]]


def test_v2_error_is_reported_in_the_api_s_own_words(stack, connect):
    answer = connect(version="v2").scripts(["I-1"])["I-1"]
    assert 'status 404 ("No remediation for alert I-1.")' in answer.reason


# --- tokens -----------------------------------------------------------------------------------------------------------


def endpoints(stack):
    return [request["endpoint"] for request in stack.api_requests()]


def test_token_is_renewed_before_it_ends(stack, connect, clock):
    api = connect()
    api.scripts(["I-1"])
    clock.now += 470
    api.scripts(["I-1"])
    clock.now += 20
    api.scripts(["I-1"])
    assert endpoints(stack) == ["login", "remediation", "remediation", "extend", "remediation"]


def test_login_replaces_an_extension_that_fails(stack, connect, clock):
    api = connect()
    api.scripts(["I-1"])
    stack.expire_tokens()
    clock.now += 1000
    stack.script("I-1", SCRIPT)
    assert api.scripts(["I-1"])["I-1"].script == SCRIPT
    assert endpoints(stack)[2:] == ["extend", "login", "remediation"]


def test_refused_token_is_replaced_once(stack, connect):
    stack.script("I-1", SCRIPT)
    api = connect()
    api.scripts(["I-1"])
    stack.expire_tokens()
    assert api.scripts(["I-1"])["I-1"].script == SCRIPT
    assert endpoints(stack)[2:] == ["remediation", "login", "remediation"]


def test_token_that_stays_refused_ends_the_conversation(stack, connect):
    stack.api_fault(endpoint="remediation", status=401, count=99)
    answers = connect(batch_size=1).scripts(["I-1", "I-2", "I-3"])
    assert {answer.disposition for answer in answers.values()} == {"unavailable"}
    assert "status 401" in answers["I-3"].reason
    assert endpoints(stack) == ["login", "remediation", "login", "remediation"]


def test_static_token_is_extended_at_once_and_in_time(stack, connect, clock):
    stack.script("I-1", SCRIPT)
    token = stack.new_token()
    api = connect(Credentials(auth_key=token))
    assert api.scripts(["I-1"])["I-1"].script == SCRIPT
    clock.now += 490
    api.scripts(["I-1"])
    assert endpoints(stack) == ["extend", "remediation", "extend", "remediation"]


def test_static_token_works_where_it_cannot_be_extended(stack, connect):
    stack.script("I-1", SCRIPT)
    stack.api_fault(endpoint="extend", status=404)
    assert connect(Credentials(auth_key=stack.new_token())).scripts(["I-1"])["I-1"].script == SCRIPT


def test_expired_static_token_says_so(stack, connect):
    answers = connect(Credentials(auth_key="expired-token"), batch_size=1).scripts(["I-1", "I-2"])
    for answer in answers.values():
        assert answer.disposition == "unavailable"
        assert "AUTH_KEY has expired" in answer.reason
        assert "PRISMACLOUD_USERNAME and PRISMACLOUD_PASSWORD" in answer.reason
    assert endpoints(stack) == ["extend"]


def test_static_token_that_expires_in_between_says_so(stack, connect):
    api = connect(Credentials(auth_key=stack.new_token()))
    api.scripts(["I-1"])
    stack.expire_tokens()
    assert "AUTH_KEY has expired" in api.scripts(["I-1"])["I-1"].reason


def test_access_key_is_preferred_over_a_token(stack, connect):
    credentials = Credentials(username=VENDOR_USERNAME, password=VENDOR_PASSWORD, auth_key="old")
    connect(credentials).scripts(["I-1"])
    assert endpoints(stack) == ["login", "remediation"]


def test_refused_access_key(stack, connect):
    answer = connect(Credentials(username="me", password="s3cret-password")).scripts(["I-1"])["I-1"]
    assert answer.disposition == "unavailable"
    assert 'status 401): the access key was refused ("invalid_credentials")' in answer.reason
    assert "check PRISMACLOUD_USERNAME" in answer.reason


@pytest.mark.parametrize("body", ["{}", "x", '{"token": 7}', '{"token": "line\\nbreak"}', "[]"])
def test_login_without_a_token(stack, connect, body):
    stack.api_fault(endpoint="login", status=200, body=body)
    assert "has no token" in connect().scripts(["I-1"])["I-1"].reason


def test_login_is_retried(stack, connect):
    stack.script("I-1", SCRIPT)
    stack.api_fault(endpoint="login", status=503, count=2)
    assert connect().scripts(["I-1"])["I-1"].script == SCRIPT


@pytest.mark.parametrize("credentials", [Credentials(), Credentials(username="me"), Credentials(password="x")])
def test_missing_credentials(credentials):
    with pytest.raises(ApiSettingsError, match=r"Set PRISMACLOUD_USERNAME and PRISMACLOUD_PASSWORD .* or AUTH_KEY"):
        check_credentials(credentials)


@pytest.mark.parametrize("value", [" s3c", "s3c ", "s3c\nret", "s3c\rret", "\ts3c", "\ufeffs3c", "s3c\x00ret"])
@pytest.mark.parametrize("name", ["username", "password", "prisma_id", "auth_key"])
def test_credentials_with_accidental_characters_are_refused_and_not_repeated(name, value):
    key = {} if name == "auth_key" else {"username": "me", "password": "x"}
    with pytest.raises(ApiSettingsError, match=r"white space, or contains a line break") as error:
        check_credentials(Credentials(**{**key, name: value}))
    assert "s3c" not in str(error.value)
    assert name.removeprefix("prisma_") in str(error.value).lower()


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r", "\n\n"])
def test_a_line_end_after_a_credential_is_dropped(end):
    options = {"api_username": "me", "api_password": "s3cret", "prisma_id": None, "auth_key": "t"}
    read = read_credentials({name: value and value + end for name, value in options.items()}.get)
    assert read == Credentials("me", "s3cret", None, "t")


@pytest.mark.parametrize("token", ["s3cret\nx", "s3cret x", "s3crét"])
def test_token_that_is_none_is_not_repeated(token):
    with pytest.raises(ApiSettingsError, match="AUTH_KEY") as error:
        check_credentials(Credentials(auth_key=token))
    assert "s3cr" not in str(error.value)


# --- what stands in between -------------------------------------------------------------------------------------------


def test_redirect_on_the_same_host_is_followed(stack, connect):
    stack.script("I-1", SCRIPT)
    location = f"{stack.api_url}/api/v1/permission/alert/remediation"
    stack.api_fault(endpoint="remediation", status=307, headers={"Location": location})
    stack.api_fault(endpoint="remediation", status=308, headers={"Location": "/api/v1/permission/alert/remediation"})
    assert connect().scripts(["I-1"])["I-1"].script == SCRIPT
    assert asked(stack) == [["I-1"]] * 3


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2/x",
        "https://127.0.0.1/x",
        "//evil.example.com/x",
        "http://[broken",
        "http://127.0.0.1:1/",
        "http://127.0.0.1@evil.example.com/",
    ],
)
@pytest.mark.parametrize("endpoint", ["login", "remediation"])
def test_redirect_to_another_host_is_refused(stack, connect, location, endpoint):
    stack.api_fault(endpoint=endpoint, status=302, headers={"Location": location})
    answer = connect().scripts(["I-1"])["I-1"]
    assert answer.disposition == "unavailable"
    assert "where the token must not go: refused" in answer.reason
    assert "API_ENDPOINT" in answer.reason


def test_redirects_in_a_circle_end(stack, connect):
    stack.api_fault(endpoint="remediation", status=302, headers={"Location": "?"}, count=99)
    assert "redirects in a circle" in connect().scripts(["I-1"])["I-1"].reason
    assert len(asked(stack)) == 4


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_certificate_is_verified(clock):
    with Stack(tls=True) as stack:
        stack.script("I-1", SCRIPT)

        def ask(verify):
            timing = Timing(monotonic=clock.monotonic, sleep=clock.sleep)
            transport = Transport(Endpoint(stack.api_url), verify, timing)
            return RemediationApi(transport, Tokens(transport, ACCESS_KEY)).scripts(["I-1"])["I-1"]

        assert ask(str(stack.ca_bundle)).script == SCRIPT
        refused = ask(True)
        assert refused.disposition == "unavailable"
        assert "self-signed certificate" in refused.reason
        assert "REQUESTS_CA_BUNDLE" in refused.reason
        assert clock.slept == []
        assert ask(False).script == SCRIPT


def test_validation_can_be_off_although_a_bundle_is_in_the_environment(monkeypatch, tmp_path):
    """requests lets REQUESTS_CA_BUNDLE override a session's verify=False: it has to be given with each request."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    transport = Transport(Endpoint("https://127.0.0.1:1"), verify=False, timing=Timing(attempts=1))
    with pytest.raises(api_transport.ApiError, match="Connection refused"):
        transport.call("GET", "/")


def test_netrc_is_never_used(stack, connect, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    transport = Transport(Endpoint(stack.api_url))
    session = transport._exchanges.session
    session.trust_env = True
    seen = {}
    session.hooks["response"].append(lambda answer, **_kw: seen.update(answer.request.headers))
    transport.call("GET", "/x")
    assert "Authorization" not in seen


def test_loopback_is_never_asked_through_a_proxy(stack, connect, monkeypatch):
    stack.script("I-1", SCRIPT)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert connect().scripts(["I-1"])["I-1"].script == SCRIPT


def serve(answer: bytes):
    """A server that answers every connection with the same bytes and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        while True:
            try:
                line, _address = listener.accept()
            except OSError:
                return
            with line:
                line.recv(65536)
                line.sendall(answer)

    threading.Thread(target=run, daemon=True).start()
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "broke within the answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", "cannot be decompressed"),
        (b"SSH-2.0-OpenSSH\r\n", "the connection failed"),
        (b"", "the connection failed"),
    ],
)
def test_broken_http(connect, answer, why):
    listener, url = serve(answer)
    with listener:
        assert why in connect(url=url).scripts(["I-1"])["I-1"].reason


def test_endless_answer_is_cut_off(connect, monkeypatch):
    monkeypatch.setattr(api_transport, "ANSWER_LIMIT", 1000)
    listener, url = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b" " * 5000)
    with listener:
        assert "larger than 1000 bytes" in connect(url=url).scripts(["I-1"])["I-1"].reason


# --- secrets ----------------------------------------------------------------------------------------------------------

SECRET = "s3cret-password"
FAULTS = [
    {"status": 400, "body": {"message": f"no: {SECRET}"}},
    {"status": 401, "body": {"message": SECRET}},
    {"status": 500, "body": {"error": {"message": SECRET}}, "count": 9},
    {"status": 200, "body": SECRET},
    {"status": 302, "headers": {"Location": f"http://{SECRET}/"}},
    {"status": 302, "headers": {"Location": f"/{SECRET}"}, "count": 9},
    {"drop": True, "count": 9},
]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("endpoint", ["login", "extend", "remediation"])
def test_no_secret_in_any_reason(stack, connect, fault, endpoint):
    stack.api_fault(endpoint=endpoint, **fault)
    stack.new_token(SECRET)
    credentials = (
        Credentials(username=VENDOR_USERNAME, password=SECRET) if endpoint == "login" else Credentials(auth_key=SECRET)
    )
    answer = connect(credentials).scripts(["I-1"])["I-1"]
    assert SECRET not in (answer.reason or "")
    assert SECRET not in repr(credentials)


def test_scrubbing_takes_the_token_that_the_api_gave_too(stack, connect):
    api = connect()
    api.scripts(["I-1"])
    token = api._tokens.current()
    assert api._transport.scrubbed(f"{token} and {VENDOR_PASSWORD}") == "******** and ********"
    assert token not in repr(api._transport)
