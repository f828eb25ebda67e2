# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Race Leastpriv against the documented script and against the floor: `make bench`.

Whole processes, one after the other and in turn, on the same alerts in the same emulated world; each must leave the
same end state behind, or the race is off. Prints tables and writes them, with a plot, to docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version
from itertools import product
from pathlib import Path

from document import DOCS, write_part
from measure import measure
from plot import described, plot
from races import FLOOR, LEASTPRIV, REVIEW, SCRIPT, Race, Races
from stack import ROOT, Stack
from worlds import WORLDS, NotDone, World, check, check_review, fill, settle

BENCH = Path(__file__).resolve().parent
# The script takes a second and more for each alert: from so many on it runs once only, and from more on all do.
SCRIPT_ONCE_FROM, ALL_ONCE_FROM = 100, 1_000
LONG_LIFE = 86_400
DEFAULT_MAX_ALERTS = 100
MAX_OUTPUT = 4_000


def main() -> None:
    args = read_arguments()
    keep = args.keep or Path(tempfile.mkstemp(prefix="races-")[1])
    for raced in race_everywhere(args):
        with keep.open("a") as file:
            file.write(f"{json.dumps(vars(raced))}\n")
    races = Races(Race(**json.loads(line)) for line in keep.read_text().splitlines())
    text = f"{conditions()}\n\n{races.tables()}"
    print(text)
    if races.is_whole():
        (DOCS / "performance.svg").write_text(plot(races))
        write_part("comparison", "make bench", f"{text}\n\n{picture(races, 'performance.svg')}")
        text = f"{races.sentence()}\n\n{picture(races, 'docs/performance.svg')}"
        write_part("speed", "make bench", text, page="../README.md")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare.py", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", help="how many alerts; by default what each world has")
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--repeat", type=int, default=3, help=f"fewer from {SCRIPT_ONCE_FROM} alerts on")
    parser.add_argument("--keep", type=Path, help="a file of races: those that are there count, and new ones are added")
    return parser.parse_args()


def conditions() -> str:
    """What the numbers depend on."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    packages = ", ".join(f"{name} {version(name)}" for name in ("ansible-core", "boto3", "awscli", "moto"))
    return f"{machine}, {packages}, {date.today()}; seconds from start to exit, medians of so many runs."


def picture(races: Races, address: str) -> str:
    return f"![{described(races)}]({address})"


def race_everywhere(args: argparse.Namespace) -> Iterator[Race]:
    """The ways race in turn, and every second time in the opposite order."""
    for world in (WORLDS[name] for name in args.worlds):
        with Stack(managed_policies=world.managed_policies) as stack:
            settle(stack, world)
            for size, turn in product(args.sizes or world.sizes, range(args.repeat)):
                for way in args.ways[:: -1 if turn % 2 else 1]:
                    if not turn or size < (SCRIPT_ONCE_FROM if way == SCRIPT else ALL_ONCE_FROM):
                        yield race(stack, world, size, way)


def race(stack: Stack, world: World, size: int, way: str) -> Race:
    """One process over `size` new alerts. Raises NotDone when it did not do what it should."""
    alerts = fill(stack, world, size)
    command, env = WAYS[way](stack, size)
    before = stack.cpu_seconds()
    cost = measure(command, env, ROOT, stack.folder)
    emulator_seconds = stack.cpu_seconds() - before
    try:
        if cost.status:
            raise NotDone(f"it ended with status {cost.status}")
        if way == REVIEW:
            check_review(stack, alerts)
        else:
            check(stack, world, alerts)
    except NotDone as problem:
        output = (stack.folder / "output.log").read_text()
        raise SystemExit(f"{way}, {size} alerts: {problem}\n{output[-MAX_OUTPUT:]}") from None
    calls = sum(call["service"] in ("iam", "sts") for call in stack.calls())
    raced = Race(**vars(cost), world=world.name, size=size, way=way, emulator_seconds=emulator_seconds, calls=calls)
    print(raced, file=sys.stderr, flush=True)
    return raced


def script_command(stack: Stack, size: int) -> tuple[list[str], dict[str, str]]:
    return pasted(stack, "documented_script.py")


def floor_command(stack: Stack, size: int) -> tuple[list[str], dict[str, str]]:
    return pasted(stack, "floor.py")


def pasted(stack: Stack, program: str) -> tuple[list[str], dict[str, str]]:
    # A real token lives ten minutes, which the script does not survive: here it may finish.
    env = stack.process_env | {"AUTH_KEY": stack.new_token(lifetime=LONG_LIFE), "AWS_PAGER": ""}
    return [sys.executable, str(BENCH / program), str(stack.folder / "profiles.json")], env


def leastpriv_command(stack: Stack, size: int) -> tuple[list[str], dict[str, str]]:
    artifacts = tempfile.mkdtemp(prefix="artifacts-", dir=stack.folder)
    settings = {
        # One more than there are: like the script it must find out that the queue is empty.
        "remediate_max_alerts": max(size + 1, DEFAULT_MAX_ALERTS),
        "remediate_max_changes": size,
        "remediate_artifacts_dir": artifacts,
    }
    command = ["ansible-playbook", "-i", str(stack.inventory), "remediate.yml", "-e", json.dumps(settings)]
    return command, stack.process_env


def review_command(stack: Stack, size: int) -> tuple[list[str], dict[str, str]]:
    command, env = leastpriv_command(stack, size)
    return [*command, "--check"], env


WAYS: dict[str, Callable[[Stack, int], tuple[list[str], dict[str, str]]]] = {
    SCRIPT: script_command,
    REVIEW: review_command,
    LEASTPRIV: leastpriv_command,
    FLOOR: floor_command,
}


if __name__ == "__main__":
    main()
