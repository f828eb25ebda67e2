# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.chart import by_urgency, stacked_bars

COUNTS = {"quiet": Counter(remediated=8), "loud": Counter(refused=1, remediated=1), "louder": Counter(refused=2)}
GROUP_OF = {"refused": "person", "remediated": "remediated"}


def test_the_most_urgent_row_stands_first_then_the_longest():
    assert list(by_urgency(COUNTS, {"refused"})) == ["louder", "loud", "quiet"]
    assert list(by_urgency(COUNTS, set())) == ["quiet", "loud", "louder"]


def test_parts_fill_their_bar_without_gap_or_overlap():
    chart = stacked_bars("account", COUNTS, ["refused", "remediated"], GROUP_OF)
    assert [[(part["group"], part["x"], part["width"]) for part in bar["parts"]] for bar in chart["bars"]] == [
        [("remediated", 0.0, 100.0)],
        [("person", 0.0, 12.5), ("remediated", 12.5, 12.5)],
        [("person", 0.0, 25.0)],
    ]


def test_words_and_a_table_say_what_the_bars_show():
    chart = stacked_bars("account", COUNTS, ["refused", "remediated"], GROUP_OF)
    counts = ["8 remediated", "1 refused, 1 remediated", "2 refused"]
    assert [bar["counts"] for bar in chart["bars"]] == counts
    assert chart["rows"] == [("quiet", [0, 8], 8), ("loud", [1, 1], 2), ("louder", [2, 0], 2)]


def test_too_many_rows_are_in_the_table_only():
    counts = {f"account-{number}": Counter(remediated=number + 1) for number in range(50)}
    chart = stacked_bars("account", counts, ["remediated"], GROUP_OF)
    assert (len(chart["bars"]), chart["left_out"], len(chart["rows"])) == (12, 38, 50)
    assert chart["bars"][-1]["parts"][0]["width"] == 100.0
