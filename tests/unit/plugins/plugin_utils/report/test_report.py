# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.html_report import html_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.notification import notification
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import summary_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import results
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.outcome import outcomes_of_all

STEP = {"operation": "TagUser", "module": "amazon.aws.iam_user", "args": {"name": "bob"}, "status": "changed"}

FACTS = {"__remediate_settings": {"max_failures": 5}}


def alert(alert_id, disposition, reason="why", account="payments", **more):
    return {
        "alert_id": alert_id,
        "message_id": f"m-{alert_id}",
        "account": account,
        "disposition": disposition,
        "reason": reason,
        **more,
    }


def made(*alerts, check_mode=False, tolerate=(), **more):
    return report(Run(alerts, "run-1", "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z", check_mode, tolerate, **more))


def test_totals_count_dispositions_in_their_own_order():
    run = made(alert("1", "failed"), alert("2", "remediated"), alert("3", "remediated"))
    assert list(run["totals"].items()) == [("remediated", 2), ("failed", 1)]


def test_alerts_are_sorted_by_account_and_id_whatever_is_missing():
    run = made(alert("2", "remediated"), alert(None, "invalid", account=None), alert("1", "failed"))
    assert [entry["alert_id"] for entry in run["alerts"]] == [None, "1", "2"]


def test_people_are_wanted_unless_the_user_tolerates_it():
    alerts = alert("1", "refused"), alert("2", "unmapped_account"), alert("3", "filtered")
    assert made(*alerts)["needs_person"] == {"unmapped_account": 1, "refused": 1}
    assert made(*alerts, tolerate=["refused", "unmapped_account"])["needs_person"] == {}


def test_secrets_of_a_script_are_masked():
    run = made(alert("1", "refused", script="aws iam create-login-profile --user-name a --password 'hunter2!'"))
    assert "hunter2" not in json.dumps(run)
    assert "hunter2" not in summary_text(run, verbose=True)


SECRETS = {
    "password": "the call with --password hunter2 failed",
    "header": "400: x-redlock-auth: hunter2",
    "url": "could not reach https://ann:hunter2@proxy.example",
    "token": "invalid parameter ghp" + "_hunter2hunter2hunter2hunter2hunter2hunter",
    "document": '{"password": "hunter2"}',
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_secrets_in_errors_and_documents_are_masked_in_all_outputs_of_a_run(text):
    """report.json, the terminal, the page and the notification; the quarantine queue's attributes; the journal."""
    step = {**STEP, "args": {"name": "bob", "description": text}, "before": {"a": [text]}, "after": {text: text}}
    untrusted = {"script": f"aws x {text}", "notes": [text], "resource": text, "policy": text}
    run = made(alert("1", "failed", reason=text, steps=[step], **untrusted), unsettled=[text])
    notified = json.dumps(notification(run, "report.html"))
    shown = json.dumps(run), summary_text(run, verbose=True), html_report(run), notified
    (outcome,) = outcomes_of_all({"payments": {"alerts": [alert("1", "failed", reason=text)]}}, {"payments": FACTS})
    written = results([{"step": {}, "failed": True, "msg": text}])
    assert [text for text in (*shown, str(outcome), str(written)) if "hunter2" in text] == []
    assert "*******" in run["alerts"][0]["reason"]


@pytest.mark.parametrize(
    ("step", "left"),
    [
        ({"command": "aws iam a", "by_hand": True}, ["aws iam a"]),
        ({"command": "aws iam a", "by_hand": False}, []),
        # It was not observed, so its principals are unknown.
        ({"command": "aws iam a"}, []),
        ({"command": "aws iam a --password '*******'", "by_hand": True}, []),
        ({"command": "aws iam a --name '\u202e'", "by_hand": True}, []),
        ({"command": "aws iam a", "by_hand": True, "status": "changed"}, []),
    ],
)
def test_only_what_would_do_no_harm_is_left_to_a_person(step, left):
    run = made(alert("1", "failed", steps=[{**STEP, "status": "not_run", **step}], by_hand=["aws iam other"]))
    assert run["alerts"][0]["by_hand"] == left


PROTECTED = {"arn": "arn:aws:iam::*:user/x", "owner": "sre", "reason": "why"}


def settled(**settings):
    account = {"account": "payments", "allow": [], "protected": [], **settings}
    return report(Run([], "run-1", "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z", False, settings=[account]))


def test_what_is_opened_is_reported_in_one_line():
    run = settled(allow=["no_tags", "update-role"])
    assert run["opened"] == [{"account": "payments", "allow": ["no_tags", "update-role"]}]
    (line,) = [line for line in summary_text(run).split("\n") if "relaxed" in line]
    assert line == "Guardrails relaxed: no_tags, update-role (payments)"
    assert "relaxed" not in summary_text(settled())


def test_protections_in_force_are_reported_as_given():
    entry = {"tag": None, "path": None, **PROTECTED}
    lapsed = {**entry, "expires": "2025-12-31"}
    lasting = {**entry, "expires": "2026-12-31"}
    ending = {"arn": None, "path": "/ops/", "tag": {"key": "keep", "value": ""}, "owner": "ops", "reason": "audit"}
    ending["expires"] = "2026-01-15"
    run = settled(protected=[PROTECTED, PROTECTED, lapsed, lasting, ending])
    assert run["protected"] == [{**entry, "expires": None}, lasting, ending]
    assert (run["expired"], run["expiring"]) == ([lapsed], [ending])
    lines = " ".join(summary_text(run).split())
    assert "No longer protected: arn:aws:iam::*:user/x (owner sre, expired 2025-12-31). Renew or" in lines
    assert "Protection expires soon: tag keep=, path /ops/ (owner ops, expires 2026-01-15). Renew or" in lines
    assert "rotection expires" not in summary_text(settled(protected=[PROTECTED, lasting]))
    assert "No longer protected" not in summary_text(settled(protected=[PROTECTED, lasting]))


def test_protections_that_nobody_can_read_are_reported_too():
    run = settled(protected=[PROTECTED, {"arn": "x"}, "y"])
    assert [entry["arn"] for entry in run["protected"]] == [PROTECTED["arn"], "x", "y"]


def test_what_was_quarantined_is_said_with_the_way_back():
    moved = alert("I-1", "refused"), alert("$(id)", "invalid", reason=None)
    run = made(*moved, alert("I-3", "unsupported"), alert("4", "failed"), quarantine_queue="kept", unmoved=["m-I-3"])
    assert run["quarantine"] == {"queue": "kept", "alerts": 2}
    command = "After a fix: ansible-playbook playbooks/redrive.yml"
    assert {entry["alert_id"]: entry["reason"] for entry in run["alerts"]} == {
        "I-1": f"why\nMoved to the quarantine queue. {command} -e alert_id=I-1",
        "$(id)": f"Moved to the quarantine queue. {command}",
        "I-3": "why",
        "4": "why",
    }
    assert "2 alerts in the quarantine queue kept." in summary_text(run).split("\n")


def test_nothing_is_quarantined_without_a_queue_for_it_nor_in_a_review():
    for run in (made(alert("I-1", "refused")), made(alert("I-1", "refused"), check_mode=True, quarantine_queue="kept")):
        assert (run["quarantine"], run["alerts"][0]["reason"]) == (None, "why")
        assert "quarantine" not in summary_text(run)


def test_a_run_that_was_held_to_a_plan_says_so_and_what_did_not_come():
    plan = {"run_id": "r-0", "created": "c", "expires": "e", "alerts": [{"alert_id": "I-1"}, {"alert_id": "I-2"}]}
    run = made(alert("I-1", "remediated"), plan=plan)
    assert run["plan"] == {"run_id": "r-0", "created": "c", "expires": "e", "alerts": 2, "not_received": ["I-2"]}
    assert "Applying plan r-0 (2 alerts). Not in the queue: I-2 (done, " in " ".join(summary_text(run).split())
    assert made(alert("I-1", "remediated"), plan={})["plan"] is None


def test_quarantined_in_one_message_is_moved_only_as_a_whole():
    receipts = [{"message_id": "m", "receipt_handle": "h"}]
    refused, failed = alert("I-1", "refused", receipts=receipts), alert("I-2", "failed", receipts=receipts)
    assert made(refused, failed, quarantine_queue="kept")["quarantine"] is None
    done = alert("I-2", "remediated", receipts=receipts)
    assert made(refused, done, quarantine_queue="kept")["quarantine"] == {"queue": "kept", "alerts": 1}
    assert made(refused, done, quarantine_queue="kept", unmoved=["m"])["quarantine"] is None
