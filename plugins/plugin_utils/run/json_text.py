# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one task of a run hands to the next, as JSON text.

Ansible looks at every value of a structure for templates, when it is kept and whenever it is used: with a thousand
alerts that took longer than the work. At a text it looks once.
"""

from __future__ import annotations

import json
import re
from typing import Any

# What begins a template. JSON has such a pair in its strings only, where each character can be written by its number.
TEMPLATE = re.compile(r"\{(?=[{%#])")


def to_text(value: Any) -> str:
    """One line of JSON, in which nothing can be taken for a template."""
    return TEMPLATE.sub(r"\\u007b", json.dumps(value, allow_nan=False))


def to_page(value: Any) -> str:
    """The same for people, a file's content."""
    return TEMPLATE.sub(r"\\u007b", json.dumps(value, indent=4, sort_keys=True, allow_nan=False)) + "\n"


def from_text(value: Any) -> Any:
    """What a text says. What is no text is what it says; ansible-core before 2.19 makes structures of some texts."""
    return json.loads(value) if isinstance(value, str) else value
