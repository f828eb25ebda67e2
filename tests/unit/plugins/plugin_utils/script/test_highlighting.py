# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import random

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.highlighting import pieces


def kinds(script):
    return [(kind, text) for kind, text in pieces(script) if kind]


def test_a_script_is_cut_into_command_options_values_and_joiners():
    script = "aws iam tag-user --user-name 'a b' x && aws iam get-user # why\n"
    assert kinds(script) == [
        ("command", "aws"), ("command", "iam"), ("command", "tag-user"), ("option", "--user-name"),
        ("quoted", "'a b'"), ("joiner", "&&"), ("command", "aws"), ("command", "iam"), ("command", "get-user"),
        ("comment", "# why"), ("joiner", "\n"),
    ]  # fmt: skip


def test_the_word_and_joins_before_a_command_only():
    assert ("joiner", "and") in kinds("aws iam x and aws iam y")
    assert ("joiner", "and") not in kinds("aws iam x --description and so on")
    assert ("quoted", "'and'") in kinds("aws iam x 'and' aws")


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_or_added_whatever_the_text_is(seed):
    chance = random.Random(seed)
    alphabet = ["aws ", "iam ", "--o ", "'", '"', "\\", "\n", "#", "$(", "`", "|", ";", "&&", " and ", "\0", "é", "<<"]
    text = "".join(chance.choice(alphabet) for _ in range(60))
    assert "".join(part for _kind, part in pieces(text)) == text


def test_no_text_has_no_pieces():
    assert pieces("") == []
    assert json.dumps(pieces("gcloud x")) == '[["command", "gcloud"], ["", " "], ["command", "x"]]'
