# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: warm
type: aggregate
version_added: 1.0.0
short_description: Load once what every task needs
description:
  - Ansible runs every task of every host in a worker of its own, which begins as a copy of the controller and loads the
    plugins and templates that it needs. What the controller has loaded before, its workers have too.
  - When a play begins whose connection is P(leastpriv.iam.warm#connection), the Python that it runs modules in is
    started, and the plugins that the role remediate uses are loaded. Nothing is said or changed.
author:
  - The Leastpriv team (!UNKNOWN)
requirements:
  - To be named in C(callbacks_enabled) of ansible.cfg, as the one of this project does.
seealso:
  - plugin: leastpriv.iam.warm
    plugin_type: connection
"""

import contextlib
import os
import sys
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import action_loader, connection_loader, filter_loader, lookup_loader, test_loader
from ansible_collections.leastpriv.iam.plugins.connection.warm import NotWarm, connect

CONNECTION = "leastpriv.iam.warm"
# The first of Ansible's own filters and tests that is looked for loads them all.
PLUGINS = (
    (action_loader, ("ansible.builtin.set_fact", "ansible.builtin.include_tasks", "ansible.builtin.debug")),
    (connection_loader, (CONNECTION,)),
    (filter_loader, ("ansible.builtin.combine", "leastpriv.iam.outcomes", "leastpriv.iam.settings")),
    (filter_loader, ("leastpriv.iam.due", "leastpriv.iam.translated", "leastpriv.iam.report")),
    (lookup_loader, ("leastpriv.iam.alerts", "leastpriv.iam.session")),
    (test_loader, ("ansible.builtin.failed",)),
)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "leastpriv.iam.warm"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_play_start(self, play: Any) -> None:
        if play.connection == CONNECTION:
            # It loads on while the first tasks run. Whether and why it cannot be had, its first user tells.
            with contextlib.suppress(NotWarm, OSError):
                connect(sys.executable, os.getpid()).close()
            for loader, names in PLUGINS:
                for name in names:
                    loader.get_with_context(name, class_only=True)
