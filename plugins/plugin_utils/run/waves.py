# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Group the steps of all accounts into waves: one task applies a wave. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import for_each_alert
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import AlertOutcome, Step, StepResult
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.account_alerts import AccountAlerts, alerts_of
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.outcome import why_it_gave_up

# Between waves, messages are kept hidden and failures are counted: a wave must not take minutes.
MAX_STEPS = 50
# The wave of the inline policies for principals that have reached the quota of managed policies.
CONSOLIDATING = "0001 amazon.aws.iam_policy"


class Wave(TypedDict, total=False):
    """The steps of one index and one module: those from `first` to `end` of each account. An empty wave has none."""

    wave: str
    module: str
    first: int
    end: int


def waves(translated: Mapping[str, AccountAlerts], consolidates: bool = False) -> list[Wave]:
    """Group the steps of all accounts.

    :param translated: the alerts by account, see `by_account`; each of their steps has a `wave`.
    :param consolidates: whether observing may add a step of `CONSOLIDATING` to each alert.
    :returns: the waves in the order of applying.
    """
    longest: Counter[str] = Counter()
    for alerts in map(alerts_of, translated.values()):
        counts: Counter[str] = sum(
            for_each_alert("grouping its steps", alerts, _waves_of, lambda _alert, _why: Counter()), Counter()
        )
        counts.update({CONSOLIDATING: len(alerts)} if consolidates else {})
        longest |= counts
    return [
        {"wave": wave, "module": wave.rpartition(".")[2], "first": first, "end": first + MAX_STEPS}
        for wave in sorted(longest)
        for first in range(0, longest[wave], MAX_STEPS)
    ]


def _waves_of(alert: AlertOutcome) -> Counter[str]:
    return Counter(step["wave"] for step in alert["steps"])


def pending_steps(
    alerts: Iterable[AlertOutcome],
    wave: Wave,
    kept: Sequence[StepResult],
    max_failures: int,
) -> list[Step]:
    """Choose the steps of a wave that an account still needs.

    :param alerts: the `alerts` of `leastpriv.iam.observe`.
    :param wave: one of `waves`, or an empty one.
    :param kept: the account's results so far, in their order; of the last wave also as its modules returned them.
    :param max_failures: the number of consecutive failures that stops an account.
    :returns: the needed steps of alerts without a failure; none if the account has stopped.
    """
    if "wave" not in wave or why_it_gave_up(kept, max_failures):
        return []
    stopped = {result["step"]["message_id"] for result in kept if result.get("failed")}
    undecided = [alert for alert in alerts if alert["disposition"] is None]

    def needed_of(alert: AlertOutcome) -> list[Step]:
        return [step for step in alert["steps"] if (step["wave"], step["status"]) == (wave["wave"], "needed")]

    needed = [
        step
        for steps in for_each_alert("choosing its steps", undecided, needed_of, lambda _alert, _why: [])
        for step in steps
    ]
    return [step for step in needed[wave["first"] : wave["end"]] if step["message_id"] not in stopped]
