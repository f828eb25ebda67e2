# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings of the doctor for the terminal: first what is wrong and what to do, then what is right. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import listed
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import STATUSES
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import EMPTY, Line, labelled, line, wrapped

STYLES = {"missing": "bad", "unknown": "caution", "advice": "caution", "ok": "good"}
MAX_NAMED = 12


def diagnosis_lines(diagnosis: Mapping[str, Any], columns: int, verbose: bool = False) -> list[Line]:
    """Show what the doctor found; subjects with the same finding are together.

    :param diagnosis: `findings`, `missing` and `command`, as the filter `diagnosis` returns them.
    :param columns: width of the terminal. Commands and words that are wider stay in one piece.
    :param verbose: True shows what was checked where everything is right, too.
    :returns: the lines; control characters are escaped.
    """
    findings, missing = diagnosis["findings"], diagnosis["missing"]
    shown = [one for one in findings if verbose or one["status"] != "ok"]
    groups: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    for one in sorted(shown, key=lambda one: STATUSES.index(one["status"])):
        groups.setdefault((one["status"], one["found"], one["next"]), []).append(one)
    parts = [
        [_verdict(findings, missing)],
        *(_finding(group, columns) for group in groups.values()),
        [] if verbose else _all_right(findings, columns),
        [] if missing else labelled("Next, review:", diagnosis["command"], columns),
    ]
    first, *others = filter(None, parts)
    return [*first, *(each for part in others for each in (EMPTY, *part))]


def _verdict(findings: Sequence[Mapping[str, str]], missing: int) -> Line:
    unknown = sum(one["status"] == "unknown" for one in findings)
    if missing:
        return line((f"{missing} of {len(findings)} checks failed.", "bad"))
    if unknown:
        return line((f"No check failed, but {unknown} of {len(findings)} had no result.", "caution"))
    return line(("A run has everything that it needs.", "good"))


def _finding(group: Sequence[Mapping[str, str]], columns: int) -> list[Line]:
    status, tried = group[0]["status"], group[0]["tried"]
    first, *example = group[0]["next"].split("\n")
    others = ", and likewise for the others" if any(one["tried"] != tried for one in group) else ""
    return [
        *wrapped(f" {_some([one['subject'] for one in group])}", columns, hanging=2, lead=(status, STYLES[status])),
        *wrapped(group[0]["found"], columns, indent=2),
        *wrapped(f"{tried}{others}", columns, indent=2, hanging=2, lead=("Checked:", "strong")),
        *(wrapped(first, columns, indent=2, hanging=2, lead=("To do:", "strong")) if first else []),
        *(line(f"    {row}") for row in example),
    ]


def _all_right(findings: Sequence[Mapping[str, str]], columns: int) -> list[Line]:
    wrong = {one["subject"] for one in findings if one["status"] != "ok"}
    right = [one["subject"] for one in findings if one["subject"] not in wrong]
    return wrapped(f" {_some(right)}", columns, hanging=4, lead=("ok", "good")) if right else []


def _some(subjects: Sequence[str]) -> str:
    return listed([*dict.fromkeys(subjects)], MAX_NAMED)
