# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a run, checked before a message is received.

``roles/remediate/meta/argument_specs.yml`` is the list of all settings, with types and defaults.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.exemptions import check_entries, check_tags
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import (
    NEVER_OPEN,
    RULES,
    cli_name,
    how_to_open,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message_shapes import read_shapes
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.selection import FilterError, read_age, read_filters

# The operations that remediate_allow accepts beside guardrails, in both spellings.
OPERATION_NAMES = {spelling: name for name in OPERATIONS for spelling in (name, cli_name(name))}
MAX_LIFETIME = timedelta(days=366)
MAX_KEPT = timedelta(days=36_525)
PREFIX = "remediate_"
SPECIFICATION = Path(__file__).parents[3] / "roles" / "remediate" / "meta" / "argument_specs.yml"
# The similarity from which a name without the prefix counts as a misspelt setting.
MIN_SIMILARITY = 0.9
# The whole numbers among the settings, with the smallest and largest valid value.
BOUNDS = {
    "max_alerts": (1, 100_000),
    "wait_seconds": (1, 20),
    "visibility_timeout": (60, 43_200),
    "api_batch_size": (1, 10_000),
}
# The same of settings that are not options of the lookup `leastpriv.iam.alerts`.
ACCOUNT_BOUNDS = {"usage_days": (1, 400)}
# Not among the facts of a run: secret addresses, and the text of a plan, which is long.
KEPT_OUT = ("webhook_url", "metrics_push_url", "plan")
SEE_ALSO = "docs/guardrails.md describes the guardrails."


class SettingError(LeastprivError):
    """A setting is not valid; the message names it and its valid values."""


@functools.cache
def read_specification() -> dict[str, dict[str, Any]]:
    """The role's options by name, from Ansible's argument specification."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = SPECIFICATION.read_text(encoding="utf-8")
    options: dict[str, dict[str, Any]] = yaml.load(text, Loader=loader)["argument_specs"]["main"]["options"]
    return options


def is_empty(value: Any) -> bool:
    """Whether a value is None or blank, like an unanswered question of AWX."""
    return value is None or (isinstance(value, str) and not value.strip())


def unknown_names(names: Iterable[str]) -> list[str]:
    """The problems of variables that look like settings but are not, a sentence each."""
    known = read_specification()
    return [_unknown(name) for name in sorted(names) if name not in known and _looks_like_a_setting(name)]


def _looks_like_a_setting(name: str) -> bool:
    lower = name.lower()
    if lower.startswith(PREFIX):
        return True
    return lower.startswith("rem") and bool(get_close_matches(lower, read_specification(), 1, MIN_SIMILARITY))


def _unknown(name: str) -> str:
    known = {setting.removeprefix(PREFIX): setting for setting in read_specification()}
    close = get_close_matches(name.lower().removeprefix(PREFIX), [*known, *known.values()], 1)
    return f"{name} is not a setting" + (f" (did you mean {known.get(close[0], close[0])}?)" if close else "")


def read_settings(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The settings of one account, from the user's values; an empty value is the default.

    :returns: (every setting by its name without the prefix, with its type; the problems, a sentence each).
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
    """Check values beyond their types. Limits, lists of guardrails and protected principals are as they were given."""
    checks: tuple[Callable[[], Any], ...] = (
        lambda: check_allow(raw["allow"]),
        lambda: check_limits(raw["max_changes"], raw["max_failures"]),
        lambda: read_lifetime(raw["plan_lifetime"]),
        lambda: read_keep(raw["artifacts_keep"]),
        lambda: read_filters(*(values[name] for name in ("severities", "policies", "resources", "min_age", "max_age"))),
        lambda: check_bounds(values),
        lambda: read_shapes(raw["message_shapes"]),
        lambda: check_entries(raw["protected_principals"]),
        lambda: check_tags(raw["managed_tags"], "remediate_managed_tags"),
    )
    problems = []
    for check in checks:
        try:
            check()
        except LeastprivError as error:
            problems.append(f"{PREFIX if isinstance(error, FilterError) else ''}{error}")
        # A type that is reported already.
        except (TypeError, ValueError, AttributeError):
            continue
    return problems


def check_bounds(values: Mapping[str, Any]) -> None:
    """Check the settings of BOUNDS and ACCOUNT_BOUNDS. Raises SettingError for the first that is out of its bounds."""
    for name, (least, largest) in (BOUNDS | ACCOUNT_BOUNDS).items():
        if isinstance(values[name], bool) or not least <= values[name] <= largest:
            raise SettingError(f"{PREFIX}{name} must be a number from {least} to {largest}, not {values[name]!r}")


def check_allow(allow: Any) -> list[str]:
    """Check `remediate_allow`.

    :param allow: list of guardrail ids and operations, the latter in the API's or the CLI's spelling.
    :returns: the same list.
    :raises SettingError: for a word that is neither, or that cannot be opened.
    """
    if not isinstance(allow, (list, tuple)):
        raise SettingError(f"remediate_allow must be a list such as [no_tags, tag-user], not {allow!r}")
    problems = [problem for word in allow if (problem := _word_problem(word))]
    if problems:
        raise SettingError(f"remediate_allow: {'; '.join(problems)}. {SEE_ALSO}")
    return list(allow)


def _word_problem(word: Any) -> str | None:
    if word in NEVER_OPEN:
        return f"{word} cannot be opened. {how_to_open(word)}".rstrip(".")
    if word in RULES:
        return None
    if word not in OPERATION_NAMES:
        close = get_close_matches(str(word), [*RULES, *OPERATION_NAMES], 1)
        return f"{word!r} is neither a guardrail nor an operation of IAM" + (f"; {close[0]} is one" if close else "")
    row = OPERATIONS[OPERATION_NAMES[word]]
    return f"{word} cannot be opened: {row.refused}" if row.refused else None


def read_lifetime(value: Any) -> timedelta:
    """Read `remediate_plan_lifetime`, a number of seconds or with a unit: `"24h"` -> timedelta.

    :raises SettingError: if it is not a time, or is out of range.
    """
    try:
        lifetime = read_age("remediate_plan_lifetime", value)
    except (FilterError, OverflowError):
        lifetime = None
    if lifetime is None or not timedelta() < lifetime <= MAX_LIFETIME:
        longest = f"{MAX_LIFETIME.days}d"
        raise SettingError(f"remediate_plan_lifetime must be a time such as 24h, at most {longest}, not {value!r}")
    return lifetime


@dataclass(frozen=True)
class Keep:
    """Which runs stay: those that began at most `age` ago, or if that is None the newest `runs`."""

    age: timedelta | None = None
    runs: int = 0


def read_keep(value: Any) -> Keep | None:
    """Read `remediate_artifacts_keep`: `"90d"` or `"30 runs"`; empty keeps all runs and is None.

    :raises SettingError: for anything else, also for a number without a unit.
    """
    if is_empty(value):
        return None
    text = str(value).strip().lower()
    with suppress(FilterError, OverflowError):
        if match := re.fullmatch(r"([1-9][0-9]{0,5})\s*runs?", text):
            return Keep(runs=int(match[1]))
        age = None if text.isdecimal() else read_age("remediate_artifacts_keep", text)
        if age and age <= MAX_KEPT:
            return Keep(age=age)
    raise SettingError(
        f"remediate_artifacts_keep must be an age such as 90d or a number such as 30 runs, not {value!r}"
    )


def check_limits(max_changes: Any, max_failures: Any) -> None:
    """Check `remediate_max_changes` and `remediate_max_failures`.

    :raises SettingError: if one is not a whole number, or is too small.
    """
    for name, value, least in (
        ("remediate_max_changes", max_changes, 0),
        ("remediate_max_failures", max_failures, 1),
    ):
        if isinstance(value, bool) or not str(value).isdecimal() or int(value) < least:
            raise SettingError(f"{name} must be a whole number from {least}, not {value!r}")
