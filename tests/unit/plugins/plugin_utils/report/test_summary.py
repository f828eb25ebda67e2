# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the summary says, and that it says what report.json says. How it looks: test_screens.py."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import DISPOSITIONS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import plain
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import summary, summary_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.terminal_text import cells, printable
from hypothesis import given, settings
from hypothesis import strategies as st

STEP = {"operation": "TagUser", "module": "amazon.aws.iam_user", "args": {"name": "bob"}, "status": "changed"}
WORDS = [row.word for row in DISPOSITIONS]


def alert(alert_id, disposition, reason="why", account="payments", **more):
    message_id = f"m-{alert_id}"
    known = {"alert_id": alert_id, "message_id": message_id, "account": account, "disposition": disposition}
    return {**known, "reason": reason, **more}


def made(*alerts, check_mode=False, tolerate=(), **more):
    return report(Run(alerts, "run-1", "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z", check_mode, tolerate, **more))


def lines(run, columns=150, verbose=False):
    return [plain(each) for each in summary(run, columns, verbose)]


# --- it agrees with report.json ---------------------------------------------------------------------------------------


def counts_in(text):
    """What the summary says of its alerts: {result: how many}, read from its rows as a person would."""
    counts = Counter()
    for row in text:
        if match := re.match(rf"({'|'.join(sorted(WORDS, key=len, reverse=True))})  +(\S.*?)  ", f"{row}  "):
            many = re.match(r"(\d+) alerts?$", match[2].strip())
            counts[match[1]] += int(many[1]) if many else len(match[2].split(", "))
    return dict(counts)


REASONS = st.sampled_from(["Every step was already true.", "line 1, column 2: no\n  | aws x\n  |     ^", "", "x" * 90])
ALERTS = st.lists(
    st.tuples(st.sampled_from(WORDS), REASONS, st.sampled_from(["payments", "sandbox", None])), max_size=40
)


# Its first example loads what the others share.
@settings(deadline=None)
@given(ALERTS, st.booleans(), st.sampled_from([60, 80, 150]), st.sets(st.sampled_from(WORDS), max_size=3))
def test_the_summary_says_what_report_json_says(alerts, is_review, columns, tolerate):
    entries = [alert(f"I-{number}", word, reason, account) for number, (word, reason, account) in enumerate(alerts)]
    run = made(*entries, check_mode=is_review, tolerate=tolerate)
    text = lines(run, columns, verbose=True)
    whole = " ".join(" ".join(text).split())
    assert counts_in(text) == run["totals"]
    assert all(f"{count} {word}" in whole for word, count in run["totals"].items())
    wanted, number = sum(run["needs_person"].values()), len(alerts)
    sentence = f"{wanted} of {number} alert{'s' * (number != 1)} need{'s' * (wanted == 1)} attention."
    assert (sentence in text) == bool(wanted)
    if wanted:
        # Whatever needs attention is above everything that does not.
        start = text.index(sentence)
        others = [place for place, row in enumerate(text) if row.startswith("RESULT")]
        problems = [place for place, row in enumerate(text) if row.split("  ")[0] in run["needs_person"]]
        assert start < min(problems)
        assert not others or max(problems) < others[0]


# Its first example loads what the others share.
@settings(deadline=None)
@given(ALERTS, st.sampled_from([60, 80, 150]))
def test_no_line_is_wider_than_the_terminal(alerts, columns):
    entries = [alert(f"I-{number}", word, reason, account) for number, (word, reason, account) in enumerate(alerts)]
    wide = [row for row in lines(made(*entries), columns) if cells(row) > columns]
    assert [row for row in wide if "x" * 90 not in row and "ansible-playbook" not in row] == []


# --- what it says -----------------------------------------------------------------------------------------------------


def test_the_caret_of_a_reason_is_below_what_it_points_at_however_narrow_the_terminal():
    script = "aws iam list-users --query Users | xargs -n1 aws iam delete-user --user-name"
    place = script.index("|")
    reason = f"line 1, column {place + 1}: no\n  | {script}\n  | {' ' * place}^"
    for columns in (40, 60, 80, 150):
        text = lines(made(alert("I-1", "unsupported", reason=reason)), columns)
        (number,) = [number for number, row in enumerate(text) if row.strip(" |^") == "" and "^" in row]
        assert text[number - 1][text[number].index("^")] == "|"
        assert len(text[number - 1]) <= columns


def test_verbose_shows_script_and_steps():
    run = made(alert("I-1", "remediated", script="aws iam tag-user", steps=[STEP]))
    assert "aws iam tag-user" not in summary_text(run)
    assert "changed      tag-user -> amazon.aws.iam_user: name='bob'" in summary_text(run, verbose=True)


def test_an_alert_cannot_steer_the_terminal():
    hostile = "I-\x1b[2J\r\nfake line"
    assert "\x1b" not in summary_text(made(alert(hostile, "refused", reason=hostile, account=hostile)), verbose=True)
    assert printable("\x1b[2J") == "\\x1b[2J"


def test_check_mode_and_an_empty_queue_are_said():
    assert "review: nothing was changed" in summary_text(made(check_mode=True))
    assert "The queue was empty." in summary_text(made())
    assert "No alert was received." in summary_text(made(interrupted="Interrupted by SIGINT"))


@pytest.mark.parametrize(
    ("run", "is_said"),
    [
        (made(alert("I-1", "remediated")), True),
        (made(alert("I-1", "refused"), tolerate=["refused"]), True),
        (made(alert("I-1", "already_remediated"), check_mode=True), True),
        (made(alert("I-1", "planned"), check_mode=True), False),
        (made(alert("I-1", "failed")), False),
        (made(alert("I-1", "remediated"), unsettled=["The queue did not answer."]), False),
        (made(alert("I-1", "remediated"), interrupted="Interrupted by SIGINT"), False),
        (made(), False),
    ],
)
def test_it_says_in_one_line_that_no_action_is_needed(run, is_said):
    assert ("No action needed." in lines(run)) == is_said


def test_equal_reasons_are_shown_once():
    many = [alert(f"I-{number:02}", "failed", reason="Interrupted by SIGINT") for number in range(60)]
    few = [alert(f"I-{number}", "unavailable", reason="no token", account=f"a{number}") for number in (70, 71)]
    text = lines(made(alert("I-80", "remediated", account="aaa"), *many, *few))
    assert "failed  60 alerts  payments" in text
    assert "  I-00, I-01, I-02, I-03, I-04 and 55 more" in text
    assert "unavailable  I-70, I-71  2 accounts" in text
    assert text.count("  Interrupted by SIGINT") == text.count("  no token") == 1


def test_what_helps_several_alerts_is_said_once_below_them():
    text = lines(made(alert("I-1", "refused", reason="one"), alert("I-2", "refused", reason="two")))
    start = text.index("refused  I-1  payments")
    assert [row.split(":")[0] for row in text[start + 1 : start + 5]] == [
        "  one",
        "refused  I-2  payments",
        "  two",
        "  To do",
    ]
    assert sum("To do:" in row for row in text) == 1


def test_alerts_without_a_reason_are_not_one():
    rows = [row for row in lines(made(*(alert(f"I-{n}", "remediated", reason=None) for n in range(4)))) if "I-" in row]
    assert len(rows) == 4


def test_what_was_moved_for_the_same_reason_is_one_problem_with_one_command():
    run = made(*(alert(f"I-{number}", "invalid", reason="not JSON") for number in range(4)), quarantine_queue="kept")
    assert summary_text(run).count("redrive.yml") == summary_text(run).count("not JSON") == 1


def test_of_what_is_done_the_first_are_shown_and_of_what_is_planned_all():
    for word, shown in (("remediated", 25), ("planned", 40)):
        run = made(*(alert(f"I-{number}", word, reason=f"reason {number}") for number in range(40)))
        text = lines(run)
        assert sum("reason" in row for row in text) == shown
        assert ("and 15 more, see the report" in text) == (shown < 40)
        assert sum("reason" in row for row in lines(run, verbose=True)) == 40


def test_what_to_do_is_by_cause():
    text = lines(
        made(
            alert("I-1", "remediated"),
            alert("I-2", "failed", reason="Interrupted by SIGINT before it was finished. run again."),
            alert(
                "I-3", "failed", reason="attach-user-policy: LimitExceeded: Cannot exceed quota for PoliciesPerUser: 10"
            ),
        )
    )
    advice = [row for row in text if row.startswith("  To do: ")]
    assert len(advice) == 2
    assert "remediate_on_quota: consolidate" in advice[1]


def test_a_review_says_that_nobody_is_protected_and_when_asked_what_to_paste():
    one = alert("I-1", "planned", account_id="123456789012", resource_id="arn:aws-cn:iam::123456789012:user/a")
    review = made(one, check_mode=True)
    said = [row for row in lines(review) if "protected" in row]
    assert said == [
        "No principals are protected: a script may lock out any user or role (remediate_protected_principals)."
    ]
    assert "  - arn: arn:aws-cn:iam::123456789012:user/break-glass-*" in lines(review, verbose=True)
    entry = {"arn": "arn:aws:iam::*:user/x", "owner": "sre", "reason": "emergency access"}
    protecting = [{"account": "payments", "allow": [], "protected": [entry]}]
    undo = made(one, check_mode=True, undoes=["run-0"])
    for run in (made(one), undo, made(check_mode=True), made(one, check_mode=True, settings=protecting)):
        assert "No principals are protected" not in summary_text(run, verbose=True)


def test_a_review_gathers_what_scripts_grant_with_the_alerts_that_grant_it():
    alerts = [alert(f"I-{number}", "planned", notes=["Grants: x."]) for number in range(7)]
    text = lines(made(*alerts, alert("I-9", "planned", notes=["Takes: y."]), check_mode=True))
    assert "  I-0, I-1, I-2, I-3, I-4 and 2 more: Grants: x." in text
    assert "  I-9: Takes: y." in text
    applied = made(*alerts)
    assert "Grants: x." not in summary_text(applied)
    assert "Grants: x." in summary_text(applied, verbose=True)


PLANNED = alert("I-1", "planned"), alert("I-2", "already_remediated")
AWX = {"awx_job_id": "7"}


@pytest.mark.parametrize(
    ("run", "command"),
    [
        (
            made(*PLANNED, check_mode=True),
            "To apply exactly this: ansible-playbook remediate.yml -e remediate_plan=run-1",
        ),
        (
            made(*PLANNED, check_mode=True, undoes=["run-0"]),
            "To undo exactly this: ansible-playbook playbooks/undo.yml -e run_id=run-0",
        ),
        (
            made(*PLANNED, check_mode=True, undoes=["run-0", "run-2"]),
            "To undo exactly this: ansible-playbook playbooks/undo.yml -e alert_id=I-1",
        ),
        (
            made(*PLANNED, check_mode=True, awx=AWX),
            'To apply exactly this: in AWX, launch the template "Leastpriv: apply a plan" as a run, and answer '
            '"Run id of the review" with run-1',
        ),
        (made(PLANNED[1], check_mode=True), None),
        (
            made(alert("I-1", "remediated")),
            "To undo this run: ansible-playbook playbooks/undo.yml -e run_id=run-1",
        ),
        (
            made(alert("I-1", "failed"), alert("I-2", "refused")),
            "After a fix, run again: ansible-playbook remediate.yml",
        ),
        (
            made(alert("I-1", "failed"), check_mode=True),
            "After a fix, run again: ansible-playbook remediate.yml --check",
        ),
        (
            made(alert("I-1", "invalid"), quarantine_queue="kept"),
            "After a fix: ansible-playbook playbooks/redrive.yml",
        ),
        (made(alert("I-1", "refused")), "To see one in full: ansible-playbook playbooks/show.yml -e alert_id=I-1"),
        (
            made(alert("I-1", "invalid"), tolerate=["invalid"], quarantine_queue="kept"),
            "After a fix: ansible-playbook playbooks/redrive.yml",
        ),
        (made(alert("$(id)", "refused")), None),
        (made(alert("I-1", "refused"), tolerate=["refused"]), None),
    ],
)
def test_a_summary_ends_with_one_command_at_most(run, command):
    commands = [row for row in lines(run) if "ansible-playbook" in row or "in AWX" in row]
    assert len(commands) == bool(command)
    if command:
        # Below its label if both are wider than the line.
        ending = lines(run)[-2:] if lines(run)[-1].startswith("  ") else lines(run)[-1:]
        assert " ".join(row.strip() for row in ending) == command
