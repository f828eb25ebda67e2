# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run in a real pseudo-terminal, and what a person sees of it."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import suppress

import pyte
from stack import kill_run, new_artifacts_folder, read_report, start_playbook

COLUMNS, ROWS = 100, 24
# As if a terminal had room for everything that was ever printed: nothing scrolls away.
PAPER = 300
END_OF_DRAWING = b"\x1b[J"


class Terminal:
    """A run that is started in a terminal. `written` is what it has sent so far, byte for byte."""

    def __init__(self, stack, *args, env=None, **options):
        self.written = b""
        self.artifacts = new_artifacts_folder(stack)
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {"TERM": "xterm-256color"} | (env or {})
        self.process = start_playbook(
            stack, *args, artifacts=self.artifacts, env=environment, terminal=slave, **options
        )
        os.close(slave)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        # A terminal whose programs have all ended answers with EIO.
        with suppress(OSError):
            while chunk := os.read(self.master, 65536):
                self.written += chunk

    def wait(self, timeout=180.0):
        """Wait for the end of the run; gives its exit status."""
        try:
            status = self.process.wait(timeout)
        except BaseException:
            kill_run(self.process)
            raise
        self.reader.join(10)
        os.close(self.master)
        return status

    @property
    def report(self):
        return read_report(self.artifacts)

    @property
    def screen(self):
        """The screen at the end."""
        *_, last = self._screens([self.written])
        return last

    def pictures(self) -> Iterator[list[str]]:
        """What the screen showed after each drawing, as lines that are not empty."""
        for screen in self._screens(self.written.split(END_OF_DRAWING)):
            yield lines(screen)

    def _screens(self, chunks):
        screen = pyte.Screen(COLUMNS, PAPER)
        stream = pyte.ByteStream(screen)
        for chunk in chunks:
            stream.feed(chunk + END_OF_DRAWING * (len(chunks) > 1))
            yield screen


def lines(screen):
    return [line.rstrip() for line in screen.display if line.strip()]
