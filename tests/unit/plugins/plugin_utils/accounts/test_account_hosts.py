# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.account_hosts import distinct_names


@pytest.mark.parametrize(
    "wanted",
    [
        [("a.b", "1"), ("a b", "2")],
        [("a.b", "1"), ("a b", "1")],
        [("a.b", "1"), ("a b", "1"), ("a_b_1", "2")],
        [("all", "1"), ("a", "1")],
    ],
    ids=["two accounts", "two profiles of an account", "a name like another with its id", "a name of Ansible's own"],
)
def test_no_host_takes_the_name_of_another(wanted):
    names = distinct_names(wanted)
    assert len({*names, "all"}) == len(wanted) + 1


def test_a_name_of_its_own_stays():
    assert distinct_names([("payments", "1"), ("a.b", "2"), ("a b", "3")]) == ["payments", "a_b_2", "a_b_3"]
