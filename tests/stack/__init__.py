# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulated world for tests and the demo: several AWS accounts, a queue and the vendor's API. See README.md."""

from __future__ import annotations

from . import settings
from .process import ROOT, Stack
from .runs import (
    Run,
    cli,
    kill_controller,
    kill_run,
    new_artifacts_folder,
    read_report,
    run_playbook,
    start_playbook,
    wait_until,
)
from .seed import give_role, seed, send_alert
from .snapshot import attached, iam_state

__all__ = [
    "ROOT",
    "Run",
    "Stack",
    "attached",
    "cli",
    "give_role",
    "iam_state",
    "kill_controller",
    "kill_run",
    "new_artifacts_folder",
    "read_report",
    "run_playbook",
    "seed",
    "send_alert",
    "settings",
    "start_playbook",
    "wait_until",
]
