# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run is killed at any instant, and the next one finishes: the end is that of an undisturbed run.

The ordinary suite kills one run after the other, each at a later point. The exhaustive one has a row for every point.
"""

from __future__ import annotations

import functools
import json
from collections import Counter

import pytest
from scale import exhaustive, scaled
from stack import (
    iam_state,
    kill_controller,
    new_artifacts_folder,
    run_playbook,
    seed,
    send_alert,
    start_playbook,
    wait_until,
)
from stack.alerts import deny_document, deny_script, integration_test, nested_alert
from stack.furnishing import furnish

from .crash_points import ALL, ASKING, DELETION, LONG, NOTHING, POINTS, REPORTING, REST

ACCOUNT = "payments"
SETTINGS = ("-e", json.dumps({"remediate_allow": ["tag-user"]}), "--limit", ACCOUNT)


def fill(stack):
    """One alert of the vendor's own kind, one with a step of every other kind, and an integration test.

    The ordinary suite takes a removal, an addition, and a setting of the account for all kinds.
    """
    account_id = stack.account_id(ACCOUNT)
    access_key = furnish(stack.client("iam", ACCOUNT), account_id)["access_key"]
    seed(stack, ACCOUNT, users=["alice"])
    document = json.dumps(deny_document())
    detach = f"detach-user-policy --user-name bob --policy-arn arn:aws:iam::{account_id}:policy/allows"
    version = (
        f"create-policy-version --policy-arn arn:aws:iam::{account_id}:policy/allows --policy-document '{document}' "
        "--set-as-default"
    )
    passwords = "update-account-password-policy --minimum-password-length 14 --max-password-age 90"
    commands = (
        detach,
        f"put-user-policy --user-name bob --policy-name limits --policy-document '{document}'",
        "remove-user-from-group --user-name bob --group-name staff",
        version,
        "tag-user --user-name bob --tags Key=reviewed,Value=yes",
        f"update-access-key --user-name bob --access-key-id {access_key} --status Inactive",
        passwords,
    )
    commands = scaled((detach, version, passwords), commands)
    scripts = {
        "I-1": deny_script("user", "alice", account_id, "I-1"),
        "I-2": " && ".join(f"aws iam {command}" for command in commands),
    }
    stack.send(integration_test())
    for alert_id, script in scripts.items():
        stack.script(alert_id, script)
        stack.send(nested_alert(alert_id, account_id))


def changes(stack):
    """What was changed in AWS, and how often."""
    return Counter(call["action"] for call in stack.calls(service="iam", mutating=True, status=200))


@pytest.fixture(scope="module")
def undisturbed(running_stack):
    """(state of the account, changes) after an undisturbed run."""
    running_stack.reset()
    fill(running_stack)
    run = run_playbook(running_stack, *SETTINGS)
    assert run.dispositions == {"T-0": "acknowledged", "I-1": "remediated", "I-2": "remediated"}, run.stdout
    return iam_state(running_stack, ACCOUNT), changes(running_stack)


def stop_at(stack, point):
    """Arrange that a run comes to this point and no further; gives what waits until it is there."""
    if point is ASKING:
        stack.api_fault(endpoint="remediation", seconds=LONG)
        return lambda _artifacts: wait_until(functools.partial(stack.api_requests, endpoint="remediation"))
    if point is REPORTING:
        return lambda artifacts: wait_until(lambda: list(artifacts.glob("*/report.json")))
    stack.fault(**point.fault)
    status = {"status": 200} if point.after else {"status": None}
    return lambda _artifacts: stack.wait_for_call(**point.call, **status, count=point.skip + 1 if point.after else 1)


def kill_at(stack, point, whole_group=False):
    """Start a run, kill it when it comes to a point, and let the messages that it held become visible."""
    wait = stop_at(stack, point)
    artifacts = new_artifacts_folder(stack)
    process = start_playbook(stack, *SETTINGS, artifacts=artifacts)
    assert wait(artifacts), "the run did not come so far"
    assert kill_controller(process, whole_group) == [], "nothing outlives the run"
    assert stack.depth() == (0, point.in_flight), "nothing is lost, and no other run sees it yet"
    stack.clear_faults()
    stack.end_visibility_timeouts()


def assert_ends_as(stack, undisturbed, run):
    state, wanted = undisturbed
    assert run.rc == 0, run.stdout
    assert iam_state(stack, ACCOUNT) == state
    assert changes(stack) == wanted, "nothing is done twice"
    assert stack.depth() == (0, 0)


def left_for_the_next_run(stack, wanted):
    if stack.depth() == (0, 0):
        return NOTHING
    done = changes(stack)
    if done == wanted:
        return DELETION
    return REST if done else ALL


def test_runs_that_are_killed_one_after_the_other_end_as_an_undisturbed_one(stack, undisturbed):
    """ansible-runner sends SIGKILL to a whole process group, whose workers lead groups of their own."""
    stack.reset()
    fill(stack)
    for number, point in enumerate(point for point in POINTS if not point.is_repeat):
        kill_at(stack, point, whole_group=number % 2 == 1)
        assert left_for_the_next_run(stack, undisturbed[1]) == point.left, point.when
        if point.left in (REST, DELETION):
            assert stack.changes()[-1] == point.call["action"], "a call that was sent counts, and nothing follows it"
    run = run_playbook(stack, *SETTINGS)
    assert run.report["alerts"] == []
    assert_ends_as(stack, undisturbed, run)


@exhaustive
@pytest.mark.parametrize("point", POINTS, ids=[point.when for point in POINTS])
def test_the_next_run_ends_as_an_undisturbed_one(stack, undisturbed, point):
    stack.reset()
    fill(stack)
    kill_at(stack, point)
    left = left_for_the_next_run(stack, undisturbed[1])
    second = run_playbook(stack, *SETTINGS)
    assert_ends_as(stack, undisturbed, second)
    assert left == point.left
    assert (not second.report["alerts"]) == (left == NOTHING)


# That nothing follows the call, the chain of killed runs above shows as well.
@exhaustive
def test_a_call_that_was_sent_counts_and_nothing_follows_it(stack):
    """SIGKILL for all of a process group at once, as ansible-runner sends it; workers lead groups of their own."""
    users = [f"user-{number}" for number in range(4)]
    seed(stack, ACCOUNT, users=users)
    for number, user in enumerate(users):
        send_alert(stack, f"I-{number}", ACCOUNT, "user", user)
    stack.fault(action="CreatePolicy", seconds=LONG, applied=True)
    process = start_playbook(stack, artifacts=new_artifacts_folder(stack))
    stack.wait_for_call(action="CreatePolicy", status=200)
    assert kill_controller(process, whole_group=True) == []
    assert changes(stack) == {"CreatePolicy": 1}
    assert stack.depth() == (0, len(users))
    stack.clear_faults()
    stack.end_visibility_timeouts()
    run = run_playbook(stack)
    assert run.report["totals"] == {"remediated": len(users)}
    assert changes(stack) == {"CreatePolicy": len(users), "AttachUserPolicy": len(users)}
    assert stack.depth() == (0, 0)
