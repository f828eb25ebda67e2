# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run reaches its accounts: which identity works where, and that no key of it is ever shown."""

from __future__ import annotations

from stack import run_playbook, seed, send_alert
from stack.settings import BASE_ACCESS_KEY, BASE_SECRET_KEY, QUEUE_ACCOUNT, QUEUE_PROFILE, ROLE_NAME

# What AWX's credential "Amazon Web Services" puts into the environment.
AWX_KEYS = {
    "AWS_ACCESS_KEY_ID": BASE_ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": BASE_SECRET_KEY,
    "AWS_SECURITY_TOKEN": "token-of-the-base-identity",
    "AWS_SESSION_TOKEN": "token-of-the-base-identity",
}


def send_one_each(stack, *accounts):
    for account in accounts:
        seed(stack, account, users=["alice"])
        send_alert(stack, f"I-{account}", account, "user", "alice")


def test_keys_in_the_environment_work_beside_every_kind_of_profile(stack):
    config = stack.folder / "config-of-awx"
    begins_in_environment = (
        f"\n[profile from-environment]\nrole_arn = arn:aws:iam::{stack.account_id('sandbox')}:role/{ROLE_NAME}\n"
        "credential_source = Environment\n"
    )
    config.write_text((stack.folder / "aws-config").read_text() + begins_in_environment)
    hosts = {
        "payments": {"account_id": stack.account_id("payments"), "aws_profile": "payments"},
        "sandbox": {"account_id": stack.account_id("sandbox"), "aws_profile": "from-environment"},
        "base": {"account_id": QUEUE_ACCOUNT},
    }
    inventory = stack.write_inventory(stack.folder / "mixed.yml", **hosts)
    stack.client("s3", "queue").create_bucket(Bucket="journals")
    send_one_each(stack, "payments", "sandbox", QUEUE_ACCOUNT)
    run = run_playbook(
        stack,
        *("-i", str(inventory), "-e", f"remediate_queue_profile={QUEUE_PROFILE}"),
        *("-e", "remediate_journal_s3=s3://journals"),
        env={**AWX_KEYS, "AWS_CONFIG_FILE": str(config)},
    )
    assert run.rc == 0, run.stdout
    assert run.report["totals"] == {"remediated": 3}
