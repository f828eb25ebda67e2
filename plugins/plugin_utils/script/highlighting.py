# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A script's text -> pieces for syntax colours, by the lexer that also reads it for the translation. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.lexer import Joiner, Token, Word, lex
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.parser import AND, AWS

PLAIN, COMMENT, JOINER, COMMAND, OPTION, QUOTED = "", "comment", "joiner", "command", "option", "quoted"
# Program, service and operation.
COMMAND_WORDS = 3
_COMMENT = re.compile(r"(#.*)")

Piece = tuple[str, str]


def pieces(script: str) -> list[Piece]:
    """Cut a script into pieces of one kind each.

    :param script: the vendor's text, which may be anything.
    :returns: list of (kind, text), the kind one of this module's words; the texts together are the script.
    """
    found: list[Piece] = []
    at, place = 0, 0
    tokens = lex(script).tokens
    for token, following in zip(tokens, (*tokens[1:], None), strict=False):
        kind = _kind(token, following, place)
        found += [*_between(script[at : token.offset]), (kind, script[token.offset : token.end])]
        place = 0 if kind == JOINER else place + 1
        at = token.end
    return [(kind, text) for kind, text in [*found, *_between(script[at:])] if text]


def _kind(token: Token, following: Token | None, place: int) -> str:
    if isinstance(token, Joiner) or _is_joining_and(token, following):
        return JOINER
    if token.value.startswith("--"):
        return OPTION
    if token.quoted:
        return QUOTED
    return COMMAND if place < COMMAND_WORDS else PLAIN


def _is_joining_and(word: Word, following: Token | None) -> bool:
    return word.value == AND and not word.quoted and isinstance(following, Word) and following.value == AWS


def _between(text: str) -> Iterable[Piece]:
    """Blanks, comments, and what the lexer could not read."""
    return [(COMMENT if part.startswith("#") else PLAIN, part) for part in _COMMENT.split(text)]
