# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps are applied by one task. Pure."""

from __future__ import annotations

from collections import Counter

from ansible_collections.leastpriv.iam.plugins.module_utils.each_alert import for_each_alert
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.account_alerts import alerts_of
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.outcome import why_it_gave_up

# Between waves messages are kept hidden and failures are counted: a wave must not take minutes.
LONGEST = 50
# Where observing puts the inline policy of a principal that can take no further managed one.
CONSOLIDATING = "0001 amazon.aws.iam_policy"


def waves(translated, consolidates=False):
    """Line up the steps of all accounts.

    :param translated: the alerts by account, see C(by_account); each of their C(steps) has a C(wave).
    :param consolidates: whether steps of C(CONSOLIDATING) may come on top, one for an alert.
    :returns: list of dicts with C(wave), C(module), C(first) and C(end), in the order of applying.
    """
    longest = Counter()
    for alerts in map(alerts_of, translated.values()):
        counts = sum(for_each_alert("lining up its steps", alerts, _waves_of, _none), Counter())
        counts.update({CONSOLIDATING: len(alerts)} if consolidates else {})
        longest |= counts
    return [
        {"wave": wave, "module": wave.rpartition(".")[2], "first": first, "end": first + LONGEST}
        for wave in sorted(longest)
        for first in range(0, longest[wave], LONGEST)
    ]


def _waves_of(alert):
    return Counter(step["wave"] for step in alert["steps"])


def _none(alert, reason):
    # Its steps do not run, which decides what becomes of it.
    return Counter()


def due(alerts, wave, kept, max_failures):
    """Choose what one wave applies in an account.

    :param alerts: the C(alerts) of M(leastpriv.iam.observe).
    :param wave: one of C(waves); what is none has no steps.
    :param kept: the results of the steps that the account has had, in their order.
    :param max_failures: how many failures in a row are too many.
    :returns: the steps that are needed, of alerts without a failure; none of an account that is left alone.
    """
    if "wave" not in wave or why_it_gave_up(kept, max_failures):
        return []
    stopped = {result["step"]["message_id"] for result in kept if result["failed"]}
    undecided = [alert for alert in alerts if alert["disposition"] is None]

    def needed_of(alert):
        return [step for step in alert["steps"] if (step["wave"], step["status"]) == (wave["wave"], "needed")]

    needed = [step for steps in for_each_alert("choosing its steps", undecided, needed_of, _none) for step in steps]
    return [step for step in needed[wave["first"] : wave["end"]] if step["message_id"] not in stopped]
