# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account that is furnished as a copy is as one that is furnished by calls, and shares nothing with others."""

from __future__ import annotations

import pytest
from stack import iam_state
from stack.furnishing import _furnish, furnish

BY_CALLS, FIRST, SECOND = "900000000001", "900000000002", "900000000003"


@pytest.fixture
def accounts(stack):
    _furnish(stack.client("iam", BY_CALLS), BY_CALLS, is_federated=False)
    made = [furnish(stack.client("iam", account), account) for account in (FIRST, SECOND)]
    assert made[0] == made[1], "the second one at least is a copy"
    return stack


def test_a_copy_is_as_what_calls_make(accounts):
    assert iam_state(accounts, FIRST) == iam_state(accounts, SECOND) == iam_state(accounts, BY_CALLS)
    iam = accounts.client("iam", SECOND)
    assert iam.get_user(UserName="bob")["User"]["Arn"] == f"arn:aws:iam::{SECOND}:user/bob"
    (policy,) = iam.list_attached_user_policies(UserName="bob")["AttachedPolicies"]
    assert policy["PolicyArn"] == f"arn:aws:iam::{SECOND}:policy/allows"
    assert iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")["Policy"]["AttachmentCount"] == 0


def test_what_changes_in_a_copy_changes_nowhere_else(accounts):
    before = iam_state(accounts, FIRST)
    iam = accounts.client("iam", SECOND)
    arn = f"arn:aws:iam::{SECOND}:policy/unused"
    iam.attach_user_policy(UserName="idler", PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    iam.delete_user_policy(UserName="bob", PolicyName="open")
    iam.update_account_password_policy(MinimumPasswordLength=30)
    assert iam_state(accounts, FIRST) == before
    assert iam_state(accounts, SECOND) != before


def test_an_account_that_is_not_empty_is_furnished_by_calls(accounts):
    accounts.reset()
    iam = accounts.client("iam", FIRST)
    iam.create_user(UserName="somebody")
    furnish(iam, FIRST)
    users = [user["UserName"] for user in iam.list_users()["Users"]]
    assert sorted(users) == ["bob", "bound", "idler", "somebody"]
