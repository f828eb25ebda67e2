# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: diagnosis
version_added: 1.0.0
short_description: Gather and show what checks have found
description:
  - Takes the results of M(leastpriv.iam.preflight), M(leastpriv.iam.queue_check), M(leastpriv.iam.permission_check)
    and M(leastpriv.iam.observe).
  - A check that failed as such, because a profile does not exist for example, is a finding itself.
  - So is a botocore that P(leastpriv.iam.warm#connection) was not tried with.
  - The text shows first what is wrong, what was checked and what to do about it, and then the names of the subjects
    where everything is right. Subjects with the same finding are together. Control characters are escaped.
author:
  - The Leastpriv team (!UNKNOWN)
positional: _input
options:
  _input:
    description: The results by their subject, a list for each.
    type: dict
    required: true
  settings:
    description: What P(leastpriv.iam.settings#lookup) returned for each account, to find those without protection.
    type: list
    elements: dict
    default: []
  account_ids:
    description: The account ids of all hosts.
    type: list
    elements: str
    default: []
  partition:
    description: Their partition.
    type: str
    default: aws
  verbose:
    description: Show what was checked where everything is right, too.
    type: bool
    default: false
  awx:
    description: The variables of the AWX job; empty elsewhere.
    type: dict
"""

EXAMPLES = r"""
- name: Show what was found
  ansible.builtin.debug:
    msg: "{{ ({'queue': [queue_check]} | leastpriv.iam.diagnosis).text }}"
"""

RETURN = r"""
_value:
  description: What was found.
  type: dict
  contains:
    text:
      description: The text to show, several lines.
      type: str
    command:
      description: The command of a review, which is next if nothing is missing.
      type: str
    missing:
      description: How many checks found something missing.
      type: int
    findings:
      description: The findings of all subjects, in the form of M(leastpriv.iam.permission_check).
      type: list
      elements: dict
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible import constants
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import listed
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.exemptions import example_entries
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import finding
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.diagnosis import diagnosis_lines
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.screen import plain
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.summary import COLUMNS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.playbook_command import playbook_command
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.botocore_patches import read_notes
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.jinja_patches import note_problems

USE_TRIED = "Nothing, if runs are fast enough. Otherwise install what requirements.txt and requirements/ name."
IDENTITY = (
    "Correct the profile, role or credentials: of the inventory for an account, remediate_queue_profile for the runner."
)


def diagnosis(
    results: dict[str, list[dict[str, Any]]],
    settings: Sequence[dict[str, Any]] = (),
    account_ids: Sequence[str] = (),
    partition: str = "aws",
    verbose: bool = False,
    awx: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """See DOCUMENTATION."""
    found = [one for subject, checks in results.items() for check in checks for one in _found(subject, check)]
    found += [*_protection(settings, account_ids, partition), *_connection()]
    missing = sum(one["status"] == "missing" for one in found)
    made = {"missing": missing, "findings": found, "command": playbook_command("review", {}, awx)}
    return {**made, "text": "\n".join(map(plain, diagnosis_lines(made, COLUMNS, verbose)))}


def _connection() -> Iterator[dict[str, str]]:
    """What is not replaced in this run's botocore and Jinja."""
    for line in read_notes(constants.DEFAULT_LOCAL_TMP).lines:
        yield finding("warm connection", "advice", "speed up botocore in the loaded Python", line, USE_TRIED)
    for line in note_problems().lines:
        yield finding("controller", "advice", "compile templates once", line, USE_TRIED)


def _protection(
    settings: Sequence[dict[str, Any]], account_ids: Sequence[str], partition: str
) -> Iterator[dict[str, str]]:
    tried = "read remediate_protected_principals"
    open_to_all = [str(one["account"]) for one in settings if not one["protected"]]
    if open_to_all:
        found = f"No principals are protected in {listed(open_to_all)}. A script may lock out any user or role there."
        example = example_entries(sorted({str(account_id) for account_id in account_ids}), partition)
        advice = f"List those that others depend on in inventory/group_vars/aws_accounts.yml, for example:\n{example}"
        yield finding("guardrails", "advice", tried, found, advice)
    elif settings:
        yield finding("guardrails", "ok", tried, "every account has protected principals")


def _found(subject: str, check: dict[str, Any]) -> list[dict[str, str]]:
    if check.get("skipped"):
        return []
    if "findings" in check:
        return check["findings"]
    if "problem" not in check:
        return [finding(subject, "missing", "use the identity", str(check.get("msg", "the check failed")), IDENTITY)]
    tried = "ask STS who the identity is"
    if check["problem"]:
        return [finding(subject, "missing", tried, check["problem"], IDENTITY)]
    return [finding(subject, "ok", tried, f"it is {check['caller']}")]


class FilterModule:
    def filters(self):
        return {"diagnosis": diagnosis}
