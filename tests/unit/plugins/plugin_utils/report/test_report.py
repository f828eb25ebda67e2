# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.html_report import html_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.notification import notification
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import printable
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import summary
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
    assert "hunter2" not in summary(run, verbose=True)


SECRETS = {
    "password": "the call with --password hunter2 failed",
    "header": "400: x-redlock-auth: hunter2",
    "url": "could not reach https://ann:hunter2@proxy.example",
    "token": "invalid parameter ghp" + "_hunter2hunter2hunter2hunter2hunter2hunter",
    "document": '{"password": "hunter2"}',
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_secrets_in_errors_and_documents_are_masked_wherever_a_run_is_told(text):
    """report.json, the terminal, the page and the notification; what the quarantine queue is told; the journal."""
    step = {**STEP, "args": {"name": "bob", "description": text}, "before": {"a": [text]}, "after": {text: text}}
    untrusted = {"script": f"aws x {text}", "notes": [text], "resource": text, "policy": text}
    run = made(alert("1", "failed", reason=text, steps=[step], **untrusted), unsettled=[text])
    shown = json.dumps(run), summary(run, verbose=True), html_report(run), json.dumps(notification(run, "report.html"))
    (outcome,) = outcomes_of_all({"payments": {"alerts": [alert("1", "failed", reason=text)]}}, {"payments": FACTS})
    written = results([{"step": {}, "failed": True, "msg": text}])
    assert [told for told in (*shown, str(outcome), str(written)) if "hunter2" in told] == []
    assert "*******" in run["alerts"][0]["reason"]


@pytest.mark.parametrize(
    ("step", "left"),
    [
        ({"command": "aws iam a", "by_hand": True}, ["aws iam a"]),
        ({"command": "aws iam a", "by_hand": False}, []),
        # Nobody has looked whom it is about.
        ({"command": "aws iam a"}, []),
        ({"command": "aws iam a --password '*******'", "by_hand": True}, []),
        ({"command": "aws iam a --name '\u202e'", "by_hand": True}, []),
        ({"command": "aws iam a", "by_hand": True, "status": "changed"}, []),
    ],
)
def test_only_what_would_do_no_harm_is_left_to_a_person(step, left):
    run = made(alert("1", "failed", steps=[{**STEP, "status": "not_run", **step}], by_hand=["aws iam other"]))
    assert run["alerts"][0]["by_hand"] == left


def test_the_summary_has_one_line_per_alert_and_says_what_to_do():
    text = summary(made(alert("I-1", "remediated"), alert("I-2", "refused", reason="guardrail no_tags: it sets tags")))
    lines = text.split("\n")
    assert lines[0] == "Run run-1: 1 remediated, 1 refused"
    assert sum("I-2" in line for line in lines) == 1
    assert any(line.startswith("  1 refused (needs attention): ") for line in lines)


def test_the_caret_of_a_reason_is_shown_below_the_table():
    text = summary(made(alert("I-1", "unsupported", reason="line 1, column 5: no\n  aws ec2\n      ^")))
    assert "      aws ec2\n          ^" in text


def test_verbose_shows_script_and_steps():
    run = made(alert("I-1", "remediated", script="aws iam tag-user", steps=[STEP]))
    assert "aws iam tag-user" not in summary(run)
    assert "changed      tag-user -> amazon.aws.iam_user: name='bob'" in summary(run, verbose=True)


def test_an_alert_cannot_steer_the_terminal():
    hostile = "I-\x1b[2J\r\nfake line"
    assert "\x1b" not in summary(made(alert(hostile, "refused")))
    assert printable("\x1b[2J") == "\\x1b[2J"


def test_check_mode_and_an_empty_queue_are_said():
    assert "review: nothing was changed" in summary(made(check_mode=True))
    assert "The queue was empty." in summary(made())


PROTECTED = {"arn": "arn:aws:iam::*:user/x", "owner": "sre", "reason": "why"}


def settled(**settings):
    account = {"account": "payments", "allow": [], "protected": [], **settings}
    return report(Run([], "run-1", "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z", False, settings=[account]))


def test_what_is_opened_is_reported_in_one_line():
    run = settled(allow=["no_tags", "update-role"])
    assert run["opened"] == [{"account": "payments", "allow": ["no_tags", "update-role"]}]
    (line,) = [line for line in summary(run).split("\n") if "relaxed" in line]
    assert line == "Guardrails relaxed: no_tags, update-role (payments)"
    assert "relaxed" not in summary(settled())


def test_protections_in_force_are_reported_as_given():
    lapsed = {**PROTECTED, "expires": "2025-12-31"}
    lasting = {**PROTECTED, "expires": "2026-12-31"}
    run = settled(protected=[PROTECTED, PROTECTED, lapsed, lasting])
    assert run["protected"] == [{**PROTECTED, "expires": None}, lasting]
    assert run["expired"] == [lapsed]
    assert "No longer protected: arn:aws:iam::*:user/x (owner sre, expired 2025-12-31). Renew or" in summary(run)
    assert "No longer protected" not in summary(settled(protected=[PROTECTED, lasting]))


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
    assert f"2 alerts in the quarantine queue kept. {command}" in summary(run).split("\n")


def test_nothing_is_quarantined_without_a_queue_for_it_nor_in_a_review():
    for run in (made(alert("I-1", "refused")), made(alert("I-1", "refused"), check_mode=True, quarantine_queue="kept")):
        assert (run["quarantine"], run["alerts"][0]["reason"]) == (None, "why")
        assert "quarantine" not in summary(run)


def test_a_run_that_was_held_to_a_plan_says_so_and_what_did_not_come():
    plan = {"run_id": "r-0", "created": "c", "expires": "e", "alerts": [{"alert_id": "I-1"}, {"alert_id": "I-2"}]}
    run = made(alert("I-1", "remediated"), plan=plan)
    assert run["plan"] == {"run_id": "r-0", "created": "c", "expires": "e", "alerts": 2, "not_received": ["I-2"]}
    assert "Applying plan r-0 (2 alerts). Not in the queue: I-2 (done, " in summary(run)
    assert made(alert("I-1", "remediated"), plan={})["plan"] is None


def test_a_review_says_in_one_line_that_nobody_is_protected_and_when_asked_what_to_paste():
    one = alert("I-1", "planned", account_id="123456789012", resource_id="arn:aws-cn:iam::123456789012:user/a")
    review = made(one, check_mode=True)
    said = [line for line in summary(review).split("\n") if "protected" in line]
    assert said == [
        "No principals are protected: a script may lock out any user or role (remediate_protected_principals)."
    ]
    assert "  - arn: arn:aws-cn:iam::123456789012:user/break-glass-*" in summary(review, verbose=True).split("\n")
    entry = {"arn": "arn:aws:iam::*:user/x", "owner": "sre", "reason": "emergency access"}
    protecting = [{"account": "payments", "allow": [], "protected": [entry]}]
    undo = made(one, check_mode=True, undoes=["run-0"])
    for run in (made(one), undo, made(check_mode=True), made(one, check_mode=True, settings=protecting)):
        assert "No principals are protected" not in summary(run, verbose=True)


def test_a_review_gathers_what_scripts_grant_with_the_alerts_that_grant_it():
    alerts = [alert(f"I-{number}", "planned", notes=["Grants: x."]) for number in range(7)]
    lines = summary(made(*alerts, alert("I-9", "planned", notes=["Takes: y."]), check_mode=True)).split("\n")
    assert "  I-0, I-1, I-2, I-3, I-4 and 2 more: Grants: x." in lines
    assert "  I-9: Takes: y." in lines
    applied = made(*alerts)
    assert "Grants: x." not in summary(applied)
    assert "Grants: x." in summary(applied, verbose=True)


def table(run):
    return summary(run).split("\n\n")[1].split("\n")


def test_equal_reasons_are_one_row_and_what_needs_attention_comes_first():
    many = [alert(f"I-{number:02}", "failed", reason="Interrupted by SIGINT") for number in range(60)]
    few = [alert(f"I-{number}", "unavailable", reason="no token", account=f"a{number}") for number in (70, 71)]
    run = made(alert("I-80", "remediated", account="aaa"), *many, *few)
    rows = [line.split(maxsplit=3) for line in table(run)]
    assert rows[0] == ["ACCOUNT", "ALERT", "RESULT", "REASON"]
    shown = table(run)[1:]
    assert len(shown) == 3
    assert "2 accounts  I-70, I-71  unavailable  no token" in shown[0]
    assert "60 alerts   failed       Interrupted by SIGINT" in shown[1]
    assert "I-80" in shown[2]
    assert "60 alerts: I-00, I-01, I-02, I-03, I-04 and 55 more" in summary(run).split("\n")
    assert summary(run).count("Interrupted by SIGINT") == summary(run).count("no token") == 1


def test_a_long_reason_of_many_alerts_is_shown_once():
    run = made(*(alert(f"I-{number}", "failed", reason="first line\nsecond line") for number in range(9)))
    assert summary(run).count("second line") == summary(run).count("    first line") == 1
    assert "9 alerts: I-0, I-1, I-2, I-3, I-4 and 4 more:" in summary(run)


def test_what_was_moved_for_the_same_reason_is_one_row_too():
    run = made(*(alert(f"I-{number}", "invalid", reason="not JSON") for number in range(4)), quarantine_queue="kept")
    assert len(table(run)) == 2
    assert summary(run).count("redrive.yml") == 1
    single = made(alert("I-1", "invalid", reason="not JSON"), quarantine_queue="kept")
    assert "redrive.yml -e alert_id=I-1" in summary(single)


def test_alerts_without_a_reason_are_not_one():
    assert len(table(made(*(alert(f"I-{number}", "remediated", reason=None) for number in range(4))))) == 5


def test_what_to_do_is_by_cause_and_what_needs_attention_comes_first():
    run = made(
        alert("I-1", "remediated"),
        alert("I-2", "failed", reason="Interrupted by SIGINT before it was finished. run again."),
        alert("I-3", "failed", reason="attach-user-policy: LimitExceeded: Cannot exceed quota for PoliciesPerUser: 10"),
        alert("I-4", "failed", reason="Interrupted by SIGINT before it was finished. run again."),
    )
    lines = summary(run).split("\n")
    start = lines.index("What to do:")
    assert [line.split(":")[0] for line in lines[start + 1 : start + 4]] == [
        "  2 failed (needs attention)",
        "  1 failed (needs attention)",
        "  1 remediated",
    ]
    assert "remediate_on_quota: consolidate" in lines[start + 2]


def test_the_next_step_of_a_review_of_an_undo_and_in_awx():
    planned = alert("I-1", "planned"), alert("I-2", "already_remediated")
    review, undo = made(*planned, check_mode=True), made(*planned, check_mode=True, undoes=["run-0"])
    assert "To apply exactly this: ansible-playbook remediate.yml -e remediate_plan=run-1" in summary(review)
    assert "To undo exactly this: ansible-playbook playbooks/undo.yml -e run_id=run-0" in summary(undo)
    assert "remediate_plan" not in summary(undo)
    several = made(*planned, check_mode=True, undoes=["run-0", "run-2"])
    assert "To undo exactly this: ansible-playbook playbooks/undo.yml -e alert_id=I-1" in summary(several)
    awx = made(*planned, check_mode=True, awx={"awx_job_id": "7"})
    assert "ansible-playbook" not in summary(awx)
    assert '"Run id of the review" with run-1' in summary(awx)
    awx_undo = summary(made(*planned, check_mode=True, undoes=["run-0"], awx={"awx_job_id": "7"}))
    assert '"Run id" with run-0 and "Only these alerts" with I-1' in awx_undo
    assert "To " not in summary(made(*planned[1:], check_mode=True)).split("What to do:")[1]


def test_quarantined_in_one_message_is_moved_only_as_a_whole():
    receipts = [{"message_id": "m", "receipt_handle": "h"}]
    refused, failed = alert("I-1", "refused", receipts=receipts), alert("I-2", "failed", receipts=receipts)
    assert made(refused, failed, quarantine_queue="kept")["quarantine"] is None
    done = alert("I-2", "remediated", receipts=receipts)
    assert made(refused, done, quarantine_queue="kept")["quarantine"] == {"queue": "kept", "alerts": 1}
    assert made(refused, done, quarantine_queue="kept", unmoved=["m"])["quarantine"] is None
