# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import boto3
import botocore.handlers
import botocore.retries.standard
import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.counter import (
    count_calls,
    note_aws_calls,
    note_call,
)
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from stack import settings


@pytest.fixture
def noted(tmp_path, monkeypatch):
    monkeypatch.setattr(botocore.retries.standard.ExponentialBackoff, "delay_amount", lambda *_: 0)
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", list(botocore.handlers.BUILTIN_HANDLERS))
    return tmp_path / "calls"


def client(stack):
    keys = {"aws_access_key_id": settings.BASE_ACCESS_KEY, "aws_secret_access_key": settings.BASE_SECRET_KEY}
    config = Config(retries={"max_attempts": 2, "mode": "standard"}, proxies={})
    return boto3.session.Session().client("sts", endpoint_url=stack.url, region_name="us-east-1", config=config, **keys)


def counts(file):
    return {(one["service"], one["operation"]): (one["calls"], one["throttled"]) for one in count_calls(file)}


def test_every_try_of_botocore_is_counted_and_those_that_were_throttled(stack, noted):
    note_aws_calls(noted)
    note_aws_calls(noted)
    stack.fault(action="GetCallerIdentity", code="Throttling", status=400)
    client(stack).get_caller_identity()
    assert noted.read_text() == "sts GetCallerIdentity 1\nsts GetCallerIdentity 0\n"
    assert counts(noted) == {("sts", "GetCallerIdentity"): (2, 1)}
    assert noted.stat().st_mode & 0o777 == 0o600


def test_a_call_without_an_answer_is_a_call(stack, noted):
    note_aws_calls(noted)
    stack.fault(action="GetCallerIdentity", drop=True, count=5)
    with pytest.raises(ConnectionClosedError):
        client(stack).get_caller_identity()
    assert counts(noted) == {("sts", "GetCallerIdentity"): (3, 0)}


def test_an_answer_of_429_is_a_throttle_whatever_its_code(stack, noted):
    note_aws_calls(noted)
    stack.fault(action="GetCallerIdentity", code="Whatever", status=429, count=5)
    with pytest.raises(ClientError):
        client(stack).get_caller_identity()
    [(calls, throttled)] = counts(noted).values()
    assert calls == throttled


def test_processes_side_by_side_lose_no_call(noted):
    with ProcessPoolExecutor(4) as processes:
        list(processes.map(partial(note_many, str(noted)), range(4)))
    assert counts(noted) == {("iam", f"Get{number}"): (200, 0) for number in range(4)}


def note_many(file, number):
    for _turn in range(200):
        note_call(file, "iam", f"Get{number}", False)


def test_nothing_noted_is_nothing_counted(tmp_path):
    assert count_calls(tmp_path / "nothing") == []


def test_what_cannot_be_noted_disturbs_nobody(tmp_path):
    note_call(os.path.join(tmp_path, "no", "folder"), "iam", "GetUser", True)
