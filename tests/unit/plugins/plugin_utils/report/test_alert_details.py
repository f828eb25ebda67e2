# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.alert_details import alert_details
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report

SCRIPT = "aws iam tag-user --user-name alice \\\n  --tags Key=a,Value=b"
STEP = {"operation": "TagUser", "module": "amazon.aws.iam_user", "args": {"name": "alice"}, "status": "failed",
        "command": SCRIPT, "by_hand": True}  # fmt: skip


def output(disposition="failed", mode="check", **more):
    alert = {"alert_id": "I-1", "message_id": "m", "account": "payments", "account_id": "111122223333",
             "reason": "AWS said no", "script": SCRIPT, "steps": [STEP], **more}  # fmt: skip
    times = "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z"
    run = report(Run([{**alert, "disposition": disposition}], "run-1", *times, check_mode=True))
    return alert_details({**run, "mode": mode, "alert": run["alerts"][0]})


def test_script_translation_reason_and_what_is_left_are_reported():
    assert (
        output(policy="Least privilege", notes=["a note"])
        == """\
I-1: failed, a step failed
  run         run-1, a review, nothing was changed
  account     payments 111122223333
  policy      Least privilege

Why:
  AWS said no

What to do:
  Fix the cause shown, then run again. Steps that were already applied are skipped.

Vendor's script, to copy (never run by Leastpriv):
  aws iam tag-user --user-name alice \\
    --tags Key=a,Value=b

Steps:
  failed       tag-user -> amazon.aws.iam_user: name='alice'

Notes:
  a note

Commands to run manually, in this order, if the script is correct:
  aws iam tag-user --user-name alice \\
    --tags Key=a,Value=b"""
    )


def test_the_commands_of_an_undo_are_not_called_the_vendor_s():
    text = output("undone", mode="undo")
    assert "The undo as AWS CLI commands (a run uses modules instead):\n  aws iam tag-user" in text
    assert "Vendor's script" not in text


def test_nothing_of_an_alert_steers_the_terminal_and_what_is_hidden_is_not_for_copying():
    hostile = "\x1b[2J\x1b]0;title\x07\u202e\r"
    step = {**STEP, "module": hostile, "args": {hostile: hostile}, "command": hostile}
    text = output(script=f"aws iam x{hostile}", reason=hostile, policy=hostile, alert_id=hostile, steps=[step])
    assert all(line.isprintable() for line in text.split("\n"))
    assert "NOT to copy" in text
    assert "to copy (never run" not in text
    assert "Commands to run" not in text


def test_an_alert_without_a_script_says_so():
    text = output("unmapped_account", script=None, steps=[])
    assert text.endswith("The run did not get a script for this alert.")
    assert "Steps" not in text
