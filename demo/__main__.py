# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: the whole job in an emulated world, from a queue full of alerts to the report.

Ends with status 0 only when every alert got the disposition that it must get; leaves nothing running, unless --keep.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

from scenario import LEFT, MORE, SCENES, stage, stage_more
from stack import ROOT, Stack

BOLD, PLAIN = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
NEEDS_ATTENTION = 2
ARTIFACTS = ROOT / "artifacts"


class Surprise(Exception):
    """A result is not the expected one."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the emulated accounts, queue and API running")
    keep = parser.parse_args().keep
    signal.signal(signal.SIGTERM, lambda *ignored: sys.exit(128 + signal.SIGTERM))
    started = time.monotonic()
    stack = Stack(detached=keep)
    with stack.kept() if keep else stack:
        play(stack)
    heading(f"All as expected, in {time.monotonic() - started:.0f} s")
    if keep:
        stage_more(stack)
        show_what_to_try(stack)
    return 0


def play(stack: Stack) -> None:
    """The demo from the first heading to the last; raises Surprise when a result is not the expected one."""
    heading("An emulated world: three AWS accounts, a queue, the vendor's API, all on this machine")
    stage(stack)
    for scene in SCENES:
        say(f"{scene.alert_id:7} {scene.story}")
    heading("First a review: nothing is changed, every message is released")
    review = run(stack, "--check", "--diff")
    expect("the review's dispositions", review, {scene.alert_id: scene.reviewed for scene in SCENES})
    changes = [call["action"] for call in stack.calls(service="iam", mutating=True)]
    expect("changes of IAM during the review", changes, [])
    expect("messages visible and in flight after the review", stack.depth(), (len(SCENES), 0))
    heading("Now apply. Some alerts need attention: the run shows why, and ends with status 2")
    applied = run(stack)
    expect("the run's dispositions", applied, {scene.alert_id: scene.applied for scene in SCENES})
    heading("What is left in the queue")
    show_left(stack, applied)


def run(stack: Stack, *args: str) -> dict[str, str]:
    """Run the playbook before the reader's eyes; gives the report's dispositions by alert id."""
    command = ["ansible-playbook", "remediate.yml", *args]
    say(f"$ {shlex.join(command)}\n")
    environment = stack.process_env | exports(stack) | ({"ANSIBLE_FORCE_COLOR": "1"} if sys.stdout.isatty() else {})
    earlier = set(reports())
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    expect("the exit status", status, NEEDS_ATTENTION)
    expect("the number of new reports", len(set(reports()) - earlier), 1)
    report = json.loads(reports()[-1].read_text())
    return {alert["alert_id"]: alert["disposition"] for alert in report["alerts"]}


def show_left(stack: Stack, dispositions: dict[str, str]) -> None:
    left = [json.loads(message["body"])["alertId"] for message in stack.messages()]
    for alert_id in left:
        say(f"{alert_id:7} {dispositions[alert_id]}")
    expect("the alerts left", {alert_id: dispositions[alert_id] for alert_id in left}, LEFT)
    say(f"\nThe report: {reports()[-1].relative_to(ROOT).with_name('report.html')}")


def reports() -> list[Path]:
    """The reports of all runs from this checkout, oldest first."""
    return sorted(ARTIFACTS.glob("*/report.json"), key=lambda path: path.stat().st_mtime)


def exports(stack: Stack) -> dict[str, str]:
    return stack.env | {"ANSIBLE_INVENTORY": str(stack.inventory), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}


def show_what_to_try(stack: Stack) -> None:
    """The environment of the stack, and commands for the alerts that nothing has worked on yet."""
    say(f"The emulated world is still running, with two new alerts: {', '.join(scene.alert_id for scene in MORE)}.")
    say("Paste this into a shell of your own:\n")
    for name, value in exports(stack).items():
        print(f"    export {name}={shlex.quote(value)}")
    print(f"    export PATH={Path(sys.executable).parent}{os.pathsep}$PATH\n    cd {shlex.quote(str(ROOT))}\n")
    say("Then review, and apply with the command that the review prints last. Undo one alert, and look:\n")
    print("    ansible-playbook remediate.yml --check")
    print("    ansible-playbook playbooks/undo.yml -e alert_id=I-4001")
    print("    aws iam list-attached-user-policies --user-name frank --profile payments\n")
    say(f"To end it: kill {stack.pid}; rm -r {shlex.quote(str(stack.folder))}")


def expect(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise Surprise(f"{what}: expected {wanted}, found {found}")


def heading(text: str) -> None:
    print(f"\n{BOLD}=== {text}{PLAIN}\n", flush=True)


def say(text: str) -> None:
    print(textwrap.indent(text, "  "), flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Surprise as surprise:
        sys.exit(f"\nThe demo failed: {surprise}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Nothing is left running.")
