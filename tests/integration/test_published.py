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


def give_to_a_shell(stack, home, folder, text, words):
    """Run the command that a run has printed behind these words, as it is copied from the terminal."""
    [command] = re.findall(rf'{words}:[\s",]+(ansible-playbook [^"\n]*)', text)
    run(stack, home, "bash", "-c", command, cwd=folder)
    return command


def test_what_is_published_is_the_collection_alone(home):
    installed = home / ".ansible/collections/ansible_collections/leastpriv/iam"
    manifest = json.loads((installed / "MANIFEST.json").read_text())["collection_info"]
    assert (manifest["namespace"], manifest["name"], manifest["version"]) == ("leastpriv", "iam", "1.0.0")
    there = {path.name for path in installed.iterdir()}
    assert there >= {"plugins", "roles", "playbooks", "meta", "docs", "README.md", "CHANGELOG.md", "LICENSE"}
    assert there.isdisjoint(NOT_PUBLISHED)
    assert not [name for name in there if name.startswith(".")]


def test_the_playbook_of_the_collection_reviews_and_remediates_from_an_empty_folder(stack, home):
    seed(stack, "payments", users=["alice"])
    send_alert(stack, "I-1", "payments", "user", "alice")
    empty = home / "empty"
    empty.mkdir()
    playbook = ("ansible-playbook", "-i", stack.inventory, "leastpriv.iam.remediate")
    # The default callback prints JSON, which would put a backslash before a double quote.
    tolerated = ("-e", json.dumps({"remediate_tolerate": ["unsupported"]}))
    review = run(stack, home, *playbook, "--check", *tolerated, cwd=empty)
    assert read_report(empty / "artifacts")["totals"] == {"planned": 1}
    assert stack.changes() == []
    command = give_to_a_shell(stack, home, empty, review.stdout, "To apply exactly this")
    assert " leastpriv.iam.remediate " in command
    assert "{remediate_tolerate: [unsupported]}" in command
    assert read_report(empty / "artifacts")["totals"] == {"remediated": 1}
    assert attached(stack, "payments", "user", "alice") == [deny_policy_name("alice", "I-1")]
    assert stack.depth() == (0, 0)
    assert [path.name for path in empty.iterdir()] == ["artifacts"]
    undo = ("ansible-playbook", "-i", stack.inventory, "leastpriv.iam.undo", "-e", "alert_id=I-1")
    tried = run(stack, home, *undo, "--check", cwd=empty)
    give_to_a_shell(stack, home, empty, tried.stdout, "To undo exactly this")
    assert attached(stack, "payments", "user", "alice") == []


def test_the_undo_command_of_a_reason_is_that_of_the_installed_collection(stack, home, tmp_path):
    seed(stack, "payments", users=["alice"])
    send_alert(stack, "I-1", "payments", "user", "alice")
    denied = {"action": "AttachUserPolicy", "code": "AccessDenied", "status": 403, "count": 1000}
    stack.fault(account=stack.account_id("payments"), **denied)
    run(stack, home, "ansible-playbook", "-i", stack.inventory, "leastpriv.iam.remediate", cwd=tmp_path, rc=2)
    [alert] = read_report(tmp_path / "artifacts")["alerts"]
    assert f"The policy {deny_policy_name('alice', 'I-1')} is left unattached." in alert["reason"]
    stack.clear_faults()
    command = give_to_a_shell(stack, home, tmp_path, alert["reason"], "To remove what was created")
    assert " leastpriv.iam.undo " in command
    assert stack.changes()[-1] == "DeletePolicy"
