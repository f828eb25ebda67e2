# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that are observed again after their run; tests/integration/test_verify.py has those of the vendor."""

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.verification import Verification

ACCOUNT = "123456789012"
KEY = "AKIAIOSFODNN7EXAMPLE"
BOB = {"arn": f"arn:aws:iam::{ACCOUNT}:user/bob", "path": "/", "boundary": None, "tags": {}}


class Account:
    """An account with these facts, and no others."""

    new_access = None

    def __init__(self, facts):
        self.facts = facts

    def fact(self, *key):
        return self.facts.get(key, {} if key[0] == "names" else None)


@pytest.mark.parametrize(
    ("user", "keys", "state"),
    [
        (BOB, {KEY: "Inactive"}, "holds"),
        (BOB, {KEY: "Active"}, "reverted"),
        (BOB, {}, "gone"),
        (None, None, "gone"),
    ],
    ids=["inactive", "active again", "deleted later", "no user"],
)
def test_a_deactivated_key_that_is_deleted_later_is_not_reverted(user, keys, state):
    account = Account({("user", "bob"): user, ("access_keys", "bob"): keys})
    parameters = {"UserName": "bob", "AccessKeyId": KEY, "Status": "Inactive"}
    alert = {"message_id": "m", "steps": [{"operation": "UpdateAccessKey", "parameters": parameters, "target": "bob"}]}
    seen = Verification(account, (ACCOUNT, "aws"), lambda step: "").verify_alert(alert)
    assert (seen["disposition"], seen["steps"][0]["state"]) == (state, state)
