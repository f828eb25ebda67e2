# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.utils.display import Display
from stack.settings import QUEUE_ACCOUNT

PROFILES = """
[profile with-role]
role_arn = arn:aws:iam::012345678901:role/x
source_profile = queue

[profile "with sso"]
sso_session = corporate
sso_account_id = 098765432109
sso_role_name = x

[profile nothing]
region = eu-west-1

[profile "other-{{ 6 * 7 }}"]
role_arn = arn:aws:iam::111122223333:role/x
source_profile = queue
"""


@pytest.fixture
def read(stack, monkeypatch, tmp_path):
    """Reads the inventory of a configuration."""
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    # As AWX sets them: they do not belong to a profile.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    tmp_path.joinpath("config").write_text(PROFILES)

    def read(**options):
        path = tmp_path / "profiles.yml"
        path.write_text(yaml.safe_dump({"plugin": "leastpriv.iam.profiles", **options}))
        inventory = InventoryManager(loader=DataLoader(), sources=[str(path)])
        return {host.name: host.get_vars() for host in inventory.groups["aws_accounts"].get_hosts()}

    return read


def test_the_account_is_the_roles_or_the_one_of_single_sign_on_or_the_one_that_sts_tells(stack, read):
    hosts = read()
    assert {name: (host["account_id"], host["aws_profile"]) for name, host in hosts.items()} == {
        "with_role": ("012345678901", "with-role"),
        "with_sso": ("098765432109", "with sso"),
        "queue": (QUEUE_ACCOUNT, "queue"),
        "other____6___7___": ("111122223333", "other-{{ 6 * 7 }}"),
    }
    assert len(stack.calls(service="sts")) == 1, "nobody else is asked for"


def test_nobody_is_asked_who_is_excluded_or_when_nobody_is_to_be_asked(stack, read):
    assert sorted(read(exclude=["queue", "other*"])) == ["with_role", "with_sso"]
    assert sorted(read(include=["queue", "0*"], ask_sts=False)) == ["with_role", "with_sso"]
    assert stack.calls() == []


def test_two_profiles_of_one_account_are_warned_about(read, tmp_path, monkeypatch):
    warnings = []
    monkeypatch.setattr(Display, "warning", lambda self, message, *more, **options: warnings.append(message))
    twin = "\n[profile twin]\nrole_arn = arn:aws:iam::012345678901:role/other\nsource_profile = queue\n"
    tmp_path.joinpath("config").write_text(PROFILES + twin)
    read()
    assert "Profiles twin, with-role are all of account 012345678901" in warnings[0]


def test_a_profile_that_sts_refuses_is_left_out_with_a_warning(stack, read, monkeypatch):
    warnings = []
    monkeypatch.setattr(Display, "warning", lambda self, message, *more, **options: warnings.append(message))
    stack.fault(action="GetCallerIdentity", code="ExpiredToken", status=403)
    assert "queue" not in read()
    assert "Profile queue is left out" in warnings[0]


@pytest.mark.parametrize("include", [["with-*"], ["012345678901"]], ids=["name", "account"])
def test_nothing_is_run_for_a_profile_that_is_not_included(stack, read, tmp_path, include):
    file = tmp_path / "config"
    ran = tmp_path / "ran"
    file.write_text(f"{PROFILES}\n[profile process]\ncredential_process = touch {ran}\nsso_account_id = 555566667777\n")
    stack.clear_calls()
    assert "with_role" in read(include=include)
    assert not ran.exists()
    if include == ["with-*"]:
        assert stack.calls(service="sts") == []
