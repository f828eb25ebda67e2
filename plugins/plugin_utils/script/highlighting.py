# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A script's text -> pieces for syntax colours, by the lexer that also reads it for the translation. Pure."""

from __future__ import annotations

import re
from itertools import zip_longest

from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.lexer import Joiner, Word, lex
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.parser import AND, AWS

PLAIN, COMMENT, JOINER, COMMAND, OPTION, QUOTED = "", "comment", "joiner", "command", "option", "quoted"
# Program, service and operation.
COMMAND_WORDS = 3
_COMMENT = re.compile(r"(#.*)")


def pieces(script):
    """Cut a script into pieces of one kind each.

    :param script: the vendor's text, whether or not it is a script at all.
    :returns: list of (kind, text), the kind one of this module's words; the texts together are the script.
    """
    found, at, place = [], 0, 0
    tokens = lex(script).tokens
    for token, following in zip_longest(tokens, tokens[1:]):
        kind = _kind(token, following, place)
        found += [*_between(script[at : token.offset]), (kind, script[token.offset : token.end])]
        place = 0 if kind == JOINER else place + 1
        at = token.end
    return [(kind, text) for kind, text in [*found, *_between(script[at:])] if text]


def _kind(token, following, place):
    if isinstance(token, Joiner) or _is_joining_and(token, following):
        return JOINER
    if token.value.startswith("--"):
        return OPTION
    if token.quoted:
        return QUOTED
    return COMMAND if place < COMMAND_WORDS else PLAIN


def _is_joining_and(word, following):
    return word.value == AND and not word.quoted and isinstance(following, Word) and following.value == AWS


def _between(text):
    """Blanks, comments, and what the lexer could not read."""
    return [(COMMENT if part.startswith("#") else PLAIN, part) for part in _COMMENT.split(text)]
