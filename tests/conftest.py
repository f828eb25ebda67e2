# Copyright: the Leastpriv authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the collection importable as Ansible itself does, before any test module is collected."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Ansible reads its settings at import: a developer's own ansible.cfg must not reach the tests.
os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader([str(ROOT / "collections")])
