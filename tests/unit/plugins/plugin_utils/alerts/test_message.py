# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
import os
import random
import time

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message import (
    MAX_ALERTS,
    Alert,
    quoted,
    read_alerts,
    script_text,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scale import scaled
from stack.alerts import flat_alert, in_eventbridge_envelope, in_sns_envelope, integration_test, nested_alert

FUZZ = int(os.environ.get("LEASTPRIV_FUZZ", scaled(2_000, 50_000)))
ACCOUNT = "012345678901"
JINJA = "{{ lookup('pipe','id') }}"


def read(message) -> Alert:
    [alert] = read_alerts(message if isinstance(message, str) else json.dumps(message))
    return alert


def test_nested_alert_is_read_whole():
    assert read(nested_alert("I-1", ACCOUNT, policy={"name": "Unused"})) == Alert(
        alert_id="I-1",
        account_id=ACCOUNT,
        account_name=f"account {ACCOUNT}",
        policy="Unused",
        policy_id="c2b84f89-7ec8-473e-a6af-404feeeb96c5",
        policy_type="iam",
        severity="high",
        resource="alice",
        resource_id=f"arn:aws:iam::{ACCOUNT}:user/alice",
        alert_status="open",
        cloud="aws",
        alert_rule="Least privilege",
        first_seen="2024-07-01T00:00:00Z",
        last_seen="2024-07-02T00:00:00Z",
        asks_api=True,
    )


def test_flat_alert_is_read_whole():
    alert = read(flat_alert("P-9", ACCOUNT, "aws iam x"))
    assert (alert.alert_id, alert.account_id, alert.script) == ("P-9", ACCOUNT, "aws iam x")
    assert (alert.policy_type, alert.severity, alert.resource) == ("config", "medium", "password policy")
    assert not alert.asks_api
    assert alert.disposition is None


@pytest.mark.parametrize(
    "cli", [None, "", "BLANK", "blank ", "N/A", {"cliScript": None}, {"cliScript": "BLANK"}, {}, 7, []]
)
def test_flat_alert_without_script(cli):
    assert read(flat_alert("P-9", ACCOUNT, None, alertRemediationCli=cli)).script is None


@pytest.mark.parametrize("cli", ["aws iam x", {"cliScript": "aws iam x"}])
def test_script_comes_as_text_or_in_an_object(cli):
    assert read(flat_alert("P-9", ACCOUNT, None, alertRemediationCli=cli)).script == "aws iam x"


@pytest.mark.parametrize("text", ["dynamic aws cli commands", " aws iam x\n", "${aws:username} " + JINJA])
def test_other_script_text_stays_byte_for_byte(text):
    assert script_text(text) == text


@pytest.mark.parametrize("cloud", ["AWS", "aws", "Aws", " aWs "])
def test_letter_case_of_the_cloud_does_not_matter(cloud):
    assert read(nested_alert("I-1", ACCOUNT, account={"cloudType": cloud, "id": ACCOUNT})).cloud == "aws"


@pytest.mark.parametrize("labels", ["[]", [], ["a", "b"], None, 7, {"a": 1}])
def test_labels_in_any_form(labels):
    assert read(nested_alert("I-1", ACCOUNT, policy={"labels": labels})).disposition is None


@pytest.mark.parametrize(
    ("metadata", "is_remediable"),
    [
        ({"remediable": False}, False),
        ({"remediable": "false"}, False),
        ({"remediable": True}, True),
        ({"remediable": None}, True),
        ({"remediable": 7}, True),
        ({}, True),
        (None, True),
        ("x", True),
    ],
)
def test_remediable_unless_the_vendor_says_no(metadata, is_remediable):
    assert read(nested_alert("I-1", ACCOUNT, metadata=metadata)).is_remediable is is_remediable


@pytest.mark.parametrize(
    ("time", "iso"),
    [
        ("1234567890123", "2009-02-13T23:31:30Z"),
        (1234567890123, "2009-02-13T23:31:30Z"),
        ("2024-07-01T02:00:00+02:00", "2024-07-01T00:00:00Z"),
        ("2024-07-01T00:00:00Z", "2024-07-01T00:00:00Z"),
        ("0001-01-01T00:00:00+14:00", None),
        ("999999999999999", None),
        ("yesterday", None),
        (-5, None),
        (1.5, None),
        (True, None),
        ([], None),
    ],
)
def test_times(time, iso):
    assert read(nested_alert("I-1", ACCOUNT, firstSeen=time, alertTs=None)).first_seen == iso


@pytest.mark.parametrize("alert_id", ["T-0", "P-0", "anything"])
@pytest.mark.parametrize("wrap", [lambda message: message, in_sns_envelope])
def test_integration_test_is_acknowledged(alert_id, wrap):
    alert = read(wrap(integration_test(alertId=alert_id)))
    assert (alert.disposition, alert.reason) == ("acknowledged", "Integration test: the integration works.")
    assert alert.alert_id == alert_id


def test_test_id_without_sender_and_account_is_a_test():
    assert read({"alertId": "P-0"}).disposition == "acknowledged"


def test_alert_with_an_account_is_no_test():
    assert read(nested_alert("P-0", ACCOUNT)).disposition is None


def test_envelopes_within_envelopes():
    message = nested_alert("I-1", ACCOUNT)
    assert read(in_sns_envelope(in_sns_envelope(message))).alert_id == "I-1"
    assert read({"Type": "Notification", "Message": message}).alert_id == "I-1"


@pytest.mark.parametrize("status", ["open", "OPEN", None])
def test_open_is_open_in_any_case_and_by_default(status):
    alert = read(nested_alert("I-1", ACCOUNT, alertStatus=status))
    assert (alert.alert_status, alert.disposition) == ("open", None)


@pytest.mark.parametrize("account_id", [123456789012, "123456789012", " 123456789012 "])
def test_twelve_digits_are_an_account(account_id):
    assert read(nested_alert("I-1", "", account={"cloudType": "AWS", "id": account_id})).account_id == "123456789012"


def test_account_of_another_cloud_need_not_have_twelve_digits():
    alert = read(nested_alert("I-1", "", account={"cloudType": "azure", "id": "0f1e-subscription"}))
    assert (alert.account_id, alert.cloud, alert.disposition) == (None, "azure", None)


ENDLESS = nested_alert("I-1", ACCOUNT)
for _envelope in range(6):
    ENDLESS = in_sns_envelope(ENDLESS)

INVALID = {
    "empty": ("", "the message is not valid JSON"),
    "no JSON": ("hello", "the message is not valid JSON (Expecting value at line 1, column 1)"),
    "cut off": ('{"alertId": "I-1"', "the message is not valid JSON"),
    "an empty list": ("[]", "the message is an empty list"),
    "an object in a string": ('"{}"', "no alertId"),
    "a number in a string": ('"7"', "neither an object nor a list"),
    "null": ("null", "neither an object nor a list"),
    "too deep": ("[" * 100_000, "nesting beyond all bounds"),
    "too long a number": ('{"alertId": %s}' % ("9" * 5000), "a number or a nesting beyond all bounds"),
    "not a number": ('{"alertId": NaN}', "NaN"),
    "equal keys": ('{"alertId": "I-1", "alertId": "I-2"}', 'the key "alertId" twice'),
    "empty object": ({}, "no alertId"),
    "no alertId": (nested_alert("", ACCOUNT), "no alertId"),
    "odd alertId": (nested_alert({"a": 1}, ACCOUNT), "no alertId"),
    "endless alertId": (nested_alert("I" * 300, ACCOUNT), "is not an id"),
    "alertId with a line break": (nested_alert("I-1\nI-2", ACCOUNT), "is not an id"),
    "no account": ({"alertId": "I-1"}, "names no account"),
    "account is text": (nested_alert("I-1", "", account="x"), "names no account"),
    "account id is a list": (nested_alert("I-1", "", account={"id": [ACCOUNT]}), "names no account"),
    "account id too short": (nested_alert("I-1", "12345"), '"12345" is not the 12 digits'),
    "account id lost its zero": (nested_alert("I-1", 12345678901), "12345678901, which has lost its leading zeros"),
    "account id of other digits": (nested_alert("I-1", "١٢٣٤٥٦٧٨٩٠١٢"), "not the 12 digits"),
    "account id with Jinja": (nested_alert("I-1", JINJA), "not the 12 digits"),
    "unknown status": (nested_alert("I-1", ACCOUNT, alertStatus="asleep"), 'alertStatus "asleep" is not one of open'),
    "odd status": (nested_alert("I-1", ACCOUNT, alertStatus={"a": 1}), "alertStatus (an object) is not one of"),
    "SNS subscription": ({"Type": "SubscriptionConfirmation", "TopicArn": "arn:x"}, 'of the SNS topic "arn:x"'),
    "SNS with text": (in_sns_envelope("hello"), "the SNS envelope's Message is not valid JSON"),
    "SNS with a list": ({"Type": "Notification", "Message": [1]}, "the SNS envelope's Message is JSON, but neither"),
    "EventBridge with text": (in_eventbridge_envelope("hello"), "the EventBridge event's detail is not valid JSON"),
    "EventBridge of another source": (in_eventbridge_envelope({"finding": 1}), "no alertId"),
    "EventBridge around an alert without account": (
        in_eventbridge_envelope({"alertId": "I-1"}),
        "names no account",
    ),
    "endless envelopes": (ENDLESS, "nested more than 12 deep"),
}


@pytest.mark.parametrize(("message", "why"), INVALID.values(), ids=INVALID.keys())
def test_invalid_says_why_and_what_to_do(message, why):
    alert = read(message)
    assert alert.disposition == "invalid"
    assert why in alert.reason
    assert ("cannot be read" in alert.reason) == bool(alert.alert_id)
    assert alert.reason.startswith(f"Alert {quoted(alert.alert_id)} " if alert.alert_id else "Not an alert: ")
    assert "delete" not in alert.reason.lower()


UNREADABLE_WITH_ID = [
    '{"alertId": "I-1", "account": {',
    "{'alertId': 'I-1'}",
    "alertId=I-1",
    json.dumps(in_sns_envelope('{"alertId": "I-1"')),
    json.dumps(json.dumps('{"alertId": "I-1"')),
    json.dumps({"alert": {"alertId": "I-1"}}),
    json.dumps({"alerts": [nested_alert("I-1", ACCOUNT)]}),
    "Alert I-1 was opened",
    json.dumps({"Type": "SubscriptionConfirmation", "note": "I-1"}),
    json.dumps([[], {"alertId": "I-1"}, 7]),
    json.dumps(in_eventbridge_envelope({"alertId": "I-1"})),
]


@pytest.mark.parametrize("body", UNREADABLE_WITH_ID, ids=range(len(UNREADABLE_WITH_ID)))
def test_what_has_an_alert_id_inside_is_not_to_be_deleted(body):
    alerts = [alert for alert in read_alerts(body) if alert.alert_id]
    assert [(alert.disposition, alert.alert_id) for alert in alerts] == [("invalid", "I-1")]
    assert 'Alert "I-1" cannot be read: ' in alerts[0].reason
    assert "keep the message" in alerts[0].reason
    assert "delete" not in alerts[0].reason.lower()


ONE = nested_alert("I-1", ACCOUNT)
WRAPPED = {
    "array of one": [ONE],
    "array in an array": [[ONE]],
    "JSON in a string": json.dumps(ONE),
    "JSON in a string in a string": json.dumps(json.dumps(ONE)),
    "EventBridge": in_eventbridge_envelope(ONE),
    "EventBridge with text": in_eventbridge_envelope(json.dumps(ONE)),
    "EventBridge with an array": in_eventbridge_envelope([ONE]),
    "EventBridge in SNS": in_sns_envelope(in_eventbridge_envelope(ONE)),
    "SNS in EventBridge": in_eventbridge_envelope(in_sns_envelope(ONE)),
    "SNS with an object": {"Type": "Notification", "Message": ONE},
    "SNS with an array": in_sns_envelope(json.dumps([ONE])),
    "SNS with JSON in JSON": in_sns_envelope(json.dumps(json.dumps(ONE))),
    "event of Lambda from SQS": {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(ONE)}]},
    "event of Lambda from SNS": {"Records": [{"EventSource": "aws:sns", "Sns": in_sns_envelope(ONE)}]},
}


@pytest.mark.parametrize("message", WRAPPED.values(), ids=WRAPPED)
def test_wrapped_alert_is_the_alert_itself(message):
    assert read(json.dumps(message)) == read(ONE)


def test_account_of_an_envelope_is_the_sender_s():
    alert = read(in_eventbridge_envelope(nested_alert("I-1", ACCOUNT), account="999999999999"))
    assert (alert.account_id, alert.alert_id) == (ACCOUNT, "I-1")


def test_list_of_many_is_each_of_them():
    listed = [ONE, flat_alert("P-2", ACCOUNT, "aws iam x"), in_sns_envelope(nested_alert("I-3", ACCOUNT)), 7, "x", {}]
    alerts = read_alerts(json.dumps(listed))
    assert [alert.alert_id for alert in alerts] == ["I-1", "P-2", "I-3", None, None, None]
    assert [alert.disposition for alert in alerts] == [None, None, None, "invalid", "invalid", "invalid"]
    assert "element 4 of the message is JSON, but" in alerts[3].reason


def test_so_many_alerts_and_no_more():
    assert len(read_alerts(json.dumps([ONE] * MAX_ALERTS))) == MAX_ALERTS
    [alert] = read_alerts(json.dumps([ONE] * (MAX_ALERTS + 1)))
    assert (alert.disposition, alert.alert_id) == ("invalid", "I-1")
    assert "more than 1000 alerts" in alert.reason


def test_invalid_alert_keeps_what_could_be_read():
    alert = read(nested_alert("I-1", "12345"))
    assert (alert.alert_id, alert.severity, alert.account_id) == ("I-1", "high", None)


def test_many_equal_keys_cost_no_time():
    assert read("{" + ",".join(f'"{n}":1' for n in range(60_000)) + ',"59999":1}').disposition == "invalid"


def test_text_stays_text_and_control_characters_go():
    alert = read(
        nested_alert(
            "I-ß-漢字",
            ACCOUNT,
            name=JINJA,
            policy={"name": "ü \u001b[31m\u0000\n \ud800 " + JINJA, "severity": "HIGH"},
            alertRuleName="\u202e" + JINJA,
        )
    )
    assert alert.alert_id == "I-ß-漢字"
    assert alert.resource == JINJA
    assert alert.policy == "ü \ufffd[31m\ufffd\ufffd \ufffd " + JINJA
    assert alert.severity == "high"
    assert alert.alert_rule == "\u202e" + JINJA


def test_large_message():
    alert = read(nested_alert("I-1", ACCOUNT, policy={"description": "x" * 1_000_000, "name": "y" * 10_000}))
    assert (alert.disposition, len(alert.policy)) == (None, 10_000)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
KEYS = [*nested_alert("I-1", ACCOUNT), *flat_alert("P-1", ACCOUNT, ""), "Type", "Message", "sender"]


@settings(max_examples=scaled(60, 150), deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), ODD, max_size=8), st.booleans())
def test_absurd_types_in_any_field_are_never_an_exception(odd, is_complete):
    message = (nested_alert("I-1", ACCOUNT) if is_complete else {}) | odd
    alert = read(message)
    assert alert.disposition in (None, "invalid", "acknowledged")
    json.dumps(vars(alert), ensure_ascii=False).encode()


@settings(max_examples=150, deadline=None)
@given(st.text())
def test_any_text_is_an_alert_or_invalid(body):
    assert {alert.disposition for alert in read_alerts(body)} <= {"invalid", "acknowledged"}


@pytest.mark.parametrize(
    ("value", "text"),
    [("a\nb", '"a\ufffdb"'), ("x" * 100, '"' + "x" * 79 + '…"'), ({}, "(an object)"), ([], "(a list)"), (1.5, '"1.5"')],
)
def test_quoted(value, text):
    assert quoted(value) == text


# Fuzz: LEASTPRIV_FUZZ=200000 for a long run

PIECES = [
    *'{}[]:,"\\ \n\t\r\0\x1b\u00e9\u00a0\u202e\u2028\ud800\ufeff\U0001f6000123456789-+.eE',
    *('"alertId"', '"account"', '"accountId"', '"id"', '"Type":"Notification"', '"Message":', '"alertStatus":"open"'),
    *(
        '"firstSeen":',
        '"metadata":{"remediable":',
        "null",
        "true",
        "false",
        "NaN",
        "Infinity",
        "1e999",
        "\\ud800",
        "\\u0000",
    ),
    *(
        '"012345678901"',
        "12345678901",
        "9" * 5000,
        "[" * 2000,
        '{"a":' * 2000,
        '"policy":{"name":',
        '"T-0"',
        "%7B",
        "aws iam x",
    ),
]
SEEDS = [
    json.dumps(message)
    for message in (
        nested_alert("I-1", ACCOUNT),
        flat_alert("P-9", ACCOUNT, "aws iam x"),
        integration_test(),
        in_sns_envelope(nested_alert("I-1", ACCOUNT)),
        in_sns_envelope(in_sns_envelope(integration_test())),
    )
]
VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**400,
    "",
    " ",
    "\ud800",
    "x" * 300,
    JINJA,
    [],
    {},
    [[]],
    {"id": {}},
    ["open"],
]


def mutated_text(chance):
    if chance.random() < 0.2:
        return "".join(chance.choice(PIECES) for _ in range(chance.randint(0, 40)))
    text = chance.choice(SEEDS)
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(text))
        text = text[:at] + chance.choice([*PIECES, ""]) + text[at + chance.choice([0, 0, 1, 1, 5, 40]) :]
    return text


def mutated_message(chance):
    """Still JSON, with values of the wrong kind in the right places."""
    message = json.loads(chance.choice(SEEDS))
    for _ in range(chance.randint(1, 4)):
        place = message
        while chance.random() < 0.5 and (
            inner := [value for value in place.values() if isinstance(value, dict) and value]
        ):
            place = chance.choice(inner)
        place[chance.choice([*place, "alertId", "alertRemediationCli"])] = copy.deepcopy(chance.choice(VALUES))
    return json.dumps(message)


def check_alert(alert, body):
    assert alert.disposition in (None, "invalid", "acknowledged")
    assert bool(alert.reason) == bool(alert.disposition)
    assert alert.disposition or (alert.alert_id and alert.alert_status)
    assert not set(alert.reason or "") & {"\n", "\r", "\x1b", "\0"}, body
    json.dumps(vars(alert)).encode()
    shown = (alert.alert_id, alert.account_name, alert.policy, alert.resource, alert.script)
    assert not any("\ud800" in (text or "") for text in shown)


def test_no_message_is_an_error():
    chance = random.Random(20261125)
    slowest = 0.0
    for _ in range(FUZZ):
        body = chance.choice((mutated_text, mutated_message))(chance)
        started = time.thread_time()
        alerts = read_alerts(body)
        slowest = max(slowest, time.thread_time() - started)
        assert alerts
        for alert in alerts:
            check_alert(alert, body)
    assert slowest < 1, "the time for one message must be bounded"
