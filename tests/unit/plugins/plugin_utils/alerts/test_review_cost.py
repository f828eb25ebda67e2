# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.review_cost import (
    ReviewCost,
    ReviewError,
    review_cost,
)


@pytest.mark.parametrize("is_accepted", [True, False])
def test_without_a_dead_letter_queue_there_is_nothing_to_say(is_accepted):
    assert review_cost(None, is_accepted) == ReviewCost()


@pytest.mark.parametrize("max_receive_count", [1, 2])
def test_too_few_receives_are_refused_unless_accepted(max_receive_count):
    with pytest.raises(ReviewError, match=f"after {max_receive_count} receives.*remediate_review_despite_redrive"):
        review_cost(max_receive_count, False)
    assert f"maxReceiveCount is {max_receive_count}" in review_cost(max_receive_count, True).warning
    assert review_cost(max_receive_count, True).last_receive is None


def test_enough_receives_are_reported_and_guarded():
    cost = review_cost(10, False)
    assert "after 10 receives (maxReceiveCount)" in cost.warning
    assert "at most 9 left" in cost.warning
    assert cost.last_receive == 9
