# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run leaves on the controller: files that only its user can read, unless they are for others."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

OWN = 0o600
PUBLIC = 0o644


def write_artifact(path: Path, text: str, mode: int = OWN) -> None:
    """Write a file, in folders that are made with mode 0700 where there are none; whoever reads sees all of it or none.

    Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(descriptor, mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
