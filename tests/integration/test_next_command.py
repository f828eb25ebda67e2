# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that a run prints, given to a shell as they are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

from stack import ROOT, iam_state, new_artifacts_folder, read_report, run_playbook, seed
from stack.alerts import deny_script, nested_alert

QUARANTINE = ("-e", "remediate_quarantine_queue=quarantine")


def give_to_a_shell(stack, run, words):
    """Run the command that a run has printed behind these words."""
    (command,) = re.findall(rf"{words}:\s+(ansible-playbook .*)", run.stdout)
    inventory = stack.inventory.rename(stack.inventory.with_name("elsewhere.yml"))
    # The project's own inventory must not be what is found.
    command = command.replace(str(stack.inventory), str(inventory))
    try:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env=stack.process_env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    finally:
        shutil.move(inventory, stack.inventory)
    return command, done


def test_printed_commands_work_when_they_are_copied(stack):
    stack.client("sqs").create_queue(QueueName="quarantine")
    seed(stack, "payments", users=["alice"])
    seed(stack, "sandbox", users=["carol"])
    for alert_id, account, user in (("I-1", "payments", "alice"), ("I-2", "sandbox", "carol")):
        account_id = stack.account_id(account)
        stack.script(alert_id, deny_script("user", user, account_id, alert_id))
        stack.send(nested_alert(alert_id, account_id, name=user))
    stack.script("I-3", "aws ec2 terminate-instances --instance-ids i-1")
    stack.send(nested_alert("I-3", stack.account_id("payments")))
    artifacts = new_artifacts_folder(stack)
    secret = ("-e", json.dumps({"my_password": "hunter2", "remediate_tolerate": ["unsupported"]}))
    given = ("--limit", "payments", *QUARANTINE, *secret)

    review = run_playbook(stack, "--check", *given, artifacts=artifacts)
    assert review.dispositions == {"I-1": "planned", "I-2": "filtered", "I-3": "unsupported"}
    assert {call["account"] for call in stack.calls(service="iam")} == {stack.account_id("payments")}
    assert "hunter2" not in review.stdout
    command, applied = give_to_a_shell(stack, review, "To apply exactly this")
    assert "--limit payments" in command
    assert applied.returncode == 0, command + applied.stdout
    report = read_report(artifacts)
    assert report["mode"] == "apply"
    assert report["totals"]["remediated"] == 1, "sandbox is outside the limit"

    moved = run_playbook(stack, *given, artifacts=artifacts)
    command, redriven = give_to_a_shell(stack, moved, "After a fix")
    assert redriven.returncode == 0, command + redriven.stdout
    assert re.search(r"^ *moved: '?1'?$", redriven.stdout, re.MULTILINE), redriven.stdout
    assert stack.depth() == (2, 0), "the quarantined one and that of sandbox"

    undo = ("-e", f"run_id={report['run_id']}")
    before = iam_state(stack, "payments")
    stack.clear_calls()
    tried = run_playbook(stack, "--check", *undo, playbook="playbooks/undo.yml", artifacts=artifacts)
    assert (tried.rc, tried.dispositions, tried.report["mode"]) == (0, {"I-1": "planned"}, "check"), tried.stdout
    assert (stack.changes(), iam_state(stack, "payments")) == ([], before)
    command, undone = give_to_a_shell(stack, tried, "To undo exactly this")
    assert undone.returncode == 0, command + undone.stdout
    assert read_report(artifacts)["totals"] == {"undone": 1}
