# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a run depends on, asked of the emulator's STS: chains of profiles, and how many calls that takes."""

from __future__ import annotations

import pytest
from actions import load_action
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts import preflight
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.identities import (
    Identity,
    learn_identities,
    wanted_identities,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import facts
from stack.settings import BASE_ACCESS_KEY, BASE_SECRET_KEY, QUEUE_ACCOUNT

BASE = f"arn:aws:sts::{QUEUE_ACCOUNT}:user/moto"
ROLE = "arn:aws:iam::111122223333:role/{}"
CONFIG = f"""
[profile keys]
aws_access_key_id = {BASE_ACCESS_KEY}
aws_secret_access_key = {BASE_SECRET_KEY}
[profile middle]
role_arn = {ROLE.format("middle")}
source_profile = keys
[profile end]
role_arn = {ROLE.format("path/end")}
source_profile = middle
[profile web]
role_arn = {ROLE.format("web")}
web_identity_token_file = /dev/null
[profile environment]
role_arn = {ROLE.format("env")}
credential_source = Environment
[profile circle]
role_arn = {ROLE.format("circle")}
source_profile = circle
[profile broken]
role_arn = {ROLE.format("broken")}
credential_source = Moon
"""


@pytest.fixture
def learn(stack, monkeypatch, tmp_path):
    """Learns identities under a configuration of its own; gives the ARNs and problems."""
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "config").write_text(CONFIG)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    stack.clear_calls()
    return learn_identities


CHAINS = {
    "keys": ([BASE], 1),
    "middle": ([ROLE.format("middle"), BASE], 1),
    "end": ([ROLE.format("path/end"), ROLE.format("middle"), BASE], 1),
    "web": ([ROLE.format("web")], 0),
    "no-such": ([], 0),
    "": ([], 0),
}


@pytest.mark.parametrize(("profile", "arns", "calls"), [(name, *shown) for name, shown in CHAINS.items()])
def test_an_identity_is_followed_to_where_its_credentials_come_from(stack, learn, profile, arns, calls):
    assert learn([Identity(profile)]) == (arns, [])
    assert len(stack.calls(action="GetCallerIdentity")) == calls


def test_all_accounts_and_the_queue_share_one_call(stack, learn):
    hosts = [Identity("keys", ROLE.format(number)) for number in range(5)]
    arns, problems = learn([Identity("keys"), *hosts, Identity("end", is_base=False), Identity("keys", is_base=False)])
    assert (arns, problems) == ([BASE, ROLE.format("path/end"), ROLE.format("middle")], [])
    assert len(stack.calls(action="GetCallerIdentity")) == 1


def test_the_default_profile_is_one_with_who_names_it(stack, learn, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "keys")
    assert learn([Identity(), Identity("middle"), Identity("keys")])[0] == [BASE, ROLE.format("middle")]
    assert len(stack.calls(action="GetCallerIdentity")) == 1


def test_an_accounts_own_identity_is_left_to_the_account(stack, learn):
    assert learn([Identity("keys", is_base=False)]) == ([], [])
    assert stack.calls() == []


@pytest.mark.parametrize("profile", ["environment", ""])
def test_keys_of_the_environment_are_asked_for_too(learn, monkeypatch, profile):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", BASE_ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", BASE_SECRET_KEY)
    assert learn([Identity(profile)])[0][-1] == BASE


@pytest.mark.parametrize(("profile", "why"), [("circle", "leads back to itself"), ("broken", "Moon")])
def test_what_cannot_be_learnt_is_said_and_the_rest_is_learnt(learn, profile, why):
    arns, (problem,) = learn([Identity(profile), Identity("keys")])
    assert arns[-1] == BASE
    assert all(part in problem for part in (f"of profile {profile}", why, "is not protected"))


def test_an_sts_that_fails_is_said(stack, learn):
    stack.fault(action="GetCallerIdentity", code="AccessDenied", status=403, count=10)
    arns, (problem,) = learn([Identity("keys")])
    assert arns == []
    assert "AccessDenied" in problem


def checked(check_mode=False, **settings):
    """The result of preflight for one account that a role is assumed in."""
    known = {"queue_profile": "keys", "unknown_identity": False, **settings}
    host = {facts.SETTINGS: known, facts.BASE: {"profile": "keys", "role_arn": ROLE.format("x")}}
    options = {"checks": ["profiles", "queue"]}
    action = load_action("leastpriv.iam.preflight", options, check_mode=check_mode)
    return action.run(task_vars={**host, "inventory_hostname": "payments", "hostvars": {"payments": host}})


def test_what_has_to_be_learnt_ends_a_run_that_would_apply(stack, learn, monkeypatch):
    monkeypatch.setattr(preflight, "queue_problems", lambda _settings: [])
    result = checked()
    assert (result["runners"], "failed" in result) == ([BASE], False)
    stack.fault(action="GetCallerIdentity", code="AccessDenied", status=403, count=30)
    result = checked()
    assert result["failed"]
    assert result["msg"].startswith("The whole run: nothing was received.")
    assert "AccessDenied" in result["msg"]
    assert result["msg"].endswith("set remediate_unknown_identity: true.")
    for accepted in (checked(check_mode=True), checked(unknown_identity=True)):
        assert (accepted["runners"], "failed" in accepted) == ([], False)
        assert any("is not protected" in warning for warning in accepted["warnings"])


def test_only_hosts_with_a_role_depend_on_their_profile(stack, learn):
    hosts = [{"profile": "keys", "role_arn": ROLE.format("x")}, {"profile": "middle", "role_arn": ""}]
    assert learn(wanted_identities("keys", hosts)) == ([BASE, ROLE.format("middle")], [])
    assert len(stack.calls(action="GetCallerIdentity")) == 1
