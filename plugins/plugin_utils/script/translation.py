# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Script -> steps: parse, resolve, look up, guard, emit. Pure: no I/O, no clock, no environment."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypedDict

from ansible_collections.leastpriv.iam.plugins.module_utils.account.overlay import named_principals
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import for_each_alert, writable
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.exemptions import may_be_named
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import (
    WIDENS,
    Refusal,
    cli_name,
    how_to_open,
    left_by_hand,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.row import ACCOUNT, HOLDERS, WIDEN, Operation
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.undo import Irreversible
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.arns import denied_elsewhere, partitions
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import AlertOutcome, Step
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.parser import Script, parse
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.problem import Problem, describe, line_and_column
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import can_be_copied, redact, secret_spans
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.resolver import Call, resolve
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.service import iam
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.static_guardrails import (
    refusals,
    unreadable_documents,
)

# The vendor's texts in place of a script, and their dispositions.
PLACEHOLDERS = {
    "": "not_remediable",
    "blank": "not_remediable",
    "n/a": "not_remediable",
    "dynamic cli commands": "not_remediable",
    "dynamic aws cli commands": "not_remediable",
    "dynamic azure cli commands": "not_aws",
    "dynamic gcp cli commands": "not_aws",
}
ACCOUNT_ID = re.compile(r"[0-9]{12}")
# The worst problem decides; commands of other clouds count only if a script has no other problems.
SEVERITY = ("refused", "unsupported", "not_aws")
# These do not take a name.
ATTACHING = ("AttachGroupPolicy", "AttachRolePolicy", "AttachUserPolicy")
ALWAYS_THE_CALLER = ("ChangePassword",)
NOT_AWS, NOT_READ = "is not AWS", "was not read"
BY_HAND = "If it is intended, run the command manually."
# A newer service model can have operations without a row.
UNKNOWN = Operation(name="", unsupported="this version does not know the operation")


class Translation(TypedDict):
    """A translated script.

    :ivar disposition: None if the steps are to be observed and applied.
    :ivar steps: empty unless the whole script can be translated.
    """

    disposition: str | None
    reason: str | None
    notes: list[str]
    by_hand: list[str]
    steps: list[Step]


def translate(
    script: str | None, account_id: str, allow: Collection[str] = (), protected: Sequence[Any] = ()
) -> Translation:
    """Translate one remediation script.

    :param script: the AWS CLI text of the vendor, or None.
    :param account_id: the alert's account, 12 digits.
    :param allow: the user's `remediate_allow`: guardrail ids and operations.
    :param protected: the user's `remediate_protected_principals`; commands that may affect one of them are not shown.
    :raises ValueError: if account_id is not 12 digits.
    """
    if not ACCOUNT_ID.fullmatch(str(account_id)):
        raise ValueError(f"account_id is {account_id!r}, which is not a text of 12 digits")
    text = script or ""
    if text.strip().lower() in PLACEHOLDERS:
        return _no_script(text)
    parsed = parse(text)
    calls = [resolve(command) for command in parsed.commands]
    changing = [call for call in calls if not call.read_only]
    problems = [*parsed.problems, *(problem for call in calls for problem in call.problems)]
    for number, call in enumerate(changing, 1):
        problems += _call_problems(call, account_id, allow, changing[number:])
    problems += _script_problems(text, changing, problems)
    notes = [note for call in calls for note in [*call.notes, *_foreign_notes(call, account_id)]]
    notes = [*parsed.notes, *notes]
    if problems:
        left, lines = _left_to_do(parsed, changing, account_id, allow, protected)
        reason = "\n".join([describe(text, _in_order(problems)), *lines])
        return _result(_worst(problems), reason, notes, by_hand=left)
    return _result(None, None, notes, steps=[_step(text, call, index) for index, call in enumerate(changing, 1)])


def translate_alerts(alerts: Iterable[AlertOutcome], settings: Iterable[Mapping[str, Any]] = ()) -> list[AlertOutcome]:
    """Translate the scripts of all undecided alerts; those of an undo have their steps already.

    :param alerts: alerts as the lookup returns them.
    :param settings: the settings of the accounts: `account`, `allow` and `protected`.
    :returns: the undecided alerts with their translation. An alert that raises an error has failed.
    """
    per_account = {account["account"]: (account["allow"], account.get("protected", ())) for account in settings}
    undecided = [alert for alert in alerts if alert["disposition"] is None]

    def translated(alert: AlertOutcome) -> AlertOutcome:
        if "steps" in alert:
            return alert
        opened = per_account.get(alert["account"], ())
        return {**alert, **writable(translate(alert["script"], alert["account_id"], *opened))}

    return for_each_alert("translating its script", undecided, translated, _lost)


def _lost(alert: AlertOutcome, reason: str) -> AlertOutcome:
    return {**alert, **_result("failed", redact(reason), [])}


def _result(
    disposition: str | None,
    reason: str | None,
    notes: list[str],
    by_hand: Sequence[str] = (),
    steps: Sequence[Step] = (),
) -> Translation:
    return {"disposition": disposition, "reason": reason, "notes": notes, "by_hand": [*by_hand], "steps": [*steps]}


def _left_to_do(
    parsed: Script, changing: list[Call], account_id: str, allow: Collection[str], protected: Sequence[Any]
) -> tuple[list[str], list[str]]:
    """The commands that a person can run as shown, and the lines that list them. None of them was applied."""
    readable = [call for call in changing if call.operation == "CreatePolicy" and not call.problems]
    created = {call.parameters["PolicyName"] for call in readable if not _is_refused_as_wider(call, account_id)}
    reasons = [_why_withheld(call, account_id, allow, protected, created) for call in changing]
    shown = [call for call, why in zip(changing, reasons, strict=True) if not why]
    withheld = [*filter(None, reasons), *[NOT_AWS] * parsed.others, *([] if parsed.is_whole else [NOT_READ])]
    lasting = [cli_name(call.operation) for call in shown if isinstance(OPERATIONS[call.operation].undo, Irreversible)]
    commands = [call.text for call in shown]
    return commands, left_by_hand(commands, withheld, lasting)


def _why_withheld(
    call: Call, account_id: str, allow: Collection[str], protected: Sequence[Any], created: Collection[Any]
) -> str | None:
    """Why a command is not shown for a person to run, as the rest of a sentence; None if it is shown.

    :param created: the names of the policies that the script creates and that only deny.
    """
    row = OPERATIONS.get(call.operation, UNKNOWN)
    if call.problems or row is UNKNOWN or unreadable_documents(call, row, allow):
        return "cannot be read"
    if _acts_on_caller(call, row):
        return "would change the caller itself"
    if "right_account" in _refusing(call, account_id):
        return "is about another account"
    if row.effect == WIDEN or _is_refused_as_wider(call, account_id) or _attaches_unread(call, created):
        return "may widen access"
    if _may_affect_protected(call, account_id, protected):
        return "may change a protected principal"
    return None if can_be_copied(call.text) else "cannot be shown as it is"


def _refusing(call: Call, account_id: str) -> set[str]:
    """The guardrails that refuse a call by the script alone, whether the user opens them or not."""
    row = OPERATIONS.get(call.operation, UNKNOWN)
    return set() if row.refused else {refusal.rule for refusal, _parameter in refusals(call, row, account_id, ())}


def _is_refused_as_wider(call: Call, account_id: str) -> bool:
    return bool(_refusing(call, account_id) & {*WIDENS})


def _attaches_unread(call: Call, created: Collection[Any]) -> bool:
    """Whether it attaches a policy whose document the script does not show to be a Deny."""
    gives = call.operation in (*ATTACHING, "SetDefaultPolicyVersion")
    return gives and str(call.parameters.get("PolicyArn")).rpartition("/")[2] not in created


def _acts_on_caller(call: Call, row: Operation) -> bool:
    """Whether a call is about the caller: without a user's name the API takes the caller's."""
    options = iam().commands[cli_name(call.operation)].options.values()
    missing = [name for name in row.requires if name not in call.parameters]
    lacks_user = any(option.member == "UserName" for option in options) and "UserName" not in call.parameters
    return bool(missing) or lacks_user or call.operation in ALWAYS_THE_CALLER


def _may_affect_protected(call: Call, account_id: str, protected: Sequence[Any]) -> bool:
    """Whether it may change the access of a protected principal, by the script alone."""
    named = named_principals({"parameters": call.parameters})
    # The members of a group and the principals that have a policy are known only in the account.
    reach = OPERATIONS.get(call.operation, UNKNOWN).reach
    is_wide = reach in (HOLDERS, ACCOUNT) or any(kind == "group" for kind, _name in named)
    reaches_named = any(may_be_named(entry, account_id, *one) for entry in protected for one in named)
    return bool(protected) and (is_wide or reaches_named)


def _no_script(text: str) -> Translation:
    disposition = PLACEHOLDERS[text.strip().lower()]
    sent = f"sent {text.strip()!r} instead of a script" if text.strip() else "did not send a script"
    return _result(disposition, f"The vendor {sent}.", [])


def _worst(problems: Iterable[Problem]) -> str:
    kinds = {problem.kind for problem in problems}
    return next(kind for kind in SEVERITY if kind in kinds)


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.offset)


def _call_problems(call: Call, account_id: str, allow: Collection[str], following: list[Call]) -> list[Problem]:
    """The problems of a call by the operations table and the static guardrails."""
    row = OPERATIONS.get(call.operation, UNKNOWN)
    if row.refused or row.unsupported:
        return [] if row is UNKNOWN and call.problems else [_decided_by_name(call, row)]
    if call.problems:
        return []
    missing = [name for name in row.requires if name not in call.parameters]
    if missing:
        return [_problem(call, "unsupported", f"without --{cli_name(missing[0])} it changes the caller itself", None)]
    return [
        *(_unreadable(call, *one) for one in unreadable_documents(call, row, allow)),
        *(_inexpressible(call, row, name) for name in row.inexpressible(call.parameters)),
        *(_guarded(call, *refusal) for refusal in refusals(call, row, account_id, allow, following)),
    ]


def _foreign_notes(call: Call, account_id: str) -> list[str]:
    """A Deny may name any account, because it only restricts; but the account may be mistyped, so there is a note."""
    places = denied_elsewhere(call.parameters, account_id)
    denied = f"{cli_name(call.operation)} denies something in {' and '.join(places)}"
    return [f"{denied}, and the alert is about account {account_id}."] if places else []


def _decided_by_name(call: Call, row: Operation) -> Problem:
    kind, why = ("refused", row.refused) if row.refused else ("unsupported", row.unsupported)
    return _problem(call, kind, f"{cli_name(call.operation)}: {why}", None, BY_HAND)


def _guarded(call: Call, refusal: Refusal, parameter: str | None) -> Problem:
    return _problem(call, "refused", str(refusal), parameter, how_to_open(refusal.rule, call.operation))


def _unreadable(call: Call, error: str, parameter: str) -> Problem:
    message = f"--{cli_name(parameter)} is not a policy document that IAM accepts: {error}"
    return _problem(call, "unsupported", message, parameter, "Correct the script in the vendor's policy.")


def _inexpressible(call: Call, row: Operation, parameter: str) -> Problem:
    message = f"{row.module} cannot express this --{cli_name(parameter)}"
    return _problem(call, "unsupported", message, parameter, BY_HAND)


def _problem(call: Call, kind: str, message: str, parameter: str | None, hint: str | None = None) -> Problem:
    if parameter is not None and parameter in call.offsets:
        return Problem(kind, message, call.offsets[parameter], hint=hint)
    return Problem(kind, message, call.offset, call.length, hint)


def _script_problems(text: str, changing: list[Call], problems: list[Problem]) -> list[Problem]:
    """The problems of the script as a whole."""
    found: list[Problem] = []
    named = sorted({partition for call in changing for partition in partitions(call.parameters)})
    if len(named) > 1:
        hint = how_to_open("right_account", changing[0].operation)
        found.append(
            Problem("refused", f"guardrail right_account: it names the partitions {' and '.join(named)}", 0, 1, hint)
        )
    if not problems and not changing:
        found.append(Problem("unsupported", "the script changes nothing: it only reads", 0, len(text), None))
    place = _first_secret(text, changing)
    if place is not None and not problems:
        found.append(Problem("refused", "it contains a secret", place, 1, "A script with a secret is never applied."))
    return found


def _first_secret(text: str, changing: list[Call]) -> int | None:
    """The place of the first secret in the text or, after a shell has removed its quotes, in a parameter."""
    spans = secret_spans(text)
    if spans:
        return spans[0][0]
    hidden = (
        call.offset
        for call in changing
        for value in _texts(call.parameters)
        if value not in text and secret_spans(value)
    )
    return next(hidden, None)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _texts(one)]


def _step(text: str, call: Call, index: int) -> Step:
    row = OPERATIONS[call.operation]
    line, column = line_and_column(text, call.offset)
    return {
        "index": index,
        "wave": f"{index:04d} {row.module}",
        "operation": call.operation,
        "target": call.parameters[row.target.parameter] if row.target.parameter else "",
        "parameters": {**call.parameters},
        "module": row.module,
        "args": row.module_args(call.parameters),
        "line": line,
        "column": column,
        "command": call.text,
    }
