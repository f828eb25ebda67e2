# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts amazon.aws into this Python's site-packages without Galaxy: it is taken out of the `ansible` package's wheel.

The whole package would be half a gigabyte of other collections; amazon.aws is four megabytes of it.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

PINS = Path(__file__).with_name("collections.txt")
COLLECTION = "ansible_collections/amazon/aws/"


def main() -> None:
    site_packages = Path(sysconfig.get_paths()["purelib"])
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--dest", folder, "--requirement", str(PINS)], check=True)
        [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(
                site_packages, [member for member in archive.namelist() if member.startswith(COLLECTION)]
            )


if __name__ == "__main__":
    main()
