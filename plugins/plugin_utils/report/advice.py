# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about an alert: by the cause that its reason names; without a known cause by its disposition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import BY_WORD

AGAIN = "Run again. Steps that were already applied are skipped."
CREDENTIALS = "Correct the account's aws_profile, role_arn or account_id, or renew its credentials. Then run again."
UNDO_PLANNED = "Review the steps, then undo without --check."
API_LOGIN = "Correct the API's settings, check them with the doctor (playbooks/doctor.yml), then run again."
PERMISSIONS = "Grant the permission that is missing (docs/permissions.md, playbooks/policies.yml), then run again."


class Cause(NamedTuple):
    """What a reason looks like, and what to do then."""

    words: tuple[str, ...]
    pattern: str
    advice: str


# The first that fits counts: a guardrail's name is more exact than AWS's words behind it.
CAUSES = (
    Cause(
        ("refused",),
        r"guardrail protected_principal: .*(which runs this playbook|on which this run depends)",
        "The run depends on this identity. Change it with another one, if it must be changed.",
    ),
    Cause(
        ("refused",),
        r"guardrail protected_principal: an entry protects by tag",
        "Let the account's identity read these tags, then run again.",
    ),
    Cause(
        ("refused",),
        r"guardrail protected_principal: ",
        "Ask the owner named. A run can change this principal only without its entry in "
        "remediate_protected_principals.",
    ),
    Cause(("refused",), r"Raise remediate_max_changes: ", "Raise remediate_max_changes: no run may change so much."),
    Cause(
        ("refused",),
        r"guardrail managed_as_code: ",
        "Put the change into that code: as_code/ of this run has it for Terraform and CloudFormation. Or set "
        "remediate_managed: warn.",
    ),
    Cause(
        ("refused",),
        r"guardrail in_use: .*not known: ",
        "Let the account's identity read IAM's last-accessed data (docs/usage.md), or run again later.",
    ),
    Cause(
        ("refused",),
        r"guardrail in_use: ",
        "Ask the principal's owner if this access is still needed. If it is not, set remediate_allow: [in_use].",
    ),
    Cause(("refused",), r"guardrail blast_radius: ", "Run again, or raise remediate_max_changes."),
    Cause(
        ("refused",),
        r"guardrail right_account: ",
        "Compare the script with the alert, and correct the vendor's policy. No setting allows this.",
    ),
    Cause(("refused",), r"of remediate_protected_principals ", "Correct the entry named, then run again."),
    Cause(("failed", "refused"), r"Undo that run first: ", "Undo the later run first, then undo this one again."),
    Cause(
        ("refused",),
        r"not as the run left it|changed since |[Dd]ecide (by hand|manually)|undo this step (by hand|manually)",
        "If a later run completed this alert, undo that run first. Otherwise compare the account with the journal of "
        "the run, and restore manually what is still wanted.",
    ),
    Cause(("refused",), r"managed by |service-linked", "Make the change where this role is managed."),
    Cause(
        ("failed", "refused"),
        r"call fence",
        "Use the connection leastpriv.iam.warm with pipelining and without become, or accept the risk with "
        "remediate_unfenced: true (docs/guardrails.md).",
    ),
    Cause(
        ("failed",),
        r"[Ii]nterrupted|The run broke off|before it was finished|play did not get to it|was not run\.",
        AGAIN,
    ),
    Cause(("failed",), r"Report it as a bug", "Report it as a bug of leastpriv.iam. The message stays in the queue."),
    Cause(
        ("failed",),
        r"since it was reviewed",
        "Review again, and apply the plan of that review.",
    ),
    Cause(
        ("failed",),
        r"The module wanted to call |was changed since it was observed|found nothing to change, but|run again after it",
        "Run again: the next run decides by what it finds.",
    ),
    Cause(
        ("failed",),
        r"Could not (verify that|assume) |belongs to account|ExpiredToken|InvalidClientTokenId|SignatureDoesNotMatch|"
        r"[Uu]nable to locate credentials|config profile|[Tt]oken has expired|SSO (session|Token)",
        CREDENTIALS,
    ),
    Cause(
        ("failed",),
        r"quota for PoliciesPer(User|Role|Group)\b|quota for (Attached|Managed)Policies",
        "Set remediate_on_quota: consolidate, or detach a policy that is not needed any more. Then run again.",
    ),
    Cause(
        ("failed",),
        r"LimitExceeded|Cannot exceed quota|Maximum policy size",
        "Remove what is no longer needed, or ask AWS to raise the quota. Then run again.",
    ),
    Cause(
        ("failed",),
        r"service control policy|resource control policy",
        "A policy of the organization denies it: change that policy, or remediate manually.",
    ),
    Cause(
        ("failed",),
        r"is managed by AWS and cannot be changed",
        "Remediate manually with a policy of the account: AWS's own cannot be changed.",
    ),
    Cause(("failed",), r"AccessDenied|not authorized to perform|UnauthorizedOperation", PERMISSIONS),
    Cause(
        ("failed",),
        r"Throttl|RequestLimitExceeded|ConcurrentModification|TemporarilyUnmodifiable|ServiceFailure|timed? ?out|"
        r"Could not connect|connection (was|to)|Connection (was|to)",
        AGAIN,
    ),
    Cause(
        ("unavailable",),
        r"[Ll]og(ging)? in|access key|AUTH_KEY|API_ENDPOINT|API credentials|TLS|proxy|certificate|redirects",
        API_LOGIN,
    ),
    Cause(
        ("unavailable",), r"status 403", "Assign a role with IAM permissions to the access key in the vendor's console."
    ),
    Cause(("unavailable",), r"status 4(?!29|13|08)\d\d", "Look the alert up in the vendor's console."),
    Cause(
        ("unavailable",),
        r"status (5\d\d|429)|no (whole )?answer|connection",
        "Run again later: the message is back in the queue.",
    ),
    Cause(
        ("filtered",),
        r"not in the plan",
        "Review again to plan these alerts: they arrived, or were left out, after the review of this plan.",
    ),
    Cause(
        ("invalid",),
        r"^Alert .* cannot be read",
        "Correct what sends or forwards these messages. They contain alerts: keep them.",
    ),
    Cause(
        ("reverted",),
        r"Put back into the queue\.$",
        "Find out who reverted it, and why. If the restriction is right, review and apply the alert, which is in the "
        "queue again. If not, dismiss the alert in the vendor's console.",
    ),
    Cause(("invalid",), r"confirm the subscription", "Confirm the subscription in SNS, or remove it there."),
)


def advice_for(alert: Mapping[str, Any], is_undo: bool = False) -> str:
    """Advise in a sentence or two about an alert of a report.

    :param alert: dict of `disposition` and `reason`.
    :param is_undo: whether the run is an undo, which is repeated as one.
    """
    word, reason = alert["disposition"], alert["reason"] or ""
    if is_undo and word == "planned":
        return UNDO_PLANNED
    fitting = (cause.advice for cause in CAUSES if word in cause.words and re.search(cause.pattern, reason))
    advice = next(fitting, BY_WORD[word].advice)
    return advice.replace("Run again", "Undo again").replace("run again", "undo again") if is_undo else advice
