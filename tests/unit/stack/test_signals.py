# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests start can be ended by a signal, whatever the shell that started the tests ignores."""

from __future__ import annotations

import signal
import subprocess
import sys

from stack import ROOT

ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
# A child of the tests says what it has inherited.
CHILD = "import subprocess, conftest; subprocess.run(['grep', '-E', '^Sig(Blk|Ign)', '/proc/self/status'], check=True)"


def test_a_run_inherits_no_signal_that_is_ignored_or_blocked():
    names = " ".join(signum.name.removeprefix("SIG") for signum in ENDING)
    command = ["bash", "-c", f"trap '' {names}; exec \"$@\"", "bash", sys.executable, "-c", CHILD]
    shown = subprocess.run(command, cwd=ROOT / "tests", check=True, capture_output=True, text=True, timeout=60).stdout
    masks = {name: int(mask, 16) for name, _colon, mask in (line.partition(":") for line in shown.splitlines())}
    assert masks["SigBlk"] == 0
    assert [signum.name for signum in ENDING if masks["SigIgn"] >> (signum - 1) & 1] == []
