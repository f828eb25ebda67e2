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

SCRIPT, REVIEW, LEASTPRIV, FLOOR = "documented script", "Leastpriv --check", "Leastpriv", "floor"
WAYS = (SCRIPT, REVIEW, LEASTPRIV, FLOOR)
# The world that README and plot show, and the other one that README names.
MAIN, ONE_ACCOUNT = "real", "one"
# Below, it is the start that takes the time.
WORTH_COMPARING = 10
COLUMNS = (
    "alerts", "way", "runs", "seconds", "times the script's speed", "calls to AWS per alert", "processor, s",
    "largest process, MB", "emulator's processor, s",
)  # fmt: skip
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


@dataclass(frozen=True)
class Race(Cost):
    """What one way needed in one world (by name) for so many alerts; calls: to IAM and STS."""

    world: str
    size: int
    way: str
    emulator_seconds: float
    calls: int


class Races:
    """All that were run, by world, size and way."""

    def __init__(self, races: Iterable[Race]) -> None:
        self.races = list(races)
        self.worlds = [name for name in WORLDS if any(race.world == name for race in self.races)]

    def of(self, world: str, size: int, way: str) -> list[Race]:
        return [race for race in self.races if (race.world, race.size, race.way) == (world, size, way)]

    def sizes(self, world: str, way: str | None = None) -> list[int]:
        """The numbers of alerts that were raced, in one way or in any."""
        return sorted({race.size for race in self.races if race.world == world and way in (None, race.way)})

    def is_whole(self) -> bool:
        """Whether the main worlds were raced in all ways, so that it can be published."""
        return all(self.sizes(world, way) for world in (MAIN, ONE_ACCOUNT) for way in WAYS)

    def median(self, world: str, size: int, way: str, what: str = "seconds") -> float | None:
        """The median of one member of Race; None where nothing was measured."""
        values = [getattr(race, what) for race in self.of(world, size, way)]
        return statistics.median(values) if values else None

    def ratio(self, world: str, size: int, way: str) -> float | None:
        """How many times as long as this way, which does the same, the documented script takes."""
        if way == REVIEW:
            return None
        script, other = self.median(world, size, SCRIPT), self.median(world, size, way)
        return script / other if script and other else None

    def sentence(self) -> str:
        """The result in two sentences: of ten accounts, then of more alerts and of one account."""
        first, *more = self.large_sizes(MAIN)
        others = [(f"{size:,} alerts", self.ratio(MAIN, size, LEASTPRIV)) for size in more]
        for size in self.large_sizes(ONE_ACCOUNT):
            others.append((f"{size:,} alerts of one account", self.ratio(ONE_ACCOUNT, size, LEASTPRIV)))
        [(what, ratio), *rest] = others
        return (
            f"{first:,} alerts of {WORLDS[MAIN].number_of_accounts} accounts take "
            f"{in_words(self.median(MAIN, first, LEASTPRIV))}; the documented script takes "
            f"{in_words(self.median(MAIN, first, SCRIPT))}, {self.ratio(MAIN, first, LEASTPRIV):.1f} times as long. "
            f"For {what} it takes {ratio:.1f} times as long"
            + "".join(f", for {what} {ratio:.1f} times" for what, ratio in rest)
            + "."
        )

    def large_sizes(self, world: str) -> list[int]:
        """The numbers of alerts that both have raced over: those from a hundred on, or the largest."""
        both = sorted(set(self.sizes(world, SCRIPT)) & set(self.sizes(world, LEASTPRIV)))
        return [size for size in both if size >= 100] or both[-1:]

    def tables(self) -> str:
        return "\n\n".join(self.table(world) for world in self.worlds)

    def table(self, world: str) -> str:
        rows = [self.row(world, size, way) for size in self.sizes(world) for way in WAYS if self.of(world, size, way)]
        return "\n".join([f"### {WORLDS[world].title}", "", HEAD, *rows, "", *self.growths(world)]).strip()

    def row(self, world: str, size: int, way: str) -> str:
        ratio = self.ratio(world, size, way)
        cells = (
            f"{size:,}",
            way,
            str(len(self.of(world, size, way))),
            f"{self.median(world, size, way):.1f}",
            f"{ratio:.1f}" if ratio else "",
            f"{self.median(world, size, way, 'calls') / size:.1f}",
            f"{self.median(world, size, way, 'cpu_seconds'):.1f}",
            f"{self.median(world, size, way, 'megabytes'):.0f}",
            f"{self.median(world, size, way, 'emulator_seconds'):.1f}",
        )
        return f"| {' | '.join(cells)} |"

    def growths(self, world: str) -> list[str]:
        """How the time of each way grows from one size to the next ten times as large."""
        shown = []
        for size in self.sizes(world):
            pairs = {way: (self.median(world, size, way), self.median(world, 10 * size, way)) for way in WAYS}
            grown = [f"{way} {more / less:.1f}" for way, (less, more) in pairs.items() if less and more]
            if grown and size >= WORTH_COMPARING:
                shown.append(f"Ten times {size:,} alerts take so many times as long: {', '.join(grown)}.")
        return shown


def in_words(seconds: float | None) -> str:
    """A duration as people say it: `4.6 s`, `91 s`, `15 min 20 s`."""
    if not seconds:
        return "?"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes >= 2 else f"{round(seconds)} s"
