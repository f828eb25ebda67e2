# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.notification import notification
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report


def alert(number, disposition="refused", **more):
    given = {"alert_id": f"I-{number}", "message_id": "m", "account": "payments", "reason": "why\nby hand: aws"}
    return {**given, "disposition": disposition, **more}


def output(*alerts, check_mode=False, url="", **more):
    run = report(Run(alerts, "run-1", "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z", check_mode, **more))
    return notification(run, "/a/run-1/report.html", url)


def texts(message):
    blocks = [block.get("text") or block["elements"][0] for block in message["blocks"]]
    return [text["text"] for text in blocks]


def test_totals_mode_run_whom_it_needs_and_where_the_report_is():
    message = output(alert(1), alert(2, "remediated"))
    assert message["text"] == ("Leastpriv: 1 of 2 alerts needs attention. Applied. 1 remediated, 1 refused. Run run-1.")
    assert texts(message) == [
        "1 of 2 alerts needs attention",
        "Applied. 1 remediated, 1 refused.",
        "• I-1 (payments) refused: why",
        "Run run-1, report: /a/run-1/report.html",
    ]


def test_a_review_a_link_and_messages_left_in_flight():
    message = output(check_mode=True, url="https://reports.example/runs/", unsettled=["no <answer>"])
    assert texts(message)[1:] == [
        "Review: nothing was changed. No alerts.",
        "• Messages were left in flight: no &lt;answer&gt;",
        "Run run-1, report: <https://reports.example/runs/run-1/report.html|report.html>",
    ]


def test_alerts_of_one_reason_share_a_line():
    message = output(*(alert(number) for number in range(1, 61)), alert(61, reason="other"))
    assert texts(message)[2] == (
        "• 60 alerts refused (I-1, I-10, I-11 and 57 more): why\n• I-61 (payments) refused: other"
    )
    assert texts(output(alert(1), alert(2)))[2] == "• 2 alerts refused (I-1, I-2): why"


def test_an_undo_says_that_access_is_wider():
    assert texts(output(alert(1, "undone"), undoes=["run-0"]))[1] == "Undone: access is wider than before. 1 undone."


def test_an_alert_mentions_nobody_links_nowhere_and_hides_nothing():
    hostile = "<!channel> <https://evil.example|click> & \u202e"
    message = output(alert(1, alert_id=hostile, account=hostile, reason=hostile))
    line = texts(message)[2]
    assert "<" not in line
    assert line.count("&lt;!channel&gt; &lt;https://evil.example|click&gt; &amp; \\u202e") == 3
    assert "<" not in message["text"]
    assert all(block["text"]["verbatim"] for block in message["blocks"] if block["type"] == "section")


def test_what_does_not_fit_into_a_block_is_counted():
    message = output(*(alert(number, reason=f"{number} {'&' * 5000}") for number in range(100)))
    assert all(len(text) <= 3000 for text in texts(message))
    assert "2 more reasons in the report" not in texts(message)[2]
    shown = texts(message)[2].count("• ")
    assert texts(message)[2].endswith(f"and {100 - shown} more reasons in the report")
    assert len(json.dumps(message)) < 10_000
