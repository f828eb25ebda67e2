# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
import yaml
from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import IamAccount
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.protection import Protection
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.batch import Batch
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.reviewed import changes_since, fingerprint
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import STEPS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.translation import translate
from stack.furnishing import WRITTEN, furnish

FIXTURES = Path(__file__).parents[4] / "fixtures" / "steps"

BEFORE = {"attached_policies": ["p"]}
USER = {"arn": "arn:aws:iam::1:user/a", "path": "/", "boundary": None, "tags": {"a": "b"}}
FACTS = {("user", "a"): USER, ("attached", "user", "a"): ["p", "q"], ("policy_entities", "p"): [("user", "a")]}


@pytest.mark.parametrize(
    ("before", "changes", "is_same"),
    [
        (BEFORE, {}, True),
        (BEFORE, {("attached", "user", "a"): ["q", "p"]}, True),
        (BEFORE, {("user", "a"): {**USER, "tags": {}}}, True),
        (BEFORE, {("policy_names",): {"other": ["x"]}}, True),
        ({"attached_policies": []}, {}, False),
        (BEFORE, {("attached", "user", "a"): ["p"]}, False),
        (BEFORE, {("user", "a"): {**USER, "boundary": "x"}}, False),
        (BEFORE, {("user", "a"): None}, False),
        (BEFORE, {("policy_entities", "p"): [("user", "a"), ("role", "b")]}, False),
    ],
)
def test_a_fingerprint_tells_states_apart_that_matter(before, changes, is_same):
    assert (fingerprint(before, {**FACTS, **changes}) == fingerprint(BEFORE, FACTS)) == is_same


def test_a_plan_holds_for_every_operation_however_the_account_is_read(stack):
    account_id = stack.account_id("payments")
    client = stack.client("iam", "payments")
    made = furnish(client, account_id)
    piecemeal, at_once = IamAccount(client), IamAccount(client)
    at_once.preload()
    alerts = [golden(row.name, account_id, made) for row in STEPS]
    for alert in alerts:
        reviewed = observed(piecemeal, alert)
        assert {"alert": alert["alert_id"], "changed": changes_since(reviewed, observed(at_once, alert))} == {
            "alert": alert["alert_id"],
            "changed": [],
        }
    statuses = [step["status"] for alert in alerts for step in observed(at_once, alert)]
    assert statuses.count("needed") > 60, "otherwise little is compared"


def golden(operation, account_id, made):
    fixture = yaml.safe_load((FIXTURES / f"{operation}.yml").read_text())
    script = fixture["script"].replace("123456789012", account_id)
    for kind, written in WRITTEN.items():
        script = script.replace(written, made[kind])
    steps = translate(script, account_id, fixture["allow"])["steps"]
    shown = {"alert_id": operation, "message_id": operation, "account_id": account_id}
    return {**shown, "steps": steps, "allow": fixture["allow"]}


def observed(account, alert):
    protection = Protection([], "arn:aws:sts::1:assumed-role/us/run", datetime.now(timezone.utc))
    batch = Batch(account, alert["account_id"], "aws", alert["allow"], protection)
    return [{"fingerprint": None, "before": None, **step} for step in batch.observe_alert(alert)["steps"]]


def step(**changes):
    same = {"index": 1, "operation": "AttachUserPolicy", "target": "a", "module": "m", "args": {}, "fingerprint": "f"}
    return {**same, "status": "needed", "before": BEFORE, **changes}


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        ([step()], []),
        ([step(), step()], ["it had 1 steps and has 2"]),
        ([step(args={"x": 1})], ["step 1, attach-user-policy a: it would be applied in another way"]),
        ([step(fingerprint="g", status="unchanged")], ["step 1, attach-user-policy a: it is true by now"]),
        (
            [step(fingerprint="g", before={}, status="unchanged")],
            ['step 1, attach-user-policy a: there was {"attached_policies": ["p"]}, there is nothing'],
        ),
    ],
)
def test_what_has_changed_is_reported_to_a_person(now, shown):
    assert changes_since([step()], now) == shown


def test_what_else_has_changed_is_at_least_not_passed_over():
    (shown,) = changes_since([step()], [step(fingerprint="g")])
    assert shown == "step 1, attach-user-policy a: something else that it depends on is not what it was"


def test_what_was_true_and_is_not_any_more_is_reported():
    (shown,) = changes_since([step(status="unchanged")], [step(fingerprint="g")])
    assert shown.endswith("it was true, and is not any more")
