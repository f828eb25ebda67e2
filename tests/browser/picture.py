# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's picture of the page: `make picture` takes it again, a test says when it is old."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "images" / "report.png"
DIGEST = PICTURE.with_suffix(".sha256")
PAGE = ROOT / "plugins" / "plugin_utils" / "report" / "page"
WIDTH, HEIGHT = 1100, 1290


def looks() -> str:
    """The digest of the files that decide how the page looks."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(PAGE.iterdir()))).hexdigest()


def main() -> None:
    """Take the picture of a review, its upper part, and write down what it shows."""
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()
    from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.html_report import html_report

    from browser import running_browser, watched_page
    from browser.sample import review

    PICTURE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_browser() as browser:
        file = Path(folder, "report.html")
        file.write_text(html_report(review(), "api"), encoding="utf-8")
        with watched_page(browser, file, width=WIDTH, color_scheme="light") as watched:
            clip = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT}
            watched.page.screenshot(path=PICTURE, full_page=True, clip=clip)
    DIGEST.write_text(f"{looks()}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
