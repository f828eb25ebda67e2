# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: diagnosis
version_added: 1.0.0
short_description: Show what the doctor has found
description:
  - One line for each subject where everything is as it should be. For everything else what was tried, what came of it
    and what to do next.
  - Control characters are escaped, so text cannot control a terminal.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description: The findings, as M(leastpriv.iam.permission_check) tells them.
    type: list
    elements: dict
    required: true
  verbose:
    description: Show what was tried where everything is as it should be, too.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what was found
  ansible.builtin.debug:
    msg: "{{ findings | leastpriv.iam.diagnosis }}"
"""

RETURN = r"""
_value:
  description: The text, several lines.
  type: str
"""

from ansible_collections.leastpriv.iam.plugins.module_utils.finding import STATUSES


def diagnosis(findings: list[dict[str, str]], verbose: bool = False) -> str:
    """See DOCUMENTATION. Subjects keep their order; the worst findings of each are first."""
    subjects = dict.fromkeys(one["subject"] for one in findings)
    lines = [
        line for subject in subjects for line in _lines([one for one in findings if one["subject"] == subject], verbose)
    ]
    return "\n".join(_printable(line) for line in lines)


def _lines(findings: list[dict[str, str]], verbose: bool) -> list[str]:
    shown = [one for one in findings if verbose or one["status"] != "ok"]
    if not shown:
        return [f"{findings[0]['subject']}: ok ({len(findings)} checks)"]
    return [line for one in sorted(shown, key=_rank) for line in _finding_lines(one)]


def _rank(finding: dict[str, str]) -> int:
    return STATUSES.index(finding["status"])


def _finding_lines(finding: dict[str, str]) -> list[str]:
    first, *others = finding["next"].split("\n")
    advice = [f"  next:  {first}", *(f"    {line}" for line in others)] if first else []
    return [
        f"{finding['subject']}: {finding['status']}",
        f"  tried: {finding['tried']}",
        f"  found: {finding['found']}",
        *advice,
    ]


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


class FilterModule:
    def filters(self):
        return {"diagnosis": diagnosis}
