# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import append, intents

RUN_ID = "20260101T000000Z-0001"
ACCOUNTS = [{"name": "prod", "account_id": "123456789012"}]
STEP = {
    "alert_id": "I-1",
    "message_id": "m",
    "index": 1,
    "operation": "DetachUserPolicy",
    "target": "bob",
    "parameters": {"UserName": "bob", "PolicyArn": "arn:aws:iam::aws:policy/a"},
    "before": {},
    "after": {},
}


@pytest.fixture
def look(tmp_path):
    lines = [{"account": "old name", "account_id": "123456789012", **line} for line in intents([STEP])]
    append(tmp_path / RUN_ID / "journal.jsonl", {"run_id": RUN_ID, "mode": "apply"}, lines)

    def look(*alert_ids, **options):
        plugin = lookup_loader.get("leastpriv.iam.journal_entries")
        given = {"artifacts_dir": str(tmp_path), "accounts": ACCOUNTS, "limit": ["prod"], **options}
        return plugin.run([*alert_ids], {}, **given)

    return look


def test_an_alert_comes_with_the_steps_that_put_it_back(look):
    (alert,) = look("I-1")
    assert (alert["account"], alert["disposition"], alert["undoes"]) == ("prod", None, RUN_ID)
    assert alert["script"] == "aws iam attach-user-policy --policy-arn arn:aws:iam::aws:policy/a --user-name bob"
    assert look(run_id=RUN_ID, limit=["test"])[0]["disposition"] == "filtered"


def test_what_cannot_be_undone_is_no_traceback(look):
    with pytest.raises(AnsibleLookupError, match="Nothing was undone"):
        look("I-9")


def test_the_key_comes_from_the_environment(look, monkeypatch):
    monkeypatch.setenv("REMEDIATE_PLAN_KEY", "")
    assert look("I-1")
    monkeypatch.setenv("REMEDIATE_PLAN_KEY", "ours")
    with pytest.raises(AnsibleLookupError, match=r"is not signed with the key in .* Nothing was undone"):
        look("I-1")
