# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as it is published: built, installed, and run from an empty folder, without a checkout in sight.

`make release` names the tarball that it has built in LEASTPRIV_TARBALL.
"""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
from stack import attached, read_report, seed, send_alert
from stack.alerts import deny_policy_name
from stack.process import ROOT

# Of the project only, not of the collection.
NOT_PUBLISHED = ("ansible.cfg", "bench", "collections", "demo", "inventory", "Makefile", "remediate.yml", "tests")


@pytest.fixture(scope="module")
def home(running_stack, tmp_path_factory):
    """The home of a user who has installed what was built."""
    folder = tmp_path_factory.mktemp("published")
    built = os.environ.get("LEASTPRIV_TARBALL")
    if not built:
        run(running_stack, folder, "ansible-galaxy", "collection", "build", "--output-path", folder, ROOT)
        [built] = folder.glob("leastpriv-iam-*.tar.gz")
    # amazon.aws is there already; nothing is asked of a server.
    run(running_stack, folder, "ansible-galaxy", "collection", "install", built, "--offline")
    return folder


def run(stack, home, *command, cwd=None, rc=0):
    env = {name: value for name, value in stack.process_env.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd or home,
        env=env | {"HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == rc, done.stdout + done.stderr
    return done


def give_to_a_shell(stack, home, folder, text, words, more="", rc=0):
    """Run the command that a run has printed behind these words, as it is copied from the terminal, and more."""
    [command] = re.findall(rf'{words}:[\s",]+(ansible-playbook [^"\n]*)', text)
    return run(stack, home, "bash", "-c", command + more, cwd=folder, rc=rc)


def test_what_is_published_is_the_collection_alone(home):
    installed = home / ".ansible/collections/ansible_collections/leastpriv/iam"
    manifest = json.loads((installed / "MANIFEST.json").read_text())["collection_info"]
    assert (manifest["namespace"], manifest["name"], manifest["version"]) == ("leastpriv", "iam", "1.0.0")
    there = {path.name for path in installed.iterdir()}
    assert there >= {"plugins", "roles", "playbooks", "meta", "docs", "README.md", "CHANGELOG.md", "LICENSE"}
    assert there.isdisjoint(NOT_PUBLISHED)
    assert not [name for name in there if name.startswith(".")]


def test_the_playbooks_of_the_collection_work_from_an_empty_folder_and_so_do_the_commands_that_they_show(stack, home):
    """One alert is remediated, and another fails half-way and is undone."""
    for alert_id, account, user in (("I-1", "payments", "alice"), ("I-2", "sandbox", "carol")):
        seed(stack, account, users=[user])
        send_alert(stack, alert_id, account, "user", user)
    denied = {"action": "AttachUserPolicy", "code": "AccessDenied", "status": 403, "count": 1000}
    stack.fault(account=stack.account_id("sandbox"), **denied)
    empty = home / "empty"
    empty.mkdir()
    playbook = ("ansible-playbook", "-i", stack.inventory, "leastpriv.iam.remediate")
    # The default callback prints JSON, which would put a backslash before a double quote.
    tolerated = ("-e", json.dumps({"remediate_tolerate": ["unsupported"]}))
    review = run(stack, home, *playbook, "--check", *tolerated, cwd=empty)
    assert read_report(empty / "artifacts")["totals"] == {"planned": 2}
    assert stack.changes() == []
    apply = give_to_a_shell(stack, home, empty, review.stdout, "To apply exactly this", rc=2)
    assert " leastpriv.iam.remediate " in apply.args[-1]
    assert "{remediate_tolerate: [unsupported]}" in apply.args[-1]
    applied = read_report(empty / "artifacts")
    assert applied["totals"] == {"failed": 1, "remediated": 1}
    assert attached(stack, "payments", "user", "alice") == [deny_policy_name("alice", "I-1")]
    assert stack.depth() == (1, 0)
    assert [path.name for path in empty.iterdir()] == ["artifacts"]
    undo_what_failed_half_way(stack, home, empty, applied)


def undo_what_failed_half_way(stack, home, empty, applied):
    """By the command in the reason, first as a review, and then by the command that the review shows."""
    [reason] = [alert["reason"] for alert in applied["alerts"] if alert["alert_id"] == "I-2"]
    assert f"The policy {deny_policy_name('carol', 'I-2')} is left unattached." in reason
    stack.clear_faults()
    changes = stack.changes()
    tried = give_to_a_shell(stack, home, empty, reason, "To remove what was created", more=" --check")
    assert " leastpriv.iam.undo " in tried.args[-1]
    assert stack.changes() == changes
    give_to_a_shell(stack, home, empty, tried.stdout, "To undo exactly this")
    assert stack.changes() == [*changes, "DeletePolicy"]
    assert stack.client("iam", "sandbox").list_policies(Scope="Local")["Policies"] == []
