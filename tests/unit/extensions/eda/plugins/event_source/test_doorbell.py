# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.extensions.eda.plugins.event_source import doorbell
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import Depth

# By name: looks as (second, visible, in flight), and in which second it rings for what.
STORIES = {
    "an empty queue is silent": ([(0, 0, 0), (1, 0, 0)], {}),
    "messages that others work on are no reason": ([(0, 0, 3), (1, 0, 3)], {}),
    "the first message rings at once, and once": ([(0, 0, 0), (1, 1, 0), (2, 1, 0), (3, 0, 1)], {1: "arrived"}),
    "a storm rings once until somebody receives": (
        [(second, 10 * second, 0) for second in range(1, 10)],
        {1: "arrived"},
    ),
    "what comes after that rings anew": (
        [(1, 3, 0), (4, 0, 3), (5, 2, 3), (6, 2, 3), (7, 2, 3)],
        {1: "arrived", 6: "more"},
    ),
    "a run that waits for another to end is not rung for again": (
        [(1, 3, 0), (4, 0, 3), (6, 2, 3), (12, 3, 3), (18, 4, 3), (35, 5, 3)],
        {1: "arrived", 6: "more"},
    ),
    "an alert that is released rings ever later": (
        [(second, second not in (3, 33, 93), second in (3, 33, 93)) for second in range(1, 220)],
        {1: "arrived", 31: "left", 91: "left", 211: "left"},
    ),
    "the pause has an end": (
        [(second, 1, 0) for second in range(0, 700, 10)],
        {0: "arrived", 30: "left", 90: "left", 210: "left", 330: "left", 450: "left", 570: "left", 690: "left"},
    ),
    "a new alert beside one that stays rings at once": (
        [(1, 1, 0), (3, 0, 1), (4, 1, 0), (31, 1, 0), (33, 0, 1), (34, 1, 0), (45, 2, 0)],
        {1: "arrived", 31: "left", 45: "more"},
    ),
    "and the pause begins anew, since the depth has changed": (
        [
            (1, 1, 0),
            (3, 0, 1),
            (4, 1, 0),
            (31, 1, 0),
            (33, 0, 1),
            (34, 1, 0),
            (45, 2, 0),
            (48, 0, 2),
            (51, 1, 0),
            (52, 1, 0),
            (55, 0, 1),
            (56, 1, 0),
            (82, 1, 0),
            (83, 1, 0),
        ],
        {1: "arrived", 31: "left", 45: "more", 52: "left", 82: "left"},
    ),
    "a run that could not start does not keep a new alert waiting for long": (
        [(0, 1, 0), (30, 1, 0), (90, 1, 0), (110, 2, 0), (120, 2, 0)],
        {0: "arrived", 30: "left", 90: "left", 120: "more"},
    ),
    "what is left of a large queue rings when the run has ended": (
        [(0, 1000, 0), (4, 900, 100), (6, 900, 80), (20, 900, 0), (21, 900, 0)],
        {0: "arrived", 20: "left"},
    ),
    "a killed run's messages ring as soon as they are visible": (
        [(0, 5, 0), (4, 0, 5), (899, 0, 5), (904, 5, 0)],
        {0: "arrived", 904: "left"},
    ),
    "the queue was empty and is not any more": (
        [(1, 1, 0), (3, 0, 1), (6, 0, 0), (7, 0, 0), (8, 1, 0)],
        {1: "arrived", 8: "arrived"},
    ),
    "one look that sees nothing is not believed: the count is approximate": (
        [(1, 1, 0), (3, 0, 1), (6, 0, 0), (7, 1, 0), (8, 1, 0)],
        {1: "arrived"},
    ),
}


@pytest.mark.parametrize(("looks", "rings"), STORIES.values(), ids=STORIES)
def test_it_rings_when_a_run_has_something_to_do(looks, rings):
    bell = doorbell.Bell(gap=5, first_pause=30, longest_pause=120)
    heard = [(now, bell.look(Depth(visible, in_flight), now)) for now, visible, in_flight in looks]
    assert {now: ring.reason for now, ring in heard if ring} == rings


def test_a_ring_tells_what_was_seen_and_for_how_long_the_queue_has_not_been_empty():
    bell = doorbell.Bell(gap=5, first_pause=30, longest_pause=120)
    bell.look(Depth(0, 2), 10.0)
    assert bell.look(Depth(1, 2), 42.4) == doorbell.Ring("arrived", visible=1, in_flight=2, waiting_seconds=32)


def test_arguments_come_from_the_environment_and_have_types(monkeypatch):
    monkeypatch.setenv("SQS_QUEUE_NAME", "alerts")
    settings = doorbell.checked({"gap": "2.5"})
    assert (settings["queue_name"], settings["gap"], settings["longest_pause"]) == ("alerts", 2.5, 3600)


@pytest.mark.parametrize(
    ("args", "said"),
    [({"gap": "soon"}, "gap"), ({"que_name": "alerts"}, "que_name"), ({"look_every": 0}, "look_every")],
)
def test_arguments_that_mean_nothing_are_reported(args, said):
    with pytest.raises(LeastprivError, match=said):
        doorbell.checked(args)
