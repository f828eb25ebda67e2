# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts collections into this Python's site-packages without Galaxy, out of the wheel of a package that carries them.

The whole package would be half a gigabyte of other collections; amazon.aws is four megabytes of it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

PINS = Path(__file__).with_name("collections")


def main() -> None:
    options = _options()
    for name in options.names:
        install(name, options.package)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", help="for each the file collections/NAME.txt pins the package")
    parser.add_argument("--package", help="another package, as pip names it: ansible==14.5.0")
    return parser.parse_args()


def install(name: str, package: str | None = None) -> None:
    """Replace the collection in site-packages, e.g. amazon.aws, by the one of its package. Needs pip and its index."""
    wanted = [package] if package else ["--requirement", str(PINS / f"{name}.txt")]
    site_packages = Path(sysconfig.get_paths()["purelib"])
    folder = f"ansible_collections/{name.replace('.', '/')}/"
    with tempfile.TemporaryDirectory() as downloads:
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"]
        # What the package asks of Python it asks for the ansible-core that it comes with.
        subprocess.run([*pip, "--ignore-requires-python", "--dest", downloads, *wanted], check=True)
        [wheel] = Path(downloads).glob("*.whl")
        shutil.rmtree(site_packages / folder, ignore_errors=True)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site_packages, [member for member in archive.namelist() if member.startswith(folder)])


if __name__ == "__main__":
    main()
