# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worked examples of docs/senders.md: what users copy is what the tests run."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from .process import ROOT

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(heading: str) -> str:
    """The text below a heading of the page."""
    text = (ROOT / "docs" / "senders.md").read_text()
    return next(part for part in text.split("\n## ") if part.startswith(f"{heading}\n"))


def blocks(heading: str, language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(section(heading)) if name == language]


def shapes(heading: str) -> list[dict[str, Any]]:
    return yaml.safe_load(blocks(heading, "yaml")[-1])["remediate_message_shapes"]


def message(heading: str, account_id: str = "111122223333") -> dict[str, Any]:
    """The message of a section, about an account."""
    return json.loads(blocks(heading, "json")[-1].replace("111122223333", account_id))
