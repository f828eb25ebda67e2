# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the tables of docs/settings.md from the role's argument specification: `python docs/make_settings.py`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "settings.md"
SPECIFICATION = ROOT / "roles" / "remediate" / "meta" / "argument_specs.yml"
MARK = "<!-- From here on written by docs/make_settings.py. -->\n"
# The settings in their order, under the heading of the first one of each group.
HEADINGS = {
    "remediate_queue_name": "Queue",
    "remediate_api_endpoint": "Vendor's API",
    "remediate_message_shapes": "Other senders",
    "remediate_severities": "Selection of alerts",
    "remediate_plan": "Plans",
    "remediate_allow": "Guardrails and limits",
    "remediate_tolerate": "Results",
    "remediate_webhook_url": "Notification and metrics",
    "remediate_aws_config": "AWS",
}
TABLE = "| setting | default | meaning |\n|---|---|---|\n"
GUIDE = re.compile(r"docs/(\w+\.md)")
MARKUP = re.compile(r"\b([CEIMOPV])\(([^()]*)\)")


def page() -> str:
    """The whole page as text: the part written by hand, and the tables of all settings after it."""
    written = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    options = yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    return written + MARK + "".join(_row(name, option) for name, option in options.items())


def _row(name: str, option: dict) -> str:
    heading = f"\n## {HEADINGS[name]}\n\n{TABLE}" if name in HEADINGS else ""
    described = option["description"]
    meaning = " ".join(described) if isinstance(described, list) else described
    fields = "".join(f" `{key}`: {value['description']}" for key, value in option.get("options", {}).items())
    default = json.dumps(option["default"]) if option["default"] not in ("", [], {}) else ""
    shown = f"`{default}`" if default else "empty"
    linked = GUIDE.sub(r"[\1](\1)", MARKUP.sub(_code, meaning + fields))
    return f"{heading}| `{name}` | {shown} | {linked} |\n"


def _code(found: re.Match[str]) -> str:
    plugin, _mark, option = found[2].partition("#")
    return f"`{plugin}`" + (f" (`{option.partition(':')[2]}`)" if ":" in option else "")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
