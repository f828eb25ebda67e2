# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.next_command import (
    again_command,
    next_command,
    undo_command,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report

RUN = "20260101T000000Z-0000"


def shown(disposition, check_mode, undoes=()):
    alert = {"alert_id": "I-1", "message_id": "m", "account": "payments", "disposition": disposition}
    times = "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z"
    return report(Run([alert], RUN, *times, check_mode, undoes=undoes))


@pytest.mark.parametrize(
    ("run", "following", "undoing"),
    [
        (shown("planned", True), f"remediate.yml -e remediate_plan={RUN}", None),
        (shown("planned", True, ["run-1"]), "playbooks/undo.yml -e run_id=run-1", None),
        (shown("planned", True, ["run-1", "run-2"]), "playbooks/undo.yml -e alert_id=I-1", None),
        (shown("refused", True), None, None),
        (shown("remediated", False), None, f"playbooks/undo.yml -e run_id={RUN}"),
        (shown("already_remediated", False), None, None),
        (shown("undone", False, ["run-1"]), None, None),
    ],
)
def test_what_follows_a_run_and_what_undoes_it(run, following, undoing):
    for found, command in ((next_command(run), following), (undo_command(run), undoing)):
        assert (found and found.command) == (command and f"ansible-playbook {command}")


@pytest.mark.parametrize(
    ("run", "again"),
    [
        (shown("failed", False), "remediate.yml"),
        (shown("failed", True), "remediate.yml --check"),
        (shown("failed", False, ["run-1"]), "playbooks/undo.yml -e run_id=run-1"),
        (shown("failed", True, ["run-1"]), None),
    ],
)
def test_a_run_that_ended_early_is_repeated_as_it_was(run, again):
    found = again_command(run)
    assert (found and found.command) == (again and f"ansible-playbook {again}")
