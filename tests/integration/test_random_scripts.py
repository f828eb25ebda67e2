# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random scripts of one to six commands: our modules and the real AWS CLI end in the same state, or both fail.

The commands are those of the golden pairs, some about things that do not exist, some twice. The real modules run in
this process, which is what makes hundreds of scripts affordable; the twin test runs them through the playbook.
LEASTPRIV_SCRIPTS raises the number of scripts.
"""

from __future__ import annotations

import os
import random
import re
import shlex
from dataclasses import dataclass

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import STEPS
from scale import scaled
from stack import iam_state, run_playbook
from stack.alerts import nested_alert
from stack.furnishing import WRITTEN, furnish

from .in_process import ALLOW, aws_environment, observe_script, run_module
from .real_cli import RealCli
from .test_cli_twin import WRITTEN_FOR, fixture_of

IN_PLAYBOOK = scaled(2, 8)
SCRIPTS = int(os.environ.get("LEASTPRIV_SCRIPTS", scaled(12, 200)))
OPERATIONS = sorted(row.name for row in STEPS)
JOINERS = [" && ", "; ", "\n"]
# The CLI gives a code in front of its message, a review behind it.
CODE = re.compile(r"\((\w+)\)")
# What the CLI answers where a step of ours finds that nothing is left to do; the last is for a role that is in place.
ALREADY_SO = ("NoSuchEntity", "EntityAlreadyExists", "FeatureDisabled", "FeatureEnabled", "LimitExceeded")
# The CLI makes a second one; we take the first for what was wanted, or no script could be continued half-way.
MADE_AGAIN = ("CreatePolicyVersion",)


@dataclass
class Side:
    """One of the two accounts that a script is played in."""

    account_id: str
    profile: str
    made: dict

    def script(self, commands, joiner):
        return joiner.join(self.command(words) for words in commands)

    def command(self, words):
        command = shlex.join(words).replace(WRITTEN_FOR, self.account_id)
        for kind, written in WRITTEN.items():
            command = command.replace(written, self.made[kind])
        return command


def random_commands(chance):
    """Commands as words, from the golden pairs: mostly about what is there, sometimes not, sometimes twice."""
    commands = []
    for _turn in range(chance.randint(1, 6)):
        words = shlex.split(fixture_of(chance.choice(OPERATIONS))["script"])
        if chance.random() < 0.12:
            missing = chance.choice(["bob", "ci", "staff", "box"])
            words = ["ghost" if word == missing else word for word in words]
        commands += [words] * (2 if chance.random() < 0.1 else 1)
    return commands[:6]


@pytest.fixture(scope="module")
def world(running_stack):
    running_stack.reset()
    with aws_environment(running_stack), RealCli(running_stack.process_env) as real_cli:
        yield running_stack, real_cli


def a_side(stack, name, number):
    account_id = f"{number:012d}"
    stack.add_profiles({f"{name}-{number}": account_id})
    return Side(account_id, f"{name}-{number}", furnish(stack.client("iam", account_id), account_id))


def observed(stack, side, script):
    return observe_script(stack.client("iam", side.account_id), side.account_id, script)


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_a_random_script_ends_as_the_cli_ends_it(world, seed):
    stack, real_cli = world
    chance = random.Random(seed)
    commands, joiner = random_commands(chance), chance.choice(JOINERS)
    ours, theirs = a_side(stack, "ours", 300_000 + seed), a_side(stack, "theirs", 400_000 + seed)
    script = ours.script(commands, joiner)
    before = iam_state(stack, ours.account_id)
    review = observed(stack, ours, script)
    if is_about_nobody(review):
        return
    conflict = next((step for step in review["steps"] if step["status"] == "failed"), None)
    if conflict is None:
        apply(review["steps"], ours.profile)
    play(real_cli, theirs, commands, review)
    if conflict is not None:
        assert iam_state(stack, ours.account_id) == before, "a script that cannot be finished is not begun"
        return
    assert iam_state(stack, ours.account_id) == iam_state(stack, theirs.account_id), script
    if touches_everything_once(review):
        assert observed(stack, ours, script)["disposition"] == "already_remediated", "a second run changes nothing"


def test_a_sample_of_them_through_the_playbook(world):
    stack, real_cli = world
    stack.reset()
    sides, hosts = {}, {}
    for seed in range(1000, 1000 + IN_PLAYBOOK):
        chance = random.Random(seed)
        commands, joiner = random_commands(chance), chance.choice(JOINERS)
        ours, theirs = a_side(stack, "ours", 300_000 + seed), a_side(stack, "theirs", 400_000 + seed)
        alert_id = f"I-{seed}"
        sides[alert_id] = ours, theirs, commands, observed(stack, ours, ours.script(commands, joiner))
        hosts[ours.profile] = {"account_id": ours.account_id, "aws_profile": ours.profile, "remediate_allow": ALLOW}
        stack.script(alert_id, ours.script(commands, joiner))
        stack.send(nested_alert(alert_id, ours.account_id))
    inventory = stack.write_inventory(stack.folder / "random.yml", **hosts)
    run = run_playbook(stack, "-i", str(inventory), timeout=600)
    for alert_id, (ours, theirs, commands, review) in sides.items():
        alert = run.alerts[alert_id]
        assert alert["disposition"] == (review["disposition"] or "remediated"), alert["reason"]
        if is_about_nobody(review):
            continue
        play(real_cli, theirs, commands, review)
        if review["disposition"] != "failed":
            assert iam_state(stack, ours.account_id) == iam_state(stack, theirs.account_id), alert["script"]


def apply(steps, profile):
    """Apply what is needed: each needed step must change something, as the review said."""
    for step in steps:
        if step["status"] == "needed":
            result = run_module(step, profile)
            assert not result.get("failed"), (step["operation"], result.get("msg"))
            assert result["changed"], f"{step['operation']} was reviewed as needed"


def play(real_cli, side, commands, review):
    """Run the commands in the CLI one after the other, and hold its answers against what the review said of each."""
    for words, step in zip(commands, review["steps"], strict=True):
        if step["status"] == "unchanged" and step["operation"] in MADE_AGAIN:
            continue
        status, shown = real_cli.run(shlex.split(side.command(words))[1:], side.profile)
        code = CODE.search(shown)
        if step["status"] == "needed":
            assert status == 0, (step["operation"], shown)
        elif step["status"] == "unchanged":
            assert status == 0 or (code and code[1] in ALREADY_SO), (step["operation"], shown)
        elif step["status"] == "failed":
            said = CODE.search(review["reason"])
            assert status != 0, f"we say {review['reason']}, the CLI succeeds"
            assert said is None or said[1] == code[1], (review["reason"], shown)
            return


def is_about_nobody(review):
    """Whether nothing of a script is applied since its principals do not exist; the CLI would make its policy."""
    return {step["status"] for step in review["steps"]} == {"not_run"}


def touches_everything_once(review):
    """Whether no two commands are about the same thing: only then is a script true after it has run."""
    named = [[value for key, value in step["parameters"].items() if key.endswith("Name")] for step in review["steps"]]
    # What names nothing is about the account itself.
    names = [name for step, some in zip(review["steps"], named, strict=True) for name in some or [step["module"]]]
    return len(set(names)) == len(names)
