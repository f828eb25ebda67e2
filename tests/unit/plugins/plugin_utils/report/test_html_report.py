# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from html.parser import HTMLParser

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.html_report import html_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report

SCRIPT = "aws iam tag-user --user-name alice"


def alert(disposition="remediated", **more):
    given = {"alert_id": "I-1", "message_id": "m-1", "account": "payments", "account_id": "1", "reason": "why"}
    return {**given, "disposition": disposition, "script": SCRIPT, **more}


def page(*alerts, check_mode=False, endpoint="", **more):
    run = report(Run(alerts, "run-1", "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z", check_mode, **more))
    return html_report(run, endpoint)


class Reader(HTMLParser):
    """The texts and the tags of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.parametrize(
    ("alerts", "verdict"),
    [
        ((), "The queue was empty"),
        ((alert(),), "No action needed"),
        ((alert("refused"),), "1 of 1 alert needs attention"),
        ((alert("refused"), alert("failed"), alert()), "2 of 3 alerts need attention"),
    ],
)
def test_the_first_line_says_whether_somebody_is_needed(alerts, verdict):
    assert re.findall(r"<h1[^>]*>([^<]*)", page(*alerts)) == [verdict]


def test_a_review_a_tolerated_disposition_and_messages_left_in_flight_are_reported():
    assert "this was a review" in page(check_mode=True)
    assert "this was a review" not in page()
    assert "No action needed" in page(alert("refused"), tolerate=["refused"])
    assert ">Messages were left in flight</h1>" in page(unsettled=["no answer"])


def test_what_ended_a_run_before_its_end_is_reported():
    assert page(interrupted="Interrupted by SIGTERM").count("Interrupted by SIGTERM") == 3, "title, first line, warning"
    assert ">1 of 1 alert needs attention</h1>" in page(alert("failed"), interrupted="Interrupted by SIGTERM")
    assert "were returned to the queue" in page(interrupted="Interrupted by SIGTERM")
    assert "were returned to the queue" not in page(interrupted="Interrupted by SIGTERM", unsettled=["no answer"])


PLAN = {"run_id": "run-0", "created": "x", "expires": "y", "alerts": [{"alert_id": "I-1"}, {"alert_id": "I-7"}]}
LAPSED = {"arn": "arn:aws:iam::1:user/ann", "owner": "sre", "reason": "r", "expires": "2025-01-01"}


@pytest.mark.parametrize(
    ("alerts", "run", "shown"),
    [
        (
            [alert("planned")],
            {"check_mode": True},
            ["Nothing was changed: this was a review", "Next step", "-e remediate_plan=run-1"],
        ),
        (
            [alert("planned")],
            {"check_mode": True, "undoes": ["run-2"]},
            ["To undo run-2 makes access wider.", "-e run_id=run-2"],
        ),
        (
            [alert("undone")],
            {"undoes": ["run-2"]},
            [">1 alert undone</h1>", "Access is wider than before", "changes of run-2"],
        ),
        (
            [alert("failed")],
            {"interrupted": "Interrupted by SIGTERM", "check_mode": True},
            ["To run again", ">ansible-playbook remediate.yml --check<"],
        ),
        ([alert()], {}, ["An undo makes access wider again.", "undo.yml -e run_id=run-1"]),
        (
            [alert()],
            {"plan": PLAN},
            ["applies plan", "1 of the plan&#39;s 2 alerts were not in the queue", "<li>I-7</li>"],
        ),
        (
            [alert("refused", receipts=[{"message_id": "m-1"}])],
            {"quarantine_queue": "dead"},
            ["1 alert moved to the quarantine queue dead", "ansible-playbook playbooks/redrive.yml<"],
        ),
        (
            [alert()],
            {"settings": [{"account": "a", "allow": [], "protected": [LAPSED]}]},
            ["No longer protected", "expired <b>2025-01-01</b>"],
        ),
        (
            [alert()],
            {"settings": [{"account": "a", "allow": [], "protected": [], "unfenced": True}]},
            ["Without the call fence"],
        ),
    ],
)
def test_the_page_shows_what_the_report_says_of_the_run(alerts, run, shown):
    text, other = page(*alerts, **run), page(alert("refused"))
    for words in shown:
        assert words in text
        assert words not in other


def test_in_awx_the_next_step_is_a_template_to_launch_and_nothing_to_copy():
    text = page(alert("planned", script=None), check_mode=True, awx={"awx_job_id": "7"})
    assert "in AWX, launch the template" in text
    assert 'class="copy"' not in text


def test_the_policy_names_the_hash_of_the_one_style_and_the_one_script():
    text = page(alert(policy="<style>x</style><script>y</script>"))
    (meta,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;;" in meta
    assert meta.startswith("default-src &#39;none&#39;;")


def test_nothing_is_loaded_and_no_attribute_is_code():
    for _tag, attributes in Reader(page(alert("refused", by_hand=[SCRIPT]))).tags:
        assert not {"src", "srcset", "style", "onclick", "onload", "action"} & set(attributes)
        assert attributes.get("href", "#").startswith(("#", "data:,"))


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ('"><img src=x onerror=y>', '"><img src=x onerror=y>'),
        ("</style>]]>&amp;", "</style>]]>&amp;"),
        ("{{ 7 * 7 }}{% raw %}", "{{ 7 * 7 }}{% raw %}"),
        ("a\u202eb\u200bc\x1b[2J\x00", "a\\u202eb\\u200bc\\x1b[2J\\x00"),
        ("\ud800", "\\ud800"),
    ],
)
def test_whatever_the_vendor_writes_is_shown_as_text(hostile, shown):
    fields = ("alert_id", "account", "account_name", "policy", "severity", "resource", "reason", "script")
    step = {"operation": "TagUser", "module": hostile, "args": {hostile: [hostile]}, "status": hostile,
            "before": {}, "after": {hostile: hostile}, "command": hostile}  # fmt: skip
    given = alert("failed", **dict.fromkeys(fields, hostile), steps=[step], notes=[hostile])
    protected = {"arn": hostile, "owner": hostile, "reason": hostile, "expires": hostile}
    settings = [{"account": hostile, "allow": [hostile], "protected": [protected]}]
    text = page(given, unsettled=[hostile], settings=settings)
    plain = Reader(page(alert("failed", notes=["x"], steps=[{**step, "module": "", "args": {"x": ["x"]}, "status": "",
                                                              "after": {"x": "x"}}])))  # fmt: skip
    read = Reader(text)
    assert {tag for tag, _attributes in read.tags} <= {tag for tag, _attributes in plain.tags} | {"br", "b", "small"}
    assert "".join(read.texts).count(shown) > 15
    text.encode()


def test_commands_for_a_person_come_from_the_report_and_not_from_a_text():
    reason = "guardrail x: y\nby hand: aws iam a"
    text = page(alert("refused", reason=reason, by_hand=["aws iam b --description 'x\nby hand: aws iam c'"]))
    assert "aws iam a" not in text, "the reason's own lines are left out, since the commands are shown below"
    assert text.count('class="copy"') == 2, "the vendor's script, and one command of two lines"


def test_a_script_with_characters_that_nobody_sees_cannot_be_copied():
    assert 'class="copy"' in page(alert("unsupported"))
    assert 'class="copy"' not in page(alert("unsupported", script=f"{SCRIPT}\u202e"))
    assert 'class="copy"' not in page(alert("unsupported", script=SCRIPT + "x" * 50_000)), "it is not all there"


def test_enormous_texts_are_clipped_and_say_so():
    text = page(*(alert(script="x" * 1_000_000, reason="y" * 1_000_000, policy="z" * 1_000_000) for _ in range(3)))
    assert len(text) < 450_000
    assert "980000 more characters, which report.json has" in text


def test_a_thousand_alerts_take_a_second_or_two(at_most):
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": ["s3:Get"], "Resource": "*"}]}
    step = {"operation": "CreatePolicy", "module": "amazon.aws.iam_managed_policy", "args": {"policy": document},
            "status": "changed", "before": {}, "after": {"document": document}}  # fmt: skip
    alerts = [alert(alert_id=f"I-{number}", account=f"a{number % 40}", steps=[step, step]) for number in range(1000)]
    page(*alerts[:1])
    with at_most(4):
        text = page(*alerts)
    assert len(text) < 8_000_000


def test_an_alert_is_linked_to_the_vendor_s_console_where_that_is_known():
    address = (
        "https://app.eu.prismacloud.io/alerts/overview?viewId=default&filters=%7B%22alert.id%22%3A%5B%22I-1%22%5D%7D"
    )
    links = [attributes for tag, attributes in Reader(page(alert(), endpoint="api.eu")).tags if tag == "a"]
    assert [link["rel"] for link in links if link["href"] == address] == ["noopener noreferrer"]
    for endpoint in ("", "not a host", "https://proxy.example.com", "https://me:s3cret@api.eu.prismacloud.io"):
        text = page(alert(), alert(alert_id='"><script>'), endpoint=endpoint)
        assert "https:" not in text
        assert "s3cret" not in text
