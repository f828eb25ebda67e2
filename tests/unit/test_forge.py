# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on a forge and before a commit is what the Makefile and the README name, and nothing else."""

from __future__ import annotations

import re

import yaml
from stack import ROOT

COMMANDS = re.compile(r"^make .*$", re.MULTILINE)


def read(path):
    return (ROOT / path).read_text()


def test_the_workflow_gives_the_commands_of_the_readme():
    steps = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["test"]["steps"]
    given = [step["run"] for step in steps if "run" in step]
    assert given == ["make demo", "make test"] == COMMANDS.findall(read(".ci/run"))
    assert "```console\n" + "\n".join(given) + "\n```" in read("README.md")


def test_a_commit_is_linted_as_make_lint_does():
    [repository] = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local", "no network"
    assert [hook["entry"] for hook in repository["hooks"]] == ["make lint"]


def test_a_bug_comes_with_its_report_and_versions():
    form = yaml.safe_load(read(".github/ISSUE_TEMPLATE/bug.yml"))["body"]
    asked = {field["id"]: field for field in form if "id" in field}
    assert {"report", "versions"} <= {name for name, field in asked.items() if field["validations"]["required"]}
    assert "redacted" in asked["report"]["attributes"]["label"]
