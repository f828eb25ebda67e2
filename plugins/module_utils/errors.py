# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root of the collection's own errors."""

from __future__ import annotations


class LeastprivError(Exception):
    """What went wrong, written for a person.

    The text says what was tried, on what, why it failed and what to do next. Code below the outermost layer raises
    a subclass of it; only lookup, filter and module turn it into what Ansible wants (AnsibleError, fail_json).
    """
