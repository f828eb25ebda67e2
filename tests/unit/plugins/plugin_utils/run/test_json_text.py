# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import from_text, to_page, to_text
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(st.sampled_from('{%#}\\\\"u 0\\n\ud800\u2028é')) | st.text()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
)


@given(VALUES)
def test_a_text_says_what_was_written_and_holds_no_template(value):
    for write in (to_text, to_page):
        text = write(value)
        assert from_text(text) == value, write
        assert not any(mark in text for mark in ("{{", "{%", "{#")), write
        assert text.isascii(), write


def test_what_is_no_text_is_what_it_says():
    assert from_text([{"one": 1}]) == [{"one": 1}]
    assert from_text(None) is None
