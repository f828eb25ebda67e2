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
  - Loads the plugins that the role remediate uses, and says and changes nothing.
author:
  - The Leastpriv team (!UNKNOWN)
requirements:
  - To be named in C(callbacks_enabled) of ansible.cfg, as the one of this project does.
seealso:
  - plugin: leastpriv.iam.warm
    plugin_type: connection
"""

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import action_loader, connection_loader, filter_loader, lookup_loader, test_loader

PLUGINS = (
    (action_loader, ("ansible.builtin.set_fact", "ansible.builtin.include_tasks", "ansible.builtin.debug")),
    (connection_loader, ("leastpriv.iam.warm",)),
    (
        filter_loader,
        (
            "ansible.builtin.combine",
            *(f"leastpriv.iam.{n}" for n in ("outcomes", "report", "settings", "steps", "summary")),
        ),
    ),
    (lookup_loader, ("leastpriv.iam.alerts",)),
    (test_loader, ("ansible.builtin.failed",)),
)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "leastpriv.iam.warm"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook):
        for loader, names in PLUGINS:
            for name in names:
                loader.get_with_context(name, class_only=True)
