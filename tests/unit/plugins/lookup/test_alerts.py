# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup as Ansible loads and templates it, against a real queue and a real HTTP API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible import template
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.inbox import Inbox
from stack import senders
from stack.alerts import flat_alert, in_sns_envelope, integration_test, nested_alert
from stack.settings import BASE_ACCESS_KEY, BASE_SECRET_KEY, QUEUE_PROFILE, VENDOR_PASSWORD

ACCOUNTS = [
    {"name": "payments", "account_id": "111122223333"},
    {"name": "analytics", "account_id": "012345678901"},
    {"name": "sandbox", "account_id": 444455556666},
]
PAYMENTS, ANALYTICS, SANDBOX = "111122223333", "012345678901", "444455556666"
SCRIPT = 'aws iam create-policy --policy-name \'${aws:username} {{ lookup("pipe","id") }}\''
KEYS = {
    "alert_id", "message_id", "receipts", "account_id", "account", "account_name", "policy", "policy_id",
    "policy_type", "severity", "resource", "resource_id", "alert_status", "cloud", "alert_rule", "first_seen",
    "last_seen", "receive_count", "script", "description", "disposition", "reason",
}  # fmt: skip
# `trust_as_template` came with ansible-core 2.19, where only trusted text is templated.
trusted = getattr(template, "trust_as_template", str)


@pytest.fixture
def env(stack, monkeypatch):
    for name in ("AUTH_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "SQS_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def run(env):
    def look_up(*terms, **options):
        return lookup_loader.get("leastpriv.iam.alerts").run(list(terms), {}, **options)

    return look_up


@pytest.fixture
def warnings(monkeypatch):
    from ansible.utils.display import Display

    shown = []
    monkeypatch.setattr(Display, "warning", lambda _display, message, *_args, **_kwargs: shown.append(message))
    return shown


def dispositions(alerts):
    return {alert["alert_id"]: alert["disposition"] for alert in alerts}


def test_every_kind_of_alert(stack, run):
    for alert_id in ("I-1", "I-2"):
        stack.script(alert_id, SCRIPT)
    stack.script("I-3", None)
    azure = {"cloudType": "azure", "id": "0f1e"}
    messages = [
        nested_alert("I-1", PAYMENTS),
        in_sns_envelope(nested_alert("I-2", ANALYTICS, policy={"labels": ["a"]})),
        nested_alert("I-3", PAYMENTS),
        nested_alert("I-4", PAYMENTS),
        nested_alert("I-5", PAYMENTS, alertStatus="resolved"),
        nested_alert("I-6", "999999999999"),
        nested_alert("I-7", PAYMENTS, metadata={"remediable": False}),
        nested_alert("I-8", "", account=azure),
        nested_alert("I-9", SANDBOX),
        flat_alert("P-1", PAYMENTS, "aws iam x"),
        flat_alert("P-2", PAYMENTS, "BLANK"),
        integration_test(),
    ]
    for message in messages:
        stack.send(message)
    stack.send("no JSON")
    alerts = run(accounts=ACCOUNTS, limit=["payments", "analytics"], max_alerts=13)
    assert dispositions(alerts) == {
        "I-1": None,
        "I-2": None,
        "I-3": "not_remediable",
        "I-4": "not_remediable",
        "I-5": "acknowledged",
        "I-6": "unmapped_account",
        "I-7": "not_remediable",
        "I-8": "not_aws",
        "I-9": "filtered",
        "P-1": None,
        "P-2": "not_remediable",
        "T-0": "acknowledged",
        None: "invalid",
    }
    assert all(set(alert) == KEYS for alert in alerts)
    assert all((alert["reason"] is None) is (alert["disposition"] is None) for alert in alerts)
    assert {alert["alert_id"]: alert["script"] for alert in alerts if not alert["disposition"]} == {
        "I-1": SCRIPT,
        "I-2": SCRIPT,
        "P-1": "aws iam x",
    }
    assert [request["alerts"] for request in stack.api_requests(endpoint="remediation")] == [
        ["I-1", "I-2", "I-3", "I-4"]
    ]
    assert stack.depth() == (1, 12), "the alert of another host is back already"
    assert [alert["alert_id"] for alert in alerts if not alert["receipts"]] == ["I-9"]
    json.dumps(alerts)


def test_the_api_is_asked_about_other_senders_only_where_their_messages_bring_no_script(stack, run):
    names = ["Prisma Cloud by EventBridge", "IAM Access Analyzer", "Security Hub"]
    for sender in names:
        stack.send(senders.message(sender))
    stack.script("I-1234567", SCRIPT)
    described = [shape for sender in names for shape in senders.shapes(sender)]
    scripts = {alert["alert_id"]: alert["script"] for alert in run(accounts=ACCOUNTS, message_shapes=described)}
    assert len(scripts) == 3
    assert scripts["I-1234567"] == SCRIPT
    assert [request["alerts"] for request in stack.api_requests(endpoint="remediation")] == [["I-1234567"]]
    assert all(script.startswith("aws iam ") for script in scripts.values())


def test_a_shape_that_is_not_valid_is_an_error_before_anything_is_received(stack, run):
    with pytest.raises(AnsibleLookupError, match=r"remediate_message_shapes, shape 1: when must be paths"):
        run(message_shapes=[{"when": {}, "alert_id": "id", "account_id": "account"}])
    assert stack.calls(action="ReceiveMessage") == []


def test_empty_queue_is_an_empty_list_and_no_api_call(stack, run):
    assert run() == []
    assert stack.api_requests() == []


def test_api_is_neither_asked_nor_needed_without_an_alert_for_it(stack, run, env):
    for name in ("API_ENDPOINT", "PRISMACLOUD_USERNAME", "PRISMACLOUD_PASSWORD"):
        env.delenv(name)
    stack.send(integration_test())
    stack.send(flat_alert("P-1", PAYMENTS, "aws iam x"))
    assert dispositions(run(max_alerts=2)) == {"T-0": "acknowledged", "P-1": None}


@pytest.mark.parametrize(
    ("unset", "shown"),
    [
        ("API_ENDPOINT", "API_ENDPOINT .* is not set"),
        ("PRISMACLOUD_PASSWORD", "Set PRISMACLOUD_USERNAME and PRISMACLOUD_PASSWORD"),
    ],
)
def test_missing_api_setting_releases_everything(stack, run, env, unset, shown):
    env.delenv(unset)
    stack.send(nested_alert("I-1", PAYMENTS))
    with pytest.raises(AnsibleLookupError, match=shown):
        run(max_alerts=1)
    assert stack.depth() == (1, 0)


@pytest.mark.parametrize("damage", [" {}", "{} ", "x\n{}"])
def test_damaged_credentials_end_before_anything_is_received(stack, run, env, damage):
    env.setenv("PRISMACLOUD_PASSWORD", damage.format(VENDOR_PASSWORD))
    stack.send(nested_alert("I-1", PAYMENTS))
    with pytest.raises(AnsibleLookupError, match="PRISMACLOUD_PASSWORD") as error:
        run(max_alerts=1)
    assert VENDOR_PASSWORD not in str(error.value)
    assert [message["receive_count"] for message in stack.messages()] == [0]


def test_a_line_end_after_a_secret_does_no_harm(stack, run, env):
    env.setenv("PRISMACLOUD_PASSWORD", f"{VENDOR_PASSWORD}\r\n")
    stack.script("I-1", "aws iam x")
    stack.send(nested_alert("I-1", PAYMENTS))
    assert run(max_alerts=1)[0]["script"] == "aws iam x"


def test_without_accounts_every_account_passes(stack, run):
    stack.script("I-1", SCRIPT)
    stack.send(nested_alert("I-1", "999999999999"))
    [alert] = run(max_alerts=1)
    assert (alert["disposition"], alert["account"], alert["account_id"]) == (None, None, "999999999999")


def test_one_alert_s_failure_never_stops_another_s(stack, run):
    stack.script("I-1", SCRIPT)
    stack.api_settings(bad_ids=["I-2"])
    for alert_id in ("I-1", "I-2"):
        stack.send(nested_alert(alert_id, PAYMENTS))
    alerts = run(max_alerts=2)
    assert dispositions(alerts) == {"I-1": None, "I-2": "unavailable"}
    assert "status 400" in alerts[1]["reason"]


def test_version_2(stack, run):
    stack.script("I-1", SCRIPT)
    stack.send(nested_alert("I-1", PAYMENTS))
    [alert] = run(max_alerts=1, api_version="v2")
    assert alert["script"] == SCRIPT
    assert [request["endpoint"] for request in stack.api_requests()] == ["login", "command"]


def test_static_token(stack, run, env):
    env.delenv("PRISMACLOUD_USERNAME")
    env.setenv("AUTH_KEY", stack.new_token())
    stack.script("I-1", SCRIPT)
    stack.send(nested_alert("I-1", PAYMENTS))
    assert run(max_alerts=1)[0]["script"] == SCRIPT


def test_user_s_filters(stack, run):
    stack.send(nested_alert("I-1", PAYMENTS, policy={"severity": "low"}))
    stack.send(nested_alert("I-2", PAYMENTS, name="bob", policy={"severity": "high"}))
    alerts = run(max_alerts=2, severities="high,critical", resources=["alice"])
    assert dispositions(alerts) == {"I-1": "filtered", "I-2": "filtered"}


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"max_alerts": 0}, "max_alerts is 0: give a number from 1"),
        ({"wait_seconds": 21}, "wait_seconds is 21: give a number from 1 to 20"),
        ({"visibility_timeout": 30}, "visibility_timeout is 30"),
        ({"severities": ["hihg"]}, "use critical, high"),
        ({"max_age": "soon"}, 'max_age "soon" is not a valid age'),
        ({"accounts": ["payments"]}, "list of dictionaries with name and account_id"),
        ({"accounts": [{"account_id": "1"}]}, "list of dictionaries with name and account_id"),
        ({"api_endpoint": "http://api.eu.prismacloud.io"}, "in the clear"),
        ({"ca_bundle": "/nowhere/ca.pem"}, "/nowhere/ca.pem, which does not exist"),
        ({"queue_name": "nope"}, "Could not find the queue nope"),
        ({"queue_url": "nope"}, "which is not a URL"),
        ({"queue_profile": "nope"}, r"profile \(nope\) could not be found"),
        ({"api_version": "v3"}, "v3"),
        ({"max_alerts": "many"}, "max_alerts"),
    ],
)
def test_settings_that_mean_nothing_end_before_anything_else(stack, run, options, shown):
    stack.send(nested_alert("I-1", PAYMENTS))
    stack.clear_calls()
    with pytest.raises(AnsibleError, match=shown):
        run(**options)
    assert stack.calls(action="ReceiveMessage") == []
    assert stack.depth() == (1, 0)


def test_terms_are_refused_and_not_ignored(run):
    with pytest.raises(AnsibleLookupError, match="takes no terms: name the queue with queue_name"):
        run("prisma-cloud-alerts")


def test_no_queue_named(run, env):
    env.delenv("SQS_QUEUE_NAME")
    with pytest.raises(AnsibleLookupError, match="No queue is named"):
        run()


def test_without_a_region_the_queue_is_looked_for_in_the_partitions(stack, run, env, tmp_path):
    env.delenv("AWS_REGION")
    env.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    stack.send(integration_test())
    assert len(run(max_alerts=1)) == 1


def test_queue_by_url(stack, run, env):
    env.setenv("SQS_QUEUE_URL", stack.queue_url)
    env.setenv("SQS_QUEUE_NAME", "ignored")
    stack.send(integration_test())
    assert len(run(max_alerts=1)) == 1


def test_empty_option_is_no_option(stack, run):
    stack.send(integration_test())
    assert len(run(max_alerts=1, queue_name="", queue_url="", queue_profile="", min_age="", api_endpoint=None)) == 1


def test_profile_wins_over_keys_in_the_environment(stack, run, env):
    """An AWX credential puts access keys into the environment, beside which amazon.aws forbids a profile."""
    env.delenv("AWS_PROFILE")
    env.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY")
    env.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    stack.send(integration_test())
    assert len(run(max_alerts=1, queue_profile=QUEUE_PROFILE)) == 1
    loaded = lookup_loader.get("leastpriv.iam.alerts")
    loaded.set_options(direct={"queue_profile": QUEUE_PROFILE})
    credentials = loaded._queue().client._request_signer._credentials
    assert credentials.access_key == BASE_ACCESS_KEY


def test_profile_and_keys_in_one_environment(stack, run, env):
    env.setenv("AWS_ACCESS_KEY_ID", BASE_ACCESS_KEY)
    env.setenv("AWS_SECRET_ACCESS_KEY", BASE_SECRET_KEY)
    stack.send(integration_test())
    assert len(run(max_alerts=1)) == 1


def test_unreadable_inventory_value_is_warned_about_and_reported(stack, run, warnings):
    stack.send(nested_alert("I-1", ANALYTICS))
    [alert] = run(max_alerts=1, accounts=[{"name": "analytics", "account_id": 12345678901}, {"name": "new"}])
    assert alert["disposition"] == "unmapped_account"
    assert "host analytics: account_id is the number 12345678901" in alert["reason"]
    assert "YAML drops leading zeros" in warnings[0]
    assert "host new: account_id is missing" in warnings[1]


def test_console_and_missing_verification_are_warned_about(stack, run, warnings):
    stack.send(integration_test())
    run(max_alerts=1, api_endpoint="app.eu", validate_certs=False)
    assert "anybody" not in warnings
    assert any("validate_certs is false" in warning for warning in warnings)
    assert any("names the console app.eu" in warning for warning in warnings)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError(f"with {VENDOR_PASSWORD}")])
def test_whatever_happens_the_messages_go_back(stack, run, monkeypatch, error):
    def fail(_inbox):
        raise error

    monkeypatch.setattr(Inbox, "alerts", fail)
    stack.send(nested_alert("I-1", PAYMENTS))
    stack.send(nested_alert("I-2", PAYMENTS))
    with pytest.raises((KeyboardInterrupt, AnsibleLookupError)) as raised:
        run(max_alerts=2)
    assert stack.depth() == (2, 0)
    assert VENDOR_PASSWORD not in str(raised.value)
    assert raised.value.__cause__ is None


def test_queue_that_breaks_off_releases_what_was_received(stack, run):
    for number in range(12):
        stack.send(nested_alert(f"I-{number}", PAYMENTS))
    stack.fault(action="ReceiveMessage", skip=1, code="AccessDenied", status=403)
    with pytest.raises(AnsibleLookupError, match="Could not receive messages from the queue"):
        run()
    assert stack.depth() == (12, 0)


def test_templated_options_and_untrusted_results(stack, env):
    """Options come as templates from a role; text of an alert is never a template again."""
    stack.script("I-1", SCRIPT)
    stack.send(nested_alert("I-1", ANALYTICS, name="{{ 7 * 7 }}", alertRuleName="{{ lookup('pipe','id') }}"))
    variables = {
        "inventory": ACCOUNTS,
        "number": "1",
        "nothing": "",
        "expression": trusted(
            "{{ query('leastpriv.iam.alerts', accounts=inventory, limit=['analytics'], max_alerts=number | int, "
            "queue_profile=nothing, visibility_timeout='600') }}"
        ),
        "received": trusted("{{ expression }}"),
    }
    [alert] = template.Templar(loader=DataLoader(), variables=variables).template(trusted("{{ received }}"))
    assert (alert["account"], alert["disposition"]) == ("analytics", None)
    assert alert["resource"] == "{{ 7 * 7 }}"
    assert alert["alert_rule"] == "{{ lookup('pipe','id') }}"
    assert alert["script"] == SCRIPT


@pytest.fixture
def redrive(stack):
    """Gives the queue a dead-letter queue, to which a message goes after so many receives."""

    def after(max_receive_count):
        sqs = stack.client("sqs")
        dead_url = sqs.create_queue(QueueName="dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": max_receive_count})
        sqs.set_queue_attributes(QueueUrl=stack.queue_url, Attributes={"RedrivePolicy": policy})

    return after


def test_review_that_would_cost_alerts_is_refused_before_anything_is_received(stack, run, redrive):
    redrive(2)
    stack.send(flat_alert("P-1", PAYMENTS, "aws iam x"))
    with pytest.raises(AnsibleLookupError, match=r"refused before anything was received: .* after 2 receives"):
        run(review=True)
    assert [message["receive_count"] for message in stack.messages()] == [0]
    assert dispositions(run()) == {"P-1": None}, "only a review is refused"


def test_review_says_what_it_costs_and_stops_at_an_alert_that_it_would_cost(stack, run, redrive, warnings):
    redrive(3)
    stack.send(flat_alert("P-1", PAYMENTS, "aws iam x"))
    assert dispositions(run(review=True)) == {"P-1": None}
    assert "has at most 2 left after this review" in warnings[0]
    stack.end_visibility_timeouts()
    stack.send(flat_alert("P-2", PAYMENTS, "aws iam x"))
    with pytest.raises(AnsibleLookupError, match=r'stopped, and every message .* alert "P-1" was received 2 times'):
        run(review=True)
    assert stack.depth() == (2, 0)
    assert dispositions(run(review=True, review_despite_redrive=True)) == {"P-1": None, "P-2": None}
    assert "may send alerts to the dead-letter queue" in warnings[-1]


def test_review_without_a_dead_letter_queue_costs_nothing(stack, run, warnings):
    stack.send(flat_alert("P-1", PAYMENTS, "aws iam x"))
    assert dispositions(run(review=True)) == {"P-1": None}
    assert warnings == []


def test_bodies_are_kept_for_a_quarantine_queue_and_in_no_result(stack, run, monkeypatch, tmp_path):
    monkeypatch.setattr("ansible.constants.DEFAULT_LOCAL_TMP", str(tmp_path))
    stack.client("sqs").create_queue(QueueName="quarantine")
    body = '{"secret ü": "hunter2"'
    stack.send(body)
    [alert] = run(quarantine_queue="quarantine")
    [receipt] = alert["receipts"]
    assert Path(receipt["body_file"]).read_bytes().decode() == body
    assert Path(receipt["body_file"]).stat().st_mode & 0o777 == 0o600
    assert "hunter2" not in json.dumps(alert)
    stack.end_visibility_timeouts()
    assert set(run()[0]["receipts"][0]) == {"message_id", "receipt_handle"}, "kept only where it is of use"


def test_quarantine_queue_that_cannot_be_used_ends_before_anything_else(stack, run):
    stack.send("x")
    for named, shown in (("nope", "Could not find the queue nope"), (stack.queue_url, "cannot be moved into itself")):
        with pytest.raises(AnsibleLookupError, match=shown):
            run(quarantine_queue=named)
    assert [message["receive_count"] for message in stack.messages()] == [0]


def test_slice_releases_alerts_of_unknown_accounts_at_once_as_another_slice_s(stack, run):
    stack.send(flat_alert("P-1", "999999999999", "aws iam x"))
    stack.send(flat_alert("P-2", PAYMENTS, "aws iam x"))
    stack.send(flat_alert("P-3", ANALYTICS, "aws iam x"))
    accounts = [ACCOUNTS[0], {"name": "analytics", "account_id": 12345678901}]
    alerts = run(accounts=accounts, limit=["payments", "analytics"], slice=True)
    assert dispositions(alerts) == {"P-2": None, "P-3": "unmapped_account", "P-1": "filtered"}
    assert "Another slice processes it" in alerts[-1]["reason"]
    assert stack.depth() == (1, 2)
