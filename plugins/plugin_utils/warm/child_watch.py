# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small program for lifetime.ending_children: it ends the programs of a process that was killed.

Its standard input is a pipe from that process. A pipe that ends without a word was closed by the kernel. Programs are
found by a variable of their environment, `NAME=value` as the only argument, which nothing else on the machine has.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def marked_with(variable: bytes) -> Iterator[int]:
    """The process ids of all programs that were started with this variable, as far as this user may look."""
    for entry in PROC.glob("[0-9]*"):
        with suppress(OSError):
            if variable in entry.joinpath("environ").read_bytes().split(b"\0"):
                yield int(entry.name)


def main() -> None:
    variable = os.fsencode(sys.argv[1])
    if sys.stdin.buffer.read():
        return
    # One may start another one meanwhile.
    while found := list(marked_with(variable)):
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
