# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import sys
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts import preflight
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.profiles import file_problems, profile_problems

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
PAST, AHEAD = "2025-12-31T00:00:00Z", "2026-01-02T00:00:00Z"


@pytest.mark.parametrize("count", [1, 4, 5, 40])
def test_a_message_has_at_most_five_lines_and_names_everything(count):
    problems = [f"Problem {number}." for number in range(count)]
    shown = preflight.failure_message(problems)
    assert len(shown.splitlines()) <= preflight.MAX_LINES
    assert all(problem in shown for problem in problems)


def test_hosts_are_named_where_a_problem_is_not_that_of_all():
    found = [("a", "one"), ("a", "two"), ("b", "one")]
    assert preflight.by_hosts(found, 2) == ["a", "b (one)"]
    assert preflight.by_hosts([("a", str(number)) for number in range(5)], 9) == ["a (0, 1, 2 and 2 more)"]


def test_what_is_missing_is_named_with_how_to_install_it(monkeypatch):
    assert preflight.program_problems() == []
    monkeypatch.setattr(preflight, "LIBRARIES", ("boto3", "no_such_library"))
    monkeypatch.setattr(preflight, "COLLECTIONS", ("no.such", "amazon.aws"))
    library, collection = preflight.program_problems()
    assert library == f"Not installed: no_such_library. Run {sys.executable} -m pip install no_such_library."
    assert collection == "Not installed: no.such. Run ansible-galaxy collection install no.such."


def test_the_interpreter_of_many_accounts_is_started_once(monkeypatch):
    started = []
    monkeypatch.setattr(
        preflight.subprocess, "run", lambda words, **kwargs: started.append(words) or SimpleNamespace(returncode=0)
    )
    preflight.interpreter_problems.cache_clear()
    play = preflight.Play(True, "linear", False, "leastpriv.iam.warm", False, applies=True)
    settings = {"reached_by": {"interpreter": "/usr/bin/other-python"}}
    hosts = [preflight.Host(str(number), settings) for number in range(10)]
    assert preflight.play_problems(play, hosts) == []
    assert started == [["/usr/bin/other-python", "-c", "import boto3"]]
    preflight.interpreter_problems.cache_clear()


@pytest.mark.parametrize(
    ("token", "works"),
    [
        ({"expiresAt": AHEAD}, True),
        ({"expiresAt": PAST}, False),
        ({"expiresAt": PAST, "refreshToken": "x", "clientId": "y", "registrationExpiresAt": AHEAD}, True),
        ({"expiresAt": PAST, "refreshToken": "x", "clientId": "y", "registrationExpiresAt": PAST}, False),
        ([], False),
        (None, False),
    ],
)
def test_a_login_works_while_its_token_is_valid_or_can_be_renewed(tmp_path, token, works):
    if token is not None:
        (tmp_path / f"{hashlib.sha1(b'corp').hexdigest()}.json").write_text(json.dumps(token))
    configuration = {"profiles": {"base": {"sso_session": "corp"}, "top": {"role_arn": "r", "source_profile": "base"}}}
    problems = profile_problems(["top"], configuration, NOW, tmp_path)
    assert [("aws sso login --profile base" in shown, "Profile top" in shown) for shown in problems] == (
        [] if works else [(True, True)]
    )


def test_a_byte_order_mark_is_named(tmp_path):
    (tmp_path / "config").write_bytes(b"\xef\xbb\xbf[default]\n")
    (shown,) = file_problems([tmp_path / "config", tmp_path / "absent"])
    assert "byte order mark" in shown
