# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that users meet, as reports, and the screens that their summaries give."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.leastpriv.iam.plugins.callback.progress import failure
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import finding
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.diagnosis import diagnosis_lines
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.progress import Account, Progress
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import Line
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import summary

from . import WIDTHS, print_in, screen

RUN = "20260101T020304Z-3f2a"
TIMES = "2026-01-01T02:03:04Z", "2026-01-01T02:03:09Z"
ACCOUNTS = {"payments": "111122223333", "sandbox": "444455556666", "analytics": "012345678901", None: "999999999999"}
POLICY = "{name}-prisma-restrictions-{alert_id}-1"

REFUSED = (
    "attach-user-policy (line 1, column 1): guardrail attach_deny_only: it attaches "
    "arn:aws:iam::aws:policy/AdministratorAccess, which allows something; only a policy that contains nothing but Deny "
    "statements may be attached. If it is meant: remediate_allow: [attach_deny_only], or [attach-user-policy] for this "
    "operation alone."
)
DELETION = (
    "delete-user (line 1, column 1): guardrail no_deletion: it deletes user bob. If it is meant: remediate_allow: "
    "[no_deletion], or [delete-user] for this operation alone.\n"
    "by hand: aws iam delete-user --user-name bob-of-the-team-for-quarterly-reports"
)
PIPE = (
    "line 1, column 44: the pipe `|` passes output on to another program\n"
    "  | aws iam list-access-keys --user-name alice | xargs -n1 aws iam delete-access-key --access-key-id\n"
    "  |                                            ^\n"
    "  hint: Pipes are not supported. Only a sequence of plain aws commands is."
)
UNMAPPED = 'No host of the group aws_accounts has account_id: "999999999999".'
LONG = "an-account-with-a-rather-long-name-for-audits"
INTERRUPTED = "Interrupted by SIGINT before it was finished. Run again: steps that were already applied are skipped."
DOCUMENT = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["s3:DeleteBucket"],"Resource":"*"}]}'
PROTECTED = {"arn": "arn:aws:iam::*:user/break-glass-*", "owner": "sre@example.com", "reason": "emergency access"}


def alert(
    alert_id: str | None, account: str | None, disposition: str, reason: str | None, **more: Any
) -> dict[str, Any]:
    known = {"message_id": f"0a1b2c3d-{alert_id}", "account_id": ACCOUNTS[account]}
    return {"alert_id": alert_id, "account": account, "disposition": disposition, "reason": reason, **known, **more}


def restricted(alert_id: str, account: str, kind: str, name: str, is_review: bool) -> dict[str, Any]:
    """An alert for which a Deny policy is created and attached."""
    policy = POLICY.format(name=name, alert_id=alert_id)
    arn = f"arn:aws:iam::{ACCOUNTS[account]}:policy/{policy}"
    script = (
        f"aws iam create-policy --policy-name {policy} --policy-document '{DOCUMENT}' && "
        f"aws iam attach-{kind}-policy --{kind}-name {name} --policy-arn {arn}"
    )
    status = "needed" if is_review else "changed"
    steps = [
        step("CreatePolicy", "iam_managed_policy", status, name=policy, policy=DOCUMENT, state="present"),
        step(f"Attach{kind.title()}Policy", f"iam_{kind}", status, name=name, managed_policies=[arn], state="present"),
    ]
    done = f"Created policy {policy} and attached it to {kind} {name}."
    planned = f"Will create policy {policy} and attach it to {kind} {name}."
    reason, word = (planned, "planned") if is_review else (done, "remediated")
    return alert(alert_id, account, word, reason, script=script, steps=steps)


def step(operation: str, module: str, status: str, **args: Any) -> dict[str, Any]:
    return {"operation": operation, "module": f"amazon.aws.{module}", "args": args, "status": status}


def run(*alerts: dict[str, Any], check_mode: bool = False, **more: Any) -> dict[str, Any]:
    return report(Run(alerts, RUN, *TIMES, check_mode, **more))


def mixed(is_review: bool) -> dict[str, Any]:
    """What `make demo` shows: a bit of everything."""
    return run(
        restricted("I-1001", "payments", "user", "alice", is_review),
        restricted("I-1002", "payments", "role", "batch-runner", is_review),
        restricted("I-1003", "analytics", "group", "analysts", is_review),
        alert("I-1007", "sandbox", "already_remediated", "Every step was already true."),
        alert("I-3001", "payments", "not_remediable", "The vendor has no script for it (metadata.remediable)."),
        alert("T-0", None, "acknowledged", "Integration test: the integration works.", account_id=None),
        alert("I-3002", None, "unmapped_account", UNMAPPED),
        alert("I-3003", "payments", "refused", REFUSED),
        alert("I-3005", "sandbox", "refused", DELETION),
        alert("I-3004", "payments", "unsupported", PIPE, notes=["`aws iam list-access-keys` only reads: left out"]),
        check_mode=is_review,
    )


def interrupted() -> dict[str, Any]:
    lost = [alert(f"I-{number}", "payments", "failed", INTERRUPTED) for number in range(1001, 1061)]
    done = [alert(f"I-{number}", "sandbox", "already_remediated", "Every step was already true.") for number in (1, 2)]
    reason = "The queue did not answer within 4 s when the run was interrupted."
    return run(*lost, *done, interrupted="Interrupted by SIGINT", unsettled=[reason])


def remarks() -> dict[str, Any]:
    """Everything that is said of a run itself."""
    settings = {"account": "payments", "allow": ["no_tags", "update-role"], "protected": [], "unfenced": True}
    lapsed = {**PROTECTED, "expires": "2025-12-31"}
    plan = {
        "run_id": RUN,
        "created": TIMES[0],
        "expires": TIMES[1],
        "alerts": [{"alert_id": "I-1"}, {"alert_id": "I-9"}],
    }
    moved = alert("I-1", "payments", "refused", "guardrail no_tags: it sets tags")
    return run(moved, settings=[{**settings, "protected": [lapsed]}], plan=plan, quarantine_queue="kept")


def odd_names() -> dict[str, Any]:
    """Text of alerts that is wide, long, or hostile."""
    return run(
        alert("I-日本語アラート", "payments", "remediated", "Created policy 制限 and attached it to user 山田太郎."),
        alert("I-\x1b[2J\r\nfake", "payments", "refused", "guardrail no_tags: \x1b]0;evil\x07 \u202egnp.exe"),
        alert(None, "payments", "invalid", "Not an alert: the message is not valid JSON."),
        alert("I-" + "9" * 60, "payments", "failed", "arn:aws:iam::111122223333:policy/" + "long-name-" * 9),
    )


def many_done() -> dict[str, Any]:
    return run(*(restricted(f"I-{number}", "payments", "user", f"u{number}", False) for number in range(1001, 1041)))


def undo_review() -> dict[str, Any]:
    reason = "Will detach policy p from user ann and delete policy p."
    return run(alert("I-1", "payments", "planned", reason), check_mode=True, undoes=["20251231T000000Z-0001"])


def setting_error(columns: int) -> list[Line]:
    problem = "remediate_severites is not a setting (did you mean remediate_severities?)"
    problem = f"Nothing was received. Correct this first:\n  - {problem}"
    return failure("", "", problem, columns)


def diagnosis(columns: int) -> list[Line]:
    """What the doctor shows of a set-up with gaps."""
    queue = "https://sqs.us-east-1.amazonaws.com/123456789012/prisma-alerts"
    policies = "Run playbooks/policies.yml and put what it writes in place of the identity's policies."
    unread = "AccessDenied: not authorized to perform: iam:SimulatePrincipalPolicy"
    allow = "Allow iam:GetRole and iam:SimulatePrincipalPolicy on the identity itself, or compare its policies by hand."
    simulated = "simulate 4 actions on arn:aws:iam::111122223333:user/* as arn:aws:iam::111122223333:role/leastpriv"
    example = "List them, for example:\nremediate_protected_principals:\n  - arn: arn:aws:iam::*:user/break-glass-*"
    found = [
        finding("settings", "ok", "read the settings", "a run can begin"),
        finding("queue", "ok", f"find the queue {queue}", "4 messages visible, 0 in flight"),
        finding("queue", "advice", f"read the redrive policy of {queue}", "No dead-letter queue.", "Give it one."),
        finding("API", "ok", "log in", "https://api.eu.prismacloud.io gave a token"),
        finding("payments", "missing", simulated, "not allowed: iam:AttachRolePolicy (implicitDeny)", policies),
        *(finding(f"account-{number}", "unknown", f"simulate as {number}", unread, allow) for number in range(20)),
        finding("sandbox", "ok", "ask STS who the identity is", "it is arn:aws:iam::444455556666:role/leastpriv"),
        finding("guardrails", "advice", "read remediate_protected_principals", "No principals are protected.", example),
    ]
    return diagnosis_lines({"findings": found, "missing": 1, "command": ""}, columns)


def whole_diagnosis(columns: int) -> list[Line]:
    subjects = ("settings", "queue", "runner", "API", "payments", "analytics", "sandbox", "guardrails")
    found = [finding(subject, "ok", "look", "right") for subject in subjects]
    command = "ansible-playbook playbooks/remediate.yml --check"
    return diagnosis_lines({"findings": found, "missing": 0, "command": command}, columns)


def failed_step(columns: int) -> list[Line]:
    reason = (
        "Failed to attach policy to user: An error occurred (AccessDenied) when calling the AttachUserPolicy "
        "operation: User: arn:aws:sts::111122223333:assumed-role/leastpriv/run is not authorized"
    )
    return failure("payments", "I-1001 attach-user-policy alice", reason, columns)


def progress(columns: int) -> list[Line]:
    """While a run works; the numbers are seconds."""
    working = Progress()
    working.accounts = {
        "payments": Account("payments", 12, left=Counter(m=20), done=20, began=0.0),
        "analytics": Account("analytics", 12),
        "sandbox": Account("sandbox", 3, done=6, failed=1, began=0.0, ended=2.0),
        LONG: Account(LONG, 1, done=2, began=0.0, ended=1.0),
    }
    return working.lines(4.0, columns, 24)


def sample() -> dict[str, Any]:
    """A small review, for the documentation."""
    return run(
        restricted("I-1001", "payments", "user", "alice", True),
        restricted("I-1003", "analytics", "group", "analysts", True),
        alert("I-1007", "sandbox", "already_remediated", "Every step was already true."),
        alert("I-3004", "payments", "unsupported", PIPE),
        check_mode=True,
        settings=[{"account": "payments", "allow": [], "protected": [PROTECTED]}],
    )


REPORTS: dict[str, Callable[[], dict[str, Any]]] = {
    "sample": sample,
    "apply": lambda: mixed(False),
    "review": lambda: mixed(True),
    "interrupted": interrupted,
    "remarks": remarks,
    "odd-names": odd_names,
    "many-done": many_done,
    "undo-review": undo_review,
    "empty": run,
}
VERBOSE = ("review",)
ERRORS: dict[str, Callable[[int], list[Line]]] = {"setting-error": setting_error, "failed-step": failed_step}


def scenes() -> dict[str, Callable[[int], list[Line]]]:
    """Each scene by its name: a function of the columns."""
    shown = {name: lambda columns, make=make: summary(make(), columns) for name, make in REPORTS.items()}
    at_length = {f"{name}-v": lambda columns, name=name: summary(REPORTS[name](), columns, True) for name in VERBOSE}
    doctor = {"doctor": diagnosis, "doctor-whole": whole_diagnosis}
    return shown | at_length | ERRORS | doctor | {"progress": progress}


@functools.cache
def rows(name: str, columns: int) -> list[str]:
    """The rows of a scene's golden screen."""
    return screen(print_in(scenes()[name](columns), True).printed, columns)


def screens() -> Iterator[tuple[str, list[str]]]:
    """The name and the rows of every golden screen."""
    for name in scenes():
        for columns in WIDTHS:
            yield f"{name}-{columns}", rows(name, columns)
