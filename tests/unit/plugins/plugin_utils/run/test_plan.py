# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import plan as module
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.plan import (
    PlanError,
    canonical_json,
    check_plan,
    compare_with_plan,
    digest,
    make_plan,
    not_received,
)

CREATED = "2026-01-01T00:00:00Z"
NOW = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
STEP = {
    "index": 1,
    "operation": "AttachUserPolicy",
    "target": "alice",
    "module": "amazon.aws.iam_user",
    "args": {"name": "alice"},
    "status": "needed",
    "before": {"attached_policies": []},
    "after": {"attached_policies": ["p"]},
    "fingerprint": "f",
    "command": "aws iam …",
}


def alert(alert_id="I-1", disposition=None, **changes):
    empty = dict.fromkeys([*module.MESSAGE_FIELDS, "reason"])
    received = {"alert_id": alert_id, "message_id": "m", "account": "payments", "account_id": "1", "last_seen": "2026"}
    return {**empty, **received, "script": "aws iam x", "disposition": disposition, "steps": [STEP], **changes}


def made(*alerts, key="", lifetime=timedelta(days=1)):
    return make_plan(alerts or [alert(disposition="planned")], "run-1", CREATED, lifetime, {"user": "me"}, key)


def sealed(plan):
    return {**plan, "digest": digest(plan)}


def test_only_what_was_reviewed_is_in_the_plan_and_no_secret():
    script = "aws iam create-login-profile --user-name a --password hunter2"
    words = ("planned", "already_remediated", "refused", "failed", "filtered")
    plan = made(*(alert(f"I-{word}", word, script=script) for word in words))
    assert [entry["alert_id"] for entry in plan["alerts"]] == ["I-already_remediated", "I-planned"]
    assert "hunter2" not in json.dumps(plan)
    assert plan["expires"] == "2026-01-02T00:00:00Z"
    assert set(plan["alerts"][0]["steps"][0]) == {*module.STEP_FIELDS, "reversible", "undo"}


def test_a_plan_that_went_through_a_file_is_the_same():
    plan = made()
    again = json.loads(json.dumps(plan, indent=4, sort_keys=True))
    assert check_plan(again, NOW) == plan
    backwards = dict(reversed(again.items()))
    assert digest(backwards) == plan["digest"]


def paths(value, path=()):
    """Every place of a JSON value, but for the seals."""
    places = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in places:
        if key not in module.SEALS:
            yield (*path, key)
            yield from paths(inner, (*path, key))


@pytest.mark.parametrize("path", list(paths(made())), ids=str)
def test_an_edit_anywhere_is_found(path):
    plan = copy.deepcopy(made())
    place = plan
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = {**place[path[-1]], "x": 1} if isinstance(place[path[-1]], dict) else "2030-01-01T00:00:00Z"
    with pytest.raises(PlanError):
        check_plan(plan, NOW)


@pytest.mark.parametrize(
    ("plan", "now", "says"),
    [
        (None, NOW, "It is not a plan"),
        ([], NOW, "It is not a plan"),
        ({}, NOW, "not a plan of schema 1"),
        (sealed({**made(), "schema": 2}), NOW, "not a plan of schema 1"),
        (sealed({**made(), "alerts": {}}), NOW, "alerts of the plan is missing, or not a list"),
        (sealed({**made(), "alerts": [1]}), NOW, "alert 1 is not an object"),
        (sealed({**made(), "alerts": [{**made()["alerts"][0], "steps": [{}]}]}), NOW, "operation of a step of alert 1"),
        (sealed({**made(), "alerts": made()["alerts"] * 2}), NOW, "It has the same alert twice"),
        (sealed({**made(), "expires": "tomorrow"}), NOW, "expires of the plan is not an ISO 8601 time"),
        (made(), NOW + timedelta(hours=12), "It expired on 2026-01-02T00:00:00Z"),
        ({**made(), "digest": "\ud800"}, NOW, "It was edited"),
    ],
)
def test_what_must_not_be_applied_says_why_and_what_to_do(plan, now, says):
    with pytest.raises(PlanError, match=says) as raised:
        check_plan(plan, now)
    assert "ansible-playbook remediate.yml --check" in str(raised.value)


def test_with_a_key_only_a_plan_that_is_signed_with_it_is_applied():
    plan = made(key="ours")
    assert check_plan(plan, NOW, "ours") == plan
    for other in (made(), made(key="theirs"), {**plan, "signature": "\ud800"}, sealed({**plan, "run_id": "run-2"})):
        with pytest.raises(PlanError, match="not signed with the key in REMEDIATE_PLAN_KEY"):
            check_plan(other, NOW, "ours")
    assert check_plan(plan, NOW) == plan, "whoever has no key does without"


@pytest.mark.parametrize(
    ("received", "disposition", "says"),
    [
        (alert(), None, None),
        (alert(message_id="again", last_seen="2027", account_name="renamed"), None, None),
        (alert(script="aws iam y"), "failed", "its script"),
        (alert(severity="low", script=None), "failed", "its message and its script"),
        (alert("I-2"), "filtered", "not in the plan"),
        (alert(disposition="acknowledged", reason="closed"), "acknowledged", "closed"),
    ],
)
def test_an_alert_is_worked_on_only_as_it_was_reviewed(received, disposition, says):
    (held,) = compare_with_plan([received], made())
    assert held["disposition"] == disposition
    assert (says or "") in (held["reason"] or "")
    assert ("reviewed" in held) == (disposition is None)


def test_without_a_plan_nothing_is_held_back():
    received = [alert(), alert("I-2")]
    assert compare_with_plan(received, {}) == received


def test_alerts_of_the_plan_that_did_not_come_are_named():
    plan = made(alert("I-1", "planned"), alert("I-2", "planned"))
    assert not_received([alert("I-2"), alert("I-3")], plan) == ["I-1"]


def test_a_plan_says_what_cannot_be_undone():
    plan = made(alert(disposition="planned", steps=[STEP, {**STEP, "operation": "DeleteAccessKey"}]))
    assert plan["alerts"][0]["reversible"] is False


def test_the_version_in_plans_is_the_collection_s():
    galaxy = Path(__file__).parents[5].joinpath("galaxy.yml").read_text()
    assert f"\nversion: {module.VERSION}\n" in galaxy


def test_equal_values_have_one_canonical_text():
    assert canonical_json({"b": [1, "é"], "a": None}) == canonical_json({"a": None, "b": (1, "é")})
    assert canonical_json({"a": 1}) != canonical_json({"a": "1"})
