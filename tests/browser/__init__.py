# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real headless Chromium for what the project shows in a browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from programs import path_of

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# Chromium on its own looks for updates and hosts of its maker.
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-quic", "--disable-sync")


@dataclass
class Watched:
    """A page, and all that it must not do."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def running_browser() -> Iterator[Any]:
    """Playwright's browser object, on the machine's own Chromium."""
    path = path_of(*NAMES)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium refuses its sandbox to root, as whom CI works.
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET), chromium_sandbox=os.geteuid() != 0)
        yield browser
        browser.close()


@contextmanager
def watched_page(browser: Any, file: Path, *, width: int = 1280, **context: Any) -> Iterator[Watched]:
    """Open a file as a person would; what the page complains about, and all it asks for, is written down.

    `context` holds options of Playwright's new_context, such as color_scheme or java_script_enabled.
    """
    opened = browser.new_context(viewport={"width": width, "height": 800}, **context)
    watched = Watched(opened.new_page())
    watched.page.on("console", lambda message: watched.complaints.append(message.text))
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.page.on("dialog", lambda dialog: watched.complaints.append(dialog.message))
    watched.page.on("request", lambda request: watched.requests.append(request.url))
    watched.page.goto(file.as_uri())
    yield watched
    opened.close()
