# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A day of alerts and the runs that work on them, in virtual time: `make scaling`, into docs/scaling.md.

What a run costs is read from the tables that were measured (docs/performance.md, docs/scaling.md for the inventory).
What AWS and the vendor allow is assumed, since neither publishes it: see `Limits`. docs/scaling.md states all of it.
"""

from __future__ import annotations

import heapq
import random
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate

from document import DOCS, write_part

DAY, HOUR = 86_400.0, 3_600.0
# What is asked for: so much of the alerts, so soon after they came.
SHARE, TARGET = 0.99, HOUR
# How many runs side by side are tried for each queue.
TRIED = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
# A tenth of the accounts has half of the alerts.
BUSY_ACCOUNTS, BUSY_SHARE = 0.1, 0.5
SCRIPTS_PER_REQUEST = 50
HEAD = """\
| accounts | alerts a day | they come | queues | most alerts of a run | runs side by side | half done after \
| 99 % done after | busiest account: calls/s | and alerts a day | vendor: requests/s |
|---|---|---|---|---|---|---|---|---|---|---|"""
HEAD_OF_RATES = """\
| calls a second that IAM answers for an account | alerts of that account an hour | a day |
|---|---|---|"""
RATES = (5, 10, 20, 50)


@dataclass(frozen=True)
class Costs:
    """Seconds of a run: in any case, for each host of its inventory, account with alerts, and alert; calls to IAM."""

    run: float
    host: float
    account: float
    alert: float
    calls_per_alert: float
    calls_per_account: float


@dataclass(frozen=True)
class Limits:
    """Assumed: steady calls a second that IAM answers for one account, and that the vendor answers for one user."""

    iam: float = 20.0
    vendor: float = 1.0


@dataclass(frozen=True)
class Scenario:
    accounts: int
    alerts: int
    within: float
    queues: int = 1
    most_alerts: int = 100

    def of_one_queue(self) -> Scenario:
        return replace(self, accounts=self.accounts // self.queues, alerts=self.alerts // self.queues, queues=1)


SCENARIOS = (
    Scenario(10, 1_000, DAY),
    Scenario(10, 1_000, HOUR),
    Scenario(1_000, 20_000, DAY, queues=2),
    Scenario(1_000, 20_000, HOUR, queues=2, most_alerts=1_000),
    Scenario(10_000, 200_000, DAY, queues=20, most_alerts=1_000),
    Scenario(10_000, 200_000, HOUR, queues=20, most_alerts=1_000),
    Scenario(10, 1_000_000, DAY, most_alerts=1_000),
    Scenario(1_000, 1_000_000, DAY, queues=2, most_alerts=1_000),
    Scenario(10_000, 1_000_000, DAY, queues=20, most_alerts=1_000),
    Scenario(10_000, 1_000_000, DAY, queues=100, most_alerts=1_000),
)


@dataclass(frozen=True)
class Day:
    """The result: for each alert how long it took to be done, and the runs that there were."""

    waits: list[float]
    runs: int

    def after(self, share: float) -> float:
        return self.waits[min(len(self.waits) - 1, int(share * len(self.waits)))]


def main() -> None:
    costs = measured()
    rows = [row(scenario, costs, Limits()) for scenario in SCENARIOS]
    text = "\n".join([shown(costs), "", HEAD, *rows, "", HEAD_OF_RATES, *rates(costs)])
    print(text)
    write_part("simulation", "make scaling", text, page="scaling.md")


# --- what was measured ------------------------------------------------------------------------------------------------


def measured() -> Costs:
    """Solve for the parts of a run: 1, 10 and 100 alerts over 10 accounts as far away as AWS, and inventories."""
    performance = (DOCS / "performance.md").read_text()
    far = performance.partition("### Ten accounts")[2]
    one, ten, hundred = (number(far, rf"\| {size} \| Leastpriv \| \d+ \| ([\d.]+)") for size in (1, 10, 100))
    hosts = dict(re.findall(r"^\| (\d+) \| ([\d.]+) \| \d+ \|$", (DOCS / "scaling.md").read_text(), re.MULTILINE))
    fewest, most = min(hosts, key=int), max(hosts, key=int)
    host = (float(hosts[most]) - float(hosts[fewest])) / (int(most) - int(fewest))
    alert = (hundred - ten) / 90
    account = (ten - one) / 9 - alert
    ten_calls, fifty_calls = (number(performance, rf"\| {size} \| apply \| (\d+)") for size in (10, 50))
    looks = number(performance, r"\| 50 \| --check \| (\d+)")
    return Costs(one - account - alert - 10 * host, host, account, alert, (fifty_calls - ten_calls) / 40, looks)


def number(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    if not found:
        raise ValueError(f"docs/performance.md has no row {pattern}: run make bench and make calls")
    return float(found.group(1))


def shown(costs: Costs) -> str:
    return (
        f"A run takes {costs.run:.1f} s, {costs.host:.2f} s for each account of its inventory, {costs.account:.2f} s "
        f"for each account with alerts and {costs.alert:.2f} s for each alert; it makes {costs.calls_per_account:.0f} "
        f"calls to IAM and STS for each account with alerts and {costs.calls_per_alert:.1f} for each alert."
    )


def rates(costs: Costs) -> list[str]:
    """How many alerts of one account IAM lets through, whatever there are of runs and machines."""
    hourly = {rate: rate * HOUR / costs.calls_per_alert for rate in RATES}
    return [f"| {rate} | {alerts:,.0f} | {24 * alerts:,.0f} |" for rate, alerts in hourly.items()]


# --- the day ----------------------------------------------------------------------------------------------------------


def simulate(scenario: Scenario, costs: Costs, limits: Limits, runs: int) -> Day:
    """Work on the alerts of one queue with so many runs side by side, each beginning again as soon as it has ended."""
    alerts = arrivals(scenario)
    times = [time for time, _account in alerts]
    free = [0.0] * runs
    iam_free: dict[int, float] = defaultdict(float)
    vendor_free, first, count, waits = 0.0, 0, 0, []
    while first < len(alerts):
        start = max(heapq.heappop(free), times[first])
        last = min(bisect_right(times, start), first + scenario.most_alerts)
        vendor_free = max(vendor_free, start) + requests_for(last - first) / limits.vendor
        taken = Counter(account for _time, account in alerts[first:last])
        end = ended(taken, vendor_free, scenario.accounts, costs, limits, iam_free)
        waits += [end - time for time in times[first:last]]
        heapq.heappush(free, end)
        first, count = last, count + 1
    return Day(sorted(waits), count)


def requests_for(alerts: int) -> int:
    return -(-alerts // SCRIPTS_PER_REQUEST)


@cache
def arrivals(scenario: Scenario) -> list[tuple[float, int]]:
    """(time, account) of each alert, in order; the same at every call."""
    chance = random.Random(scenario.alerts)
    busy = max(1, round(scenario.accounts * BUSY_ACCOUNTS))
    quiet = scenario.accounts - busy
    weights = [BUSY_SHARE / busy] * busy + [(1 - BUSY_SHARE) / quiet] * quiet
    accounts = chance.choices(range(scenario.accounts), cum_weights=list(accumulate(weights)), k=scenario.alerts)
    return sorted(zip((chance.uniform(0, scenario.within) for _each in accounts), accounts, strict=True))


def ended(
    alerts: Counter[int], began: float, hosts: int, costs: Costs, limits: Limits, iam_free: dict[int, float]
) -> float:
    """When a run ends over these alerts by account: when its work is done, and IAM has answered all its calls.

    `iam_free` says until when IAM is busy with the calls of each account, of all runs; those of this one are added.
    """
    work = costs.run + costs.host * hosts + costs.account * len(alerts) + costs.alert * alerts.total()
    for account, number_of_alerts in alerts.items():
        calls = costs.calls_per_account + costs.calls_per_alert * number_of_alerts
        iam_free[account] = max(iam_free[account], began) + calls / limits.iam
    return max(began + work, *(iam_free[account] for account in alerts))


# --- the table --------------------------------------------------------------------------------------------------------


def row(scenario: Scenario, costs: Costs, limits: Limits) -> str:
    one = scenario.of_one_queue()
    runs, day = fewest(one, costs, limits)
    busiest = Counter(account for _time, account in arrivals(one)).most_common(1)[0][1]
    requests = scenario.queues * day.runs * requests_for(one.alerts // day.runs)
    cells = (
        f"{scenario.accounts:,}",
        f"{scenario.alerts:,}",
        "all day" if scenario.within == DAY else "within an hour",
        scenario.queues,
        f"{scenario.most_alerts:,}",
        runs * scenario.queues if day.after(SHARE) <= TARGET else "no number is enough",
        duration(day.after(0.5)),
        duration(day.after(SHARE)),
        f"{busiest * costs.calls_per_alert / scenario.within:.2f}",
        f"{busiest:,}",
        f"{requests / scenario.within:.2f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def fewest(scenario: Scenario, costs: Costs, limits: Limits) -> tuple[int, Day]:
    """The fewest runs side by side that meet the target, or the most that are tried, and what came of the day."""
    for runs in TRIED:
        day = simulate(scenario, costs, limits, runs)
        if day.after(SHARE) <= TARGET:
            break
    return runs, day


def duration(seconds: float) -> str:
    for size, unit in ((DAY, "d"), (HOUR, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


if __name__ == "__main__":
    main()
