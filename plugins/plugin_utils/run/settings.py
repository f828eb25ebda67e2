# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a run, checked before a message is received.

``roles/remediate/meta/argument_specs.yml`` is the list of all settings, with types and defaults.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails import NEVER_OPEN, RULES, cli_name, how_to_open
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.selection import FilterError, read_age, read_filters

# What remediate_allow may hold: guardrails, and operations in both spellings.
OPERATION_NAMES = {spelling: name for name in OPERATIONS for spelling in (name, cli_name(name))}
LONGEST_LIFETIME = timedelta(days=366)
PREFIX = "remediate_"
SPECIFICATION = Path(__file__).parents[3] / "roles" / "remediate" / "meta" / "argument_specs.yml"
# How alike a name must be to be a misspelt setting although it does not begin as one.
ALIKE = 0.9
# The whole numbers among the settings: the least and the largest value that makes sense.
BOUNDS = {
    "max_alerts": (1, 100_000),
    "wait_seconds": (1, 20),
    "visibility_timeout": (60, 43_200),
    "api_batch_size": (1, 10_000),
}
# Not among the facts of a run: addresses that are secrets, and the text of a plan, which is long.
KEPT_OUT = ("webhook_url", "metrics_push_url", "plan")
WHERE = "docs/guardrails.md tells every guardrail."


class SettingError(LeastprivError):
    """A setting cannot be what the user means; the message names it and what it may hold."""


@functools.cache
def read_specification() -> dict[str, dict[str, Any]]:
    """The options of the role by their names, as Ansible's argument specification has them."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = SPECIFICATION.read_text(encoding="utf-8")
    return yaml.load(text, Loader=loader)["argument_specs"]["main"]["options"]


def is_empty(value: Any) -> bool:
    """Whether a value says no more than that there is none, as an unanswered question of AWX does."""
    return value is None or (isinstance(value, str) and not value.strip())


def unknown_names(names: Iterable[str]) -> list[str]:
    """What is wrong with variables that look like settings and are not, a sentence each."""
    known = read_specification()
    return [_unknown(name) for name in sorted(names) if name not in known and _looks_like_a_setting(name)]


def _looks_like_a_setting(name: str) -> bool:
    lower = name.lower()
    if lower.startswith(PREFIX):
        return True
    return lower.startswith("rem") and bool(get_close_matches(lower, read_specification(), 1, ALIKE))


def _unknown(name: str) -> str:
    known = {setting.removeprefix(PREFIX): setting for setting in read_specification()}
    close = get_close_matches(name.lower().removeprefix(PREFIX), [*known, *known.values()], 1)
    return f"{name} is not a setting" + (f" (did you mean {known.get(close[0], close[0])}?)" if close else "")


def read_settings(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The settings of one account, from the values as they were given; an empty value is the default.

    :returns: (every setting by its name without the prefix, with its type; what is wrong, a sentence each).
    """
    known = read_specification()
    named = {name: value for name, value in given.items() if name in known and not is_empty(value)}
    result = ArgumentSpecValidator(known).validate(named)
    problems = [_without_quotes(message) for message in result.error_messages]
    values = {name.removeprefix(PREFIX): value for name, value in result.validated_parameters.items()}
    raw = {name.removeprefix(PREFIX): value for name, value in named.items()}
    return values, [*problems, *_meaning_problems(values, {**values, **raw})]


def _without_quotes(message: str) -> str:
    return " ".join(message.replace("argument '", "").replace("' is of type", " is of type").split())


def _meaning_problems(values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[str]:
    """What no type says. Limits and lists of guardrails are taken as they were given: a text is not a list there."""
    checks: tuple[Callable[[], Any], ...] = (
        lambda: check_allow(raw["allow"]),
        lambda: check_limits(raw["max_changes"], raw["max_failures"]),
        lambda: read_lifetime(raw["plan_lifetime"]),
        lambda: read_filters(*(values[name] for name in ("severities", "policies", "resources", "min_age", "max_age"))),
        lambda: check_bounds(values),
    )
    problems = []
    for check in checks:
        try:
            check()
        except LeastprivError as error:
            problems.append(f"{PREFIX if isinstance(error, FilterError) else ''}{error}")
        # A type that was refused already.
        except (TypeError, ValueError, AttributeError):
            continue
    return problems


def check_bounds(values: Mapping[str, Any]) -> None:
    """Check the settings of BOUNDS. Raises SettingError for the first that is out of them."""
    for name, (least, largest) in BOUNDS.items():
        if isinstance(values[name], bool) or not least <= values[name] <= largest:
            raise SettingError(f"{PREFIX}{name} must be a number from {least} to {largest}, not {values[name]!r}")


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
