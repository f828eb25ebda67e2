# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/show.yml: one alert in detail, from the reports of earlier runs."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from stack import run_playbook, seed
from stack.alerts import deny_script, nested_alert

ALLOW = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
EARLIER = "20260101T000000Z-0000"
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
    applied = run_playbook(stack)
    assert applied.rc == 2
    artifacts = applied.artifacts
    write_an_earlier_run(artifacts, applied.report)
    stack.clear_calls()
    newest = show(stack, artifacts, "-e", "alert_id=I-1")
    assert newest.rc == 0, newest.stdout
    assert "I-1: remediated" in newest.stdout
    assert script in newest.stdout, "in one piece, to copy"
    assert "changed      create-policy -> amazon.aws.iam_managed_policy" in newest.stdout
    named = show(stack, artifacts, "-e", f"run_id={EARLIER}", ALERT="I-3")
    assert "I-3: unsupported" in named.stdout
    assert "aws iam x \\x1b[2J\\x1b]0;evil\\x07" in named.stdout
    assert "\x1b" not in named.stdout
    assert "NOT to copy" in named.stdout
    assert EARLIER in named.stdout
    refused = details_of("I-2", artifacts)
    assert refused.count(REFUSED) == 1, "the vendor's script; no command is left that widens access"
    assert "Commands to run manually" not in refused
    assert "guardrail deny_only" in refused
    assert "I-1: planned" in details_of("I-1", artifacts, run_id=EARLIER)
    assert stack.calls() == [], "it only reads what is there"


def write_an_earlier_run(artifacts, report):
    """The report of an earlier run of the same alerts, in which I-1 was only planned."""
    alerts = [
        {**alert, "disposition": "planned" if alert["alert_id"] == "I-1" else alert["disposition"]}
        for alert in report["alerts"]
    ]
    file = artifacts / EARLIER / "report.json"
    file.parent.mkdir()
    file.write_text(json.dumps({**report, "run_id": EARLIER, "mode": "check", "alerts": alerts}))


def details_of(alert_id, artifacts, **options):
    """What the playbook shows, in this process."""
    [entry] = lookup_loader.get("leastpriv.iam.report_entry").run(
        [alert_id], {}, artifacts_dir=str(artifacts), **options
    )
    return entry["text"]


def test_no_alert_at_all_is_asked_for(stack):
    nothing = show(stack, stack.folder)
    assert nothing.rc == 2
    assert "make show ALERT=I-1234567" in nothing.stdout
    assert "Traceback" not in nothing.stdout + nothing.stderr


def test_an_alert_that_no_run_knows_is_reported(stack):
    """What the playbook looks up, in this process: it ends with what the lookup says."""
    with pytest.raises(AnsibleLookupError, match=r"No report has the alert 'I-9' \(reports searched under"):
        details_of("I-9", stack.folder / "nowhere")
