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
from races import FLOOR, LEASTPRIV, SCRIPT, Race, Races
from stack import ROOT, Stack
from worlds import ACCOUNTS, WORLDS, NotDone, World, check, fill, settle

BENCH = Path(__file__).resolve().parent
# The script takes a second and more for each alert: from so many on it runs once only.
ONCE_FROM = 100
LONG_LIFE = 86_400
DEFAULT_MAX_ALERTS = 100
MAX_OUTPUT = 4_000


def main() -> None:
    args = read_arguments()
    races = Races(race_everywhere(args))
    text = f"{conditions(args)}\n\n{races.tables()}"
    print(text)
    if args.write:
        (DOCS / "performance.svg").write_text(plot(races))
        write_part("comparison", "make bench", f"{text}\n\n![{described(races)}](performance.svg)")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare.py", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100], help="how many alerts")
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="not all: nothing is written")
    parser.add_argument("--repeat", type=int, default=3, help=f"the script from {ONCE_FROM} alerts on: once")
    args = parser.parse_args()
    args.write = set(args.ways) == set(WAYS)
    return args


def conditions(args: argparse.Namespace) -> str:
    """What the numbers depend on."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    packages = ", ".join(f"{name} {version(name)}" for name in ("ansible-core", "boto3", "awscli", "moto"))
    repeated = f"medians of {args.repeat}, the script from {ONCE_FROM} alerts on once"
    return f"Over {len(ACCOUNTS)} accounts, on {machine}, {packages}, {date.today()}; {repeated}."


def race_everywhere(args: argparse.Namespace) -> Iterator[Race]:
    for world in (WORLDS[name] for name in args.worlds):
        with Stack(managed_policies=world.managed_policies) as stack:
            settle(stack)
            for size, turn, way in product(args.sizes, range(args.repeat), args.ways):
                if way != SCRIPT or size < ONCE_FROM or not turn:
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
        check(stack, alerts)
    except NotDone as problem:
        output = (stack.folder / "output.log").read_text()
        raise SystemExit(f"{way}, {size} alerts: {problem}\n{output[-MAX_OUTPUT:]}") from None
    raced = Race(**vars(cost), world=world.name, size=size, way=way, emulator_seconds=emulator_seconds)
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


WAYS: dict[str, Callable[[Stack, int], tuple[list[str], dict[str, str]]]] = {
    SCRIPT: script_command,
    LEASTPRIV: leastpriv_command,
    FLOOR: floor_command,
}


if __name__ == "__main__":
    main()
