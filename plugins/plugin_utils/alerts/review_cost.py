# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a review may cost on a queue with a dead-letter queue, where every receive counts. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import MIN_RECEIVES


class ReviewError(LeastprivError):
    """A review would send alerts to the dead-letter queue."""


@dataclass(frozen=True)
class ReviewCost:
    """`warning`: to show before a message is received. `last_receive`: stop if a message was received so often."""

    warning: str | None = None
    last_receive: int | None = None


def review_cost(max_receive_count: int | None, is_accepted: bool) -> ReviewCost:
    """Judge a review of a queue whose messages go to a dead-letter queue after `max_receive_count` receives.

    :param max_receive_count: None where there is no dead-letter queue: a review costs nothing.
    :param is_accepted: the user knows, and reviews anyway (remediate_review_despite_redrive).
    :raises ReviewError: where one review would leave no second try.
    """
    if max_receive_count is None:
        return ReviewCost()
    if is_accepted:
        return ReviewCost(
            f"This review counts as a receive of every alert that it gets, and may send alerts to the dead-letter "
            f"queue (maxReceiveCount is {max_receive_count}): remediate_review_despite_redrive is true."
        )
    if max_receive_count < MIN_RECEIVES:
        raise ReviewError(
            f"The review was refused before anything was received: the queue's redrive policy moves a message to the "
            f"dead-letter queue after {max_receive_count} receives (maxReceiveCount), and a review counts as one. Set "
            f"maxReceiveCount to 10 or more ({MIN_RECEIVES} at least), or run without --check; "
            "remediate_review_despite_redrive: true reviews anyway."
        )
    return ReviewCost(
        f"Each review counts as a receive: the queue's redrive policy moves a message to the dead-letter queue after "
        f"{max_receive_count} receives (maxReceiveCount), so an alert that was never received before has at most "
        f"{max_receive_count - 1} left after this review. The review stops at alerts that have only one left.",
        max_receive_count - 1,
    )
