# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.dispositions import (
    BY_WORD,
    DELETE,
    DISPOSITIONS,
    QUARANTINE,
    RELEASE,
    fate,
)

DELETED = {"remediated", "already_remediated", "acknowledged"}
NEEDS_A_PERSON = {
    "unmapped_account",
    "invalid",
    "unsupported",
    "refused",
    "unavailable",
    "failed",
    "not_undoable",
    "reverted",
}


def test_thirteen_words_of_a_run_three_of_an_undo_and_three_of_a_verification():
    assert len(DISPOSITIONS) == len(BY_WORD) == 19


@pytest.mark.parametrize("disposition", DISPOSITIONS, ids=lambda disposition: disposition.word)
def test_what_follows_from_each(disposition):
    assert fate(disposition.word, check_mode=False) == (DELETE if disposition.word in DELETED else RELEASE)
    assert fate(disposition.word, check_mode=True) == RELEASE
    assert fate(disposition.word, check_mode=True, has_quarantine=True) == RELEASE
    is_quarantined = disposition.word in ("invalid", "unsupported", "refused")
    assert (fate(disposition.word, False, has_quarantine=True) == QUARANTINE) is is_quarantined
    assert disposition.needs_person is (disposition.word in NEEDS_A_PERSON)
    assert disposition.advice.endswith(".")


def test_other_words_are_none():
    with pytest.raises(KeyError):
        fate("done", check_mode=False)
