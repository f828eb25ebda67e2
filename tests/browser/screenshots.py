# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the page, to look at: PYTHONPATH=tests .venv/bin/python -m browser.screenshots FOLDER [REPORT...]."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible.plugins.loader import init_plugin_loader

WIDTHS = (390, 768, 1440)
SCHEMES = ("light", "dark")
ENDPOINT = "https://api.eu.prismacloud.io"


def main(folder: str, *names: str) -> None:
    """Write FOLDER/<report>-<width>-<scheme>.png, and -open of one whose most urgent alerts are open."""
    init_plugin_loader()
    from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.html_report import html_report

    from browser import running_browser, watched_page
    from browser.sample import REPORTS

    Path(folder).mkdir(parents=True, exist_ok=True)
    with running_browser() as browser:
        for name in names or REPORTS:
            file = Path(folder, f"{name}.html")
            file.write_text(html_report(REPORTS[name](), ENDPOINT), encoding="utf-8")
            for width, scheme in ((width, scheme) for width in WIDTHS for scheme in SCHEMES):
                with watched_page(browser, file, width=width, color_scheme=scheme) as watched:
                    picture = Path(folder, f"{name}-{width}-{scheme}")
                    watched.page.screenshot(path=f"{picture}.png", full_page=name != "thousand")
                    watched.page.locator("details.alert").evaluate_all(
                        "all => all.slice(0, 3).forEach((one) => { one.open = true; })"
                    )
                    watched.page.screenshot(path=f"{picture}-open.png", full_page=name != "thousand")


if __name__ == "__main__":
    main(*sys.argv[1:])
