# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the get-pip.py that ansible-test would download: pip is copied from beside this file.

ansible-test calls it in each of its new virtual environments, whose pip it removes again when all is installed.
`tests/sanity/run` puts this file and the pip of `.venv`, compiled as it is, into ansible-test's cache. A copy takes a
fraction of a second, ensurepip and an installation of pip ten seconds of a processor for each of nine environments.
"""

from __future__ import annotations

import pathlib
import shutil
import sysconfig

if __name__ == "__main__":
    for part in (pathlib.Path(__file__).parent / "pip").iterdir():
        shutil.copytree(part, pathlib.Path(sysconfig.get_path("purelib")) / part.name)
