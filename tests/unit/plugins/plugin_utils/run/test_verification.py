# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes that are verified, by the journals, and what follows from what was found."""

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message import read_alerts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import append
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.past_runs import NotReported, journal_entries
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.stores import Folder
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.verification import (
    applied_changes,
    messages,
    verification,
)

ACCOUNT = "123456789012"
DENY = f"arn:aws:iam::{ACCOUNT}:policy/deny"
ATTACH = ("AttachUserPolicy", {"UserName": "ann", "PolicyArn": DENY})
DETACH = ("DetachUserPolicy", {"UserName": "Ann", "PolicyArn": DENY})
CREATE = ("CreatePolicy", {"PolicyName": "deny", "PolicyDocument": "{}"})
VERSION = ("CreatePolicyVersion", {"PolicyArn": DENY, "PolicyDocument": "{}", "SetAsDefault": True})
SPARE = ("CreatePolicyVersion", {"PolicyArn": DENY, "PolicyDocument": "{}"})


def run_id(number):
    return f"2026010{number}T000000Z-0000"


def applied(root, number, *steps, alert="I-1", mode="apply", undoes=(), result="changed", ends=True, **more):
    """The journal of a run that applied some steps for one alert."""
    lines = []
    for index, (operation, parameters) in enumerate(steps, 1):
        named = {"account_id": ACCOUNT, "alert_id": alert, "message_id": f"m-{alert}", "index": index}
        after = {"arn": DENY} if operation == "CreatePolicy" else {}
        step = {"operation": operation, "parameters": parameters, "target": "t", "after": after, **more}
        lines.append({**named, **step, "event": "intent", "account": "prod", "time": f"2026-01-0{number}T00:00:00Z"})
        lines.append({**named, "event": "result", "result": result, "operation": operation})
    lines += [{"event": "end", "account_id": ACCOUNT}] if ends else []
    run = {"run_id": run_id(number), "mode": mode, "undoes": [run_id(one) for one in undoes]}
    append(root / run_id(number) / "journal.jsonl", run, lines)


def found(root, **options):
    alerts = applied_changes([Folder(str(root))], **options)
    return {
        (alert["run_id"][7], alert["alert_id"]): [step["superseded"] for step in alert["steps"]] for alert in alerts
    }


def test_every_step_that_changed_something_is_verified(tmp_path):
    applied(tmp_path, 1, CREATE, ATTACH)
    applied(tmp_path, 2, ("DeleteAccessKey", {"UserName": "bob", "AccessKeyId": "A"}), alert="I-2", result="unchanged")
    applied(tmp_path, 3, ("DeleteLoginProfile", {"UserName": "bob"}), alert="I-3", result="failed")
    (alert,) = applied_changes([Folder(str(tmp_path))])
    assert (alert["alert_id"], alert["account"], alert["message_id"]) == ("I-1", "prod", f"{run_id(1)}/m-I-1")
    assert [step["operation"] for step in alert["steps"]] == ["CreatePolicy", "AttachUserPolicy"]
    assert alert["steps"][0]["time"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("first", "later", "is_same"),
    [
        (ATTACH, DETACH, True),
        (CREATE, VERSION, True),
        (CREATE, ("DeletePolicy", {"PolicyArn": DENY}), True),
        (VERSION, ("SetDefaultPolicyVersion", {"PolicyArn": DENY, "VersionId": "v2"}), True),
        (CREATE, SPARE, False),
        (VERSION, ("DeletePolicyVersion", {"PolicyArn": DENY, "VersionId": "v1"}), False),
        (ATTACH, ("AttachUserPolicy", {"UserName": "bob", "PolicyArn": DENY}), False),
        (
            ("AddUserToGroup", {"UserName": "a", "GroupName": "g"}),
            ("RemoveUserFromGroup", {"UserName": "a", "GroupName": "g"}),
            True,
        ),
        (("DeleteLoginProfile", {"UserName": "a"}), ("DeleteUserPermissionsBoundary", {"UserName": "a"}), False),
        (("TagUser", {"UserName": "a", "Tags": [1]}), ("TagUser", {"UserName": "a", "Tags": [2]}), False),
    ],
)
def test_a_later_change_of_the_same_counts_alone(tmp_path, first, later, is_same):
    applied(tmp_path, 1, first)
    applied(tmp_path, 2, later, alert="I-2")
    assert found(tmp_path) == {("1", "I-1"): [run_id(2) if is_same else ""], ("2", "I-2"): [""]}


def test_statements_of_consolidated_alerts_do_not_replace_each_other(tmp_path):
    put = ("PutUserPolicy", {"UserName": "ann", "PolicyName": "leastpriv-restrictions", "PolicyDocument": "{}"})
    applied(tmp_path, 1, put, consolidated=True)
    applied(tmp_path, 2, put, alert="I-2", consolidated=True)
    assert found(tmp_path) == {("1", "I-1"): [""], ("2", "I-2"): [""]}


def test_what_was_undone_is_not_verified_and_what_was_redone_is(tmp_path):
    applied(tmp_path, 1, ATTACH)
    applied(tmp_path, 2, DETACH, mode="undo", undoes=[1])
    assert found(tmp_path) == {}
    applied(tmp_path, 3, ATTACH, mode="undo", undoes=[2])
    assert found(tmp_path) == {("1", "I-1"): [""]}, "the change is in force again, and no later one replaced it"


def test_a_later_change_that_was_undone_replaces_nothing_and_one_undone_in_part_does(tmp_path):
    put = ("PutUserPolicy", {"UserName": "ann", "PolicyName": "p", "PolicyDocument": "{}"})
    applied(tmp_path, 1, put)
    applied(tmp_path, 2, put, ATTACH, alert="I-2")
    applied(tmp_path, 3, DETACH, put, alert="I-2", mode="undo", undoes=[2])
    assert found(tmp_path) == {("1", "I-1"): [""]}
    applied(tmp_path, 4, put, ATTACH, alert="I-4")
    applied(tmp_path, 5, put, alert="I-4", mode="undo", undoes=[4], ends=False)
    assert found(tmp_path) == {("1", "I-1"): [run_id(5)], ("4", "I-4"): [run_id(5), ""]}


def test_a_run_and_alerts_can_be_chosen(tmp_path):
    applied(tmp_path, 1, ATTACH)
    applied(tmp_path, 2, CREATE, alert="I-2")
    assert set(found(tmp_path, run_id=run_id(2))) == {("2", "I-2")}
    assert set(found(tmp_path, alert_ids=["I-1"])) == {("1", "I-1")}
    for options, says in (
        ({"alert_ids": ["I-1", "I-9"]}, "No change of alert I-9 stands"),
        ({"run_id": run_id(9)}, f"No change of run {run_id(9)} stands"),
    ):
        with pytest.raises(NotReported, match=says):
            found(tmp_path, **options)


def test_a_folder_without_any_run_is_an_error_and_one_without_changes_is_not(tmp_path):
    with pytest.raises(NotReported, match="There is no run in"):
        found(tmp_path)
    (tmp_path / run_id(1)).mkdir()
    (tmp_path / run_id(1) / "report.json").write_text("{}")
    assert found(tmp_path) == {}


def test_a_journal_that_cannot_be_trusted_fails(tmp_path):
    applied(tmp_path, 1, ATTACH)
    applied(tmp_path, 2, CREATE, alert="I-2")
    journal = tmp_path / run_id(1) / "journal.jsonl"
    journal.write_text(journal.read_text().replace("ann", "eve"))
    good, bad = applied_changes([Folder(str(tmp_path))])
    assert (good["alert_id"], bad["alert_id"], bad["disposition"]) == ("I-2", run_id(1), "failed")
    assert "was edited, or the line before it is missing" in bad["reason"]
    assert "Nothing of this run was verified." in bad["reason"]


def test_the_first_store_that_has_a_journal_is_read(tmp_path):
    applied(tmp_path / "disk", 1, ATTACH)
    applied(tmp_path / "copy", 1, CREATE)
    applied(tmp_path / "copy", 2, CREATE, alert="I-2")
    alerts = applied_changes([Folder(str(tmp_path / name)) for name in ("disk", "copy")])
    assert [step["operation"] for alert in alerts for step in alert["steps"]] == ["AttachUserPolicy", "CreatePolicy"]


def test_links_are_read_as_other_playbooks_read_them(tmp_path):
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "runs"
    applied(elsewhere, 1, ATTACH)
    applied(elsewhere, 2, CREATE, alert="I-2")
    applied(root, 3, CREATE, alert="I-3")
    (root / run_id(1)).symlink_to(elsewhere / run_id(1))
    (root / run_id(2)).mkdir()
    (root / run_id(2) / "journal.jsonl").symlink_to(elsewhere / run_id(2) / "journal.jsonl")
    (root / run_id(4)).symlink_to(elsewhere / "nowhere")
    (root / run_id(5)).symlink_to(root / run_id(5))
    following = applied_changes([Folder(str(root), follows_links=True)])
    assert [alert["alert_id"] for alert in following] == ["I-1", "I-2", "I-3"]
    assert [alert["alert_id"] for alert in applied_changes([Folder(str(root))])] == ["I-3"]
    read = [journal_entries(str(root), alert_ids=[one])[0]["undoes"] for one in ("I-1", "I-2", "I-3")]
    assert read == [run_id(1), run_id(2), run_id(3)]


def reverted(tmp_path, **more):
    applied(tmp_path, 1, CREATE, ATTACH, **more)
    report = {
        "alerts": [{"message_id": "m-I-1", "severity": "high", "policy": "P", "resource": "ann", "first_seen": None}]
    }
    (tmp_path / run_id(1) / "report.json").write_text(json.dumps(report))
    (alert,) = applied_changes([Folder(str(tmp_path))])
    steps = [
        {**step, "state": state, "why": ""} for step, state in zip(alert["steps"], ("holds", "reverted"), strict=True)
    ]
    return {**alert, "steps": steps, "disposition": "reverted", "reason": "because"}


def test_a_reverted_alert_goes_back_as_a_message_that_a_run_reads(tmp_path):
    alert = reverted(tmp_path)
    (message,) = messages([alert, {**alert, "alert_id": "I-2", "disposition": "holds"}])
    (read,) = read_alerts(message["body"])
    assert (read.alert_id, read.account_id, read.disposition, read.severity) == ("I-1", ACCOUNT, None, "high")
    assert read.script.split("\n")[1] == f"aws iam attach-user-policy --policy-arn {DENY} --user-name ann"


def test_the_script_of_a_consolidated_policy_is_asked_for(tmp_path):
    (message,) = messages([reverted(tmp_path, consolidated=True)])
    assert read_alerts(message["body"])[0].script is None


def test_an_alert_of_two_runs_goes_back_once_with_the_steps_of_both(tmp_path):
    create, attach = reverted(tmp_path)["steps"]
    alert = {**reverted(tmp_path / "another"), "steps": [{**create, "superseded": run_id(3)}, attach]}
    detach = {**attach, "operation": "DetachUserPolicy", "parameters": {"UserName": "bob", "PolicyArn": DENY}}
    gone = {**detach, "parameters": {"UserName": "gone", "PolicyArn": DENY}, "state": "gone"}
    (message,) = messages([alert, {**alert, "run_id": run_id(2), "steps": [gone, detach]}])
    assert run_id(2) in message["body"]
    (read,) = read_alerts(message["body"])
    assert read.script.split("\n") == [
        f"aws iam attach-user-policy --policy-arn {DENY} --user-name ann",
        f"aws iam detach-user-policy --user-name bob --policy-arn {DENY}",
    ]


def test_alerts_of_two_accounts_with_one_id_are_two_messages(tmp_path):
    alert = reverted(tmp_path)
    assert len(messages([alert, {**alert, "account_id": "999999999999"}])) == 2


def test_verify_json_has_every_change(tmp_path):
    (entry,) = verification([reverted(tmp_path)])["alerts"]
    assert (entry["run_id"], entry["disposition"]) == (run_id(1), "reverted")
    assert [(one["operation"], one["state"]) for one in entry["changes"]] == [
        ("CreatePolicy", "holds"),
        ("AttachUserPolicy", "reverted"),
    ]


def test_verify_json_has_no_secret_of_a_document(tmp_path):
    alert = reverted(tmp_path)
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    steps = [{**step, "why": f"document is x?aws_secret_access_key={secret}"} for step in alert["steps"]]
    made = json.dumps(verification([{**alert, "steps": steps}]))
    assert "aws_secret_access_key=" in made
    assert secret not in made
