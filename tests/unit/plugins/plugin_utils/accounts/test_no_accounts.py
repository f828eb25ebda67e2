# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.no_accounts import Surroundings, why_no_accounts


@pytest.mark.parametrize(
    ("around", "says"),
    [
        (Surroundings(limit="web"), "--limit web matches no host of the group aws_accounts"),
        (Surroundings(folder="/tmp"), "/tmp has no ansible.cfg: run from the project's folder"),
        (Surroundings(folder="/opt", is_writable_by_all=True), "Ansible ignores /opt/ansible.cfg because everyone"),
        (Surroundings(chosen_config="/etc/a.cfg", config_file="/etc/a.cfg"), "ANSIBLE_CONFIG is /etc/a.cfg: unset it"),
        (Surroundings(config_file="a.cfg", has_hosts=True), "has hosts, but none in the group aws_accounts"),
        (Surroundings(config_file="a.cfg", inventories=("i.yml",)), "the inventory (i.yml) has no host in the group"),
    ],
)
def test_the_likely_cause_is_named(around, says):
    shown = why_no_accounts(around)
    assert shown.startswith("Nothing was done: ")
    assert says in shown


def look_up(**variables):
    return lookup_loader.get("leastpriv.iam.accounts_group").run([], variables)


def test_a_group_with_hosts_is_the_pattern_of_the_play():
    assert look_up(groups={"aws_accounts": ["a", "b"]}, ansible_play_hosts_all=["b"]) == ["aws_accounts"]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"groups": {"aws_accounts": []}},
        {"groups": {"aws_accounts": ["a"], "all": ["a", "web"]}, "ansible_play_hosts_all": ["web"]},
    ],
)
def test_a_play_without_accounts_fails(variables):
    with pytest.raises(AnsibleLookupError, match="Nothing was done"):
        look_up(**variables)
