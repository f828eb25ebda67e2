# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody changes the account between observing and applying, for every operation of the table.

The end is either what the AWS CLI leaves behind after the same interference, or a failed step with nothing changed. The
real modules run in this process, inside the call fence.
"""

from __future__ import annotations

import functools
import itertools
import shlex

import pytest
from scale import EXHAUSTIVE
from stack import iam_state
from stack.furnishing import furnish

from .second_actor import ACTORS
from .test_cli_twin import OPERATIONS, fixture_of
from .test_random_scripts import Side, observed, run_module, world

__all__ = ["world"]
NUMBERS = itertools.count(1)


class Twins:
    """Two accounts alike, in which one script of one operation is played."""

    def __init__(self, stack, operation):
        self._stack = stack
        self.words = shlex.split(fixture_of(operation)["script"])
        self.ours, self.theirs = (self._furnish(operation, kind) for kind in (5, 6))

    def _furnish(self, operation, kind):
        account_id = f"{kind}{next(NUMBERS):011d}"
        self._stack.add_profiles({f"second-{account_id}": account_id})
        made = furnish(self._stack.client("iam", account_id), account_id, operation)
        return Side(account_id, f"second-{account_id}", made)

    def step(self, side):
        """The one step of the script in an account as it is now."""
        return observed(self._stack, side, side.command(self.words))["steps"][0]

    @functools.cached_property
    def first_step(self):
        """The step in our account as it was furnished: an actor that has nothing to do leaves it so."""
        return self.step(self.ours)

    def interfere(self, act, side, step):
        return act(self._stack.client("iam", side.account_id), side.account_id, step["parameters"])

    def state(self, side):
        return iam_state(self._stack, side.account_id)


def actors_of(operation):
    """All of them, in an order of its own for each operation."""
    turn = OPERATIONS.index(operation) % len(ACTORS)
    return [*ACTORS[turn:], *ACTORS[:turn]]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_ends_as_in_the_cli_or_nothing_is_sent(world, operation):
    """The ordinary suite lets one actor act, the exhaustive one every actor that has something to do."""
    stack, real_cli = world
    twins = Twins(stack, operation)
    for act in actors_of(operation):
        if not play(twins, act, real_cli):
            continue
        if not EXHAUSTIVE:
            return
        twins = Twins(stack, operation)


def play(twins, act, real_cli):
    """Gives whether the actor had anything to do."""
    step = twins.first_step
    assert step["status"] == "needed", step
    if not twins.interfere(act, twins.ours, step):
        return False
    before = twins.state(twins.ours)
    result = run_module(step, twins.ours.profile)
    after = twins.state(twins.ours)
    if result.get("failed"):
        assert after == before, (act.__name__, result["msg"])
        return True
    twins.interfere(act, twins.theirs, twins.step(twins.theirs))
    real_cli.run(shlex.split(twins.theirs.command(twins.words))[1:], twins.theirs.profile)
    assert after == twins.state(twins.theirs), act.__name__
    return True


RACES = (
    ("AttachRolePolicy", "edits_the_trust", "its trust policy differs"),
    ("AttachRolePolicy", "deletes_the_principal", "does not exist any more"),
    ("AttachUserPolicy", "deletes_the_principal", "does not exist any more"),
    ("TagRole", "creates_the_principal_again", "its trust policy differs"),
    ("CreatePolicy", "adds_a_policy_of_the_name", "was created since it was observed, and differs"),
    ("PutUserPolicy", "changes_the_inline_policy", "its inline policy differs"),
    ("DeleteUserPolicy", "changes_the_inline_policy", "its inline policy differs"),
    ("DetachUserPolicy", "adds_a_default_version", "the policy's default document differs"),
    ("SetDefaultPolicyVersion", "adds_a_default_version", "the policy's default document differs"),
    ("UpdateAccountPasswordPolicy", "sets_a_password_policy", "it differs"),
    ("UpdateAssumeRolePolicy", "edits_the_trust", "its trust policy differs"),
    ("PutUserPermissionsBoundary", "puts_a_boundary", "its permissions boundary differs"),
    ("PutRolePermissionsBoundary", "opens_the_new_boundary", "the document of its new permissions boundary differs"),
    ("AddUserToGroup", "opens_the_group", "the policies of its group differ"),
    ("UpdateRole", "changes_the_settings", "its description or session duration differs"),
)


@pytest.mark.parametrize(("operation", "actor", "says"), RACES, ids=[f"{race[0]} {race[1]}" for race in RACES])
def test_the_reason_says_what_somebody_changed(world, operation, actor, says):
    stack, _real_cli = world
    twins = Twins(stack, operation)
    step = twins.step(twins.ours)
    assert twins.interfere(next(act for act in ACTORS if act.__name__ == actor), twins.ours, step)
    before = twins.state(twins.ours)
    result = run_module(step, twins.ours.profile)
    assert says in result["msg"]
    assert "Nothing was sent" in result["msg"] or "Nothing was changed" in result["msg"]
    assert twins.state(twins.ours) == before


CARRIERS = (("user", "bob"), ("role", "ci"), ("instance-profile", "box"))


@pytest.mark.parametrize(("kind", "name"), CARRIERS, ids=[kind for kind, _name in CARRIERS])
def test_a_tag_that_is_already_there_stops_nothing(world, kind, name):
    stack, _real_cli = world
    operation = f"Tag{kind.title().replace('-', '')}"
    twins = Twins(stack, operation)
    twins.words = ["aws", "iam", f"tag-{kind}", f"--{kind}-name", name, "--tags", "Key=team,Value=red", "Key=a,Value=b"]
    result = run_module(twins.step(twins.ours), twins.ours.profile)
    assert result.get("changed"), result["msg"]
    assert observed(stack, twins.ours, twins.ours.command(twins.words))["disposition"] == "already_remediated"
