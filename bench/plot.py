# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the races: for each world the time and the alerts per second against the number of alerts, by decades."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from races import LEASTPRIV, WAYS, Races
from worlds import WORLDS

WIDE, HIGH = 270, 200
LEFT, TOP, COLUMN, ROW = 60, 50, 460, 300


@dataclass(frozen=True)
class Scale:
    """Whole decades of numbers, laid over so many pixels."""

    least: float
    most: float
    pixels: float

    @classmethod
    def over(cls, values: list[float], pixels: float) -> Scale:
        least, most = floor(log10(min(values))), ceil(log10(max(values)))
        return cls(least, max(most, least + 1), pixels)

    def at(self, value: float) -> float:
        return round((log10(value) - self.least) / (self.most - self.least) * self.pixels, 1)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(int(self.least), int(self.most) + 1)]


def plot(races: Races) -> str:
    """The races as SVG, with a text alternative."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    panels = [
        panel(races, world, row, column) for row, world in enumerate(races.worlds) for column in range(len(MEASURES))
    ]
    size = {"width": LEFT + 2 * COLUMN - 20, "height": TOP + ROW * len(races.worlds) - 30}
    return templates.get_template("plot.svg.j2").render(panels=panels, described=described(races), **size)


def seconds(size: int, wall: float) -> float:
    return wall


def alerts_per_second(size: int, wall: float) -> float:
    return size / wall


MEASURES = (("seconds", seconds), ("alerts per second", alerts_per_second))


def panel(races: Races, world: str, row: int, column: int) -> dict[str, Any]:
    title, measure = MEASURES[column]
    found = {
        way: [(size, measure(size, wall)) for size in races.sizes if (wall := races.median(world, size, way))]
        for way in WAYS
    }
    across = Scale.over([size for points in found.values() for size, _value in points], WIDE)
    upward = Scale.over([value for points in found.values() for _size, value in points], HIGH)
    return {
        "title": f"{WORLDS[world].title}: {title}",
        "left": LEFT + column * COLUMN,
        "top": TOP + row * ROW,
        "wide": WIDE,
        "high": HIGH,
        "x_ticks": [{"at": across.at(tick), "label": f"{tick:,.0f}"} for tick in across.ticks()],
        "y_ticks": [{"at": HIGH - upward.at(tick), "label": f"{tick:,g}"} for tick in upward.ticks()],
        "lines": [
            {"way": way, "number": number, "points": [(across.at(x), HIGH - upward.at(y)) for x, y in found[way]]}
            for number, way in enumerate(WAYS)
            if found[way]
        ],
    }


def described(races: Races) -> str:
    """The plot in words: what each way took for the most alerts."""
    shown = []
    for world in races.worlds:
        size = max(size for size in races.sizes if races.of(world, size, LEASTPRIV))
        walls = [f"{way} {races.median(world, size, way):.1f} s" for way in WAYS if races.of(world, size, way)]
        shown.append(f"{WORLDS[world].title}, {size:,} alerts: {', '.join(walls)}.")
    return " ".join(shown)
