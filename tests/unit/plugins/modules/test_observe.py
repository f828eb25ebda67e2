# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.modules.observe import differences, limit_changes


def observed(number, disposition=None, status="needed"):
    steps = [{"status": "unchanged"}, {"status": status}]
    return {"message_id": str(number), "disposition": disposition, "reason": None, "steps": steps}


@pytest.mark.parametrize(("most", "refused"), [(None, []), (3, []), (2, ["4"]), (1, ["2", "4"]), (0, ["0", "2", "4"])])
def test_no_more_alerts_change_something_than_may(most, refused):
    alerts = [observed(0), observed(1, "already_remediated"), observed(2), observed(3, "failed"), observed(4)]
    limited = limit_changes(alerts, most)
    assert [alert["message_id"] for alert in limited if alert["disposition"] == "refused"] == refused
    assert [alert["disposition"] for alert in limited if alert["message_id"] in "13"] == [
        "already_remediated",
        "failed",
    ]


def test_an_alert_that_is_held_back_says_how_many_there_are_and_what_to_do():
    (*_first, last) = limit_changes([observed(0), observed(1)], 1)
    assert last["reason"] == (
        "guardrail blast_radius: 2 alerts of this account change something, 1 may in one run; "
        "one run may change only so much of one account. Run again, or raise remediate_max_changes."
    )
    assert [step["status"] for step in last["steps"]] == ["unchanged", "not_run"]


DOCUMENT = '{"Version": "2012-10-17", "Statement": []}'


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ({}, ""),
        ({"arn": "a", "document": DOCUMENT}, '{\n  "Statement": [],\n  "Version": "2012-10-17"\n}\n'),
        ({"trust": '{"b": "é", "a": 1}'}, '{\n  "a": 1,\n  "b": "\\u00e9"\n}\n'),
        ({"path": "/", "trust": "{}"}, '{\n  "path": "/",\n  "trust": {}\n}\n'),
        ({"attached_policies": ["a"]}, '{\n  "attached_policies": [\n    "a"\n  ]\n}\n'),
    ],
)
def test_each_side_of_a_difference_is_text_that_compares_line_by_line(part, shown):
    needed = {"label": "I-1 do", "status": "needed", "before": {}, "after": part}
    (told,) = differences([{"steps": [needed, {"status": "unchanged"}]}])
    assert told == {"before_header": "I-1 do", "after_header": "I-1 do", "before": "", "after": shown}
