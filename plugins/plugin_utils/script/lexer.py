# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A script's text -> words and joiners, by the rules of a POSIX shell.

Follows IEEE 1003.1, Shell Command Language, 2.2 Quoting and 2.3 Token Recognition.

    script  = { word | joiner | blank | comment }
    joiner  = "&&" | ";" | newline
    word    = { plain | "\\" char | "'" … "'" | '"' … '"' }

Everything else that a shell would act upon is a problem that names it. Time is linear in the text; nothing recurses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from ansible_collections.leastpriv.iam.plugins.module_utils.policies.odd_characters import (
    DASHES,
    INVISIBLE,
    QUOTES,
    name_character,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.problem import Problem, unsupported

MAX_LENGTH = 1024 * 1024
MAX_PROBLEMS = 100  # reading stops here

NEWLINE = "newline"
# Joiners that are reported as problems: what follows SKIP_NEXT belongs to the same unsupported construct.
SKIP_NEXT, BOUNDARY = "skip next", "boundary"

_CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"

_UNQUOTED = re.compile(
    rf"""
    (?P<newline>(?:[ \t]*\r?\n)+|\r\Z)
  | (?P<blank>[ \t]+)
  | (?P<continuation>\\\r?\n)
  | (?P<joiner>&&|;(?!;))
  | (?P<single>')
  | (?P<double>")
  | (?P<escape>\\[^{_CONTROL}])
  | (?P<comment>\#)
  | (?P<tilde>~)
  | (?P<template><[A-Za-z_][^<>\n'"|;&]{{0,100}}>)
  | (?P<heredoc>[0-9]*<<-?(?!<))
  | (?P<discard>(?:[12]?>>?[ \t]*/dev/null|[12]?>&[ \t]*[12])(?=[\s;&|)]|\Z))
  | (?P<redirection>&>>?|[0-9]*(?:<<<|<>|>>|>\||[<>]&|[<>]))
  | (?P<pipe>\|\||\|&?)
  | (?P<boundary>;;|[&()])
  | (?P<dollar>\$)
  | (?P<backtick>`)
  | (?P<glob>[*?\[]+)
  | (?P<brace>\{{)
  | (?P<control>[{_CONTROL}]+|\\)
  | (?P<space>[^\S \t\r\n]+)
  | (?P<quote>[{QUOTES}])
  | (?P<dash>[{DASHES}])
  | (?P<invisible>[{INVISIBLE}]+)
  | (?P<caret>\^[ \t]*\r?\n)
  | (?P<plain>\^|[^\s'"\\$`&|;<>()*?\[{{~\#^{_CONTROL}{QUOTES}{DASHES}{INVISIBLE}]+)
    """,
    re.VERBOSE,
)
_DOUBLE_QUOTED = re.compile(
    rf"""
    (?P<plain>[^"\\$`{_CONTROL}]+|\r(?=\n))
  | (?P<escape>\\["\\$`])
  | (?P<continuation>\\\r?\n)
  | (?P<backslash>\\)
  | (?P<dollar>\$)
  | (?P<backtick>`)
  | (?P<control>[{_CONTROL}]+)
  | (?P<close>")
    """,
    re.VERBOSE,
)
_POWERSHELL_END = re.compile(r"`[ \t]*\r?\n")
_BACKTICKS = re.compile(r"`(?:\\.|[^`\\])*`", re.DOTALL)
_SUBSTITUTION_PART = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*"|[()]""", re.DOTALL)
_ANSI_C = re.compile(r"\$'(?:\\.|[^'\\])*'?", re.DOTALL)
_EXPANSION = re.compile(
    r"""
    (?P<braced>\$?\$\{(?:[^{}\n]{0,200}\}|[\w./:-]*))
  | (?P<arithmetic>\$\(\(|\$\[)
  | (?P<command>\$\()
  | (?P<variable>\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*\#?$!-]))
    """,
    re.VERBOSE,
)
_CONTROL_RUN = re.compile(rf"(?!\r\n)[{_CONTROL}]+")

_ONLY_A_SEQUENCE = "Pipes are not supported. Only a sequence of plain aws commands is."
_PIPES = {
    "||": ("`||` runs the next command only when one fails", "A script stops at its first failure."),
    "|": ("the pipe `|` passes output on to another program", _ONLY_A_SEQUENCE),
    "|&": ("the pipe `|&` passes output on to another program", _ONLY_A_SEQUENCE),
}
_BOUNDARIES = {
    "&": ("`&` runs a command in the background", "Join commands with && instead."),
    "(": ("`(` begins a subshell", "Write the commands without parentheses."),
    ")": ("`)` without its `(`", "Write the commands without parentheses."),
    ";;": ("`;;` belongs to a case statement", "Join commands with one ; or with &&."),
}
_NOT_READ = "Nothing after it was read."
_FILL_IN = "The script's author must put the real value here."
_SINGLE_QUOTE = "Put it in single quotes if it is meant literally, as policy variables are."
_WRITE_VALUE = "Write the value itself."
_QUOTE_IT = "Put it in single quotes if it is meant literally."


@dataclass(frozen=True)
class Word:
    """A word as the command would get it.

    :ivar broken: a problem was found in it, so its value is not reliable.
    """

    value: str
    offset: int
    end: int
    quoted: bool = False
    broken: bool = False


@dataclass(frozen=True)
class Joiner:
    """The separator of two commands: `&&`, `;`, NEWLINE, or an unsupported construct that is among the problems."""

    symbol: str
    offset: int
    end: int


Token = Word | Joiner


@dataclass(frozen=True)
class Lexed:
    """The result of `lex`.

    :ivar notes: the redirections without effect that were left out.
    """

    tokens: tuple[Token, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


def lex(text: str) -> Lexed:
    """Split a script into words and joiners.

    :returns: the tokens in order and all problems; it never raises. A text that is too long has no tokens.
    """
    if len(text) > MAX_LENGTH:
        found = unsupported(f"the script is longer than {MAX_LENGTH} characters", 0, 1, "No remediation is that long.")
        return Lexed((), (found,))
    scanner = _Scanner(text)
    scanner.scan()
    return Lexed(tuple(scanner.tokens), tuple(scanner.problems), tuple(scanner.notes))


class _Scanner:
    """One pass over a text. Each `_name` method takes the match of the group of that name, and advances `at`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.tokens: list[Token] = []
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.parts: list[str] | None = None
        self.start = 0
        self.quoted = False
        self.broken = False
        self.open_parentheses = 0
        self.drop_word = False

    def scan(self) -> None:
        while self.at < len(self.text):
            # The alternatives take every character.
            match = cast("re.Match[str]", _UNQUOTED.match(self.text, self.at))
            self.at = match.end()
            getattr(self, f"_{match.lastgroup}")(match)
            if len(self.problems) >= MAX_PROBLEMS:
                self._give_up()
        self._end_word(self.at)

    # words

    def _add(self, match_start: int, value: str, quoted: bool = False) -> None:
        if self.parts is None:
            self.parts, self.start, self.quoted, self.broken = [], match_start, False, False
        self.parts.append(value)
        self.quoted = self.quoted or quoted

    def _end_word(self, end: int) -> None:
        if self.parts is not None and not self.drop_word:
            self.tokens.append(Word("".join(self.parts), self.start, end, self.quoted, self.broken))
        if self.parts is not None:
            self.drop_word = False
        self.parts = None

    def _reject(self, start: int, message: str, hint: str | None = None, end: int | None = None) -> None:
        """A problem inside a word: the word stays, and is marked."""
        self._add(start, self.text[start : self.at])
        self.broken = True
        self.problems.append(unsupported(message, start, self.at if end is None else end, hint))

    def _give_up(self) -> None:
        """Nothing after this place can be read any more."""
        self.at = len(self.text)

    # between words

    def _blank(self, match: re.Match[str]) -> None:
        self._end_word(match.start())

    def _continuation(self, match: re.Match[str]) -> None:
        """A backslash and a newline vanish, inside a word too."""

    def _newline(self, match: re.Match[str]) -> None:
        self._join(match, NEWLINE)

    def _joiner(self, match: re.Match[str]) -> None:
        self._join(match, match.group())

    def _join(self, match: re.Match[str], symbol: str) -> None:
        self._end_word(match.start())
        self.drop_word = False
        self.tokens.append(Joiner(symbol, match.start(), match.end()))

    def _comment(self, match: re.Match[str]) -> None:
        if self.parts is not None:
            self._plain(match)
            return
        newline = self.text.find("\n", self.at)
        self.at = len(self.text) if newline < 0 else newline

    def _pipe(self, match: re.Match[str]) -> None:
        message, hint = _PIPES[match.group()]
        self._join(match, SKIP_NEXT)
        self.problems.append(unsupported(message, match.start(), match.end(), hint))

    def _boundary(self, match: re.Match[str]) -> None:
        symbol = match.group()
        self._join(match, BOUNDARY)
        is_reported = symbol == ")" and self.open_parentheses > 0
        self.open_parentheses += {"(": 1, ")": -1 if is_reported else 0}.get(symbol, 0)
        if not is_reported:
            message, hint = _BOUNDARIES[symbol]
            self.problems.append(unsupported(message, match.start(), match.end(), hint))

    def _discard(self, match: re.Match[str]) -> None:
        """Output that is discarded or joined with the other output."""
        if self.parts is not None and match.group()[0].isdigit():
            # The digit belongs to the word before it.
            self._reject(match.start(), f"the redirection `{match.group()}` is inside a word", "Put a blank before it.")
            return
        self._end_word(match.start())
        self.notes.append(f"`{match.group()}` has no effect on a change and was left out")

    def _redirection(self, match: re.Match[str]) -> None:
        self._end_word(match.start())
        self.drop_word = True
        message = f"the redirection `{match.group()}` reads or writes a file"
        self.problems.append(unsupported(message, match.start(), match.end(), "Leave it out: no output is kept."))

    def _heredoc(self, match: re.Match[str]) -> None:
        self._end_word(match.start())
        message = f"`{match.group()}` takes the following lines as input"
        self.problems.append(unsupported(message, match.start(), match.end(), "Nothing after it was read."))
        self._give_up()

    # parts of words

    def _plain(self, match: re.Match[str]) -> None:
        self._add(match.start(), match.group())

    def _escape(self, match: re.Match[str]) -> None:
        self._add(match.start(), match.group()[1:], quoted=True)

    def _backslash(self, match: re.Match[str]) -> None:
        self._add(match.start(), "\\", quoted=True)

    def _single(self, match: re.Match[str]) -> None:
        close = self.text.find("'", self.at)
        if close < 0:
            self._unterminated(match)
            return
        content = self.text[self.at : close]
        self._add(match.start(), content, quoted=True)
        control = _CONTROL_RUN.search(content)
        if control:
            self._report_control(self.at + control.start(), self.at + control.end())
        self.at = close + 1

    def _double(self, match: re.Match[str]) -> None:
        self._add(match.start(), "", quoted=True)
        while inner := _DOUBLE_QUOTED.match(self.text, self.at):
            self.at = inner.end()
            if inner.lastgroup == "close":
                return
            getattr(self, f"_{inner.lastgroup}")(inner)
        if not self.problems or self.problems[-1].hint != _NOT_READ:
            self._unterminated(match)

    def _unterminated(self, match: re.Match[str]) -> None:
        kind = {"'": "single", '"': "double"}[match.group()]
        self._give_up()
        self._reject(match.start(), f"this {kind} quote is never closed", _NOT_READ, match.end())

    def _tilde(self, match: re.Match[str]) -> None:
        if self.parts is None or self.parts[-1].endswith(("=", ":")):
            self._reject(match.start(), "unquoted, `~` is a home directory to a shell here", _QUOTE_IT)
        else:
            self._plain(match)

    def _template(self, match: re.Match[str]) -> None:
        self._reject(match.start(), f"`{match.group()}` is a placeholder that was never filled in", _FILL_IN)

    def _glob(self, match: re.Match[str]) -> None:
        self._reject(match.start(), f"unquoted, `{match.group()[:20]}` is a file name pattern to a shell", _QUOTE_IT)

    def _brace(self, match: re.Match[str]) -> None:
        self._reject(match.start(), "unquoted, `{` is a brace expansion to some shells", _QUOTE_IT)

    def _control(self, match: re.Match[str]) -> None:
        self._add(match.start(), match.group())
        if match.group() == "\\":
            self._reject(match.start(), "a backslash with nothing to quote", "Leave it out.")
        else:
            self._report_control(match.start(), match.end())

    def _report_control(self, start: int, end: int) -> None:
        self.broken = True
        message = f"the control character U+{ord(self.text[start]):04X} does not belong in a command"
        self.problems.append(unsupported(message, start, end, "The text was damaged in transit."))

    def _space(self, match: re.Match[str]) -> None:
        message = f"U+{ord(match.group()[0]):04X} looks like a space, but does not separate words"
        self._reject(match.start(), message, "Use an ordinary space, or quote it.")

    def _quote(self, match: re.Match[str]) -> None:
        message = f"{name_character(match.group())} looks like a quote, but a shell does not treat it as one"
        self._reject(match.start(), message, "Use ' or \" instead.")

    def _dash(self, match: re.Match[str]) -> None:
        message = f"{name_character(match.group())} looks like a hyphen, but is not one"
        self._reject(match.start(), message, "Use an ordinary hyphen, two before an option.")

    def _invisible(self, match: re.Match[str]) -> None:
        message = f"{name_character(match.group()[0])} is invisible, and does not belong in a command"
        self._reject(match.start(), message, "Leave it out.")

    def _caret(self, match: re.Match[str]) -> None:
        self._foreign_line_end(match.start(), "`^` continues a line only in the Windows command prompt")

    def _foreign_line_end(self, start: int, message: str) -> None:
        self.problems.append(unsupported(message, start, start + 1, "Use \\ at the end of the line instead."))

    # expansions

    def _dollar(self, match: re.Match[str]) -> None:
        in_quotes = match.re is _DOUBLE_QUOTED
        expansion = _EXPANSION.match(self.text, match.start())
        if expansion:
            self.at = expansion.end()
            getattr(self, f"_{expansion.lastgroup}_expansion")(expansion)
        elif not in_quotes and self.text[self.at : self.at + 1] in ("'", '"'):
            self._special_quote(match)
        else:
            self._plain(match)

    def _special_quote(self, match: re.Match[str]) -> None:
        if ansi_c := _ANSI_C.match(self.text, match.start()):
            self.at = ansi_c.end()
            message = "shells read the quoting `$'…'` differently"
            self._reject(match.start(), message, "Leave out the $.")
        else:
            message = 'the quoting `$"…"` is translated by the shell\'s locale'
            self._reject(match.start(), message, "Leave out the $.")

    def _braced_expansion(self, match: re.Match[str]) -> None:
        named = match.group()[:60]
        if ":" in named:
            self._reject(match.start(), f"outside single quotes a shell would replace `{named}`", _SINGLE_QUOTE)
        else:
            self._reject(match.start(), f"`{named}` is a placeholder that was never filled in", _FILL_IN)

    def _variable_expansion(self, match: re.Match[str]) -> None:
        self._reject(match.start(), f"a shell would replace the variable `{match.group()[:60]}`", _SINGLE_QUOTE)

    def _arithmetic_expansion(self, match: re.Match[str]) -> None:
        self._skip_substitution(match, "calculates a value")

    def _command_expansion(self, match: re.Match[str]) -> None:
        self._skip_substitution(match, "runs another command for its output")

    def _skip_substitution(self, match: re.Match[str], does: str) -> None:
        depth = match.group().count("(")
        message = f"`{match.group()}…` {does}"
        for part in _SUBSTITUTION_PART.finditer(self.text, self.at) if depth else ():
            depth += {"(": 1, ")": -1}.get(part.group(), 0)
            if depth == 0:
                self.at = part.end()
                self._reject(match.start(), message, _WRITE_VALUE)
                return
        self._give_up()
        self._reject(match.start(), message, _NOT_READ, match.end())

    def _backtick(self, match: re.Match[str]) -> None:
        line_end = _POWERSHELL_END.match(self.text, match.start())
        if line_end and match.re is _UNQUOTED:
            self.at = line_end.end()
            self._foreign_line_end(match.start(), "a backtick continues a line only in PowerShell")
            return
        pair = _BACKTICKS.match(self.text, match.start())
        message = "`…` in backticks runs another command for its output"
        if pair:
            self.at = pair.end()
            self._reject(match.start(), message, _WRITE_VALUE)
        else:
            self._give_up()
            self._reject(match.start(), message, _NOT_READ, match.end())
