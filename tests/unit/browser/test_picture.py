# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from browser.picture import DIGEST, PICTURE, ROOT, looks


def test_the_readme_s_picture_shows_the_page_as_it_looks_now():
    assert DIGEST.read_text(encoding="utf-8").strip() == looks(), "the page has changed: run make picture"


def test_the_picture_is_small_and_the_readme_shows_it():
    assert PICTURE.read_bytes().startswith(b"\x89PNG")
    assert PICTURE.stat().st_size < 200_000
    assert f"]({PICTURE.relative_to(ROOT)})" in (ROOT / "README.md").read_text(encoding="utf-8")
