# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words -> options and their values, as the AWS CLI's argument parsers split them.

The CLI runs three of Python's argparse parsers one after the other, for the global options, the operation and its
parameters; each takes what it knows and passes the rest on. Follows argparse of Python 3.11 (parse_known_args with
allow_abbrev): unique beginnings of option names count, the last of repeated options wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.lexer import Word
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.problem import Problem, unsupported
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.service import FLAG, MANY, ONE, Option

_NEGATIVE_NUMBER = re.compile(r"-\d+|-\d*\.\d+")


@dataclass(frozen=True)
class ParsedOption:
    """An option of the command: its own word, and its values. A FLAG has none."""

    option: Option
    word: Word
    values: tuple[Word, ...] = ()


@dataclass
class ParsedArguments:
    """The result of one parser.

    :ivar given: the options that it knows, by the API parameter they set or by their own name.
    :ivar left: the words that it passes on, in their order.
    :ivar last: the option that was parsed last.
    """

    given: dict[str, ParsedOption] = field(default_factory=dict)
    left: list[Word] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    last: ParsedOption | None = None


@dataclass(frozen=True)
class _Match:
    """A word that begins with a hyphen: an option with its `=value`, if any, or an unknown or ambiguous option."""

    option: Option | None = None
    value: str | None = None
    ambiguous: tuple[str, ...] = ()


def sort_words(words: list[Word], options: Mapping[str, Option]) -> ParsedArguments:
    """Take from words the options with their values. Operands and unknown options are left, in their order.

    An option is known by what it sets: the API parameter, or its own name.
    """
    found = ParsedArguments()
    matches = [_match(word.value, options) for word in words]
    at = 0
    while at < len(words):
        match, word = matches[at], words[at]
        at += 1
        if match and match.ambiguous:
            found.problems.append(_ambiguous(word, match.ambiguous))
        elif match and match.option:
            end = at
            while match.value is None and end < len(words) and matches[end] is None and end - at < _most(match.option):
                end += 1
            values = words[at:end] if match.value is None else [_explicit(word, match.value)]
            _take(found, ParsedOption(match.option, word, tuple(values)))
            at = end
        else:
            found.left.append(word)
    return found


def split_operand(words: list[Word]) -> tuple[Word | None, list[Word]]:
    """The first operand, and all other words: what a parser without options does."""
    for index, word in enumerate(words):
        if _match(word.value, {}) is None:
            return word, words[:index] + words[index + 1 :]
    return None, words


def unknown(words: list[Word], options: Mapping[str, Option]) -> list[Problem]:
    """The problems that left over words are: options that do not exist, or the first of some operands in a row."""
    found, is_reported = [], False
    for word in words:
        if _match(word.value, {}):
            found.append(_unknown_option(word, options))
            is_reported = "=" not in word.value
        elif not is_reported:
            found.append(_stray(word))
            is_reported = True
    return found


def suggest(name: str, known: Mapping[str, object], prefix: str = "") -> str | None:
    """A hint with the names that a wrong one may have been meant for."""
    close = get_close_matches(name, known, 3, 0.7)
    return f"Did you mean {' or '.join(prefix + each for each in close)}?" if close else None


def _most(option: Option) -> float:
    return {FLAG: 0, ONE: 1, MANY: float("inf")}[option.takes]


def _match(text: str, options: Mapping[str, Option]) -> _Match | None:
    """Match a word with the options of a parser; None for an operand."""
    if len(text) < 2 or not text.startswith("-"):
        return None
    name, equals, value = text.partition("=")
    explicit = value if equals else None
    if text.startswith("--"):
        if text[2:] in options:
            return _Match(options[text[2:]])
        if name[2:] in options:
            return _Match(options[name[2:]], explicit)
        candidates = [option for option in options if option.startswith(name[2:])]
        if len(candidates) > 1:
            return _Match(ambiguous=tuple(candidates))
        if candidates:
            return _Match(options[candidates[0]], explicit)
    return None if _NEGATIVE_NUMBER.fullmatch(text) or " " in text else _Match()


def _take(found: ParsedArguments, given: ParsedOption) -> None:
    option, word = given.option, given.word
    key = option.member or option.name
    if option.takes != FLAG and key in found.given and found.given[key].option != option:
        message = f"--{found.given[key].option.name} and --{option.name} are two names of one option"
        found.problems.append(unsupported(message, word.offset, word.end, "Give it once."))
    if option.takes == FLAG and given.values:
        found.problems.append(unsupported(f"--{option.name} takes no value", word.offset, word.end))
    elif option.takes == ONE and not given.values:
        hint = "A value that begins with a hyphen must be written --option=value."
        found.problems.append(unsupported(f"--{option.name} needs a value", word.offset, word.end, hint))
    else:
        found.last = found.given[key] = given


def _explicit(word: Word, value: str) -> Word:
    """The part of `--option=value` after the equals sign; with quotes in it, its place is approximate."""
    return replace(word, value=value, offset=word.offset if word.quoted else word.end - len(value))


def _ambiguous(word: Word, names: tuple[str, ...]) -> Problem:
    shown = ", ".join(f"--{name}" for name in sorted(names)[:5])
    return unsupported(f"this abbreviation could be {shown}", word.offset, word.end, "Write the option's whole name.")


def _unknown_option(word: Word, options: Mapping[str, Option]) -> Problem:
    name = word.value.partition("=")[0][:60]
    hint = suggest(name.lstrip("-"), options, "--")
    return unsupported(f"the command has no option {name}", word.offset, word.end, hint)


def _stray(word: Word) -> Problem:
    hint = "Is a quote missing?" if word.value.strip() else "A backslash must be the last character of its line."
    return unsupported("this word belongs to no option", word.offset, word.end, hint)
