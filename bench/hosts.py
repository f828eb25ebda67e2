# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What accounts without an alert cost a run, since Ansible asks every host of the inventory: `make scaling`."""

from __future__ import annotations

import json
from pathlib import Path

from document import write_part
from measure import Cost, measure
from stack import ROOT, Stack, seed, send_alert

PAGE = "scaling.md"
SIZES = (1, 100, 400)
ACCOUNT = "payments"
HEAD = """\
| accounts in the inventory | processor, s | largest process, MB |
|---|---|---|"""


def main() -> None:
    with Stack(managed_policies=False) as stack:
        costs = {size: cost_of(stack, size) for size in SIZES}
    rows = [f"| {size} | {cost.cpu_seconds:.1f} | {cost.megabytes:.0f} |" for size, cost in costs.items()]
    table = "\n".join([HEAD, *rows])
    print(table)
    write_part("hosts", "make scaling", table, page=PAGE)


def cost_of(stack: Stack, size: int) -> Cost:
    """A run over one alert, with so many accounts in the inventory."""
    stack.reset()
    seed(stack, ACCOUNT, users=["alice"])
    send_alert(stack, "I-1", ACCOUNT, "user", "alice")
    others = {f"account-{number}": f"{200_000_000_000 + number}" for number in range(size - 1)}
    accounts = {**others, ACCOUNT: stack.account_id(ACCOUNT)}
    stack.write_inventory(**{name: {"account_id": number, "aws_profile": ACCOUNT} for name, number in accounts.items()})
    artifacts = stack.folder / f"artifacts-{size}"
    settings = json.dumps({"remediate_artifacts_dir": str(artifacts)})
    command = ["ansible-playbook", "-i", str(stack.inventory), "remediate.yml", "-e", settings]
    cost = measure(command, stack.process_env, ROOT, Path(stack.folder))
    assert cost.status == 0, (stack.folder / "output.log").read_text()
    return cost


if __name__ == "__main__":
    main()
