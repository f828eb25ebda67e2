# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Script -> steps: parse, resolve, look up, guard, emit. Pure: no I/O, no clock, no environment."""

from __future__ import annotations

import re

from ansible_collections.leastpriv.iam.plugins.module_utils.arns import partitions
from ansible_collections.leastpriv.iam.plugins.module_utils.each_alert import for_each_alert, writable
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails import by_hand, cli_name, how_to_open
from ansible_collections.leastpriv.iam.plugins.module_utils.operation_rows import Operation
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.emitter import inexpressible, module_args
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.parser import parse
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.problem import Problem, describe, line_and_column
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import redact, secret_spans
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.resolver import resolve
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
BY_HAND = "Run the command by hand if it is meant."
# A newer service model can bring operations that nobody has decided yet.
UNKNOWN = Operation("", unsupported="this version does not know the operation")


def translate(script, account_id, allow=()):
    """Translate one remediation script.

    :param script: the AWS CLI text of the vendor, or None.
    :param account_id: the alert's account, 12 digits.
    :param allow: the user's C(remediate_allow): guardrail ids and operations.
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
    notes = [note for call in calls for note in call.notes]
    if problems:
        left = _left_to_do(changing, allow)
        reason = "\n".join([describe(text, _in_order(problems)), *map(by_hand, left)])
        return {**_result(_worst(problems), reason, notes), "by_hand": left}
    return _result(None, None, notes, [_step(text, call, index) for index, call in enumerate(changing, 1)])


def translate_alerts(alerts, settings=()):
    """Translate the scripts of all alerts that are still to be decided.

    :param alerts: alerts as the lookup gives them.
    :param settings: dicts with C(account) and what is C(allow)-ed there.
    :returns: these alerts, each with what C(translate) says. One that cannot even be tried has failed.
    """
    allowed = {account["account"]: account["allow"] for account in settings}
    undecided = [alert for alert in alerts if alert["disposition"] is None]

    def translated(alert):
        allow = allowed.get(alert["account"], ())
        return {**alert, **writable(translate(alert["script"], alert["account_id"], allow))}

    return for_each_alert("translating its script", undecided, translated, _lost)


def _lost(alert, reason):
    return {**alert, **_result("failed", redact(reason), [])}


def _result(disposition, reason, notes, steps=()):
    return {"disposition": disposition, "reason": reason, "notes": notes, "by_hand": [], "steps": list(steps)}


def _left_to_do(changing, allow):
    """The commands that can be read, all of them: where one cannot be translated, none of the script was applied."""
    sound = [call for call in changing if not call.problems]
    taken = [call for call in sound if not unreadable_documents(call, OPERATIONS.get(call.operation, UNKNOWN), allow)]
    return [call.text for call in taken if by_hand(call.text)]


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
