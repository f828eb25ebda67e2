# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the AWS calls of a review and of an apply run, and write the table into docs/performance.md: `make calls`."""

from __future__ import annotations

from collections import Counter

from document import write_part
from stack import Stack, cli, run_playbook, seed, send_alert
from stack.alerts import deny_script

SIZES = (1, 10, 50)
ACCOUNT = "payments"
HEAD = """\
| alerts of one account | run | calls in all | of them changes | per alert | which |
|---|---|---|---|---|---|"""


def main() -> None:
    rows = []
    for size in SIZES:
        with Stack() as stack:
            rows += [(size, way, count(stack, size, way)) for way in ("--check", "apply")]
    with Stack() as stack:
        rows.append((1, "AWS CLI", count_cli(stack)))
    table = "\n".join([HEAD, *(shown(*row) for row in rows)])
    print(table)
    write_part("calls", "make calls", table)


def shown(size: int, way: str, calls: list[dict]) -> str:
    changes = sum(call["mutating"] for call in calls)
    actions = Counter(f"{call['service']}:{call['action']}" for call in calls).most_common()
    which = ", ".join(f"{action} {number}" for action, number in actions)
    return f"| {size} | {way} | {len(calls)} | {changes} | {len(calls) / size:.1f} | {which} |"


def count(stack: Stack, size: int, way: str) -> list[dict]:
    """The IAM and STS calls of one run over `size` vendor-shaped alerts about as many users."""
    users = [f"user-{number}" for number in range(size)]
    if way == "--check":
        seed(stack, ACCOUNT, users=users)
    for number, user in enumerate(users):
        send_alert(stack, f"I-{number}", ACCOUNT, "user", user)
    stack.clear_calls()
    run = run_playbook(stack, *([way] if way == "--check" else []), timeout=600)
    expected = "planned" if way == "--check" else "remediated"
    assert run.report is not None, run.stdout
    assert run.report["totals"] == {expected: size}, run.stdout
    if way == "--check":
        stack.empty_queue()
    return account_calls(stack)


def count_cli(stack: Stack) -> list[dict]:
    """The calls of the vendor's own script in the real AWS CLI, for comparison."""
    seed(stack, ACCOUNT, users=["alice"])
    stack.clear_calls()
    ran = cli(stack, ACCOUNT, deny_script("user", "alice", stack.account_id(ACCOUNT), "I-1", "\n"))
    assert ran.returncode == 0, ran.stderr
    return account_calls(stack)


def account_calls(stack: Stack) -> list[dict]:
    return [call for call in stack.calls() if call["service"] in ("iam", "sts")]


if __name__ == "__main__":
    main()
