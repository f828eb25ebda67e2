# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import BY_WORD
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.metrics import metrics
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report
from prometheus_client import parser as prometheus
from prometheus_client.openmetrics import parser as openmetrics

HOSTILE = 'evil"} 1\nleastpriv_alerts{x="'
CALLS = [{"service": "iam", "operation": "GetUser", "calls": 7, "throttled": 2}]


def alert(disposition, first_seen=None, steps=(), **more):
    named = {"alert_id": "I-1", "message_id": "m-1", "account": "payments", "reason": "why"}
    steps = [{"operation": "TagUser", "module": "m", "args": {}, "status": status} for status in steps]
    return {**named, "disposition": disposition, "first_seen": first_seen, "steps": steps, **more}


def shown(*alerts, calls=(), check_mode=False, **more):
    run = report(Run(alerts, "run-1", "2026-01-01T00:00:00Z", "2026-01-01T00:01:40Z", check_mode, **more))
    return metrics(run, calls)


def values(text):
    """{metric: {its labels besides the mode: value}}, as OpenMetrics says it."""
    return {
        family.name: {
            tuple(value for label, value in sample.labels.items() if label != "mode"): sample.value
            for sample in family.samples
        }
        for family in openmetrics.text_string_to_metric_families(text)
    }


def test_openmetrics_and_prometheus_read_the_same():
    text = shown(alert("remediated", "2025-12-31T00:00:00Z", ["changed"]), calls=CALLS)
    families = list(openmetrics.text_string_to_metric_families(text))
    older = list(prometheus.text_string_to_metric_families(text))
    assert [(one.name, one.documentation) for one in families] == [(one.name, one.documentation) for one in older]
    assert [one.samples for one in families] == [one.samples for one in older]
    assert {one.type for one in families} == {"gauge"}
    assert all(one.documentation for one in families)


def test_alerts_are_counted_by_every_disposition():
    found = values(shown(alert("remediated"), alert("refused"), alert("refused"), tolerate=["refused"]))
    assert found["leastpriv_alerts"] == {(word,): {"remediated": 1, "refused": 2}.get(word, 0) for word in BY_WORD}
    assert set(found["leastpriv_alerts_need_person"].values()) == {0}
    assert values(shown(alert("failed")))["leastpriv_alerts_need_person"][("failed",)] == 1


def test_entries_of_protected_principals_are_counted_by_state():
    entry = {"path": "/x/", "owner": "sre", "reason": "emergency"}
    dates = ("2025-12-31", "2026-01-10", "2026-12-31", None)
    settings = [{"account": "a", "allow": [], "protected": [{**entry, "expires": date} for date in dates]}]
    found = values(shown(alert("remediated"), settings=settings))
    assert found["leastpriv_exemptions"] == {("in_force",): 3, ("expiring",): 1, ("expired",): 1}


def test_ages_are_those_at_the_end_of_the_run():
    seen = ("2026-01-01T00:00:00Z", "2025-12-31T00:01:40Z", "2026-01-01T00:01:30Z", "2027-01-01T00:00:00Z")
    found = values(shown(*(alert("failed", first_seen) for first_seen in seen), alert("invalid")))
    assert found["leastpriv_alert_oldest_age_seconds"] == {("failed",): 86_400}
    assert found["leastpriv_alert_median_age_seconds"] == {("failed",): 10}


@pytest.mark.parametrize("first_seen", ["", "yesterday", 7, "9999-99-99"])
def test_a_time_that_means_nothing_has_no_age(first_seen):
    assert values(shown(alert("failed", first_seen)))["leastpriv_alert_oldest_age_seconds"] == {}


def test_the_run_is_reported():
    text = shown(alert("planned", steps=["needed", "unchanged", "needed"]), check_mode=True, interrupted="SIGTERM")
    found = values(text)
    assert found["leastpriv_run_info"] == {("run-1", "1.0.0"): 1}
    assert found["leastpriv_run_finished_timestamp_seconds"] == {(): 1_767_225_700}
    assert found["leastpriv_run_duration_seconds"] == {(): 100}
    assert found["leastpriv_run_interrupted"] == {(): 1}
    assert found["leastpriv_steps"][("needed",)] == 2
    assert 'mode="check"' in text


def test_calls_and_throttles_are_reported_by_operation():
    found = values(shown(calls=CALLS))
    assert found["leastpriv_api_calls"] == {("iam", "GetUser"): 7}
    assert found["leastpriv_api_throttles"] == {("iam", "GetUser"): 2}


def test_no_text_of_an_alert_gets_in():
    fields = ("alert_id", "account", "account_name", "policy", "severity", "resource", "reason", "script")
    text = shown(alert("failed", **dict.fromkeys(fields, HOSTILE)), unsettled=[HOSTILE])
    assert "evil" not in text
    assert values(text)["leastpriv_run_unsettled"] == {(): 1}


def test_a_label_ends_where_its_text_ends():
    run = report(Run([], HOSTILE, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", False))
    assert values(metrics(run))["leastpriv_run_info"] == {(HOSTILE, "1.0.0"): 1}
