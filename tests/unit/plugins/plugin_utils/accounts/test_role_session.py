# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import boto3
import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts import role_session
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.role_session import (
    SessionError,
    Wanted,
    open_session,
)

WANTED = Wanted("arn:aws:iam::111122223333:role/team/leastpriv", "leastpriv-test", tags={"a": "b"}, profile="queue")


@pytest.fixture
def open_at(stack, monkeypatch, tmp_path):
    """Opens a session some time from now; gives its file. What it warns of is in `warnings`."""
    monkeypatch.setattr(role_session.C, "DEFAULT_LOCAL_TMP", str(tmp_path))
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    # The session's region is its role's partition's, unless somebody says so.
    monkeypatch.delenv("AWS_REGION")

    # Sessions end by the clock of who gives them, so that now is when a test begins.
    now = datetime.now(timezone.utc)

    def open_at(later=timedelta(), wanted=WANTED):
        return open_session(wanted, now + later, open_at.warnings.append, {"retries": {"total_max_attempts": 1}})

    open_at.warnings = []
    return open_at


def count(stack):
    return len(stack.calls(action="AssumeRole"))


def test_sdks_read_the_session_from_a_file_that_only_its_user_can_read(stack, open_at, monkeypatch):
    file = open_at()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    for name, value in role_session.environment(file).items():
        monkeypatch.setenv(name, value)
    session = boto3.session.Session(profile_name=WANTED.role_arn)
    assert session.region_name == "us-east-1"
    assert session.client("sts").get_caller_identity()["Account"] == "111122223333"


def test_a_session_is_asked_for_once_and_again_ten_minutes_before_its_end(stack, open_at):
    assert open_at() == open_at(timedelta(minutes=49))
    assert count(stack) == 1
    open_at(timedelta(minutes=51))
    assert count(stack) == 2


def test_a_short_session_is_used_for_the_most_part_of_it(stack, open_at):
    stack.shorten_sessions(900)
    open_at()
    open_at(timedelta(minutes=12))
    assert count(stack) == 1
    open_at(timedelta(minutes=13))
    assert count(stack) == 2


@pytest.mark.parametrize(
    "other",
    [{"name": "another-run"}, {"external_id": "4711"}, {"tags": {}}, {"role_arn": WANTED.role_arn + "2"}],
    ids=lambda other: next(iter(other)),
)
def test_sessions_that_differ_are_kept_apart(open_at, other):
    assert open_at() != open_at(wanted=replace(WANTED, **other))


def test_what_cannot_be_renewed_is_used_on_with_a_warning(stack, open_at):
    file = open_at()
    before = file.read_text()
    stack.fault(action="AssumeRole", code="Throttling", status=400)
    assert open_at(timedelta(minutes=55)) == file
    assert file.read_text() == before
    assert "could not be renewed" in open_at.warnings[0]


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"role_arn": "arn:aws:iam::1111:role/x\n[default]"}, "is not like arn:aws:iam::123456789012:role/name"),
        ({"profile": "nobody"}, "profile (nobody) could not be found. aws_profile beside role_arn"),
        ({"external_id": ""}, "sts:AssumeRole"),
    ],
)
def test_why_a_role_cannot_be_assumed(stack, open_at, change, shown):
    stack.fault(action="AssumeRole", code="AccessDenied", status=403)
    with pytest.raises(SessionError) as raised:
        open_at(wanted=replace(WANTED, **change))
    assert shown in str(raised.value)
    assert not [*role_session.sessions_folder().glob("*")]
