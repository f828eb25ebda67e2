# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the races of the main world: for each number of alerts a bar per way, as long as it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from races import LEASTPRIV, MAIN, REVIEW, SCRIPT, Races, in_words
from worlds import WORLDS

SHOWN = (SCRIPT, REVIEW, LEASTPRIV)
# The largest numbers of alerts that were raced in all these ways.
MOST_SIZES = 3
WIDE, LEFT, TOP, BAR, GROUP = 420, 150, 64, 24, 120


def plot(races: Races) -> str:
    """The races as SVG, with a text alternative."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    groups = [group(races, size, number) for number, size in enumerate(shown_sizes(races))]
    return templates.get_template("plot.svg.j2").render(
        groups=groups,
        title=f"Alerts of {WORLDS[MAIN].number_of_accounts} AWS accounts: how long they take",
        described=described(races),
        width=LEFT + WIDE + 190,
        height=TOP + GROUP * len(groups),
    )


def shown_sizes(races: Races) -> list[int]:
    raced = [set(races.sizes(MAIN, way)) for way in SHOWN]
    return sorted(set.intersection(*raced))[-MOST_SIZES:]


def group(races: Races, size: int, number: int) -> dict[str, Any]:
    """The bars of one number of alerts; the longest is as wide as there is room."""
    walls = [(way, wall) for way in SHOWN if (wall := races.median(MAIN, size, way))]
    longest = max(wall for _way, wall in walls)
    bars = [
        {
            "way": way,
            "number": SHOWN.index(way),
            "top": place * BAR,
            "width": max(2.0, round(wall / longest * WIDE, 1)),
            "label": label(races, size, way, wall),
        }
        for place, (way, wall) in enumerate(walls)
    ]
    return {"title": named(size), "left": LEFT, "top": TOP + number * GROUP, "bars": bars}


def named(size: int) -> str:
    return "1 alert" if size == 1 else f"{size:,} alerts"


def label(races: Races, size: int, way: str, wall: float) -> str:
    ratio = races.ratio(MAIN, size, way)
    is_shown = way == LEASTPRIV and ratio is not None
    return f"{in_words(wall)}  ({ratio:.1f} times as fast)" if is_shown else in_words(wall)


def described(races: Races) -> str:
    """The plot in words."""
    shown = []
    for size in shown_sizes(races):
        walls = [f"{way} {in_words(wall)}" for way in SHOWN if (wall := races.median(MAIN, size, way))]
        shown.append(f"{named(size)}: {', '.join(walls)}")
    return f"{'; '.join(shown)}."
