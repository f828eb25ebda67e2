# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack keeps accounts apart, records and disturbs calls, and leaves nothing running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from stack import ROOT, Stack, cli, seed
from stack.alerts import (
    deny_script,
    flat_alert,
    in_sns_envelope,
    integration_test,
    nested_alert,
)

NO_RETRY = Config(retries={"total_max_attempts": 1}, read_timeout=2)


def outside_client(stack: Stack, service: str, key: str = "AKIALEASTPRIVSTACK00", config: Config = NO_RETRY):
    """A client as a user's program has it: recorded, and subject to faults."""
    return boto3.client(
        service,
        endpoint_url=stack.url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="x",
        config=config,
    )


def api(stack: Stack, method: str, path: str, token: str = "", **options) -> requests.Response:
    headers = {"x-redlock-auth": token}
    return requests.request(method, stack.api_url + path, headers=headers, timeout=10, **options)


def login(stack: Stack) -> str:
    env = stack.env
    credentials = {"username": env["PRISMACLOUD_USERNAME"], "password": env["PRISMACLOUD_PASSWORD"]}
    return api(stack, "POST", "/login", json=credentials).json()["token"]


def ask(stack: Stack, token: str, *alert_ids: str) -> requests.Response:
    return api(stack, "POST", "/api/v1/permission/alert/remediation", token, json={"alerts": alert_ids})


def test_accounts_are_kept_apart(stack):
    seed(stack, "analytics", users=["alice"])
    run = cli(stack, "analytics", "aws sts get-caller-identity && aws iam list-users --query 'Users[].Arn'")
    assert run.returncode == 0, run.stderr
    assert '"Account": "012345678901"' in run.stdout
    assert '"arn:aws:iam::012345678901:user/alice"' in run.stdout
    assert cli(stack, "payments", "aws iam list-users --query 'Users[].Arn' --output text").stdout.strip() == ""


def test_nothing_outlives_a_reset(stack):
    seed(stack, "payments", users=["alice"])
    s3 = stack.client("s3", "queue")
    s3.create_bucket(Bucket="journals")
    s3.put_object(Bucket="journals", Key="left.json", Body=b"{}")
    stack.client("sqs").send_message(QueueUrl=stack.queue_url, MessageBody="left")
    stack.reset()
    assert not s3.list_buckets()["Buckets"]
    s3.create_bucket(Bucket="journals")
    assert "Contents" not in s3.list_objects_v2(Bucket="journals")
    assert not stack.client("iam", "payments").list_users()["Users"]
    assert not stack.messages()


def test_policies_of_aws_are_as_new_after_a_reset(stack):
    iam = stack.client("iam", "payments")
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    for _time in range(2):
        assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 0
        iam.create_user(UserName="alice")
        iam.attach_user_policy(UserName="alice", PolicyArn=arn)
        assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
        stack.reset()


def test_unknown_keys_are_refused(stack):
    for service, call in (("sts", "get_caller_identity"), ("sqs", "list_queues")):
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            getattr(outside_client(stack, service, key="AKIAUNKNOWN000000000"), call)()


def test_calls_are_recorded_with_account_and_without_secrets(stack):
    seed(stack, "payments", users=["alice"])
    assert stack.calls() == []
    script = "aws iam get-user --user-name alice && aws iam create-login-profile --user-name alice --password Sesame-1"
    assert cli(stack, "payments", script).returncode == 0
    read, written = stack.calls(service="iam", account="111122223333")
    assert (read["action"], read["mutating"], read["status"]) == ("GetUser", False, 200)
    assert (written["action"], written["mutating"]) == ("CreateLoginProfile", True)
    assert written["parameters"] == {"UserName": "alice", "Password": "***"}
    stack.clear_calls()
    assert stack.calls() == []


def test_fault_refuses_as_many_calls_as_set(stack):
    stack.fault(service="sts", action="GetCallerIdentity", code="Throttling", message="Rate exceeded", count=2, skip=1)
    sts = outside_client(stack, "sts")
    sts.get_caller_identity()
    for _again in range(2):
        with pytest.raises(ClientError, match="Throttling"):
            sts.get_caller_identity()
    sts.get_caller_identity()


def test_fault_speaks_the_queue_s_protocol(stack):
    stack.fault(service="sqs", code="AccessDenied", status=403)
    with pytest.raises(ClientError, match="AccessDenied"):
        outside_client(stack, "sqs").list_queues()


def test_answer_can_be_lost_after_the_call_was_carried_out(stack):
    stack.fault(action="CreateUser", applied=True, code="ServiceFailure", status=500)
    with pytest.raises(ClientError, match="ServiceFailure"):
        outside_client(stack, "iam").create_user(UserName="alice")
    assert stack.client("iam").get_user(UserName="alice")


@pytest.mark.parametrize("effect", [{"drop": True}, {"seconds": 4}])
def test_line_can_be_dropped_or_hang(stack, effect):
    stack.fault(action="GetCallerIdentity", **effect)
    started = time.monotonic()
    with pytest.raises(Exception, match=r"closed|timed out|timeout"):
        outside_client(stack, "sts").get_caller_identity()
    assert time.monotonic() - started < 4


def test_a_call_whose_caller_has_gone_is_not_carried_out(stack):
    stack.fault(action="CreateUser", seconds=60)
    with pytest.raises(Exception, match=r"closed|timed out|timeout"):
        outside_client(stack, "iam").create_user(UserName="alice")
    stack.wait_for_call(action="CreateUser")
    time.sleep(0.5)
    assert stack.client("iam").list_users()["Users"] == []


def test_a_share_of_the_calls_is_disturbed_until_the_faults_are_cleared(stack):
    stack.fault(action="GetCallerIdentity", code="AccessDenied", status=403, share=0.3)
    sts = outside_client(stack, "sts")
    for _call in range(40):
        with suppress(ClientError):
            sts.get_caller_identity()
    refused = len(stack.calls(action="GetCallerIdentity", status=403))
    assert 4 <= refused <= 20
    stack.clear_faults()
    for _call in range(10):
        sts.get_caller_identity()


def test_a_fault_can_wait_for_another_call(stack):
    stack.fault(action="GetUser", code="NoSuchEntity", status=404, after="CreateUser")
    iam = outside_client(stack, "iam")
    stack.client("iam").create_user(UserName="alice")
    iam.get_user(UserName="alice")
    iam.create_user(UserName="bob")
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_user(UserName="bob")
    iam.get_user(UserName="bob")


def test_queue_counts_without_receiving(stack):
    stack.send(nested_alert("I-1", "111122223333"))
    stack.send("no JSON")
    assert stack.depth() == (2, 0)
    received = outside_client(stack, "sqs").receive_message(QueueUrl=stack.queue_url, MaxNumberOfMessages=1)
    assert stack.depth() == (1, 1)
    handle = received["Messages"][0]["ReceiptHandle"]
    sqs = outside_client(stack, "sqs")
    sqs.change_message_visibility(QueueUrl=stack.queue_url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert stack.depth() == (2, 0)
    assert sorted(message["receive_count"] for message in stack.messages()) == [0, 1]


def test_api_wants_its_own_token(stack):
    stack.script("I-1", "aws iam get-user")
    assert ask(stack, "nonsense", "I-1").status_code == 401
    assert api(stack, "POST", "/login", json={"username": "x", "password": "y"}).status_code == 401
    token = login(stack)
    assert ask(stack, token, "I-1").json()["alertIdVsCliScript"] == {"I-1": "aws iam get-user"}
    newer = api(stack, "GET", "/auth_token/extend", token).json()["token"]
    stack.expire_tokens()
    assert ask(stack, newer, "I-1").status_code == 401
    assert api(stack, "GET", "/auth_token/extend", newer).status_code == 401
    assert ask(stack, stack.new_token("static"), "I-1").status_code == 200
    assert ask(stack, stack.new_token(lifetime=0), "I-1").status_code == 401


def test_api_answers_unknown_null_and_bad_ids_as_the_vendor_does(stack):
    stack.script("I-1", None)
    token = login(stack)
    assert ask(stack, token, "I-1", "I-2").json()["alertIdVsCliScript"] == {"I-1": None}
    stack.api_settings(max_batch=2, bad_ids=["I-9"])
    assert ask(stack, token, "I-1", "I-2", "I-3").status_code == 400
    assert ask(stack, token, "I-1", "I-9").status_code == 400
    assert api(stack, "GET", "/iam/api/v2/alert/I-1/remediation_command", token).json()["cliCommand"] is None
    missing = api(stack, "GET", "/iam/api/v2/alert/I-2/remediation_command", token)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert api(stack, "GET", "/alert/I-1", token).json()["status"] == "open"


def test_api_faults_and_its_log(stack):
    stack.api_fault(endpoint="remediation", status=503, headers={"Retry-After": "1"}, count=2)
    stack.api_fault(endpoint="remediation", status=200, body="{ broken")
    stack.api_fault(endpoint="remediation", status=302, headers={"Location": "http://127.0.0.2/"})
    token = login(stack)
    answers = [ask(stack, token, "I-1") for _again in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "1"
    assert answers[2].text == "{ broken"
    logged = stack.api_requests()
    assert [request["endpoint"] for request in logged] == ["login", "remediation", "remediation", "remediation"]
    assert logged[1]["alerts"] == ["I-1"]
    secrets = (token, stack.env["PRISMACLOUD_PASSWORD"])
    assert not [secret for secret in secrets if secret in json.dumps(logged)]


def test_api_speaks_tls():
    with Stack(tls=True) as stack:
        assert stack.api_url.startswith("https://")
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{stack.api_url}/alert/I-1", timeout=10, verify=True)
        assert requests.get(f"{stack.api_url}/alert/I-1", timeout=10, verify=str(stack.ca_bundle)).status_code == 401


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_nothing_is_left_when_the_parent_is_killed(tmp_path):
    program = (
        "import os, signal; from stack import Stack; started = Stack().__enter__();"
        "print(started.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    parent = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT / "tests",
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    pid = int(parent.stdout)
    deadline = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)


def test_messages_have_the_vendor_s_shapes():
    nested = nested_alert(
        "I-1", "012345678901", kind="role", name="app", policy={"severity": "low"}, alertStatus="resolved"
    )
    assert (nested["account"]["id"], nested["policy"]["severity"], nested["alertStatus"]) == (
        "012345678901",
        "low",
        "resolved",
    )
    assert flat_alert("P-1", "111122223333", None)["alertRemediationCli"] == {"cliScript": None}
    assert integration_test()["alertId"] == "T-0"
    assert json.loads(in_sns_envelope(nested)["Message"]) == nested


@pytest.mark.parametrize(
    ("joiner", "expected"), [("&&", "}' && aws"), (";", "}'; aws"), ("and", "}' and aws"), ("\n", "}'\naws")]
)
def test_script_is_joined_as_set(joiner, expected):
    script = deny_script("user", "alice", "111122223333", "I-1", joiner)
    assert expected in script
    assert "policy/alice-prisma-restrictions-I-1-1'" in script
    assert deny_script("user", "alice", "111122223333", "I-1", joiner, chunks=2).count("aws iam ") == 4


def test_what_moto_lacks_is_named_with_the_file_to_add_it_to(stack):
    with pytest.raises(ClientError, match=r"moto lacks ListOrganizationsFeatures: add it to .*iam_additions\.py"):
        stack.client("iam").list_organizations_features()


def test_messages_that_are_deleted_at_the_same_time_are_all_deleted(stack):
    sqs, queue = stack.client("sqs"), {"QueueUrl": stack.queue_url}
    for first in range(0, 1500, 10):
        entries = [{"Id": str(number), "MessageBody": f"{first + number}"} for number in range(10)]
        sqs.send_message_batch(Entries=entries, **queue)
    batches = [sqs.receive_message(MaxNumberOfMessages=10, **queue)["Messages"] for _batch in range(150)]

    def delete(batch):
        entries = [{"Id": str(number), "ReceiptHandle": one["ReceiptHandle"]} for number, one in enumerate(batch)]
        return sqs.delete_message_batch(Entries=entries, **queue)

    with ThreadPoolExecutor(10) as pool:
        assert not any(answer.get("Failed") for answer in pool.map(delete, batches))
    assert stack.messages() == []
