# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes that all stages of a run share. They are JSON objects, because they pass through Ansible's tasks.

An alert keeps its shape from the queue to the report; each stage adds fields. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from typing import Any, TypedDict


class Step(TypedDict, total=False):
    """One change: a command of a script, or its undo.

    Translation (script/translation.py) or undo (run/undo.py) adds:

    :ivar index: its place in the script, from 1.
    :ivar wave: the index and the module; one task applies all steps of a wave.
    :ivar operation: the IAM API operation, e.g. `AttachUserPolicy`.
    :ivar target: the name of the changed resource; "" for the account itself.
    :ivar parameters: the API's.
    :ivar module: the Ansible module that makes the change.
    :ivar args: the module's options.
    :ivar line: the place of the command in the script, as is `column`; from 1.
    :ivar command: the command's source, secrets masked.
    :ivar undoes: the step that it undoes.
    :ivar compares: whether the account is compared with the state that the undone step left.

    Observation (observation/batch.py) adds:

    :ivar message_id: identifies the alert in its run, as does `alert_id` to people.
    :ivar label: the step in one line, for people.
    :ivar status: `needed`, `unchanged`, `failed` or `not_run`; after the run `changed`, too.
    :ivar before: the affected part of the account before the step, and `after` it.
    :ivar by_hand: whether a person can run the command instead.
    :ivar taken: the access that the step removes, for the undo to compare.
    :ivar consolidated: whether the step is part of an inline policy that replaces attachments.
    :ivar lost_access: the access that it takes away by a replacement: `principal`, `services` (service -> actions).
    :ivar usage: when the access that it takes away was last used: `principal`, `action`, `last_used`, `level`.
    :ivar fingerprint: identifies the state that a review saw.
    :ivar observed: digests of the states that are read again right before the change, by name.

    Verification (run/verification.py, observation/verification.py) adds:

    :ivar time: when the step was applied, by which `run`, and AWS's `request_id` of it.
    :ivar made: the affected part of the account as the step left it.
    :ivar superseded: the later run that changed the same, if there is one.
    :ivar state: `holds`, `reverted`, `gone`, `superseded` or `unknown`.
    :ivar why: why it does not hold, as a clause, and `by` whom it was reverted, as a sentence.
    """

    index: int
    wave: str
    operation: str
    target: str
    parameters: dict[str, Any]
    module: str
    args: dict[str, Any]
    line: int
    column: int
    command: str
    undoes: dict[str, Any]
    compares: bool
    message_id: str
    alert_id: str
    label: str
    status: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    by_hand: bool
    taken: Any
    consolidated: bool
    lost_access: list[dict[str, Any]]
    usage: list[dict[str, str]]
    fingerprint: str
    observed: dict[str, str]
    time: str
    run: str
    request_id: str | None
    made: dict[str, Any] | None
    superseded: str
    state: str
    why: str
    by: str


class StepResult(TypedDict, total=False):
    """The result of a step's module, as a loop of Ansible registers it.

    :ivar msg: the error for people.
    :ivar error: the error of AWS, with its `code`.
    """

    step: Step
    failed: bool
    changed: bool
    msg: str
    error: dict[str, Any]


class AlertOutcome(TypedDict, total=False):
    """An alert, from its message to its disposition.

    :ivar message_id: identifies the alert in its run: the id of its newest message.
    :ivar account: the inventory's host name; None if no host has this account_id.
    :ivar receipts: its messages, each with `message_id` and `receipt_handle`.
    :ivar receive_count: how often its messages were received, at most.
    :ivar script: the vendor's script, secrets masked.
    :ivar disposition: the decision (module_utils/dispositions.py); None while it is open work.
    :ivar reason: why, in one or several lines.
    :ivar rule: the guardrail that holds the whole alert back, although each of its steps could be applied.
    :ivar by_hand: the commands that are left to a person.
    :ivar lost: the changes that an undo cannot revert.
    :ivar undoes: the run that an undo reverts.
    :ivar run_id: the run that applied the changes that are verified.
    :ivar later_run: the newest later run that changed something for the alert and was not undone.
    :ivar problem: why the undo of an alert could not be prepared.
    :ivar reviewed: the steps of the plan that the run applies.
    """

    alert_id: str
    message_id: str
    account: str
    account_id: str
    account_name: str | None
    alert_status: str | None
    cloud: str | None
    policy: str | None
    policy_id: str | None
    policy_type: str | None
    severity: str | None
    resource: str | None
    resource_id: str | None
    first_seen: str | None
    last_seen: str | None
    receipts: list[dict[str, Any]]
    receive_count: int
    script: str
    disposition: str | None
    reason: str | None
    rule: str
    notes: list[str]
    by_hand: list[str]
    steps: list[Step]
    lost: list[str]
    undoes: str
    run_id: str
    later_run: str
    problem: str
    reviewed: list[dict[str, Any]]


class RunReport(TypedDict):
    """The content of report.json; docs/report.md describes the fields, and those of its alerts."""

    run_id: str
    mode: str
    started: str
    finished: str
    interrupted: str | None
    totals: dict[str, int]
    needs_person: dict[str, int]
    unsettled: list[str]
    quarantine: dict[str, Any] | None
    plan: dict[str, Any] | None
    undoes: list[str]
    awx: dict[str, Any] | None
    opened: list[dict[str, Any]]
    unfenced: list[str]
    protected: list[dict[str, Any]]
    expiring: list[dict[str, Any]]
    expired: list[dict[str, Any]]
    alerts: list[dict[str, Any]]


# Of the doctor's findings. The only one that makes it fail is `missing`.
STATUSES = ("missing", "unknown", "advice", "ok")


def finding(subject: str, status: str, tried: str, found: str, advice: str = "") -> dict[str, str]:
    """One finding of the doctor, made by a module or on the controller.

    :param subject: what it is about: `queue`, `API`, or a host of the inventory.
    :param status: one of `STATUSES`; `unknown` is what could not be found out.
    :param tried: what was done to find out.
    :param found: the result.
    :param advice: what to do next, where there is something to do.
    """
    return {"subject": subject, "status": status, "tried": tried, "found": found, "next": advice}
