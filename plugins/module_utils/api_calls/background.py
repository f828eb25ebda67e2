# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads for calls that wait beside the main thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable


def in_background(work: Callable[[], None]) -> threading.Thread:
    """Start a thread. It takes no signal, and the process may end before it.

    A signal that it took would not end a wait of the main thread, where its handler has to run.
    """

    def run() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
