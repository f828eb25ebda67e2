# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads an action plugin as Ansible does, for a task of these options."""

from __future__ import annotations

from typing import Any

from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import action_loader, connection_loader


def load_action(name: str, options: dict[str, Any], **keywords: Any) -> ActionBase:
    """The action of a task that has these options and keywords, such as `check_mode`."""
    return action_loader.get(
        name,
        task=Task.load({name: options, **keywords}),
        connection=connection_loader.get("ansible.builtin.local", PlayContext()),
        play_context=PlayContext(),
        loader=None,
        templar=None,
        shared_loader_obj=None,
    )
