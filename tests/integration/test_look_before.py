# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking before an account is changed: exempt by tag, managed as code, in use; in terminal, page, JSON and metrics."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone

from stack import attached, run_playbook, seed, send_alert

from .test_progress import OF_ANSIBLE

ACCOUNT = "payments"
USERS = ("ann", "bob", "cid", "dan")
YESTERDAY = f"{datetime.now(timezone.utc) - timedelta(days=1):%Y-%m-%d}"
SOON = f"{datetime.now(timezone.utc) + timedelta(days=3):%Y-%m-%d}"
SETTINGS = {
    "remediate_protected_principals": [
        {"tag": {"key": "protect", "value": "yes"}, "owner": "sre", "reason": "emergency", "expires": SOON}
    ],
    "remediate_managed": "refuse",
    "remediate_usage": "hold",
}
RULES = {"I-ann": "protected_principal", "I-bob": "managed_as_code", "I-cid": "in_use"}


def assert_v_shows_scripts_and_steps_in_tens_of_lines(run):
    shown = run.stdout.split("\n")
    assert len(shown) < 100
    assert sum(line.startswith("    aws iam create-policy --policy-name ") for line in shown) == len(USERS)
    assert sum(line.startswith("    needed       attach-user-policy -> ") for line in shown) == len(USERS)
    assert not [line for line in shown if re.match(OF_ANSIBLE, line)]


def test_each_ends_as_the_settings_say(stack):
    seed(stack, ACCOUNT, users=USERS)
    iam = stack.client("iam", ACCOUNT)
    iam.tag_user(UserName="ann", Tags=[{"Key": "protect", "Value": "yes"}])
    iam.tag_user(UserName="bob", Tags=[{"Key": "aws:cloudformation:stack-name", "Value": "app"}])
    for user in USERS:
        stack.set_last_accessed(f"arn:aws:iam::{stack.account_id(ACCOUNT)}:user/{user}", service="s3", days=400)
        send_alert(stack, f"I-{user}", ACCOUNT, "user", user)
    stack.set_last_accessed(f"arn:aws:iam::{stack.account_id(ACCOUNT)}:user/cid", "s3:DeleteBucket")

    stack.clear_calls()
    review = run_playbook(stack, "--check", "-v")
    assert set(review.dispositions.values()) == {"planned"}, review.stdout
    assert_v_shows_scripts_and_steps_in_tens_of_lines(review)
    assert [call for call in stack.calls() if "ServiceLastAccessed" in call["action"]] == [], "off by default"
    note = "User bob is managed as code (tag aws:cloudformation:stack-name=app)."
    plan = json.loads(next(review.artifacts.glob("*/plan.json")).read_text())
    notes = {alert["alert_id"]: " ".join(alert["notes"]) for alert in plan["alerts"]}
    assert note in " ".join(review.stdout.split())
    assert note in notes["I-bob"]
    assert note in next(review.artifacts.glob("*/report.html")).read_text()
    code = next(review.artifacts.glob("*/as_code"))
    assert {file.name for file in code.iterdir()} == {f"I-{user}.{end}.json" for user in USERS for end in ("tf", "cfn")}

    stack.clear_calls()
    run = run_playbook(stack, "-e", json.dumps(SETTINGS))
    assert run.rc == 2
    assert run.dispositions == {**dict.fromkeys(RULES, "refused"), "I-dan": "remediated"}, run.stdout
    assert {alert_id: run.alerts[alert_id]["rules"] for alert_id in RULES} == {
        one: [rule] for one, rule in RULES.items()
    }
    assert (
        f"user cid used within 90 days what it loses: s3:DeleteBucket on {YESTERDAY}" in run.alerts["I-cid"]["reason"]
    )
    assert [attached(stack, ACCOUNT, "user", user) != [] for user in USERS] == [False, False, False, True]
    jobs = [call for call in stack.calls(action="GenerateServiceLastAccessedDetails")]
    assert len(jobs) == 3, "of all but the protected one"
    terminal, page = " ".join(run.stdout.split()), next(run.artifacts.glob("*/report.html")).read_text()
    for rule in RULES.values():
        assert f"guardrail {rule}: " in terminal
        assert f"guardrail {rule}: " in page
    assert f"Protection expires soon: tag protect=yes (owner sre, expires {SOON})." in terminal
    assert "expires soon" in page
    assert [entry["tag"] for entry in run.report["expiring"]] == [{"key": "protect", "value": "yes"}]
    metrics = next(run.artifacts.glob("*/metrics.prom")).read_text().splitlines()
    for rule in RULES.values():
        assert f'leastpriv_refused{{mode="apply",rule="{rule}"}} 1' in metrics
    assert 'leastpriv_exemptions{mode="apply",state="expiring"} 1' in metrics
    code = next(run.artifacts.glob("*/as_code"))
    stems = {file.name.split(".")[0] for file in code.iterdir()}
    assert stems == {"I-bob", "I-dan"}, "nothing of what is protected or in use is handed over"
    (policy,) = json.loads((code / "I-bob.tf.json").read_text())["resource"]["aws_iam_policy"].values()
    assert json.loads(policy["policy"])["Statement"][0]["Effect"] == "Deny"
