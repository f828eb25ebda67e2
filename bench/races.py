# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured, and what follows from it: medians, ratios, growth, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from measure import Cost
from worlds import WORLDS

SCRIPT, LEASTPRIV, FLOOR = "documented script", "Leastpriv", "floor"
WAYS = (SCRIPT, LEASTPRIV, FLOOR)
# Below, it is the start that takes the time.
WORTH_COMPARING = 10
COLUMNS = (
    "alerts", "way", "wall, s", "processor, s", "largest process, MB", "emulator's share", "alerts per second",
    "times the script's speed",
)  # fmt: skip
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


@dataclass(frozen=True)
class Race(Cost):
    """What one way needed in one world (by name) for so many alerts."""

    world: str
    size: int
    way: str
    emulator_seconds: float


class Races:
    """All that were run, by world, size and way."""

    def __init__(self, races: Iterable[Race]) -> None:
        self.races = list(races)
        self.worlds = [name for name in WORLDS if any(race.world == name for race in self.races)]
        self.sizes = sorted({race.size for race in self.races})

    def of(self, world: str, size: int, way: str) -> list[Race]:
        return [race for race in self.races if (race.world, race.size, race.way) == (world, size, way)]

    def median(self, world: str, size: int, way: str, what: str = "seconds") -> float | None:
        """The median of one member of Race; None where nothing was measured."""
        values = [getattr(race, what) for race in self.of(world, size, way)]
        return statistics.median(values) if values else None

    def ratio(self, world: str, size: int, way: str) -> float | None:
        """How many times as long as this way the documented script takes."""
        script, other = self.median(world, size, SCRIPT), self.median(world, size, way)
        return script / other if script and other else None

    def tables(self) -> str:
        return "\n\n".join(self.table(world) for world in self.worlds)

    def table(self, world: str) -> str:
        rows = [self.row(world, size, way) for size in self.sizes for way in WAYS if self.of(world, size, way)]
        return "\n".join([f"### {WORLDS[world].title}", "", HEAD, *rows, "", *self.growths(world)])

    def row(self, world: str, size: int, way: str) -> str:
        wall = self.median(world, size, way)
        ratio = self.ratio(world, size, way)
        cells = (
            f"{size:,}",
            way,
            f"{wall:.2f}",
            f"{self.median(world, size, way, 'cpu_seconds'):.1f}",
            f"{self.median(world, size, way, 'megabytes'):.0f}",
            f"{self.median(world, size, way, 'emulator_seconds') / wall:.0%}",
            f"{size / wall:.2f}",
            f"{ratio:.1f}" if ratio else "",
        )
        return f"| {' | '.join(cells)} |"

    def growths(self, world: str) -> list[str]:
        """How the time of each way grows from one size to the next ten times as large."""
        shown = []
        for size in self.sizes:
            pairs = {way: (self.median(world, size, way), self.median(world, 10 * size, way)) for way in WAYS}
            grown = [f"{way} {more / less:.1f}" for way, (less, more) in pairs.items() if less and more]
            if grown and size >= WORTH_COMPARING:
                shown.append(f"Ten times {size:,} alerts take so many times as long: {', '.join(grown)}.")
        return shown
