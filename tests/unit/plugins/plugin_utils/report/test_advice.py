# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons as the code makes them where it can be asked, otherwise as it writes them."""

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.call_fence import NO_FENCE, Fence
from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import BY_WORD
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.blast_radius import BlastRadiusRefusal
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import Refusal
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message import read_alerts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.advice import advice_for
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.outcome import why_it_gave_up
from botocore.exceptions import ClientError

QUOTA = "attach-user-policy: LimitExceeded: Cannot exceed quota for PoliciesPer{}: {}"
DENIED = "Step 1 of 2, create-policy: An error occurred (AccessDenied) when calling the CreatePolicy operation: {}"


def stopped_call():
    fence = Fence([])
    with pytest.raises(ClientError):
        fence.check("iam", "CreateUser", {"UserName": "bob"})
    return fence.violation


ADVICE = [
    ("refused", str(Refusal("protected_principal", "x is protected by sre (why)")), "Ask the owner named"),
    ("refused", str(Refusal("protected_principal", "it would change r, which runs this playbook")), "depends on this"),
    ("refused", str(Refusal("no_tags", "it sets tags")), "allow the rule with remediate_allow"),
    ("refused", str(Refusal("right_account", "it names 1")), "No setting allows this"),
    ("refused", str(BlastRadiusRefusal(1, 50, 50)), "Run again, or raise remediate_max_changes"),
    ("refused", str(BlastRadiusRefusal(51, 0, 50)), "no run may change so much"),
    (
        "refused",
        "x: guardrail managed_as_code: user ann is managed as code (tag a=b); what",
        "Put the change into that",
    ),
    (
        "refused",
        "x: guardrail in_use: user ann used within 90 days what it loses: s3:Get on",
        "Ask the principal's owner",
    ),
    (
        "refused",
        "x: guardrail in_use: whether user ann uses what it loses is not known: x",
        "Let the account's identity",
    ),
    (
        "refused",
        "x: guardrail protected_principal: an entry protects by tag, and the tags",
        "Let the account's identity",
    ),
    ("refused", "entry 1 of remediate_protected_principals has no owner; nothing is applied", "Correct the entry"),
    ("refused", "put-user-policy: changed since delete-user-policy: x. Decide manually which is right", "the journal"),
    ("refused", "not as the run left it.\nRun 2 changed something. Undo that run first: x", "Undo the later run first"),
    ("filtered", "It is not in the plan that this run applies.", "Review again"),
    ("filtered", "payments is outside of --limit", "a wider --limit"),
    ("failed", NO_FENCE, "remediate_unfenced: true"),
    ("failed", stopped_call(), "the next run decides"),
    ("failed", "Interrupted by SIGINT before it was finished. Run again: steps.", "Run again. Steps"),
    ("failed", "The account's play did not get to it.", "Run again. Steps"),
    ("failed", "Changed since it was reviewed: its script. None of it was applied", "Review again"),
    ("failed", QUOTA.format("User", 10), "remediate_on_quota: consolidate"),
    ("failed", QUOTA.format("Account", 1500), "raise the quota"),
    ("failed", DENIED.format("User x is not authorized to perform: iam:CreatePolicy"), "playbooks/policies.yml"),
    ("failed", DENIED.format("with an explicit deny in a service control policy"), "organization"),
    ("failed", "x: would fail: Cannot exceed quota for PoliciesPerRole: 10 (LimitExceeded).", "consolidate"),
    ("failed", "x: would fail: Policy p is managed by AWS and cannot be changed (AccessDenied).", "AWS's own cannot"),
    ("failed", "Could not verify that profile x belongs to account 1: Unable to locate credentials", "aws_profile"),
    ("failed", "Could not assume arn:x with profile y: An error occurred (AccessDenied)", "aws_profile"),
    ("failed", "Unexpected error while observing: KeyError. Report it as a bug of leastpriv.iam.", "bug"),
    ("failed", "create-policy: An error occurred (Throttling): Rate exceeded", "Run again. Steps"),
    ("failed", "An error occurred (MalformedPolicyDocument)", "Fix the cause shown, then run again"),
    ("failed", "alert I-2 of this run changes it; run again after it", "the next run decides"),
    ("unavailable", "Logging in to the API at https://x failed (status 401): refused", "doctor"),
    ("unavailable", "The token in AUTH_KEY has expired", "doctor"),
    ("unavailable", "The API gave no script (status 422): the API does not accept this alert id", "console"),
    ("unavailable", "The API gave no script (status 429): rate limit", "Run again later"),
    ("unavailable", "The API gave no script (status 503): down", "Run again later"),
    ("unavailable", "The API gave no script (status 403): role", "role"),
    ("invalid", read_alerts("x")[0].reason, "If it is not an alert, delete it"),
    ("invalid", read_alerts('{"alertId": "I-1"')[0].reason, "They contain alerts: keep them"),
    ("invalid", read_alerts('{"Type": "SubscriptionConfirmation"}')[0].reason, "Confirm the subscription"),
    ("remediated", "Tagged user bob.", "Nothing to do"),
]


@pytest.mark.parametrize(("word", "reason", "advice"), ADVICE)
def test_advice_is_by_cause(word, reason, advice):
    assert advice in advice_for({"disposition": word, "reason": reason})


def test_the_reason_for_giving_an_account_up_keeps_its_cause():
    result = {"failed": True, "msg": "An error occurred (AccessDenied) when calling CreatePolicy"}
    reason = why_it_gave_up([result] * 5, 5)
    assert "policies.yml" in advice_for({"disposition": "failed", "reason": reason})


def test_every_disposition_has_advice_without_a_reason():
    for word, row in BY_WORD.items():
        assert advice_for({"disposition": word, "reason": None}) == row.advice


def test_an_undo_is_undone_again_and_not_run():
    interrupted = {"disposition": "failed", "reason": "Interrupted by SIGINT"}
    assert advice_for(interrupted, is_undo=True).startswith("Undo again.")
    assert "run again" not in advice_for({"disposition": "failed", "reason": "x"}, is_undo=True)
    assert (
        advice_for({"disposition": "planned", "reason": "x"}, is_undo=True)
        == "Review the steps, then undo without --check."
    )
