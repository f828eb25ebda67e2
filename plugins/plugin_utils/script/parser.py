# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words and joiners -> commands.

    script  = [ command { join command } [ ";" ] ]
    join    = "&&" | ";" | newline | "and"          blank lines are free, and a newline may precede "&&" and "and"

The bare word `and` joins only after a complete command and before the name of a command: the vendor's documentation
prints its scripts so. All joins mean "in order, stop at the first failure".
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import islice

from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.lexer import (
    BOUNDARY,
    MAX_PROBLEMS,
    NEWLINE,
    SKIP_NEXT,
    Joiner,
    Token,
    Word,
    lex,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.problem import Problem, unsupported
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import redact

MAX_COMMANDS = 1000
AND = "and"
AWS = "aws"
OTHER_CLOUDS = {"az": "Azure", "bq": "Google Cloud", "gcloud": "Google Cloud", "gsutil": "Google Cloud"}
# Words that begin a compound command: nothing after them can be read command by command.
COMPOUND = re.compile(r"if|then|else|elif|fi|for|while|until|do|done|case|esac|select|function|time|coproc|[{}!]|\[\[")
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
# Lines of a shell script that change nothing: the first word, and what may follow it.
HARMLESS = {
    ":": re.compile(".*", re.DOTALL),
    "echo": re.compile(".*", re.DOTALL),
    "set": re.compile(r"(?:(?:^| )(?:-[eu]+|-[eu]*o (?:errexit|nounset|pipefail)))+"),
    "sleep": re.compile(r"[0-9]+(?:\.[0-9]+)?[smhd]?", re.ASCII),
    "true": re.compile(".*", re.DOTALL),
}
ONLY_AWS = "Only `aws` commands are supported."


@dataclass(frozen=True)
class Command:
    """One command. Its first word is `aws`.

    :ivar offset: where it begins in the script's text; `end` is where it ends.
    :ivar text: its source, with secrets masked.
    :ivar joiner: the separator before the next command, None for the last.
    :ivar problems: those inside it.
    """

    words: tuple[Word, ...] = field(repr=False)
    offset: int
    end: int
    text: str = ""
    joiner: str | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Script:
    """The commands, and the problems that do not belong to one of them.

    :ivar others: the number of commands that are not AWS commands.
    :ivar is_whole: False if a part of the text could not be read as commands.
    :ivar notes: the parts without effect that were left out.
    """

    commands: tuple[Command, ...]
    problems: tuple[Problem, ...]
    others: int = 0
    is_whole: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Group:
    """The words between two joiners, and these joiners; None at the ends of the text."""

    words: tuple[Word, ...]
    before: Joiner | None
    after: Joiner | None


def parse(text: str) -> Script:
    """Split a script into its aws commands and its problems.

    :param text: the script as the vendor sent it.
    :returns: the aws commands in order, and all problems in order. A command of another cloud is one problem of kind
        `not_aws`. Never raises.
    """
    lexed = lex(text)
    groups, compound = _cut_at_compound(_split_at_and(_group(lexed.tokens)))
    found = [*lexed.problems, *_misplaced_joiners(lexed.tokens)]
    if compound:
        found = [*(problem for problem in found if problem.offset < compound.offset), compound]
    inside, outside = _share_out(found, groups)
    harmless = [index for index, group in enumerate(groups) if index not in inside and _is_harmless(group)]
    left_out = [f"`{groups[index].words[0].value}` changes nothing and was left out" for index in harmless]
    commands, rejected = _commands(groups, inside, harmless, text)
    is_whole = not compound and not any(
        _symbol(token) == SKIP_NEXT for token in lexed.tokens if isinstance(token, Joiner)
    )
    return Script(
        tuple(commands),
        tuple(sorted([*outside, *rejected], key=lambda problem: problem.offset)),
        others=len(groups) - len(commands) - len(harmless),
        is_whole=is_whole and len(groups) <= MAX_COMMANDS and not any(group.words[0].broken for group in groups),
        notes=(*lexed.notes, *dict.fromkeys(left_out)),
    )


def _is_harmless(group: _Group) -> bool:
    first, *others = group.words
    pattern = HARMLESS.get(first.value)
    is_plain = not any(word.broken for word in group.words)
    return is_plain and pattern is not None and bool(pattern.fullmatch(" ".join(word.value for word in others)))


def _share_out(problems: list[Problem], groups: list[_Group]) -> tuple[dict[int, list[Problem]], list[Problem]]:
    """The problems inside each group, by its index, and those outside all groups."""
    inside: dict[int, list[Problem]] = {}
    outside = []
    for problem in problems:
        index = bisect_right(groups, problem.offset, key=lambda group: group.words[0].offset) - 1
        if index >= 0 and problem.offset < groups[index].words[-1].end and not groups[index].words[0].broken:
            inside.setdefault(index, []).append(problem)
        else:
            outside.append(problem)
    return inside, outside


def _group(tokens: tuple[Token, ...]) -> list[_Group]:
    """The words between the joiners; without words there is no group."""
    groups: list[_Group] = []
    words: list[Word] = []
    before: Joiner | None = None
    for token in (*tokens, None):
        if isinstance(token, Word):
            words.append(token)
            continue
        if words and _symbol(before) != SKIP_NEXT:
            groups.append(_Group(tuple(words), before, token))
        if len(groups) > MAX_COMMANDS:
            break
        words, before = [], token
    return groups


def _symbol(joiner: Joiner | None) -> str | None:
    return joiner.symbol if joiner else None


def _misplaced_joiners(tokens: tuple[Token, ...]) -> list[Problem]:
    """The joiners without a command before or after them. Newlines need none and change nothing."""
    found: list[Problem] = []
    complete = False
    last: Joiner | None = None
    for token in tokens:
        if isinstance(token, Word) or token.symbol in (SKIP_NEXT, BOUNDARY):
            complete, last = True, None
        elif token.symbol != NEWLINE:
            if not complete and len(found) < MAX_PROBLEMS:
                found.append(_no_command(token, "before"))
            complete, last = False, token
    if last and last.symbol == "&&":
        found.append(_no_command(last, "after"))
    return found


def _no_command(joiner: Joiner, side: str) -> Problem:
    return unsupported(f"`{joiner.symbol}` has no command {side} it", joiner.offset, joiner.end, "Leave it out.")


def _split_at_and(groups: list[_Group]) -> list[_Group]:
    found: list[_Group] = []
    for group in groups:
        words = group.words
        if found and _symbol(found[-1].after) == NEWLINE and _is_joining_and(words, 0):
            words = words[1:]
        # What `echo` prints is never a command.
        splits = not words or words[0].value not in HARMLESS
        joining = (index + 1 for index in range(1, len(words)) if splits and _is_joining_and(words, index))
        starts = [0, *islice(joining, MAX_COMMANDS)]
        for start, end in zip(starts, [*(later - 1 for later in starts[1:]), None], strict=True):
            after = Joiner(AND, words[end].offset, words[end].end) if end else group.after
            found.append(_Group(words[start:end], group.before, after))
    return found


def _is_joining_and(words: tuple[Word, ...], index: int) -> bool:
    following = words[index + 1 : index + 2]
    return _is_bare(words[index], {AND}) and bool(following) and _is_bare(following[0], {AWS, *OTHER_CLOUDS})


def _is_bare(word: Word, values: set[str]) -> bool:
    return not word.quoted and word.value in values


def _cut_at_compound(groups: list[_Group]) -> tuple[list[_Group], Problem | None]:
    """The groups before a compound command, and the problem that reports it."""
    for index, group in enumerate(groups):
        first = group.words[0]
        if not first.quoted and COMPOUND.fullmatch(first.value):
            message = f"`{first.value}` is part of a compound command of the shell"
            return groups[:index], unsupported(message, first.offset, first.end, "Nothing after it was read.")
    return groups, None


def _commands(
    groups: list[_Group], inside: dict[int, list[Problem]], harmless: list[int], text: str
) -> tuple[list[Command], list[Problem]]:
    """The aws commands, each with its own problems, and the problems of the other commands."""
    masked = redact(text)
    commands: list[Command] = []
    problems: list[Problem] = []
    for index, group in enumerate(groups[:MAX_COMMANDS]):
        if index in harmless:
            continue
        first, last = group.words[0], group.words[-1]
        own = inside.get(index, [])
        if first.value == AWS:
            source = masked[first.offset : last.end]
            commands.append(Command(group.words, first.offset, last.end, source, _symbol(group.after), tuple(own)))
        elif not first.broken:
            other = _other_command(group, text, masked)
            problems += [other] if other.kind == "not_aws" else [*own, other]
    for group in groups[MAX_COMMANDS : MAX_COMMANDS + 1]:
        first = group.words[0]
        problems.append(unsupported(f"the script has more than {MAX_COMMANDS} commands", first.offset, first.end))
    return commands, problems


def _other_command(group: _Group, text: str, masked: str) -> Problem:
    first, last = group.words[0], group.words[-1]
    if first.value in OTHER_CLOUDS:
        cloud = OTHER_CLOUDS[first.value]
        message = f"`{first.value}` is a {cloud} command, not an AWS command"
        return Problem("not_aws", message, first.offset, last.end - first.offset, "Remediate it manually.")
    named = masked[first.offset : first.end][:60]
    assignment = ASSIGNMENT.match(text, first.offset)
    if assignment:
        message = f"the assignment `{assignment.group()}…` changes the command's environment"
        return unsupported(message, first.offset, first.end, ONLY_AWS)
    if _is_bare(first, {AND}):
        message = "`and` is not between two commands here"
        return unsupported(message, first.offset, first.end, "Join commands with && instead.")
    if first.value.endswith("/aws"):
        return unsupported(f"`{named}` may be any program", first.offset, first.end, "Write `aws` without a path.")
    return unsupported(f"`{named}` is not supported", first.offset, first.end, ONLY_AWS)
