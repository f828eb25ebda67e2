# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever one alert holds, every other alert of its batch ends exactly as it would alone.

All stages of a run in this process, from the body of a message to report, page, metrics, notification and plan; the
queue, the vendor's API and IAM are objects that give what the real ones would. LEASTPRIV_FUZZ raises the number of
random batches.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.leastpriv.iam.plugins.lookup.alerts import as_results
from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import BY_WORD
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import Message
from ansible_collections.leastpriv.iam.plugins.modules.observe import differences, observe_alerts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.accounts import AccountMap
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.inbox import Inbox
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.selection import (
    Circumstances,
    Filters,
    judge,
    needs_api,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report import html_report as pages
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report import metrics as metric_files
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report import notification as notifications
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report import report as reports
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report import summary as summaries
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.notification import notification
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.run_end import end_run
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import summary_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import journal as journals
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import outcome as outcome_module
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import plan as plans
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import waves as wave_module
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.account_alerts import by_account
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text, to_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script import translation
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.client import RemediationApi
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.transport import Response
from scale import scaled
from stack.alerts import deny_script, flat_alert, nested_alert

BATCHES = int(os.environ.get("LEASTPRIV_FUZZ", scaled(2_000, 200_000))) // 200
ACCOUNT, HOST = "123456789012", "payments"
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/Runner/x"
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
RECORD = {
    "run_id": "run-1",
    "started": "2026-01-01T00:00:00Z",
    "plan_lifetime": "24h",
    **dict.fromkeys(("api_endpoint", "metrics_file"), ""),
    "awx": {},
    "is_copied": False,
    "is_undo": False,
    "tolerate": [],
}
DENY = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}'

# JSON values, as text, that some reader or other cannot take.
VALUES = {
    "infinite": "1e999",
    "minus infinite": "-1e999",
    "not a number": "NaN",
    "Infinity": "Infinity",
    "long integer": "1" * 5_000,
    "long float": "1" * 5_000 + ".5",
    "deep list": "[" * 500 + "]" * 500,
    "very deep list": "[" * 100_000 + "]" * 100_000,
    "deep object": '{"a":' * 500 + "1" + "}" * 500,
    "half a character": r'"\ud800"',
    "reversed": r'"\u202e\u0000\u001b[2J"',
    "template": '"{{ 1 // 0 }}{% raw %}{#"',
    "empty": '""',
    "nothing": "null",
    "an object": "{}",
    "a key twice": '{"a":1,"a":2}',
    "long text": json.dumps("x" * 70_000),
    "true": "true",
}
CONDITION = '"Condition":{"NumericEquals":{"s3:max-keys":%s}}'
OPERATOR = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*",' + CONDITION + "}]}"
MEMBERS = (
    "alertId",
    "alertStatus",
    "firstSeen",
    "severity",
    "policy",
    "resource",
    "account",
    "metadata",
    "alertTs",
    "x",
)


class Iam:
    """IAM of an account with users of any name; `stored` is the inline policy document, as text, of user odd."""

    def __init__(self, stored):
        self.stored = stored

    def get_user(self, UserName):
        return {"User": {"Arn": f"arn:aws:iam::{ACCOUNT}:user/{UserName}", "Path": "/", "UserName": UserName}}

    def get_user_policy(self, UserName, PolicyName):
        return {"PolicyDocument": as_botocore(self.stored if UserName == "odd" else DENY)}

    def get_account_summary(self):
        return {"SummaryMap": {}}

    def get_paginator(self, operation):
        return SimpleNamespace(paginate=lambda **named: self.pages(operation, named))

    def pages(self, operation, named):
        if operation == "get_account_authorization_details":
            return [self.details()]
        result = {"list_policies": "Policies", "list_user_policies": "PolicyNames"}.get(operation, "AttachedPolicies")
        return [{result: ["kept"] if result == "PolicyNames" else []}]

    def details(self):
        users = [
            {**self.get_user(name)["User"], "AttachedManagedPolicies": [], "GroupList": [], "UserPolicyList": policies}
            for name, policies in [(f"user-{number}", []) for number in range(20)] + [("odd", self.odd())]
        ]
        return {"UserDetailList": users, "RoleDetailList": [], "GroupDetailList": [], "Policies": []}

    def odd(self):
        return [{"PolicyName": "kept", "PolicyDocument": as_botocore(self.stored)}]


def as_botocore(text):
    """A document as botocore hands it over: parsed, or as text if it is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text


class VendorApi:
    """The vendor's API, whose answer is a text made of the scripts' JSON, as text."""

    def __init__(self, scripts):
        self.scripts, self.secrets = scripts, set()

    def call(self, method, path, headers, body=None):
        members = [f"{json.dumps(name)}: {self.scripts[name]}" for name in body["alerts"] if name in self.scripts]
        return Response(200, {}, f'{{"alertIdVsCliScript": {{{", ".join(members)}}}}}'.encode())

    def scrubbed(self, text):
        return text


def run(bodies, scripts, stored=DENY, is_review=False):
    """Every stage of a run: alert id, or message id, -> its entry in the report; and the report's derivatives."""
    received = receive(bodies, scripts)
    undecided = from_text(to_text(plans.compare_with_plan(received, {})))
    decided = [alert for alert in undecided if alert["disposition"]]
    translated = by_account(translation.translate_alerts(undecided, [{"account": HOST, "allow": []}]))
    facts = {"__remediate_settings": {"max_failures": 1_000}}
    if HOST in translated:
        facts |= work(translated, is_review, Iam(stored))
    outcomes = from_text(to_text(outcome_module.outcomes_of_all(translated, {HOST: facts}, is_review)))
    with tempfile.TemporaryDirectory() as folder:
        ended = end_run({**RECORD, "check_mode": is_review, "artifacts_dir": folder}, [*decided, *outcomes])
        files = {name: Path(folder, "run-1", name).read_text() for name in ended.files}
    strict = json.loads(files["report.json"], parse_constant=pytest.fail)
    shown = summary_text(strict, True), json.dumps(notification(strict, "report.html"))
    return SimpleNamespace(
        entries={alert["alert_id"] or alert["message_id"]: alert for alert in strict["alerts"]},
        files=files,
        problems=ended.problems,
        shown=shown,
    )


def receive(bodies, scripts):
    circumstances = Circumstances(AccountMap({ACCOUNT: HOST}), None, Filters(), NOW)
    inbox = Inbox(None, lambda alert: judge(alert, circumstances))
    for message_id, body in bodies.items():
        inbox.add(Message(message_id, f"receipt of {message_id}", body, 0, 1))
    judged = list(inbox.alerts())
    tokens = SimpleNamespace(current=lambda: "token")
    asked = [alert.alert_id for _held, alert in judged if needs_api(alert)]
    return as_results(judged, RemediationApi(VendorApi(scripts), tokens).scripts(asked), circumstances)


def work(translated, is_review, iam):
    """What an account leaves: it observes, and applies all that is needed."""
    alerts = from_text(translated[HOST]["alerts"])
    params = {"account_id": ACCOUNT, "allow": [], "max_changes": 1_000, "on_quota": "fail", "undo": False}
    warnings = []
    module = SimpleNamespace(
        params={**params, "protected_principals": []}, client=lambda service: iam, warn=warnings.append
    )
    observed = from_text(to_text(observe_alerts(module, [one for one in alerts if one["disposition"] is None], CALLER)))
    differences(observed)
    kept = []
    for wave in [] if is_review else wave_module.waves(translated):
        steps = wave_module.pending_steps(observed, wave, kept, 1_000)
        applied = [{"step": step, "changed": True, "response_metadata": {"request_id": "r"}} for step in steps]
        to_text([*journals.intents(steps), *journals.results(applied)])
        kept += journals.kept_results(applied)
    return {"__remediate_observed": {"alerts": observed}, "__remediate_results": {"kept": to_text(kept)}}


def ordinary(number):
    alert_id = f"I-{number}"
    script = deny_script("user", f"user-{number}", ACCOUNT, alert_id)
    return alert_id, json.dumps(nested_alert(alert_id, ACCOUNT, name=f"user-{number}")), json.dumps(script)


def odd_message(value, member):
    body = json.dumps({**nested_alert("I-ODD", ACCOUNT), member: "HERE"})
    return body.replace('"HERE"', VALUES[value]), json.dumps("aws iam delete-login-profile --user-name odd")


def odd_answer(value, _member):
    return json.dumps(nested_alert("I-ODD", ACCOUNT)), VALUES[value]


def odd_document(value, _member):
    script = f"aws iam create-policy --policy-name p --policy-document '{OPERATOR % VALUES[value]}'"
    return json.dumps(nested_alert("I-ODD", ACCOUNT)), json.dumps(script)


def odd_tags(value, _member):
    script = f"aws iam put-user-policy --user-name odd --policy-name p --policy-document '{VALUES[value]}'"
    return json.dumps(flat_alert("I-ODD", ACCOUNT, script)), "null"


def stored_document(value, _member):
    script = "aws iam delete-user-policy --user-name odd --policy-name kept"
    return json.dumps(nested_alert("I-ODD", ACCOUNT)), json.dumps(script)


def no_message(value, _member):
    return VALUES[value], "null"


KINDS = (odd_message, odd_answer, odd_document, odd_tags, stored_document, no_message)


def check_others(batch, alone, made):
    for alert_id, entry in alone.items():
        assert batch.entries[alert_id] == entry
        assert alert_id in batch.shown[0]
        assert f"<h3>{alert_id}</h3>" in batch.files["report.html"]
    assert batch.problems == []
    assert len(batch.entries) == len(alone) + made
    assert all(entry["disposition"] in BY_WORD for entry in batch.entries.values())


@pytest.fixture(scope="module")
def alone():
    """Each of four ordinary alerts in a run of its own, as a review and applied."""
    made = {number: ordinary(number) for number in range(4)}
    return {
        (number, is_review): run({f"m-{number}": body}, {alert_id: script}, is_review=is_review).entries[alert_id]
        for number, (alert_id, body, script) in made.items()
        for is_review in (False, True)
    }


def test_ordinary_alerts_are_remediated(alone):
    words = Counter((is_review, entry["disposition"]) for (_number, is_review), entry in alone.items())
    assert words == {(False, "remediated"): 4, (True, "planned"): 4}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("value", VALUES)
def test_one_odd_alert_costs_no_other_one(alone, kind, value):
    body, script = kind(value, "firstSeen")
    check_batch(alone, [0, 1], [(body, script)], 1, VALUES[value], False)


def check_batch(alone, numbers, odd, place, stored, is_review):
    bodies, scripts = {}, {}
    for number in numbers[:place]:
        add_ordinary(bodies, scripts, number)
    for index, (body, script) in enumerate(odd):
        bodies[f"odd-{index}"] = body.replace("I-ODD", f"I-ODD-{index}")
        scripts[f"I-ODD-{index}"] = script
    for number in numbers[place:]:
        add_ordinary(bodies, scripts, number)
    batch = run(bodies, scripts, stored, is_review)
    check_others(batch, {f"I-{number}": alone[number, is_review] for number in numbers}, len(odd))


def add_ordinary(bodies, scripts, number):
    alert_id, bodies[f"m-{number}"], scripts[alert_id] = ordinary(number)


@pytest.mark.parametrize("seed", range(BATCHES))
def test_random_batches_with_odd_alerts(alone, seed):
    chance = random.Random(seed)
    numbers = chance.sample(range(4), chance.randint(1, 4))
    odd = [
        chance.choice(KINDS)(chance.choice([*VALUES]), chance.choice(MEMBERS)) for _each in range(chance.randint(1, 3))
    ]
    is_review = chance.random() < 0.5
    check_batch(alone, numbers, odd, chance.randint(0, len(numbers)), VALUES[chance.choice([*VALUES])], is_review)


STAGES = [
    (translation, "translate"),
    (wave_module, "_waves_of"),
    (outcome_module, "_outcome"),
    (reports, "_alert"),
    (summaries, "_row"),
    (summaries, "_problem"),
    (summaries, "_script"),
    (pages, "_described"),
    (metric_files, "_statuses"),
    (notifications, "_group_line"),
    (plans, "_alert"),
    (plans, "_with_review"),
    (journals, "_kept"),
    (journals, "_result_line"),
]


def raising_for_one(function):
    """A function that raises for the alert I-0 and for nothing else, like an unknown fault."""

    def raise_for_one(*args, **named):
        if any("I-0" in str(arg) and "I-1" not in str(arg) for arg in args):
            raise ZeroDivisionError("a fault that nobody knows")
        return function(*args, **named)

    return raise_for_one


def is_failed(batch, alert_id):
    return batch.entries[alert_id]["disposition"] == "failed"


@pytest.mark.parametrize("is_review", [False, True])
@pytest.mark.parametrize(("module", "name"), STAGES, ids=lambda part: part if isinstance(part, str) else "")
def test_an_unknown_fault_of_any_stage_costs_its_alert_alone(alone, monkeypatch, module, name, is_review):
    function = getattr(module, name)
    monkeypatch.setattr(module, name, raising_for_one(function))
    bodies, scripts = {}, {}
    for number in (0, 1):
        add_ordinary(bodies, scripts, number)
    batch = run(bodies, scripts, is_review=is_review)
    assert batch.entries["I-1"] == alone[1, is_review]
    page = batch.files["report.html"]
    assert all(f"<h3>{alert_id}</h3>" in page and alert_id in batch.shown[0] for alert_id in ("I-0", "I-1"))
    assert batch.files["metrics.prom"]
    if is_review:
        planned = {alert["alert_id"] for alert in json.loads(batch.files["plan.json"])["alerts"]}
        assert planned >= {"I-1"}
        assert (
            ("I-0" in planned) or "I-0" in " ".join(batch.problems) or batch.entries["I-0"]["disposition"] == "failed"
        )
    if name in ("translate", "_outcome"):
        assert is_failed(batch, "I-0")
        assert "ZeroDivisionError" in batch.entries["I-0"]["reason"]
        assert "nobody knows" not in batch.entries["I-0"]["reason"]


UNREADABLE = (
    "infinite",
    "minus infinite",
    "not a number",
    "long integer",
    "long float",
    "deep list",
    "half a character",
)


@pytest.mark.parametrize("value", UNREADABLE)
def test_a_document_in_a_script_that_cannot_be_read_is_unsupported(value):
    body, script = odd_document(value, "")
    entry = run({"m": body}, {"I-ODD": script}).entries["I-ODD"]
    assert (entry["disposition"], entry["by_hand"]) == ("unsupported", [])
    assert entry["reason"].startswith("line 1, column 57: --policy-document is not a policy document that IAM accepts")


@pytest.mark.parametrize(
    "value", ["infinite", "not a number", "long integer", "deep list", "very deep list", "empty", "an object"]
)
@pytest.mark.parametrize("alerts", [1, 12], ids=["read one by one", "read at once"])
def test_a_stored_document_that_cannot_be_read_fails_what_needs_it_and_is_named(value, alerts):
    bodies, scripts = {}, {}
    for number in range(alerts):
        add_ordinary(bodies, scripts, number)
    body, script = stored_document(value, "")
    entries = run({**bodies, "m": body}, {**scripts, "I-ODD": script}, OPERATOR % VALUES[value]).entries
    odd = entries.pop("I-ODD")
    assert {entry["disposition"] for entry in entries.values()} == {"remediated"}
    if value in (*UNREADABLE, "very deep list"):
        assert odd["disposition"] == "failed"
        named = ("the inline policy kept of user odd", "a policy document of user odd kept")[value == "very deep list"]
        assert f"{named} cannot be read: " in odd["reason"]
