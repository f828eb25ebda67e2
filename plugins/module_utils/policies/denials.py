# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether one Deny denies at least as much as another: only what is certain counts.

Source: "IAM JSON policy elements" and "Condition operators" in the IAM User Guide. Pure.
"""

from __future__ import annotations

import re
from itertools import product

from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import read_time
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import (
    STATEMENT_KEYS,
    VERSIONS,
    as_iam_reads,
    canonical_text,
    statements,
)

# More pairs of an action and a resource than any policy of a remediation has.
MAX_PAIRS = 1000
# With more values these hold more often; those with Not hold less often.
ONE_OF = ("StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "IpAddress")
NONE_OF = (
    "StringNotEquals",
    "StringNotEqualsIgnoreCase",
    "StringNotLike",
    "ArnNotEquals",
    "ArnNotLike",
    "NotIpAddress",
)
DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
LATER_HOLDS_MORE = ("DateLessThan", "DateLessThanEquals")
EARLIER_HOLDS_MORE = ("DateGreaterThan", "DateGreaterThanEquals")


def lost_denials(before, after):
    """The Deny statements of a document that another one in its place does not keep in force for certain.

    :param before: a policy document; its Effect counts as a Deny in doubt.
    :param after: the one that takes its place, or None where there is none.
    :returns: list of statements.
    """
    kept = [one for one in _denials(after) if one["Effect"] == "Deny"] if after is not None else []
    versions = _version(before), _version(after or {})
    kept = [one for one in kept if _is_comparable(one, versions)]
    return [lost for lost in _denials(before) if not _is_kept(lost, kept)]


def _version(document):
    return document.get("Version", VERSIONS[1])


def _denials(document):
    found = [as_iam_reads(one) for one in statements(document) if isinstance(one, dict)]
    return [one for one in found if str(one.get("Effect")).lower() != "allow"]


def _is_comparable(statement, versions):
    """In 2008-10-17 a policy variable is a text like any other, so the same words deny something else."""
    has_same_words = versions[0] == versions[1] or "${" not in canonical_text(statement)
    return has_same_words and set(statement) <= STATEMENT_KEYS


def _is_kept(lost, kept):
    if any(_covers(one, lost) for one in kept):
        return True
    pairs = list(product(*(_parts(lost, noun) for noun in ("Action", "Resource"))))
    # One statement may have become several.
    return len(pairs) in range(2, MAX_PAIRS) and all(
        any(_covers(one, {**lost, **action, **resource}) for one in kept) for action, resource in pairs
    )


def _parts(statement, noun):
    """A statement's actions or resources one by one, each as the part of a statement."""
    return [{noun: [value]} for value in _values(statement[noun])] if noun in statement else [{}]


def _values(value):
    return value if isinstance(value, list) else [value]


def _covers(wide, narrow):
    return all(_covers_part(wide, narrow, noun) for noun in ("Action", "Resource")) and _holds_whenever(
        wide.get("Condition") or {}, narrow.get("Condition") or {}
    )


def _covers_part(wide, narrow, noun):
    excluded = f"Not{noun}"
    if noun in wide:
        patterns = _values(wide[noun])
        if "*" in patterns:
            return True
        return noun in narrow and all(_is_among(one, patterns) for one in _values(narrow[noun]))
    # What is excluded from the wider one has to be excluded from the narrower one too.
    patterns = _values(narrow.get(excluded, []))
    is_named = excluded in narrow and excluded in wide
    return is_named and all(_is_among(one, patterns) for one in _values(wide[excluded]))


def _is_among(pattern, patterns):
    return any(_contains(one, pattern) for one in patterns)


def _contains(wide, narrow):
    """Whether a pattern with `*` and `?` matches whatever another one matches."""
    if wide == narrow:
        return True
    if not isinstance(wide, str) or not isinstance(narrow, str) or "${" in wide:
        return False
    # A variable stands for any text, and so do it and what follows it.
    narrow = f"{narrow.split('${', 1)[0]}*" if "${" in narrow else narrow
    first, *others = (re.compile(_one_by_one(piece), re.DOTALL) for piece in wide.split("*"))
    if not others:
        return first.fullmatch(narrow) is not None
    *middle, last = others
    end = len(narrow) - len(wide.rsplit("*", 1)[1])
    found = first.match(narrow)
    for piece in middle:
        found = found and piece.search(narrow, found.end())
    return found is not None and found.end() <= end and last.match(narrow, end) is not None


def _one_by_one(piece):
    """A part of a pattern without stars, as a regular expression; a star of the other pattern is not one character."""
    return "".join("[^*]" if char == "?" else re.escape(char) for char in piece)


def _holds_whenever(wide, narrow):
    """Whether a Condition holds whenever another one does."""
    known = list(_tests(narrow))
    return all(any(_follows(test, other) for other in known) for test in _tests(wide))


def _tests(condition):
    for operator, block in condition.items():
        for key, values in block.items():
            yield operator, key.lower(), {_text(value) for value in _values(values)}


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def _follows(wide, narrow):
    operator, values, others = wide[0], wide[2], narrow[2]
    if wide[:2] != narrow[:2]:
        return False
    if operator in ONE_OF:
        return others <= values
    if operator in NONE_OF:
        return values <= others
    return values == others or _reaches_further(operator, values, others)


def _reaches_further(operator, values, others):
    if operator not in (*LATER_HOLDS_MORE, *EARLIER_HOLDS_MORE) or len(values) != 1 or len(others) != 1:
        return False
    # IAM takes a number for the seconds since 1970.
    if not all(DATE.fullmatch(one) for one in values | others):
        return False
    try:
        mine, other = (read_time(one) for (one,) in (values, others))
    except ValueError:
        return False
    return mine >= other if operator in LATER_HOLDS_MORE else mine <= other
