# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the AWS calls of runs and of each kind of step, and write the tables into docs/performance.md: `make calls`.

In the world that counts: with AWS's own policies, and so much later as AWS answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from unittest import mock

import boto3
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls import call_fence
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import STEPS
from document import write_part
from integration.in_process import aws_environment, observe_script, run_module
from integration.test_cli_twin import script_for
from stack import Stack, cli, run_playbook, seed, send_alert
from stack.alerts import deny_script

SIZES = (1, 10, 50)
ADDED_SECONDS = 0.04
ACCOUNT = "payments"
HEAD = """\
| alerts of one account | run | calls in all | of them changes | per alert | which |
|---|---|---|---|---|---|"""
HEAD_OF_STEPS = """\
| step | module | calls | without the early end | which |
|---|---|---|---|---|"""


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
    table = "\n".join([HEAD_OF_STEPS, *step_rows()])
    print(table)
    write_part("calls of steps", "make calls", table)


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
    stack.fault(seconds=ADDED_SECONDS, count=10**9)
    stack.clear_calls()
    run = run_playbook(stack, *([way] if way == "--check" else []), timeout=600)
    expected = "planned" if way == "--check" else "remediated"
    assert run.report is not None, run.stdout
    assert run.report["totals"] == {expected: size}, run.stdout
    if way == "--check":
        stack.empty_queue()
    stack.clear_faults()
    return account_calls(stack)


def count_cli(stack: Stack) -> list[dict]:
    """The calls of the vendor's own script in the real AWS CLI, for comparison."""
    seed(stack, ACCOUNT, users=["alice"])
    stack.clear_calls()
    ran = cli(stack, ACCOUNT, deny_script("user", "alice", stack.account_id(ACCOUNT), "I-1", "\n"))
    assert ran.returncode == 0, ran.stderr
    return account_calls(stack)


def step_rows() -> list[str]:
    """What the module of each operation of amazon.aws calls, in this process."""
    operations = [row for row in STEPS if row.module.startswith("amazon.aws.")]
    rows = []
    with Stack() as stack, aws_environment(stack):
        for number, row in enumerate(operations):
            ours, theirs = f"1000000{number:05d}", f"2000000{number:05d}"
            stack.add_profiles({ours: ours, theirs: theirs})
            calls = calls_of_step(stack, row.name, ours)
            with mock.patch.object(call_fence.Fence, "is_last", return_value=False):
                longer = calls_of_step(stack, row.name, theirs)
            which = ", ".join(call["action"] for call in calls)
            module = row.module.removeprefix("amazon.aws.")
            rows.append(f"| {row.name} | `{module}` | {len(calls)} | {len(longer)} | {which} |")
    return rows


def calls_of_step(stack: Stack, operation: str, account_id: str) -> list[dict]:
    """The calls of the module of the step that the operation's fixture has; its other steps are applied as well."""
    client: Callable[..., object] = boto3.session.Session(profile_name=account_id).client
    alert = observe_script(client("iam"), account_id, script_for(stack, operation, account_id))
    calls = []
    for step in alert["steps"]:
        stack.clear_calls()
        result = run_module(step, account_id)
        assert not result.get("failed"), (operation, result)
        if step["operation"] == operation:
            calls = [call for call in stack.calls() if call["service"] == "iam"]
    return calls


def account_calls(stack: Stack) -> list[dict]:
    return [call for call in stack.calls() if call["service"] in ("iam", "sts")]


if __name__ == "__main__":
    main()
