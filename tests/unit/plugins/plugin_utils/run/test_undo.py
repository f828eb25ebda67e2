# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.accounts import account_map
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import Journal
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo import as_undone, placed, undo_alerts

ACCOUNT = "123456789012"


def intent(alert_id, index, operation="DetachUserPolicy"):
    return {
        "event": "intent",
        "alert_id": alert_id,
        "message_id": f"m-{alert_id}",
        "account": "payments",
        "account_id": ACCOUNT,
        "index": index,
        "operation": operation,
        "target": "bob",
        "parameters": {"UserName": "bob", "PolicyArn": f"arn:aws:iam::aws:policy/{index}"},
        "before": {},
        "after": {},
    }


def result(alert_id, index, result="changed"):
    return {**intent(alert_id, index), "event": "result", "result": result}


def journal(*entries):
    return Journal({"mode": "apply"}, entries)


def test_the_last_is_undone_first():
    one, other = [intent("I-1", 1), intent("I-1", 2)], [intent("I-2", 1)]
    written = journal(one[0], *other, result("I-1", 1), result("I-2", 1), one[1], result("I-1", 2))
    alerts = undo_alerts(written)
    assert [alert["alert_id"] for alert in alerts] == ["I-1", "I-2"]
    assert [step["undoes"]["parameters"]["PolicyArn"][-1] for step in alerts[0]["steps"]] == ["2", "1"]
    assert [step["wave"] for step in alerts[0]["steps"]] == ["0001 amazon.aws.iam_user", "0002 amazon.aws.iam_user"]
    assert [alert["alert_id"] for alert in undo_alerts(written, ["I-2"])] == ["I-2"]


@pytest.mark.parametrize(("ended", "steps"), [("changed", 1), ("failed", 1), (None, 1), ("unchanged", 0)])
def test_what_changed_nothing_is_left_alone_and_what_did_not_say_so_is_looked_at(ended, steps):
    written = journal(intent("I-1", 1), *([result("I-1", 1, ended)] if ended else []))
    assert sum(len(alert["steps"]) for alert in undo_alerts(written)) == steps


def test_an_alert_whose_lines_cannot_be_read_costs_nothing_but_itself():
    odd = {**intent("I-1", 1, "PutUserPermissionsBoundary"), "before": {}}
    unread, fine = undo_alerts(journal(intent("I-2", 1), odd))
    seen = placed(unread, account_map([("prod", ACCOUNT)]), ["prod"])
    assert (seen["alert_id"], seen["disposition"], seen["steps"]) == ("I-1", "failed", [])
    assert "Unexpected error while reading what it changed: KeyError" in seen["reason"]
    assert [fine] == undo_alerts(journal(intent("I-2", 1)))


@pytest.mark.parametrize(("ends", "notes"), [([ACCOUNT], 0), ([], 1), (["000000000000"], 1)])
def test_a_journal_without_an_end_is_noted(ends, notes):
    written = journal(intent("I-1", 1), *({"event": "end", "account_id": account} for account in ends))
    (alert,) = undo_alerts(written)
    assert len(placed(alert, account_map([("prod", ACCOUNT)]), ["prod"])["notes"]) == notes


def test_what_is_lost_is_reported_beside_what_can_be_put_back():
    (alert,) = undo_alerts(journal(intent("I-1", 1), intent("I-1", 2, "DeleteAccessKey")))
    assert [step["operation"] for step in alert["steps"]] == ["AttachUserPolicy"]
    assert alert["lost"][0].startswith("delete-access-key bob: its secret is gone")
    undone = as_undone({**alert, "disposition": "remediated", "reason": "Did it."})
    assert undone["disposition"] == "not_undoable"
    assert undone["reason"].startswith("Did it.\nCannot be undone: delete-access-key bob: ")
    assert as_undone({**alert, "disposition": "failed", "reason": "no"})["disposition"] == "failed"
    later = as_undone({**alert, "disposition": "refused", "reason": "no", "later_run": "20260101T000000Z-0001"})
    assert "Undo that run first: ansible-playbook" in later["reason"]
    assert "-e run_id=20260101T000000Z-0001" in later["reason"]


@pytest.mark.parametrize(
    ("hosts", "limit", "disposition", "account"),
    [
        ([("prod", ACCOUNT)], ["prod"], None, "prod"),
        ([("prod", ACCOUNT)], ["test"], "filtered", "prod"),
        ([("prod", "000000000000")], ["prod"], "unmapped_account", "payments"),
        ([("prod", ACCOUNT), ("copy", ACCOUNT)], ["prod"], "unmapped_account", "payments"),
    ],
)
def test_the_account_decides_the_host_whatever_it_was_called(hosts, limit, disposition, account):
    (alert,) = undo_alerts(journal(intent("I-1", 1)))
    found = placed(alert, account_map(hosts), limit)
    assert (found["disposition"], found["account"]) == (disposition, account)
