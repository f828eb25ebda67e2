# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/show.yml: one alert in detail, from the reports of earlier runs."""

from __future__ import annotations

import json

from ansible.plugins.loader import lookup_loader
from stack import run_playbook, seed
from stack.alerts import deny_script, nested_alert

ALLOW = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
REFUSED = f"aws iam create-policy --policy-name p --description '{{{{ 7 * 7 }}}}' --policy-document '{ALLOW}'"


def show(stack, artifacts, *arguments, **env):
    settings = json.dumps({"remediate_artifacts_dir": str(artifacts)})
    return run_playbook(stack, "-e", settings, *arguments, playbook="playbooks/show.yml", env=env)


def test_an_alert_is_shown_from_the_newest_run_that_knows_it_and_from_the_run_that_is_named(stack):
    seed(stack, "payments", users=["alice"])
    account_id = stack.account_id("payments")
    script = deny_script("user", "alice", account_id, "I-1")
    for alert_id, text in (("I-1", script), ("I-2", REFUSED), ("I-3", "aws iam x \x1b[2J\x1b]0;evil\x07")):
        stack.send(nested_alert(alert_id, account_id))
        stack.script(alert_id, text)
    review = run_playbook(stack, "--check")
    shared = ["-e", json.dumps({"remediate_artifacts_dir": str(review.artifacts)})]
    applied = run_playbook(stack, *shared)
    assert applied.rc == 2
    stack.clear_calls()
    newest = show(stack, review.artifacts, "-e", "alert_id=I-1")
    assert newest.rc == 0, newest.stdout
    assert "I-1: remediated" in newest.stdout
    assert script in newest.stdout, "in one piece, to copy"
    assert "changed      create-policy -> amazon.aws.iam_managed_policy" in newest.stdout
    earlier = show(stack, review.artifacts, "-e", f"run_id={review.report['run_id']}", ALERT="I-3")
    assert "I-3: unsupported" in earlier.stdout
    assert "aws iam x \\x1b[2J\\x1b]0;evil\\x07" in earlier.stdout
    assert "\x1b" not in earlier.stdout
    assert "NOT to copy" in earlier.stdout
    refused = details_of("I-2", review.artifacts)
    assert refused.count(REFUSED) == 1, "the vendor's script; no command is left that widens access"
    assert "Commands to run manually" not in refused
    assert "guardrail deny_only" in refused
    assert "I-1: planned" in details_of("I-1", review.artifacts, run_id=review.report["run_id"])
    assert stack.calls() == [], "it only reads what is there"


def details_of(alert_id, artifacts, **options):
    """What the playbook shows, in this process."""
    [entry] = lookup_loader.get("leastpriv.iam.report_entry").run(
        [alert_id], {}, artifacts_dir=str(artifacts), **options
    )
    return entry["text"]


def test_an_alert_that_no_run_knows_is_reported(stack):
    unknown = show(stack, stack.folder / "nowhere", ALERT="I-9")
    assert unknown.rc == 2
    output = " ".join((unknown.stdout + unknown.stderr).split())
    assert "No report has the alert 'I-9' (reports searched under" in output
    assert "Traceback" not in output


def test_no_alert_at_all_is_asked_for(stack):
    nothing = show(stack, stack.folder)
    assert nothing.rc == 2
    assert "make show ALERT=I-1234567" in nothing.stdout
