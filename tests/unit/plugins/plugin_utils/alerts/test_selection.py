# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.accounts import account_map
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message import Alert
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.selection import (
    Circumstances,
    FilterError,
    Filters,
    judge,
    needs_api,
    read_age,
    read_filters,
)

ACCOUNT = "012345678901"
ALERT = Alert(
    alert_id="I-1",
    account_id=ACCOUNT,
    policy="AWS IAM user [unused]",
    policy_id="p-1",
    policy_type="iam",
    severity="high",
    resource="Alice",
    resource_id="arn:aws:iam::012345678901:user/Alice",
    alert_status="open",
    cloud="aws",
    first_seen="2024-07-01T00:00:00Z",
    asks_api=True,
)
OTHER = "111122223333"
NOW = datetime(2024, 7, 11, tzinfo=timezone.utc)
WORLD = Circumstances(account_map([("prod", ACCOUNT), ("test", OTHER)]), None, Filters(), NOW)


def disposition(alert, world=WORLD):
    return judge(alert, world).disposition


def test_open_work_passes():
    assert judge(ALERT, WORLD) == ALERT
    assert needs_api(ALERT)


def test_decided_alert_stays_as_it_is():
    decided = ALERT.settled("invalid", "why")
    assert judge(decided, replace(WORLD, limit=frozenset())) == decided
    assert not needs_api(decided)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"alert_status": "resolved"}, "acknowledged"),
        ({"alert_status": "dismissed"}, "acknowledged"),
        ({"alert_status": "snoozed"}, "acknowledged"),
        ({"alert_status": "pending_resolution"}, "acknowledged"),
        ({"cloud": "azure", "account_id": None}, "not_aws"),
        ({"cloud": "gcp", "account_id": "123456789012"}, "not_aws"),
        ({"cloud": "all"}, None),
        ({"cloud": None}, None),
        ({"account_id": "999999999999"}, "unmapped_account"),
        ({"is_remediable": False}, "not_remediable"),
        ({"policy_type": "config", "asks_api": False}, "not_remediable"),
        ({"policy_type": "config", "script": "aws iam x"}, None),
        ({"policy_type": None}, None),
        ({"policy_type": None, "asks_api": False}, "not_remediable"),
        ({"script": "aws iam x", "is_remediable": False}, "not_remediable"),
    ],
)
def test_what_the_alert_itself_decides(change, expected):
    assert disposition(replace(ALERT, **change)) == expected


ORDER = [
    ("outside the limit", {"account_id": OTHER}, "filtered"),
    ("not open", {"alert_status": "resolved"}, "acknowledged"),
    ("another cloud", {"cloud": "azure"}, "not_aws"),
    ("no host", {"account_id": "999999999999"}, "unmapped_account"),
    ("the user's filter", {"severity": "low"}, "filtered"),
    ("not remediable", {"is_remediable": False}, "not_remediable"),
]


@pytest.mark.parametrize("place", range(len(ORDER)), ids=[name for name, _change, _expected in ORDER])
def test_the_first_judgement_decides(place):
    """Everything that comes later in the order is wrong with the alert too."""
    later = {key: value for _name, change, _expected in reversed(ORDER[place:]) for key, value in change.items()}
    world = replace(WORLD, limit=frozenset(["prod"]), filters=read_filters(severities=["high"]))
    assert disposition(replace(ALERT, **later), world) == ORDER[place][2]


def test_alert_outside_the_limit_is_left_alone_even_when_it_is_resolved():
    judged = judge(replace(ALERT, alert_status="resolved"), replace(WORLD, limit=frozenset(["test"])))
    assert judged.disposition == "filtered"
    assert "Outside --limit: prod" in judged.reason


def test_host_inside_the_limit_passes():
    assert disposition(ALERT, replace(WORLD, limit=frozenset(["prod"]))) is None


def test_unmapped_account_says_what_to_add():
    judged = judge(replace(ALERT, account_id="099999999999"), WORLD)
    assert 'account_id: "099999999999"' in judged.reason
    assert "aws_accounts" in judged.reason


def test_unreadable_inventory_value_is_reported_for_its_alerts():
    judged = judge(ALERT, replace(WORLD, accounts=account_map([("prod", 12345678901)])))
    assert judged.disposition == "unmapped_account"
    assert "host prod: account_id is the number 12345678901; YAML drops leading zeros" in judged.reason


def test_ambiguous_account():
    judged = judge(ALERT, replace(WORLD, accounts=account_map([("a", ACCOUNT), ("b", ACCOUNT)])))
    assert judged.disposition == "unmapped_account"
    assert judged.reason.count("hosts a and b have the same account_id") == 1


def test_without_an_inventory_every_account_passes():
    assert disposition(ALERT, replace(WORLD, accounts=None)) is None


FILTERS = [
    ({"severities": ["High", "critical"]}, True),
    ({"severities": ["low"]}, False),
    ({"policies": ["aws iam *"]}, True),
    ({"policies": ["P-1"]}, True),
    ({"policies": ["azure*"]}, False),
    ({"resources": ["alice", "bob"]}, True),
    ({"resources": ["arn:aws:iam::*:user/*"]}, True),
    ({"resources": ["bob"]}, False),
    ({"min_age": "10d"}, True),
    ({"min_age": "11d"}, False),
    ({"max_age": "2w"}, True),
    ({"max_age": "1w"}, False),
    ({"min_age": 60, "max_age": "20d"}, True),
    ({"severities": ["high"], "resources": ["bob"]}, False),
    ({"severities": [], "policies": None, "min_age": ""}, True),
]


@pytest.mark.parametrize(("chosen", "passes"), FILTERS)
def test_user_s_filters(chosen, passes):
    judged = judge(ALERT, replace(WORLD, filters=read_filters(**chosen)))
    assert judged.disposition == (None if passes else "filtered")
    assert bool(judged.reason) is not passes


def test_unknown_age_does_not_pass_an_age_filter():
    judged = judge(replace(ALERT, first_seen=None), replace(WORLD, filters=read_filters(max_age="1d")))
    assert (judged.disposition, "age is unknown" in judged.reason) == ("filtered", True)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("90", timedelta(seconds=90)),
        (90, timedelta(seconds=90)),
        ("90s", timedelta(seconds=90)),
        ("90m", timedelta(minutes=90)),
        ("12 H", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        (None, None),
    ],
)
def test_ages(text, age):
    assert read_age("min_age", text) == age


@pytest.mark.parametrize("text", ["soon", "-1d", "1y", "1d2h", [], True])
def test_ages_that_mean_nothing(text):
    with pytest.raises(FilterError, match=r"min_age .* is not a valid age \(use 90m"):
        read_age("min_age", text)


def test_unknown_severity_is_an_error_and_not_an_empty_run():
    with pytest.raises(FilterError, match='unknown severity "hihg"; use critical, high'):
        read_filters(severities=["hihg"])


@pytest.mark.parametrize("change", [{}, {"disposition": "invalid"}, {"alert_status": "resolved"}, {"alert_id": None}])
def test_what_is_not_in_the_plan_is_left_alone_whatever_it_is(change):
    world = replace(WORLD, filters=Filters(alert_ids=frozenset({"I-other"})))
    judged = judge(replace(ALERT, **change), world)
    assert (judged.disposition, judged.reason) == ("filtered", "It is not in the plan that this run applies.")


def test_what_is_in_the_plan_is_judged_as_always():
    world = replace(WORLD, filters=Filters(alert_ids=frozenset({ALERT.alert_id})))
    assert judge(ALERT, world) == judge(ALERT, WORLD)
    assert judge(ALERT, replace(WORLD, filters=Filters(alert_ids=frozenset()))).disposition == "filtered"
