# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import signal

from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.background import in_background


def test_a_thread_takes_no_signal_and_does_not_keep_the_process():
    masks = []
    thread = in_background(lambda: masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
    thread.join(10)
    assert thread.daemon
    assert masks[0] >= {signal.SIGALRM, signal.SIGHUP, signal.SIGINT, signal.SIGTERM}
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
