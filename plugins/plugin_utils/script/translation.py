# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Script -> steps: parse, resolve, look up, guard, emit. Pure: no I/O, no clock, no environment."""

from __future__ import annotations

import re

from ansible_collections.leastpriv.iam.plugins.module_utils.arns import denied_elsewhere, partitions
from ansible_collections.leastpriv.iam.plugins.module_utils.each_alert import for_each_alert, writable
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails import (
    ACCOUNT_WIDE,
    NOT_BY_HAND,
    cli_name,
    how_to_open,
    left_by_hand,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.module_args import module_args
from ansible_collections.leastpriv.iam.plugins.module_utils.observation import POLICY_WIDE
from ansible_collections.leastpriv.iam.plugins.module_utils.operation_rows import Lost, Operation
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.module_utils.overlay import named_principals
from ansible_collections.leastpriv.iam.plugins.module_utils.protection import may_protect
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.emitter import inexpressible
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.parser import parse
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.problem import Problem, describe, line_and_column
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import can_be_copied, redact, secret_spans
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.resolver import resolve
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.service import iam
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.static_guardrails import (
    refusals,
    unreadable_documents,
)

# What the vendor puts where a script would stand, and what it means.
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
# The worst of a script's problems decides; other clouds count only where nothing else is in the script.
SEVERITY = ("refused", "unsupported", "not_aws")
# The parameters that name what a command changes, the most telling first.
TARGETS = (
    "UserName",
    "RoleName",
    "GroupName",
    "PolicyName",
    "InstanceProfileName",
    "ServerCertificateName",
    "PolicyArn",
    "OpenIDConnectProviderArn",
    "SAMLProviderArn",
    "SerialNumber",
    "AccountAlias",
    "AWSServiceName",
    "Url",
    "Name",
)
# These take no name at all.
ALWAYS_THE_CALLER = ("ChangePassword",)
REACHING_MANY = (*POLICY_WIDE, *ACCOUNT_WIDE)
NOT_AWS, NOT_READ = "is not AWS", "was not read"
BY_HAND = "Run the command by hand if it is meant."
# A newer service model can bring operations that nobody has decided yet.
UNKNOWN = Operation("", unsupported="this version does not know the operation")


def translate(script, account_id, allow=(), protected=()):
    """Translate one remediation script.

    :param script: the AWS CLI text of the vendor, or None.
    :param account_id: the alert's account, 12 digits.
    :param allow: the user's C(remediate_allow): guardrail ids and operations.
    :param protected: the user's C(remediate_protected_principals): no command is shown that may reach one of them.
    :returns: dict of C(disposition) (None when it is to be observed and applied), C(reason), C(notes), C(by_hand) and
        C(steps); the steps are empty unless the whole script can be translated.
    :raises ValueError: for an account_id that is none.
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
    problems += [problem for call in changing for problem in _call_problems(call, account_id, allow)]
    problems += _script_problems(text, changing, problems)
    notes = [note for call in calls for note in [*call.notes, *_foreign_notes(call, account_id)]]
    notes = [*parsed.notes, *notes]
    if problems:
        left, lines = _left_to_do(parsed, changing, account_id, allow, protected)
        reason = "\n".join([describe(text, _in_order(problems)), *lines])
        return {**_result(_worst(problems), reason, notes), "by_hand": left}
    return _result(None, None, notes, [_step(text, call, index) for index, call in enumerate(changing, 1)])


def translate_alerts(alerts, settings=()):
    """Translate the scripts of all alerts that are still to be decided.

    :param alerts: alerts as the lookup gives them.
    :param settings: dicts with C(account) and what is C(allow)-ed there.
    :returns: these alerts, each with what C(translate) says. One that cannot even be tried has failed.
    """
    per_account = {account["account"]: (account["allow"], account.get("protected", ())) for account in settings}
    undecided = [alert for alert in alerts if alert["disposition"] is None]

    def translated(alert):
        opened = per_account.get(alert["account"], ())
        return {**alert, **writable(translate(alert["script"], alert["account_id"], *opened))}

    return for_each_alert("translating its script", undecided, translated, _lost)


def _lost(alert, reason):
    return {**alert, **_result("failed", redact(reason), [])}


def _result(disposition, reason, notes, steps=()):
    return {"disposition": disposition, "reason": reason, "notes": notes, "by_hand": [], "steps": list(steps)}


def _left_to_do(parsed, changing, account_id, allow, protected):
    """The commands that a person can run as they are shown, and the lines that say so. None of them was applied."""
    reasons = [_why_withheld(call, account_id, allow, protected) for call in changing]
    shown = [call for call, why in zip(changing, reasons, strict=True) if not why]
    withheld = [*filter(None, reasons), *[NOT_AWS] * parsed.others, *([] if parsed.is_whole else [NOT_READ])]
    lasting = [cli_name(call.operation) for call in shown if isinstance(OPERATIONS[call.operation].undo, Lost)]
    commands = [call.text for call in shown]
    return commands, left_by_hand(commands, withheld, lasting)


def _why_withheld(call, account_id, allow, protected):
    """Why a command is not shown to be run by hand, as the rest of a sentence; None where it can be."""
    row = OPERATIONS.get(call.operation, UNKNOWN)
    if call.problems or row is UNKNOWN or unreadable_documents(call, row, allow):
        return "cannot be read"
    if _acts_on_caller(call, row):
        return "would change whoever runs it"
    if not row.refused and any(
        refusal.rule in NOT_BY_HAND for refusal, _parameter in refusals(call, row, account_id, ())
    ):
        return "is about another account"
    if _may_reach_protected(call, account_id, protected):
        return "may change a protected principal"
    return None if can_be_copied(call.text) else "cannot be shown as it is"


def _acts_on_caller(call, row):
    """Whether a call means the identity that makes it: the API lets the user's name out where that is meant."""
    options = iam().commands[cli_name(call.operation)].options.values()
    missing = [name for name in row.requires if name not in call.parameters]
    names_nobody = any(option.member == "UserName" for option in options) and "UserName" not in call.parameters
    return bool(missing) or names_nobody or call.operation in ALWAYS_THE_CALLER


def _may_reach_protected(call, account_id, protected):
    """Whether it may change the access of a protected principal, as far as a script alone can tell."""
    named = named_principals({"parameters": call.parameters})
    # Who is in a group, who has a policy and whom a password policy meets is in the account alone.
    is_wide = call.operation in REACHING_MANY or any(kind == "group" for kind, _name in named)
    return bool(protected) and (is_wide or any(may_protect(protected, account_id, *one) for one in named))


def _no_script(text):
    disposition = PLACEHOLDERS[text.strip().lower()]
    said = f"the words {text.strip()!r}" if text.strip() else "nothing"
    return _result(disposition, f"Where a script would stand the vendor sent {said}.", [])


def _worst(problems):
    kinds = {problem.kind for problem in problems}
    return next(kind for kind in SEVERITY if kind in kinds)


def _in_order(problems):
    return sorted(problems, key=lambda problem: problem.offset)


def _call_problems(call, account_id, allow):
    """What the operations table and the static guardrails have against a call."""
    row = OPERATIONS.get(call.operation, UNKNOWN)
    if row.refused or row.unsupported:
        return [] if row is UNKNOWN and call.problems else [_decided_by_name(call, row)]
    if call.problems:
        return []
    missing = [name for name in row.requires if name not in call.parameters]
    if missing:
        return [_problem(call, "unsupported", f"without --{cli_name(missing[0])} it works on the caller itself", None)]
    return [
        *(_unreadable(call, *one) for one in unreadable_documents(call, row, allow)),
        *(_inexpressible(call, row, name) for name in inexpressible(row, call.parameters)),
        *(_guarded(call, *refusal) for refusal in refusals(call, row, account_id, allow)),
    ]


def _foreign_notes(call, account_id):
    """A Deny may be about anything, since it only restricts; a mistyped account is worth a look all the same."""
    places = denied_elsewhere(call.parameters, account_id)
    denied = f"{cli_name(call.operation)} denies something in {' and '.join(places)}"
    return [f"{denied}, and the alert is about account {account_id}."] if places else []


def _decided_by_name(call, row):
    kind, why = ("refused", row.refused) if row.refused else ("unsupported", row.unsupported)
    return _problem(call, kind, f"{cli_name(call.operation)}: {why}", None, BY_HAND)


def _guarded(call, refusal, parameter):
    return _problem(call, "refused", str(refusal), parameter, how_to_open(refusal.rule, call.operation))


def _unreadable(call, error, parameter):
    message = f"--{cli_name(parameter)} is not a policy document that IAM takes: {error}"
    return _problem(call, "unsupported", message, parameter, "Correct the script of the vendor's policy.")


def _inexpressible(call, row, parameter):
    message = f"{row.module} has no way to express this --{cli_name(parameter)}"
    return _problem(call, "unsupported", message, parameter, BY_HAND)


def _problem(call, kind, message, parameter, hint=None):
    offset = call.offsets.get(parameter, call.offset)
    return Problem(kind, message, offset, 1 if parameter in call.offsets else call.length, hint)


def _script_problems(text, changing, problems):
    """What only the script as a whole can have wrong."""
    found = []
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
        found.append(Problem("refused", "it carries a secret", place, 1, "No script with a secret is applied."))
    return found


def _first_secret(text, changing):
    """Where a secret stands, in the text or in what a shell would make of it; None where there is none."""
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


def _texts(value):
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _texts(one)]


def _step(text, call, index):
    row = OPERATIONS[call.operation]
    line, column = line_and_column(text, call.offset)
    return {
        "index": index,
        "wave": f"{index:04d} {row.module}",
        "operation": call.operation,
        "target": _target(call.parameters),
        "parameters": call.parameters,
        "module": row.module,
        "args": module_args(row, call.parameters),
        "line": line,
        "column": column,
        "command": call.text,
    }


def _target(parameters):
    """The name of what is changed, for people; empty for the account itself."""
    return next((parameters[name] for name in TARGETS if name in parameters), "")
