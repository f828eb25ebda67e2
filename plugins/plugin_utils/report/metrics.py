# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as metrics.prom, for Prometheus and compatible systems. Pure. docs/metrics.md describes the metrics.

All metrics are gauges: a file is about one run, and no value is added up over runs. Gauges look the
same in OpenMetrics and in Prometheus' older text format, so one file serves both.
Source: https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import BY_WORD
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import for_each_alert
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import RULES
from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import read_time
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.version import VERSION

WANTING = [word for word, row in BY_WORD.items() if row.needs_person]
EXEMPTIONS = {"in_force": "protected", "expiring": "expiring", "expired": "expired"}
STATUSES = ("needed", "changed", "unchanged", "failed", "not_run")
ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Samples = Iterable[tuple[Mapping[str, str], int]]


@dataclass(frozen=True)
class Run:
    """A report, and the calls of its run."""

    report: Mapping[str, Any]
    calls: Sequence[Mapping[str, Any]]

    def seconds(self, field: str) -> int:
        return int(read_time(self.report[field]).timestamp())

    @property
    def duration(self) -> int:
        return max(0, self.seconds("finished") - self.seconds("started"))

    def steps(self) -> dict[str, int]:
        counts = for_each_alert("counting its steps", self.report["alerts"], _statuses, lambda alert, reason: [])
        found = Counter(status for statuses in counts for status in statuses)
        return {status: found[status] for status in STATUSES}

    def refused(self) -> dict[str, int]:
        found = Counter(rule for alert in self.report["alerts"] for rule in alert.get("rules", ()))
        return {rule: found[rule] for rule in RULES}

    def ages(self) -> dict[str, list[int]]:
        """How long ago alerts were first seen when the run ended, in seconds, by disposition."""
        ages: dict[str, list[int]] = {}
        for alert in self.report["alerts"]:
            # Some alerts lack it, and it is text of a message.
            with suppress(Exception):
                first_seen = int(read_time(alert["first_seen"]).timestamp())
                ages.setdefault(alert["disposition"], []).append(max(0, self.seconds("finished") - first_seen))
        return dict(sorted(ages.items()))


def _statuses(alert: Mapping[str, Any]) -> list[str]:
    return [step["status"] for step in alert["steps"]]


@dataclass(frozen=True)
class Family:
    """One row: a metric, its meaning, and its samples (labels, value) of a run."""

    name: str
    help: str
    samples: Callable[[Run], Samples]

    def lines(self, run: Run) -> Iterator[str]:
        yield f"# TYPE leastpriv_{self.name} gauge"
        yield f"# HELP leastpriv_{self.name} {self.help}"
        for labels, value in self.samples(run):
            every = {"mode": run.report["mode"], **labels}
            listed = ",".join(f'{label}="{text.translate(ESCAPED)}"' for label, text in every.items())
            yield f"leastpriv_{self.name}{{{listed}}} {value}"


def one(value: Callable[[Run], int]) -> Callable[[Run], Samples]:
    """One sample without further labels."""
    return lambda run: [({}, value(run))]


def by_disposition(values: Callable[[Run], Mapping[str, int]]) -> Callable[[Run], Samples]:
    """One sample for each disposition."""
    return lambda run: (({"disposition": word}, value) for word, value in values(run).items())


def by_operation(field: str) -> Callable[[Run], Samples]:
    """One sample for each operation of an API, with this field of its calls."""
    return lambda run: (
        ({"service": called["service"], "operation": called["operation"]}, called[field]) for called in run.calls
    )


FAMILIES = (
    Family(
        "run_info",
        "The run and its version of Leastpriv, always 1.",
        lambda run: [({"run_id": run.report["run_id"], "version": VERSION}, 1)],
    ),
    Family("run_started_timestamp_seconds", "When it began, Unix time.", one(lambda run: run.seconds("started"))),
    Family("run_finished_timestamp_seconds", "When it ended, Unix time.", one(lambda run: run.seconds("finished"))),
    Family("run_duration_seconds", "How long it took.", one(lambda run: run.duration)),
    Family(
        "run_interrupted",
        "1 for a run that something ended before its end, a signal for example.",
        one(lambda run: int(run.report["interrupted"] is not None)),
    ),
    Family(
        "run_unsettled",
        "Number of reasons why messages could not be deleted or released.",
        one(lambda run: len(run.report["unsettled"])),
    ),
    Family(
        "run_opened",
        "Accounts in which remediate_allow opens a guardrail.",
        one(lambda run: len(run.report["opened"])),
    ),
    Family(
        "exemptions",
        "Entries of remediate_protected_principals by state; expiring ones are in force, too.",
        lambda run: (({"state": state}, len(run.report.get(field, ()))) for state, field in EXEMPTIONS.items()),
    ),
    Family(
        "alerts",
        "Alerts by disposition.",
        by_disposition(lambda run: {word: run.report["totals"].get(word, 0) for word in BY_WORD}),
    ),
    Family(
        "alerts_need_person",
        "Alerts that make the exit status 2, by disposition.",
        by_disposition(lambda run: {word: run.report["needs_person"].get(word, 0) for word in WANTING}),
    ),
    Family(
        "refused",
        "Refused alerts by guardrail; an alert can name several.",
        lambda run: (({"rule": rule}, count) for rule, count in run.refused().items()),
    ),
    Family(
        "reverted",
        "Alerts whose changes somebody reverted, by a verification.",
        lambda run: [({}, run.report["totals"].get("reverted", 0))] if run.report["mode"] == "verify" else [],
    ),
    Family(
        "alert_oldest_age_seconds",
        "How long ago the oldest alert was first seen.",
        by_disposition(lambda run: {word: max(ages) for word, ages in run.ages().items()}),
    ),
    Family(
        "alert_median_age_seconds",
        "How long ago the middle one of the alerts was first seen.",
        by_disposition(lambda run: {word: median_low(ages) for word, ages in run.ages().items()}),
    ),
    Family(
        "steps",
        "Steps of all alerts by status.",
        lambda run: (({"status": status}, count) for status, count in run.steps().items()),
    ),
    Family("api_calls", "Calls to AWS and to the vendor's API, every try.", by_operation("calls")),
    Family("api_throttles", "Those that were answered with too many requests.", by_operation("throttled")),
)


def metrics(report: Mapping[str, Any], calls: Sequence[Mapping[str, Any]] = ()) -> str:
    """The text of metrics.prom.

    :param report: what `report` of plugin_utils/report/report.py returned.
    :param calls: what `count_calls` of module_utils/api_calls/counter.py returned.
    :returns: OpenMetrics text. It contains neither text of an alert nor names of accounts nor secrets.
    """
    run = Run(report, calls)
    return "\n".join([*(line for family in FAMILIES for line in family.lines(run)), "# EOF\n"])
