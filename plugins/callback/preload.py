# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preload
type: aggregate
version_added: 1.0.0
short_description: Load once what every task needs
description:
  - Ansible runs every task of every host in a worker of its own, which begins as a copy of the controller and loads the
    plugins and templates that it needs. What the controller has loaded before, its workers have too.
  - When a play begins that imports the role P(leastpriv.iam.remediate#role), or whose connection is
    P(leastpriv.iam.warm#connection), the Python that this connection runs modules in is started, and the plugins that
    the role uses are loaded. Nothing is printed or changed.
  - The modules that most runs of that role need are packed at the side meanwhile, as Ansible packs a module when it is
    first used, while all hosts wait. This needs ansible-core 2.19 to 2.21; a newer one was not tried and packs them
    itself, and the run reports it.
  - Templates are compiled once, and not in each worker for each item of a loop. One function of Jinja is
    replaced while the run lasts. This needs ansible-core 2.19 to 2.21 too, and a Jinja that was tried.
  - What the controller has loaded by then is left alone by Python's garbage collector, also in its workers.
  - When the run ends, it reports in one line if the installed botocore or Jinja was not tried with this release. Then
    nothing is replaced in it, and runs take longer. With C(-v) it lists the functions that were not as expected.
  - From the first play or task of a run that uses this collection, Ansible's workers end when the controller ends, also
    if that is killed. Runs that do not use it are left alone.
author:
  - The Leastpriv team (!UNKNOWN)
requirements:
  - To be named in C(callbacks_enabled) of ansible.cfg, as the one of this project does.
seealso:
  - plugin: leastpriv.iam.warm
    plugin_type: connection
"""

import contextlib
import gc
import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable
from typing import Any

import ansible.constants as C
from ansible import context
from ansible.executor import module_common
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import (
    action_loader,
    connection_loader,
    filter_loader,
    lookup_loader,
    module_loader,
    test_loader,
)
from ansible.release import __version__ as ansible_version
from ansible.template import Templar
from ansible_collections.leastpriv.iam.plugins.connection.warm import NotWarm, connect
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.botocore_patches import read_notes, why_untried
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.jinja_patches import CompiledTemplates
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import (
    end_with_parent,
    end_workers_with_controller,
)

try:
    from ansible.template import trust_as_template
except ImportError:  # Before ansible-core 2.19.
    trust_as_template = None

COLLECTION = "leastpriv.iam."
CONNECTION = "leastpriv.iam.warm"
# The first of Ansible's own filters and tests that is looked for loads them all.
PLUGINS = (
    (action_loader, ("ansible.builtin.set_fact", "ansible.builtin.normal")),
    (
        action_loader,
        ("leastpriv.iam.acknowledge", "leastpriv.iam.journal", "leastpriv.iam.preflight", "leastpriv.iam.run_files"),
    ),
    (connection_loader, (CONNECTION,)),
    (filter_loader, ("ansible.builtin.combine", "leastpriv.iam.outcomes", "leastpriv.iam.translate")),
    (lookup_loader, ("leastpriv.iam.alerts", "leastpriv.iam.session", "leastpriv.iam.settings")),
    (test_loader, ("ansible.builtin.failed",)),
)
# The versions of ansible-core that were tried (docs/compatibility.md).
TRIED = ("2.19", "2.21")
ROLE = "leastpriv.iam.remediate"
AWX_ROLE = "leastpriv.iam.controller"
# What the modules of that role import; where awx.awx is missing, Ansible says so itself.
AWX_MODULES = ("ansible_collections.awx.awx.plugins.module_utils.controller_api",)
# The parts of the role that change accounts.
WORKING = {"main", "apply"}
# What the templates of many tasks need, so that not every worker makes it for itself.
TEMPLATE = "{{ [{'a': 1}] | selectattr('a', 'none') | map(attribute='a') | list | length > 0 and ({} | combine({})) }}"
IN_AN_UNTRIED_ONE = "no module is packed and no template compiled beforehand, and runs take longer"
LIBRARIES = ("boto3", "requests")
# In the order in which they are needed.
REVIEWING = ("leastpriv.iam.observe", "leastpriv.iam.acknowledge")
APPLYING = (REVIEWING[0], "amazon.aws.iam_managed_policy", "amazon.aws.iam_user", REVIEWING[1])


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "leastpriv.iam.preload"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_ready = False
        self.remarks: dict[str, None] = {}
        self.templates = CompiledTemplates()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        entries = {_entry(role) for role in play.roles if role.get_name() == ROLE}
        if not entries and (getattr(play, "vars", None) or {}).get("ansible_connection", play.connection) != CONNECTION:
            return
        end_workers_with_controller()
        # It loads on while the first tasks run. Its first user reports an error.
        with contextlib.suppress(NotWarm, OSError):
            is_for_awx = any(role.get_name() == AWX_ROLE for role in play.roles)
            connect(sys.executable, os.getpid(), AWX_MODULES if is_for_awx else ()).close()
        if not self.is_ready:
            self.is_ready = True
            self._make_ready()
        if entries & WORKING and self._knows_ansible():
            self._pack_modules()

    def _knows_ansible(self) -> bool:
        # Before ansible-core 2.19 its workers alone have the lock on what is packed.
        if trust_as_template is None:
            return False
        line = why_untried("ansible-core", ansible_version, TRIED, IN_AN_UNTRIED_ONE, parts=2)
        if line:
            self.remarks[line] = None
        return line is None

    def _pack_modules(self) -> None:
        modules = REVIEWING if context.CLIARGS.get("check") else APPLYING
        multiprocessing.get_context("fork").Process(target=pack, args=[modules], daemon=True).start()

    def _make_ready(self) -> None:
        # For the workers of preflight and of the alerts. Preflight reports a missing one.
        for library in LIBRARIES:
            with contextlib.suppress(ImportError):
                importlib.import_module(library)
        for loader, names in PLUGINS:
            for name in names:
                # Plugins of this collection need amazon.aws; preflight reports if it is missing.
                with contextlib.suppress(ImportError):
                    loader.get_with_context(name, class_only=True)
        if self._knows_ansible():
            self.templates.install()
        if trust_as_template:
            Templar(DataLoader()).template(trust_as_template(TEMPLATE))
        # What is here stays until the run ends: no worker has to copy its pages to look for garbage in it. Of what is
        # made later, a worker looks at its own.
        gc.freeze()
        os.register_at_fork(after_in_child=gc.freeze)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if uses_collection(task):
            end_workers_with_controller()
            self.templates.prepare(task)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self.templates.remove()
        note = read_notes(C.DEFAULT_LOCAL_TMP)
        for line in [*self.remarks, *note.untried, *self.templates.note.untried]:
            self._display.display(line)
        for line in [*note.misfits, *self.templates.note.misfits]:
            self._display.v(line)


def _entry(role: Any) -> str:
    """The part of a role that a play begins with: its `tasks_from`."""
    return (getattr(role, "_from_files", None) or {}).get("tasks", "main")


def uses_collection(task: Any) -> bool:
    """Whether a task is one of this collection's modules, or belongs to a role of it."""
    role = getattr(task, "_role", None)
    names = [getattr(task, "action", None), role and role.get_name()]
    return any(str(name).startswith(COLLECTION) for name in names)


def pack(modules: Iterable[str]) -> None:
    """Put modules where Ansible looks for those that it has packed. Whatever goes wrong, it packs them itself."""
    end_with_parent()
    # A second of trees that are thrown away with the process: looking for garbage in them would take a quarter of it.
    gc.disable()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)
    for module in modules:
        with contextlib.suppress(Exception):
            module_common.modify_module(
                module_name=module,
                module_path=module_loader.find_plugin(module),
                module_args={},
                templar=Templar(DataLoader()),
                task_vars={"ansible_python_interpreter": sys.executable},
                module_compression=C.DEFAULT_MODULE_COMPRESSION,
            )
    os._exit(0)
