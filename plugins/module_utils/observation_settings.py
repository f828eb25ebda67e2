# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observers of settings of the account itself."""

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.module_utils.overlay import compared

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


def update_password_policy(script, step):
    live = script.fact("password_policy")
    before = {field: live.get(field, default) for field, default in PASSWORD_DEFAULTS.items()} if live else {}
    after = {**PASSWORD_DEFAULTS, **step["parameters"]}
    weaker = _weaker_fields({**PASSWORD_DEFAULTS, **NO_PASSWORD_POLICY, **before}, after)
    if weaker:
        script.guard("password_policy", step, f"it weakens {' and '.join(weaker)}")
    script.will_be(after, "password_policy")
    return compared(before, after, ("password_policy",))


def _weaker_fields(before, after):
    """The fields that protect less after than before; 0 is "never" for an age and "none" for a history."""
    strength = {
        "MaxPasswordAge": lambda days: -days if days else float("-inf"),
        "AllowUsersToChangePassword": lambda _allowed: 0,
    }
    return [
        field
        for field in PASSWORD_DEFAULTS
        if strength.get(field, int)(after[field]) < strength.get(field, int)(before[field])
    ]


def delete_password_policy(script, step):
    live = script.fact("password_policy")
    script.will_be(None, "password_policy")
    return compared(live or {}, {}, ("password_policy",))


def create_alias(script, step):
    """An account has one alias: a new one takes the place of the old one."""
    return _alias(script, [step["parameters"]["AccountAlias"]])


def delete_alias(script, step):
    live = script.fact("aliases")
    return _alias(script, [alias for alias in live if alias != step["parameters"]["AccountAlias"]])


def _alias(script, wanted):
    live = script.fact("aliases")
    script.will_be(wanted, "aliases")
    return compared({"aliases": live}, {"aliases": wanted}, ("aliases",))


def set_token_version(script, step):
    """GetAccountSummary tells v1Token as 1, v2Token as 2."""
    wanted = step["parameters"]["GlobalEndpointTokenVersion"]
    summary = script.fact("summary")
    live = f"v{summary.get('GlobalEndpointTokenVersion', 1)}Token"
    script.will_be({**summary, "GlobalEndpointTokenVersion": int(wanted[1])}, "summary")
    return compared({"sts_token_version": live}, {"sts_token_version": wanted}, ("sts_token_version",))


def set_outbound_federation(script, step):
    wanted = step["operation"].startswith("Enable")
    live = script.fact("outbound_federation")
    script.will_be(wanted, "outbound_federation")
    key = "outbound_web_identity_federation"
    return compared({key: live}, {key: wanted}, (key,))
