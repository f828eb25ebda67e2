# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run over a hundred accounts costs, and leaves behind, as its alerts grow: `make growth`."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from compare import race
from document import write_part
from races import LEASTPRIV, REVIEW, Race
from stack import Stack
from worlds import WORLDS, settle

WORLD, WAYS = WORLDS["many"], (REVIEW, LEASTPRIV)
FILES = ("report.json", "report.html", "plan.json", "journal.jsonl")
COLUMNS = (
    "alerts", "way", "processor, s", "processor per alert, ms", "largest process, MB", "calls to AWS per alert",
    *(f"{name}, MB" for name in FILES), "lines on the terminal",
)  # fmt: skip
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


@dataclass(frozen=True)
class Grown(Race):
    """A race, and what it left behind; sizes: of its files, in bytes, by name; lines: on the terminal."""

    sizes: dict[str, int]
    lines: int

    def row(self) -> str:
        cells = (
            f"{self.size:,}",
            self.way,
            f"{self.cpu_seconds:.0f}",
            f"{self.cpu_seconds / self.size * 1000:.0f}",
            f"{self.megabytes:.0f}",
            f"{self.calls / self.size:.1f}",
            *(f"{self.sizes[name] / 1_000_000:.1f}" if name in self.sizes else "" for name in FILES),
            f"{self.lines:,}",
        )
        return f"| {' | '.join(cells)} |"


def main() -> None:
    args = read_arguments()
    keep = args.keep or Path(tempfile.mkstemp(prefix="growth-")[1])
    with Stack(managed_policies=WORLD.managed_policies) as stack:
        settle(stack, WORLD)
        for way, size in product(args.ways, args.sizes):
            with keep.open("a") as file:
                file.write(f"{json.dumps(vars(grown(stack, size, way)))}\n")
    runs = [Grown(**json.loads(line)) for line in keep.read_text().splitlines()]
    rows = [run.row() for run in sorted(runs, key=lambda run: (WAYS.index(run.way), run.size))]
    table = "\n".join([HEAD, *rows])
    print(table)
    write_part("growth", "make growth", table, page="scaling.md")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="growth.py", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=WORLD.sizes, help="how many alerts")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--keep", type=Path, help="a file of runs: those that are there count, and new ones are added")
    return parser.parse_args()


def grown(stack: Stack, size: int, way: str) -> Grown:
    raced = race(stack, WORLD, size, way)
    report = max(stack.folder.glob("artifacts-*/*/report.json"), key=lambda path: path.stat().st_mtime)
    files = {name: report.parent / name for name in FILES}
    sizes = {name: path.stat().st_size for name, path in files.items() if path.exists()}
    return Grown(**vars(raced), sizes=sizes, lines=(stack.folder / "output.log").read_text().count("\n"))


if __name__ == "__main__":
    main()
