# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the account itself: password policy, alias, tokens of STS, outbound federation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..account.overlay import AccountOverlay, Observation, compared
from ..guardrails.rules import cli_name
from ..shapes import Step
from .row import ACCOUNT, NEUTRAL, RESTRICT, WIDEN, Fact, Operation, State, Target
from .undo import Calls, Operations, Parameters, former_field, no_parameters, undone_by

# What AWS enforces while an account has no password policy of its own.
NO_PASSWORD_POLICY = {"MinimumPasswordLength": 8}
PASSWORD_DEFAULTS = {
    "MinimumPasswordLength": 6,
    "RequireSymbols": False,
    "RequireNumbers": False,
    "RequireUppercaseCharacters": False,
    "RequireLowercaseCharacters": False,
    "AllowUsersToChangePassword": False,
    "MaxPasswordAge": 0,
    "PasswordReusePrevention": 0,
    "HardExpiry": False,
}
# AWS's own policy also requires three of four kinds of characters. So many of a single kind are worth more than its 8.
KINDS = ("RequireSymbols", "RequireNumbers", "RequireUppercaseCharacters", "RequireLowercaseCharacters")
KINDS_BY_DEFAULT = 3
LONG_ENOUGH = 12
# With fewer, passwords expire before users who sign in once a month see a warning.
LEAST_PASSWORD_DAYS = 30


# --- the password policy ---


def update_password_policy(overlay: AccountOverlay, step: Step) -> Observation:
    live = overlay.fact("password_policy")
    before = {field: live.get(field, default) for field, default in PASSWORD_DEFAULTS.items()} if live else {}
    after = {**PASSWORD_DEFAULTS, **step["parameters"]}
    in_force = {**PASSWORD_DEFAULTS, **NO_PASSWORD_POLICY, **before}
    weaker = _weaker_fields(in_force, after) + ([] if live else _weaker_than_default(after))
    if weaker:
        overlay.guard("password_policy", step, _weakened(weaker, step["parameters"], in_force, bool(live)))
    for detail in _lockouts(in_force, after):
        overlay.guard("account_lockout", step, detail)
    for note in _password_notes(in_force, after, bool(live)):
        overlay.note(note)
    overlay.will_be(after, "password_policy")
    return compared(before, after, ("password_policy",))


def _weakened(weaker: list[str], parameters: Parameters, in_force: Mapping[str, Any], has_policy: bool) -> str:
    """What a password policy weakens; where it only does not name it, the command that keeps it."""
    detail = f"it weakens {' and '.join(weaker)}"
    unnamed = [field for field in weaker if field in PASSWORD_DEFAULTS and field not in parameters]
    if not unnamed:
        return detail
    resets = f"IAM resets what the command does not name ({', '.join(unnamed)})"
    return f"{detail}: {resets}. The full command is `{_full_command(parameters, in_force, has_policy)}`"


def _full_command(parameters: Parameters, in_force: Mapping[str, Any], has_policy: bool) -> str:
    """The command that sets the named fields and leaves all others in force."""
    wanted = {**in_force, **parameters}
    if not has_policy and _kinds(wanted) < KINDS_BY_DEFAULT and wanted["MinimumPasswordLength"] < LONG_ENOUGH:
        wanted.update(dict.fromkeys(KINDS[1:], True))
    words = [_as_option(field, wanted[field]) for field in PASSWORD_DEFAULTS]
    return " ".join(["aws iam update-account-password-policy", *filter(None, words)])


def _as_option(field: str, value: Any) -> str:
    """`MaxPasswordAge`, 90 -> `--max-password-age 90`; nothing for what IAM sets by itself."""
    option = f"--{cli_name(field)}"
    if isinstance(value, bool):
        return option if value else ""
    return f"{option} {value}" if value else ""


def _weaker_than_default(after: Any) -> list[str]:
    """AWS's own policy knows a rule that no field has."""
    if _kinds(after) >= KINDS_BY_DEFAULT or after["MinimumPasswordLength"] >= LONG_ENOUGH:
        return []
    return [f"the mix of characters (it requires {_kinds(after)} of 4 kinds, AWS's own policy {KINDS_BY_DEFAULT})"]


def _kinds(policy: Mapping[str, Any]) -> int:
    return sum(policy[kind] for kind in KINDS)


def _lockouts(before: Any, after: Any) -> Iterator[str]:
    """How a password policy would lock out users without a warning."""
    was, days = before["MaxPasswordAge"], after["MaxPasswordAge"]
    is_shorter = bool(days) and (not was or days < was)
    if after["HardExpiry"] and not before["HardExpiry"]:
        yield "it turns on hard expiry: users with an expired password need an administrator to sign in again"
    elif after["HardExpiry"] and is_shorter:
        yield f"hard expiry is on, and it ends every password that is older than {days} days at once"
    if is_shorter and days < LEAST_PASSWORD_DAYS:
        yield f"it ends every password after {days} days, fewer than {LEAST_PASSWORD_DAYS}"


def _password_notes(before: Mapping[str, Any], after: Any, has_policy: bool) -> Iterator[str]:
    """The changes of fields that neither weaken nor lock out."""
    may, could = after["AllowUsersToChangePassword"], before["AllowUsersToChangePassword"]
    if may and not could:
        yield "Grants: every IAM user of the account may change their own password, which was off."
    if could and not may:
        yield "Takes away: IAM users may no longer change their own passwords unless a policy allows them to."
    if not has_policy and _kinds(after) < KINDS_BY_DEFAULT:
        yield (
            f"Replaces AWS's own password policy, which requires {KINDS_BY_DEFAULT} of 4 kinds of characters. "
            f"This one requires {_kinds(after)}, but {after['MinimumPasswordLength']} characters."
        )
    if after["MaxPasswordAge"] and after["MaxPasswordAge"] < (before["MaxPasswordAge"] or float("inf")):
        yield f"Passwords of all IAM users that are older than {after['MaxPasswordAge']} days expire at once."


def _weaker_fields(before: Any, after: Any) -> list[str]:
    """The fields that protect less after than before; 0 is "never" for an age and "none" for a history."""
    strength: dict[str, Callable[[Any], float]] = {
        "MaxPasswordAge": lambda days: -days if days else float("-inf"),
        "AllowUsersToChangePassword": lambda _allowed: 0,
    }
    return [
        field
        for field in PASSWORD_DEFAULTS
        if strength.get(field, int)(after[field]) < strength.get(field, int)(before[field])
    ]


def delete_password_policy(overlay: AccountOverlay, step: Step) -> Observation:
    live = overlay.fact("password_policy")
    if live:
        overlay.note("Removes the account's password policy: AWS's own takes its place, without an age or a history.")
    overlay.will_be(None, "password_policy")
    return compared(live or {}, {}, ("password_policy",))


def former_passwords(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    """A field that is off, or 0, is left out: the call sets what it does not name to its default."""
    if not before:
        return [(operations[1], {})]
    return [(operations[0], {name: before[name] for name in PASSWORD_DEFAULTS if before.get(name)})]


def _password_policy(fact: Fact, _parameters: Parameters) -> Any:
    return fact("password_policy")


# --- all others ---


def create_alias(overlay: AccountOverlay, step: Step) -> Observation:
    """An account has one alias: a new one takes the place of the old one."""
    return _alias(overlay, [step["parameters"]["AccountAlias"]])


def delete_alias(overlay: AccountOverlay, step: Step) -> Observation:
    live = overlay.fact("aliases")
    return _alias(overlay, [alias for alias in live if alias != step["parameters"]["AccountAlias"]])


def _alias(overlay: AccountOverlay, wanted: list[str]) -> Observation:
    live = overlay.fact("aliases")
    overlay.will_be(wanted, "aliases")
    return compared({"aliases": live}, {"aliases": wanted}, ("aliases",))


def former_alias(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    former = [(operations[0], {"AccountAlias": alias}) for alias in before["aliases"]]
    return former or [(operations[1], dict(parameters))]


def set_token_version(overlay: AccountOverlay, step: Step) -> Observation:
    """GetAccountSummary has v1Token as 1, v2Token as 2."""
    wanted = step["parameters"]["GlobalEndpointTokenVersion"]
    summary = overlay.fact("summary")
    live = f"v{summary.get('GlobalEndpointTokenVersion', 1)}Token"
    if (live, wanted) == ("v2Token", "v1Token"):
        _reaches_all(overlay, step, "new tokens of the global STS endpoint are no longer valid in opt-in regions")
    overlay.will_be({**summary, "GlobalEndpointTokenVersion": int(wanted[1])}, "summary")
    return compared({"sts_token_version": live}, {"sts_token_version": wanted}, ("sts_token_version",))


def set_outbound_federation(overlay: AccountOverlay, step: Step) -> Observation:
    wanted = step["operation"].startswith("Enable")
    live = overlay.fact("outbound_federation")
    if live and not wanted:
        _reaches_all(overlay, step, "its identities can no longer sign in to outside services with tokens of AWS")
    overlay.will_be(wanted, "outbound_federation")
    key = "outbound_web_identity_federation"
    return compared({key: live}, {key: wanted}, (key,))


def _reaches_all(overlay: AccountOverlay, step: Step, effect: str) -> None:
    """A restriction of the whole account affects protected principals, too."""
    if overlay.protects:
        overlay.guard("account_lockout", step, f"it reaches protected principals too: {effect}")
    overlay.note(f"Changes the whole account: {effect}.")


PASSWORD_POLICY = State(name="password_policy", read=_password_policy, differs="it differs")
PASSWORDS = "amazon.aws.iam_password_policy"
SETTINGS = "leastpriv.iam.account_setting"
ALIAS = Target(parameter="AccountAlias")
FEDERATION: dict[str, Any] = {
    "module": SETTINGS,
    "observe": set_outbound_federation,
    "already_true": "it is so already",
    "reads": ("GetOutboundWebIdentityFederationInfo",),
    "reach": ACCOUNT,
}

ROWS = (
    Operation(
        name="CreateAccountAlias",
        module=SETTINGS,
        args={"alias": "$AccountAlias", "state": "present"},
        observe=create_alias,
        already_true="the account has this alias",
        effect=NEUTRAL,
        undo=undone_by("CreateAccountAlias", "DeleteAccountAlias", calls=former_alias),
        guards=("account_settings",),
        target=ALIAS,
        reads=("ListAccountAliases",),
    ),
    Operation(
        name="DeleteAccountAlias",
        module=SETTINGS,
        args={"alias": "$AccountAlias", "state": "absent"},
        observe=delete_alias,
        already_true="the account has another alias or none",
        effect=NEUTRAL,
        undo=undone_by("CreateAccountAlias"),
        guards=("account_settings",),
        target=ALIAS,
        reads=("ListAccountAliases",),
    ),
    Operation(
        name="DeleteAccountPasswordPolicy",
        module=PASSWORDS,
        args={"state": "absent"},
        observe=delete_password_policy,
        already_true="the account has no password policy of its own",
        effect=WIDEN,
        undo=undone_by("UpdateAccountPasswordPolicy", calls=former_passwords),
        guards=("password_policy",),
        reads=("GetAccountPasswordPolicy",),
        read_again=(PASSWORD_POLICY,),
        reach=ACCOUNT,
    ),
    Operation(
        name="DisableOutboundWebIdentityFederation",
        args={"outbound_web_identity_federation": False},
        effect=RESTRICT,
        undo=undone_by("EnableOutboundWebIdentityFederation", calls=no_parameters),
        **FEDERATION,
    ),
    Operation(
        name="EnableOutboundWebIdentityFederation",
        args={"outbound_web_identity_federation": True},
        effect=WIDEN,
        undo=undone_by("DisableOutboundWebIdentityFederation", calls=no_parameters),
        guards=("account_settings",),
        **FEDERATION,
    ),
    Operation(
        name="SetSecurityTokenServicePreferences",
        module=SETTINGS,
        args={"sts_token_version": "$GlobalEndpointTokenVersion"},
        observe=set_token_version,
        already_true="this is the version",
        effect=RESTRICT,
        undo=undone_by(
            "SetSecurityTokenServicePreferences", calls=former_field("GlobalEndpointTokenVersion", "sts_token_version")
        ),
        guards=("account_settings",),
        reads=("GetAccountSummary",),
        reach=ACCOUNT,
    ),
    Operation(
        name="UpdateAccountPasswordPolicy",
        module=PASSWORDS,
        args={
            "min_pw_length": "$MinimumPasswordLength",
            "require_symbols": "$RequireSymbols",
            "require_numbers": "$RequireNumbers",
            "require_uppercase": "$RequireUppercaseCharacters",
            "require_lowercase": "$RequireLowercaseCharacters",
            "allow_pw_change": "$AllowUsersToChangePassword",
            "pw_max_age": "$MaxPasswordAge",
            "pw_reuse_prevent": "$PasswordReusePrevention",
            "pw_expire": "$HardExpiry",
            "state": "present",
        },
        observe=update_password_policy,
        already_true="every field is so, those that are not named by their default",
        effect=RESTRICT,
        undo=undone_by("UpdateAccountPasswordPolicy", "DeleteAccountPasswordPolicy", calls=former_passwords),
        reads=("GetAccountPasswordPolicy",),
        read_again=(PASSWORD_POLICY,),
        reach=ACCOUNT,
        # An age and a history have no default: 0 would be refused.
        defaults={
            field: value
            for field, value in PASSWORD_DEFAULTS.items()
            if field not in ("MaxPasswordAge", "PasswordReusePrevention")
        },
        phrase="update the account's password policy",
    ),
)
