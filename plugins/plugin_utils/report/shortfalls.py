# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run was to leave or to tell at its end and did not: results of its last tasks -> sentences. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# What is sent by HTTP, to whom, and the setting of its address.
SENT = {
    "metrics": ("the metrics were not pushed", "gateway", "remediate_metrics_push_url"),
    "notification": ("the notification was not delivered", "webhook", "remediate_webhook_url"),
}


def missing(written: Sequence[Mapping[str, Any]], copied: Mapping[str, Any] | None = None) -> list[str]:
    """What is not there although the run was to leave it.

    :param written: results of `leastpriv.iam.artifact`.
    :param copied: result of the loop of `amazon.aws.s3_object`.
    """
    files = [problem for result in written for problem in _problems(result)]
    failed = [one for one in (copied or {}).get("results") or [] if "url" not in one and not one.get("skipped")]
    # One reason is enough: where one file cannot be copied, no other can.
    reasons = [one.get("msg") or "no reason given" for one in failed[:1]]
    return files + [f"Not copied to remediate_artifacts_s3: {reason}" for reason in reasons]


def _problems(result: Mapping[str, Any]) -> list[str]:
    if "problems" in result or not result.get("msg"):
        return list(result.get("problems") or [])
    return [str(result["msg"])]


def unsent(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The texts that could not be sent, a sentence each. The run's result is not affected.

    :param results: the results of `leastpriv.iam.send` by key of `SENT`; empty if there was nothing to send.
    """
    failed = {what: result for what, result in results.items() if result and not _is_sent(result)}
    return [_unsent(*SENT[what], result.get("problem") or "was not asked") for what, result in failed.items()]


def _is_sent(result: Mapping[str, Any]) -> bool:
    return bool(result.get("skipped") or result.get("delivered"))


def _unsent(what: str, to: str, setting: str, problem: str) -> str:
    return f"{what} (the {to} {problem}). Check {setting}. The run's result is not affected."
