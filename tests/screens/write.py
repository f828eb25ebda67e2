# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the golden screens, the samples of docs/terminal.md and the README's picture of a terminal again."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader([str(ROOT / "collections")])

from screens import FOLDER, PAGE, golden, with_screens
from screens.picture import PICTURE, picture
from screens.scenes import screens

if __name__ == "__main__":
    for old in FOLDER.glob("*.txt"):
        old.unlink()
    for name, rows in screens():
        golden(name).write_text("\n".join(rows) + "\n")
    PAGE.write_text(with_screens(PAGE.read_text()))
    PICTURE.write_text(picture())
