# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guardrails by id: what each forbids, and whether `remediate_allow` can open it.

The static ones are checked while a script is translated (plugin_utils/script/static_guardrails.py), the live ones
while the account is observed: by the observers in module_utils/operations/ through `AccountOverlay.guard`, and in
module_utils/observation/. All fail closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..errors import LeastprivError

# id -> what it forbids, in words that follow "guardrail <id>: "
RULES = {
    "deny_only": "a policy document may only deny",
    "account_lockout": "a change of the whole account may not lock out people whom it does not name",
    "account_settings": "a setting of the whole account may only become stricter",
    "attach_deny_only": "only a policy that contains nothing but Deny statements may be attached",
    "default_deny_only": "only a version that contains nothing but Deny statements may become a policy's default",
    "keep_deny": "a Deny that is in force may not be taken away",
    "in_use": "access that was used lately is not taken away",
    "keep_boundary": "a permissions boundary may not be removed or replaced",
    "keep_mfa": "an MFA device may not be removed",
    "keep_trust": "a role's trust policy may not be changed",
    "managed_as_code": "what code manages is changed in its code",
    "no_activation": "a credential may not be activated",
    "no_creation": "no principal and no instance profile may be created or given a role",
    "no_deletion": "no user, role, group, instance profile or identity provider may be deleted",
    "no_membership": "a user may not be added to a group",
    "no_renaming": "nothing may be renamed or moved, since policies can name it",
    "no_tags": "tags may not be changed, since policies can grant by tag",
    "no_widening": "a document may not allow more than those that it replaces, nor deny less",
    "no_trust": "no identity provider may be created, and none may be trusted with more",
    "password_policy": "no field of the account's password policy may become weaker",
    "session_duration": "a role's sessions may not become longer",
    "right_account": "every account that a command names must be the alert's own, in one partition",
    "managed_role": "a role that AWS manages is changed only by its owner",
    "protected_principal": "a protected principal is never touched",
    "blast_radius": "one run may change only so much of one account",
}
# What would hit the wrong account or lock out the person who could repair it stays shut; a limit is raised, not opened.
NEVER_OPEN = ("right_account", "managed_role", "protected_principal", "blast_radius")
# These refuse what would grant access, or remove a restriction.
WIDENS = (
    "attach_deny_only",
    "default_deny_only",
    "deny_only",
    "keep_boundary",
    "keep_deny",
    "keep_mfa",
    "keep_trust",
    "no_activation",
    "no_membership",
    "no_trust",
    "no_widening",
)
# What a person should not do by hand either; a run that is over its limit is run again.
NOT_BY_HAND = (*NEVER_OPEN, "account_lockout", "managed_as_code", *WIDENS)


class Refusal(LeastprivError):
    """A guardrail forbids a step.

    :ivar rule: the guardrail's id, a key of `RULES`.
    :ivar detail: what the step would have done, as a clause.
    """

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"guardrail {rule}: {detail}; {RULES[rule]}")
        self.rule = rule
        self.detail = detail


def rules_in(reason: str | None) -> list[str]:
    """The ids of the guardrails that a reason names, as `Refusal` writes them; each once, sorted."""
    return sorted({found for found in re.findall(r"\bguardrail ([a-z_]+): ", reason or "") if found in RULES})


def is_open(rule: str, operation: str, allow: Iterable[str]) -> bool:
    """True when the user's `remediate_allow` opens a rule for an operation.

    :param operation: the API name, e.g. `AttachUserPolicy`.
    :param allow: rule ids and operations, the latter in the API's or the CLI's spelling.
    """
    return rule not in NEVER_OPEN and bool({rule, operation, cli_name(operation)} & set(allow))


def how_to_open(rule: str, operation: str = "") -> str:
    """The sentence on how to allow what a rule refused."""
    if rule == "blast_radius":
        return "Run again, or raise remediate_max_changes."
    if rule in NEVER_OPEN:
        return "No setting opens this guardrail."
    return f"If it is meant: remediate_allow: [{rule}], or [{cli_name(operation)}] for this operation alone."


def cli_name(operation: str) -> str:
    """The AWS CLI's spelling of an operation: `AttachUserPolicy` -> `attach-user-policy`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", operation).lower()


def left_by_hand(commands: Sequence[str], withheld: Sequence[str], lasting: Sequence[str] = ()) -> list[str]:
    """The lines about what is left to a person: what to know first, then a line for each command.

    :param commands: the commands that can be run as they are shown, in order.
    :param withheld: for each command of the script that is not among them, why, as the rest of a sentence.
    :param lasting: the operations among the commands that nothing can undo, in the CLI's spelling.
    """
    if not commands:
        return []
    reasons = " or ".join(dict.fromkeys(withheld))
    missing = f"{len(commands)} of {len(commands) + len(withheld)} commands shown; the rest {reasons}"
    forever = f"cannot be undone: {', '.join(dict.fromkeys(lasting))}"
    return [*([missing] if withheld else []), *([forever] if lasting else []), *map(by_hand, commands)]


def by_hand(command: str) -> str:
    """The line with the command to run manually, if a person decides so.

    :param command: one command as the vendor wrote it, secrets masked; it may go over several lines.
    :returns: text; empty if a terminal would not show all of the command, because it must be visible before it is run.
    """
    shown = all(line.isprintable() for line in command.split("\n"))
    return f"by hand: {command}" if shown else ""
