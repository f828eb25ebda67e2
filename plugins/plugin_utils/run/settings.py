# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that decide what a run may do, checked before a message is received. Pure."""

from __future__ import annotations

from datetime import timedelta
from difflib import get_close_matches

from ansible.module_utils.common.validation import check_type_bool, check_type_dict
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails import NEVER_OPEN, RULES, cli_name, how_to_open
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.selection import FilterError, read_age

# What remediate_allow may hold: guardrails, and operations in both spellings.
OPERATION_NAMES = {spelling: name for name in OPERATIONS for spelling in (name, cli_name(name))}
ON_QUOTA = ("fail", "consolidate")
LONGEST_LIFETIME = timedelta(days=366)
WHERE = "docs/guardrails.md tells every guardrail."


class SettingError(LeastprivError):
    """A setting cannot be what the user means; the message names it and what it may hold."""


def check_allow(allow):
    """Check C(remediate_allow).

    :param allow: list of guardrail ids and operations, the latter in the API's or the CLI's spelling.
    :returns: the same list.
    :raises SettingError: for a word that is none of these, or that opens nothing because it cannot be opened.
    """
    if not isinstance(allow, (list, tuple)):
        raise SettingError(f"remediate_allow must be a list such as [no_tags, tag-user], not {allow!r}")
    problems = [problem for word in allow if (problem := _word_problem(word))]
    if problems:
        raise SettingError(f"remediate_allow: {'; '.join(problems)}. {WHERE}")
    return list(allow)


def _word_problem(word):
    if word in NEVER_OPEN:
        return f"{word} cannot be opened. {how_to_open(word, None)}".rstrip(".")
    if word in RULES:
        return None
    if word not in OPERATION_NAMES:
        close = get_close_matches(str(word), [*RULES, *OPERATION_NAMES], 1)
        return f"{word!r} is neither a guardrail nor an operation of IAM" + (f"; {close[0]} is one" if close else "")
    row = OPERATIONS[OPERATION_NAMES[word]]
    return f"{word} cannot be opened: {row.refused}" if row.refused else None


def read_lifetime(value):
    """Read C(remediate_plan_lifetime), a number with a unit or of seconds: C("24h") -> timedelta.

    :raises SettingError: for what is no time, and for one that no plan can have.
    """
    try:
        lifetime = read_age("remediate_plan_lifetime", value)
    except (FilterError, OverflowError):
        lifetime = None
    if lifetime is None or not timedelta() < lifetime <= LONGEST_LIFETIME:
        longest = f"{LONGEST_LIFETIME.days}d"
        raise SettingError(f"remediate_plan_lifetime must be a time such as 24h, at most {longest}, not {value!r}")
    return lifetime


def check_limits(max_changes, max_failures):
    """Check C(remediate_max_changes) and C(remediate_max_failures).

    :raises SettingError: for what is no whole number, or too small to mean anything.
    """
    for name, value, least in (
        ("remediate_max_changes", max_changes, 0),
        ("remediate_max_failures", max_failures, 1),
    ):
        if isinstance(value, bool) or not str(value).isdecimal() or int(value) < least:
            raise SettingError(f"{name} must be a whole number from {least}, not {value!r}")


def check_on_quota(word):
    """Check C(remediate_on_quota).

    :raises SettingError: for a word that it may not hold.
    """
    if word not in ON_QUOTA:
        raise SettingError(f"remediate_on_quota must be {' or '.join(ON_QUOTA)}, not {word!r}")


def check_aws_config(value):
    """Check C(remediate_aws_config), as Ansible checks an argument of the type dict.

    :raises SettingError: for what is no dict.
    """
    try:
        check_type_dict(value)
    except TypeError as error:
        raise SettingError(f"remediate_aws_config must be a dict: {error}") from None


def check_unfenced(value):
    """Check C(remediate_unfenced), as Ansible checks an argument of the type bool.

    :raises SettingError: for what is not a boolean.
    """
    try:
        return check_type_bool(value)
    except TypeError:
        raise SettingError(f"remediate_unfenced must be true or false, not {value!r}") from None
