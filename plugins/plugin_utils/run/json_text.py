# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that one task of a run passes to the next, as JSON text.

Ansible searches every value of a structure for templates, when it is stored and whenever it is used. With a thousand
alerts that took longer than the work. A text is searched once.
"""

from __future__ import annotations

import json
import re
from typing import Any

# The beginning of a template. In JSON it occurs only in strings, where each character can be written by its number.
TEMPLATE = re.compile(r"\{(?=[{%#])")


def to_text(value: Any) -> str:
    """One line of JSON without anything that Ansible takes for a template."""
    return TEMPLATE.sub(r"\\u007b", json.dumps(value, allow_nan=False))


def to_page(value: Any) -> str:
    """The same for people, a file's content."""
    return TEMPLATE.sub(r"\\u007b", json.dumps(value, indent=4, sort_keys=True, allow_nan=False)) + "\n"


def from_text(value: Any) -> Any:
    """Parse JSON text; return anything else unchanged, because ansible-core before 2.19 parses some texts itself."""
    return json.loads(value) if isinstance(value, str) else value
