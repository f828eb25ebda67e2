# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs Ansible, for what a run writes down."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """The name of the user, or the number without a name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid())
