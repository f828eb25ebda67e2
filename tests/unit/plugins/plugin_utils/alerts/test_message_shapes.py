# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message import read_alerts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message_shapes import ShapeError, read_shapes
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import read_settings
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.translation import translate
from hypothesis import given, settings
from hypothesis import strategies as st
from scale import scaled
from stack.alerts import in_eventbridge_envelope, in_sns_envelope, nested_alert
from stack.senders import blocks, message, shapes

ACCOUNT = "111122223333"
SHAPE = {
    "name": "scanner",
    "when": {"source": "scanner", "detail.new": True},
    "alert_id": "detail.id",
    "account_id": "detail.account",
    "status": ["detail.state", "detail.workflow"],
    "severity": "detail.severity",
    "policy": "detail.rule",
    "resource": "detail.resources.0.arn",
    "script": "detail.fix.script",
}
DETAIL = {
    "id": "f-1",
    "new": True,
    "account": ACCOUNT,
    "state": "ACTIVE",
    "workflow": "New",
    "severity": "HIGH",
    "rule": "unused",
    "resources": [{"arn": f"arn:aws:iam::{ACCOUNT}:user/alice"}],
    "fix": {"script": "aws iam x"},
}


def read(sent, *given):
    [alert] = read_alerts(sent if isinstance(sent, str) else json.dumps(sent), read_shapes(given or [SHAPE]))
    return alert


def a_message(**changed):
    return {"source": "scanner", "detail": {**DETAIL, **changed}}


def test_a_message_is_read_as_its_shape_describes_it():
    alert = read(a_message())
    assert (alert.alert_id, alert.account_id, alert.alert_status) == ("f-1", ACCOUNT, "open")
    assert (alert.severity, alert.policy, alert.resource) == ("high", "unused", DETAIL["resources"][0]["arn"])
    assert (alert.script, alert.asks_api, alert.disposition) == ("aws iam x", False, None)


@pytest.mark.parametrize("wrap", [in_sns_envelope, json.dumps, lambda sent: [sent], lambda sent: {"Records": [sent]}])
def test_a_shape_matches_inside_of_envelopes(wrap):
    assert read(wrap(a_message())).alert_id == "f-1"


def test_a_list_of_messages_is_as_many_alerts():
    sent = [a_message(), a_message(id="f-2"), nested_alert("I-1", ACCOUNT), {"other": 1}]
    alerts = read_alerts(json.dumps(sent), read_shapes([SHAPE]))
    assert [(alert.alert_id, alert.disposition) for alert in alerts] == [
        ("f-1", None),
        ("f-2", None),
        ("I-1", None),
        (None, "invalid"),
    ]


def test_the_vendor_s_own_shapes_are_first():
    greedy = {"when": {"alertStatus": "open"}, "alert_id": "account.id", "account_id": "account.id", "script": "reason"}
    alert = read(nested_alert("I-1", ACCOUNT), greedy)
    assert (alert.alert_id, alert.script, alert.asks_api) == ("I-1", None, True)


def test_of_several_shapes_the_first_counts():
    alert = read(a_message(), {**SHAPE, "alert_id": "detail.rule"}, SHAPE)
    assert alert.alert_id == "unused"


def test_a_shape_without_script_asks_the_api():
    shape = {key: value for key, value in SHAPE.items() if key != "script"}
    assert read(a_message(), shape).asks_api


@pytest.mark.parametrize(("state", "read_as"), [("RESOLVED", "resolved"), ("Archived", "archived"), (None, "open")])
def test_any_status_that_is_not_open_counts(state, read_as):
    assert read(a_message(state="ACTIVE", workflow=state)).alert_status == read_as


@pytest.mark.parametrize(
    ("fix", "why"),
    [
        ({}, "Its message (scanner) has no script at detail.fix.script"),
        (None, "Its message (scanner) has no script at detail.fix.script"),
        ({"script": "N/A"}, 'Its sender sent "N/A" instead of a script'),
    ],
)
def test_a_message_without_script_says_where_it_should_be(fix, why):
    alert = read(a_message(fix=fix))
    assert (alert.script, alert.asks_api, alert.disposition) == (None, False, None)
    assert alert.no_script == why


HOSTILE = {
    "no id": ({"id": None}, "it has no detail.id"),
    "an id in a list": ({"id": ["f-1"]}, "it has no detail.id"),
    "an endless id": ({"id": "i" * 300}, "is not an id"),
    "no account": ({"account": ""}, "names no account (detail.account)"),
    "an account in a list": ({"account": [ACCOUNT]}, "names no account"),
    "an account as number": ({"account": 1234}, "has lost its leading zeros"),
    "another account": ({"account": "1234"}, "not the 12 digits"),
    "a script in a list": ({"fix": {"script": ["aws"]}}, "its detail.fix.script is (a list), which is not a text"),
    "a script as number": ({"fix": {"script": 7}}, "which is not a text"),
    "an unknown status": ({"state": "Z"}, 'its detail.state "Z" is not one of open'),
    "a status in a list": ({"state": ["ACTIVE"]}, "its detail.state (a list) is not one of"),
    "a severity in an object": ({"severity": {}}, "its detail.severity is (an object), which is not a text"),
    "two resources": ({"resources": [{"arn": "a"}, {"arn": "b"}]}, "detail.resources is a list of 2 elements"),
    "no resources": ({"resources": []}, "detail.resources is a list of 0 elements"),
}


@pytest.mark.parametrize(("changed", "why"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_does_not_fit_its_shape_is_invalid(changed, why):
    alert = read(a_message(**changed))
    assert alert.disposition == "invalid"
    assert why in alert.reason
    assert alert.script is None


@pytest.mark.parametrize("path", ["detail.__class__.__name__", "constructor.prototype", "detail.id.upper", "detail.0"])
def test_a_path_finds_keys_of_objects_only(path):
    assert read(a_message(), {**SHAPE, "alert_id": path}).disposition == "invalid"


@pytest.mark.parametrize(
    "body",
    [
        '{"source": "scanner", "source": "scanner"}',
        '{"source": "scanner", "detail": %s' % ('{"detail":' * 50_000),
        '{"source": "scanner", "detail": {"new": 1, "id": "f-1"}}',
        '{"source": ["scanner"], "detail": {"new": true}}',
        json.dumps({"detail": DETAIL}),
        json.dumps(in_eventbridge_envelope({"finding": 1})),
        "{}",
    ],
    # An envelope has a random id, and workers must collect the same names.
    ids=["a key twice", "deep", "no account", "a list", "no source", "an envelope", "empty"],
)
def test_what_no_shape_matches_says_how_to_describe_it(body):
    alert = read(body)
    assert alert.disposition == "invalid"
    if "no shape" in alert.reason:
        assert "describe them with remediate_message_shapes (docs/senders.md)" in alert.reason


def test_an_unknown_message_shows_its_keys():
    reason = read(json.dumps({f"key {number}": number for number in range(9)})).reason
    assert 'its keys are "key 0", "key 1"' in reason
    assert '"key 7" and more' in reason


@settings(max_examples=scaled(100, 300), deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["ACTIVE", ACCOUNT, "aws iam x"]),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*DETAIL, "arn", "script", "x"]), inner)
        ),
        max_leaves=12,
    )
)
def test_no_message_raises(detail):
    for sent in ({"source": "scanner", "detail": detail}, a_message(**detail if isinstance(detail, dict) else {})):
        for alert in read_alerts(json.dumps(sent), read_shapes([SHAPE])):
            assert alert.disposition in (None, "invalid")


WRONG = {
    "a text": ("x", "must be a list of shapes"),
    "texts": (["x"], "shape 1: must be a dictionary of name, when"),
    "unknown key": ([{**SHAPE, "acount_id": "x"}], "'acount_id' is not a key of a shape (did you mean account_id?)"),
    "no when": ([{**SHAPE, "when": {}}], "shape 1 (scanner): when must be paths with the values"),
    "when is a text": ([{**SHAPE, "when": "source"}], "when must be paths"),
    "when without value": ([{**SHAPE, "when": {"source": None}}], "the value of source must be a text"),
    "when of a list": ([{**SHAPE, "when": {"source": ["a"]}}], "the value of source must be a text"),
    "no account": ([{**SHAPE, "account_id": None}], "account_id must name the path"),
    "a path of two": ([SHAPE, {**SHAPE, "alert_id": ["a", "b"]}], "shape 2 (scanner): alert_id must be a path"),
    "a path with a gap": ([{**SHAPE, "alert_id": "a..b"}], "alert_id must be a path"),
    "an empty path": ([{**SHAPE, "script": ""}], "script must be a path"),
    "a number as path": ([{**SHAPE, "script": 7}], "script must be a path"),
    "a path too deep": ([{**SHAPE, "script": "a." * 12 + "a"}], "at most 12"),
    "a line break": ([{**SHAPE, "script": "a\nb"}], "script must be a path"),
    "no status": ([{**SHAPE, "status": []}], "status must name at least one path"),
    "two sources of a script": ([{**SHAPE, "recommendation": "x"}], "exclude each other"),
    "an odd name": ([{**SHAPE, "name": 7}], "name must be a text"),
}


@pytest.mark.parametrize(("given", "why"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_shape_is_a_clear_error(given, why):
    with pytest.raises(ShapeError) as error:
        read_shapes(given)
    assert why in str(error.value)
    assert str(error.value).startswith("remediate_message_shapes")


def test_the_settings_are_checked_before_anything_is_received():
    values, problems = read_settings({"remediate_message_shapes": [{**SHAPE, "when": {}}]})
    assert [problem for problem in problems if problem.startswith("remediate_message_shapes, shape 1 (scanner): when")]
    assert read_settings({"remediate_message_shapes": [SHAPE]}) == ({**values, "message_shapes": [SHAPE]}, [])


# --- docs/senders.md --------------------------------------------------------------------------------------------------


def documented(heading):
    return read(message(heading), *shapes(heading))


def test_documented_prisma_cloud_by_eventbridge():
    alert = documented("Prisma Cloud by EventBridge")
    assert (alert.alert_id, alert.account_id, alert.asks_api, alert.script) == ("I-1234567", ACCOUNT, True, None)


def test_documented_access_analyzer_finding_becomes_a_script():
    alert = documented("IAM Access Analyzer")
    assert (alert.alert_id, alert.disposition, alert.asks_api) == ("b8ae0460-5d29-4922-b92a-ba956c986277", None, False)
    translated = translate(alert.script, ACCOUNT)
    assert translated["disposition"] is None, translated["reason"]
    assert [step["operation"] for step in translated["steps"]] == [
        "CreatePolicy",
        "AttachRolePolicy",
        "PutRolePolicy",
        "DetachRolePolicy",
        "DetachRolePolicy",
    ]


def test_documented_security_hub_finding_becomes_a_script():
    alert = documented("Security Hub")
    assert alert.alert_id.endswith(":user/dora/UnusedPermissions")
    assert (alert.alert_status, alert.severity, alert.resource) == ("open", "low", f"arn:aws:iam::{ACCOUNT}:user/dora")
    assert alert.script.startswith("aws iam put-user-policy --user-name dora --policy-name work --policy-document '{")


def test_documented_cortex_template_is_a_shape_and_marked_as_unverified():
    [shape] = shapes("Cortex Cloud: a template, not verified")
    sent = {
        "source": "cortex-cloud",
        "issue": {"id": "7", "assets": [{"account_id": ACCOUNT}], "status": "New", "remediation": "N/A"},
    }
    assert read(sent, shape).no_script == 'Its sender sent "N/A" instead of a script'


class FakeAws:
    """Access Analyzer and SQS as the documented function uses them."""

    def __init__(self, answers):
        self.answers, self.sent = answers, []

    def client(self, service, region_name=None):
        return self

    def generate_finding_recommendation(self, **finding):
        assert finding["analyzerArn"].startswith("arn:aws:access-analyzer:us-west-2:")

    def get_paginator(self, name):
        assert name == "get_finding_recommendation"
        return self

    def paginate(self, analyzerArn, id):
        return self

    def build_full_result(self):
        return self.answers.pop(0)

    def send_message(self, QueueUrl, MessageBody):
        self.sent.append(MessageBody)


def test_the_documented_function_adds_the_recommendation(monkeypatch):
    event = message("IAM Access Analyzer")
    answer = event["detail"].pop("recommendation")
    assert read(event, *shapes("IAM Access Analyzer")).no_script.endswith(
        "has no recommendation at detail.recommendation"
    )
    aws = FakeAws([{"status": "IN_PROGRESS"}, answer])
    monkeypatch.setattr("boto3.client", aws.client)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv("QUEUE_URL", "https://queue")
    names = {}
    exec(blocks("IAM Access Analyzer", "python")[0], names)
    names["handler"](event, None)
    assert read(aws.sent[0], *shapes("IAM Access Analyzer")).script
