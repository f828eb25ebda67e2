# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of a run in a terminal, and in other settings.

What a run without a terminal prints is in test_remediate.py, and what -v adds in test_look_before.py.
"""

from __future__ import annotations

import json
import os
import re
import signal
import textwrap

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import plain
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import summary
from stack import run_playbook, seed, send_alert

from .terminal import COLUMNS, Terminal, lines

STUCK = 25
# What Ansible's own callback prints for tasks, for failures (since ansible-core 2.19 with an excerpt), and at the end.
OF_ANSIBLE = r"(ok|changed|skipping|included|fatal|failed): |PLAY|TASK|NO MORE|Origin: |\[ERROR\]|Traceback|\d+ - name"
BAR = re.compile(r"\[[#-]{20}\]")
COLOR = re.compile(rb"\x1b\[[0-9;]*m")


@pytest.fixture
def alerts(stack):
    """Two alerts in each of two accounts, of two steps each."""
    for alert_id, account, user in (
        ("I-1", "payments", "alice"),
        ("I-2", "payments", "dave"),
        ("I-3", "sandbox", "carol"),
        ("I-4", "sandbox", "erin"),
    ):
        seed(stack, account, users=[user])
        send_alert(stack, alert_id, account, "user", user)


def attached(stack, account):
    iam = stack.client("iam", account)
    users = [user["UserName"] for user in iam.list_users()["Users"]]
    return sorted(u for u in users if iam.list_attached_user_policies(UserName=u)["AttachedPolicies"])


def test_a_terminal_shows_a_line_per_account_while_it_works_and_then_the_summary_and_every_failure(stack, alerts):
    stack.fault(action="AttachUserPolicy", account=stack.account_id("payments"), code="AccessDenied", status=403)
    run = Terminal(stack, "-e", "remediate_validate_certs=false")
    assert run.wait() == 2
    assert (attached(stack, "sandbox"), len(attached(stack, "payments"))) == (["carol", "erin"], 1)
    assert run.report["totals"] == {"remediated": 3, "failed": 1}
    pictures = list(run.pictures())
    bars = [[line for line in picture if BAR.search(line)] for picture in pictures]
    assert max(map(len, bars)) == 2, "one line per account, however often it was drawn"
    shown = "\n".join(line for drawn in bars for line in drawn)
    assert re.search(r"^sandbox   \[-{20}\]  checking 2 alerts$", shown, re.MULTILINE)
    assert re.search(r"^sandbox   \[#{10}-{10}\]  2/4 steps, [\d.]+/s, \d:\d\d left$", shown, re.MULTILINE)
    assert re.search(r"^sandbox   \[#{20}\]  4/4 steps in \d:\d\d$", shown, re.MULTILINE)
    assert re.search(r"^payments  \[#{20}\]  4/4 steps in \d:\d\d, 1 failed$", shown, re.MULTILINE)
    last = pictures[-1]
    assert not [line for line in last if BAR.search(line)], "cleared"
    assert [line for line in last if re.match(r"ERROR: payments I-\d attach-user-policy (alice|dave): ", line)]
    assert "AccessDenied" in "".join(last)
    assert [line for line in last if line.startswith("[WARNING]: validate_certs is false: ")]
    assert not [line for line in last if re.match(OF_ANSIBLE, line)], "the role's tasks are not the user's business"
    assert last.index("1 of 4 alerts needs attention.") < last.index(f"{'RESULT':12}ALERT  ACCOUNT   REASON")
    # The summary is what its data give for this terminal.
    expected = [plain(line) for line in summary(run.report, COLUMNS) if line]
    start = last.index(expected[0])
    assert last[start : start + len(expected) - 1] == expected[:-1], "but the command, which names this run's inventory"
    assert COLOR.search(run.written)


def test_a_review_with_diffs_shows_them_and_whose_they_are_and_no_colour_when_asked(stack, alerts):
    run = Terminal(stack, "--check", "--diff", env={"NO_COLOR": "1"})
    assert run.wait() == 0
    assert (attached(stack, "sandbox"), run.report["totals"]) == ([], {"planned": 4})
    assert not COLOR.search(run.written)
    assert any("sandbox   [####################]  4 steps needed" in picture for picture in run.pictures())
    last = lines(run.screen)
    assert '+        "s3:DeleteBucket"' in last
    assert "changed: [sandbox]" in last
    assert [line for line in last[-6:] if line.startswith("To apply exactly this:")]
    assert not [line for line in last if BAR.search(line)]


def test_ctrl_c_leaves_the_terminal_clean(stack, alerts):
    stack.fault(action="AttachUserPolicy", account=stack.account_id("payments"), seconds=STUCK)
    run = Terminal(stack)
    stack.wait_for_call(action="AttachUserPolicy", account=stack.account_id("payments"))
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.wait() == 99
    assert stack.depth() == (4, 0)
    assert BAR.search(run.written.decode()), "it was interrupted while it drew"
    screen = run.screen
    last = lines(screen)
    assert not [line for line in last if BAR.search(line)]
    assert "Interrupted by SIGINT" in "".join(last)
    assert [line for line in last[-3:] if line.startswith("Report: ")]
    assert screen.cursor.x == 0
    assert not screen.display[screen.cursor.y].strip()
    assert not screen.cursor.hidden


def test_without_our_settings_the_summary_is_lines(stack, alerts):
    plain_settings = {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    # Nor is the callback enabled that ends a run which breaks off.
    plain_settings["ANSIBLE_CALLBACKS_ENABLED"] = "leastpriv.iam.preload"
    bare = run_playbook(stack, "--check", env=plain_settings)
    assert bare.rc == 0
    assert (bare.report["totals"], stack.depth()) == ({"planned": 4}, (4, 0))
    printed = " ".join((bare.stdout + bare.stderr).split())
    assert "The callback leastpriv.iam.interruption is not enabled" in printed
    assert "ANSIBLE_CALLBACKS_ENABLED=leastpriv.iam.preload,leastpriv.iam.interruption" in printed
    quoted = [json.dumps(plain(line)) for line in summary(bare.report) if line][:-1]
    assert [row for row in quoted if row not in bare.stdout] == []
    assert "\\n" not in bare.stdout


def test_in_other_plays_it_is_the_default_callback(stack, tmp_path):
    """With -vvv, too: test_remediate.py has such a run."""
    other = tmp_path / "other.yml"
    other.write_text(
        textwrap.dedent("""
            - name: Another play
              hosts: sandbox
              gather_facts: false
              tasks:
                - name: Say something
                  ansible.builtin.debug:
                    msg: "one\\ntwo"
                - name: Skip something
                  ansible.builtin.debug:
                    msg: three
                  when: false
        """)
    )
    ours, default = (
        run_playbook(stack, playbook=str(other), env=env)
        for env in ({}, {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"})
    )
    assert ours.rc == default.rc == 0
    assert _banners(ours) == _banners(default)
    assert "skipping: [sandbox]" in ours.stdout


def _banners(run):
    begins = re.compile("PLAY|TASK|ok:|changed:|skipping:|included:")
    # Accounts work side by side: who is first differs from run to run.
    return sorted(sorted(re.split("[, ]+", line)) for line in run.stdout.split("\n") if begins.match(line))
