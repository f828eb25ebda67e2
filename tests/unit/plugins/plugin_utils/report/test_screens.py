# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden screens of tests/fixtures/screens; `make screens` writes them again."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from screens import FOLDER, PAGE, SAMPLE, WIDTHS, golden, print_in, screen, untagged, with_screens
from screens.picture import PICTURE, SCREEN, picture
from screens.scenes import ERRORS, rows, scenes


@pytest.mark.parametrize("name", scenes())
@pytest.mark.parametrize("columns", WIDTHS)
def test_a_terminal_shows_what_is_golden(name, columns):
    assert rows(name, columns) == golden(f"{name}-{columns}").read_text().split("\n")[:-1]


def test_every_golden_screen_has_its_scene():
    assert {path.stem for path in FOLDER.glob("*.txt")} == {
        f"{name}-{columns}" for name in scenes() for columns in WIDTHS
    }


def test_the_samples_of_the_documentation_are_golden_screens():
    assert with_screens(PAGE.read_text()) == PAGE.read_text()
    assert len(SAMPLE.findall(PAGE.read_text())) == 2


def test_the_readme_shows_the_terminal_as_it_looks_now():
    assert PICTURE.read_text() == picture(), "the summary has changed: run make screens"
    assert PICTURE.stat().st_size < 20_000
    assert f"](docs/images/{PICTURE.name})" in (PAGE.parents[1] / "README.md").read_text()
    drawn = "".join(ElementTree.parse(PICTURE).getroot().itertext()).replace("\N{NO-BREAK SPACE}", " ")
    shown = [untagged(row).strip() for row in golden(SCREEN).read_text().split("\n") if row]
    assert [row for row in drawn.split("\n") if row][2:] == shown


@pytest.mark.parametrize("name", scenes())
@pytest.mark.parametrize("columns", WIDTHS)
def test_without_colours_the_screen_says_the_same(name, columns):
    """Colour is never the only sign, in NO_COLOR and in a log."""
    paper = print_in(scenes()[name](columns), is_coloured=False)
    assert "\x1b" not in paper.printed
    assert screen(paper.printed, columns) == [untagged(row) for row in rows(name, columns)]
    coloured = print_in(scenes()[name](columns), is_coloured=True)
    assert coloured.logged == paper.logged == paper.printed.replace("\r\n", "\n"), "a log file has no colours"


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("name", ERRORS)
def test_an_error_takes_five_lines_at_most(name, columns):
    assert len(rows(name, columns)) <= 5
