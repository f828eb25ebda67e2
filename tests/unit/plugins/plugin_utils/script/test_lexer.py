# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a text becomes words and joiners."""

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.lexer import MAX_LENGTH, MAX_PROBLEMS, Word, lex
from scale import scaled, takes_less

WORDS = {
    "a b\tc": ["a", "b", "c"],
    "  a  ": ["a"],
    "": [],
    "'a b' \"c d\"": ["a b", "c d"],
    "a'b c'd\"e f\"g": ["ab cde fg"],
    "'' \"\" x''": ["", "", "x"],
    '"\\"\\\\\\$\\`"': ['"\\$`'],
    '"\\a\\n\\\'"': ["\\a\\n\\'"],
    "'\\a\\\\'": ["\\a\\\\"],
    "a\\ b \\'c \\\\ \\$x": ["a b", "'c", "\\", "$x"],
    "a\\\nb c \\\n d": ["ab", "c", "d"],
    "a\\\r\nb \\\r\n c": ["ab", "c"],
    '"a\\\nb"': ["ab"],
    "'a\\\nb\r\nc'": ["a\\\nb\r\nc"],
    "a # b 'c": ["a"],
    "# a": [],
    "a#b 'x'#y": ["a#b", "x#y"],
    "'#' \\#": ["#", "#"],
    "'$x `y` ${aws:username} $(z)'": ["$x `y` ${aws:username} $(z)"],
    "\"*?[~{a,b}\" '*'": ["*?[~{a,b}", "*"],
    "a~b x~= ]} %^@:,./+-_=": ["a~b", "x~=", "]}", "%^@:,./+-_="],
    'a$ $ "$" "a$ b" $/x': ["a$", "$", "$", "a$ b", "$/x"],
    "é ł 名前 \U0001f600": ["é", "ł", "名前", "\U0001f600"],
    "'a\tb' a!b !": ["a\tb", "a!b", "!"],
    "--description 'a and b' and": ["--description", "a and b", "and"],
}

JOINERS = {
    "a && b": ["a", "&&", "b"],
    "a&&b": ["a", "&&", "b"],
    "a;b; c;": ["a", ";", "b", ";", "c", ";"],
    "a\nb\r\nc\r": ["a", "newline", "b", "newline", "c", "newline"],
    "\n \n\r\na\n\n": ["newline", "a", "newline"],
    "a # x && y\nb": ["a", "newline", "b"],
    "'a;b' \"c&&d\" e\\;f": ["a;b", "c&&d", "e;f"],
    "a || b": ["a", "skip next", "b"],
    "a & b": ["a", "boundary", "b"],
    "a > f b": ["a", "b"],
    "a > 'f g' && b": ["a", "&&", "b"],
    "a 2>&1 b": ["a", "b"],
    "a >\nb": ["a", "newline", "b"],
}

# A text, and for each of its problems the text it is about and a part of its message.
PROBLEMS = {
    "a || b": [("||", "only when one fails")],
    "a | b |& c": [("|", "pipe"), ("|&", "pipe")],
    "a & b": [("&", "background")],
    "a > f": [(">", "redirection `>`")],
    "a 2>> f <g &>h <<< x >| y <> z": [
        ("2>>", "redirection"),
        ("<", "redirection"),
        ("&>", "redirection"),
        ("<<<", "redirection"),
        (">|", "redirection"),
        ("<>", "redirection"),
    ],
    "a 2>&3": [("2>&", "redirection")],
    "a << X\n$y": [("<<", "following lines")],
    "a <<-X": [("<<-", "following lines")],
    "(a; b)": [("(", "subshell")],
    "a )": [(")", "without its `(`")],
    "a ;; b": [(";;", "case statement")],
    "$(a 'b)' $(c)) x": [("$(a 'b)' $(c))", "another command")],
    '"x $(a "b c") y"': [('$(a "b c")', "another command")],
    "$(a $x": [("$(", "another command")],
    "$((1+2)) $[1]": [("$((1+2))", "calculates"), ("$[", "calculates")],
    '`a` "x `b \\` c`"': [("`a`", "backticks"), ("`b \\` c`", "backticks")],
    "`a $x": [("`", "backticks")],
    '$x "$y" a$1 $@ $? $$ $!': [
        ("$x", "the variable `$x`"),
        ("$y", "variable"),
        ("$1", "variable"),
        ("$@", "variable"),
        ("$?", "variable"),
        ("$$", "variable"),
        ("$!", "variable"),
    ],
    '${resourceId} "${x}" $${y} ${ipV4/6}': [
        ("${resourceId}", "`${resourceId}` is a placeholder"),
        ("${x}", "placeholder"),
        ("$${y}", "placeholder"),
        ("${ipV4/6}", "placeholder"),
    ],
    '"${aws:username}"': [("${aws:username}", "outside single quotes")],
    "${never closed": [("${never", "placeholder")],
    "<value> <a b> x<Y>z": [("<value>", "placeholder"), ("<a b>", "placeholder"), ("<Y>", "placeholder")],
    "$'a\\'b' c": [("$'a\\'b'", "differently")],
    '$"a" b': [("$", "locale")],
    "* a? [b] x/*": [("*", "file name pattern"), ("?", "pattern"), ("[", "pattern"), ("*", "pattern")],
    "{a,b} x{}": [("{", "brace"), ("{", "brace")],
    "~ ~/x ~bob x=~/y x:~": [("~", "home directory"), *[("~", "home")] * 4],
    "'abc $x": [("'", "single quote is never closed")],
    "\"abc 'x": [('"', "double quote is never closed")],
    "'a' \"b\" 'c": [("'", "single quote is never closed")],
    "a \\": [("\\", "nothing to quote")],
    "a\0\1b '\x1b[31m' \"\x7f\"": [("\0\1", "U+0000"), ("\x1b", "U+001B"), ("\x7f", "U+007F")],
    "a \r b": [("\r", "U+000D")],
    "a\u00a0b \u2003": [("\u00a0", "U+00A0"), ("\u2003", "U+2003")],
    "\ud800": [("\ud800", "U+D800")],
    "\\\x01": [("\\", "nothing to quote"), ("\x01", "U+0001")],
    "${a} 'b": [("${a}", "placeholder"), ("'", "never closed")],
}


@pytest.mark.parametrize("text", WORDS)
def test_words(text):
    lexed = lex(text)
    assert lexed.problems == ()
    assert [token.value for token in lexed.tokens] == WORDS[text]


@pytest.mark.parametrize("text", JOINERS)
def test_joiners(text):
    tokens = lex(text).tokens
    assert [token.value if isinstance(token, Word) else token.symbol for token in tokens] == JOINERS[text]


@pytest.mark.parametrize("text", PROBLEMS)
def test_everything_else_of_a_shell_is_named_once(text):
    found = lex(text).problems
    assert [text[problem.offset : problem.offset + problem.length] for problem in found] == [
        about for about, _message in PROBLEMS[text]
    ]
    assert all(message in problem.message for problem, (_about, message) in zip(found, PROBLEMS[text], strict=True))
    assert {(problem.kind, bool(problem.hint)) for problem in found} == {("unsupported", True)}


@pytest.mark.parametrize("text", ['a \'b\' "c\\"d" e\\\n f', "x\\ y", "''", "a'b'c"])
def test_tokens_know_their_place(text):
    for word in lex(text).tokens:
        assert lex(text[word.offset : word.end]).tokens[0].value == word.value


@pytest.mark.parametrize(("text", "broken"), [("a $b 'c'", [False, True, False]), ("<x>y z", [True, False])])
def test_a_word_with_a_problem_is_marked(text, broken):
    assert [word.broken for word in lex(text).tokens] == broken


def test_only_quoting_marks_a_word_as_quoted():
    assert [word.quoted for word in lex("and 'and' \"and\" an\\d a''nd an\\\nd").tokens] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]


def test_a_text_that_is_too_long_is_not_read():
    lexed = lex("a " * MAX_LENGTH)
    assert (lexed.tokens, len(lexed.problems)) == ((), 1)
    assert "longer than" in lexed.problems[0].message


LONG = scaled(60_000, 250_000)
BAD = [
    *("* ", "$(", "${", "${a} ", "`", "<a", "'a' ", '"a', "\\", "\0 ", "a;", "&&", "\n", " \n"),
    *("a 'b' and ", "\\\n", "(", "$'", "~ ", "a=~"),
]


@pytest.mark.parametrize("piece", BAD)
def test_time_is_bounded(piece):
    text = piece * (LONG // len(piece))
    assert len(lex(text).problems) <= MAX_PROBLEMS
    assert takes_less(scaled(1, 4), lambda: lex(text))


def test_ten_thousand_quotes_are_no_matter():
    assert [token.value for token in lex("'a'\"b\"" * 10_000).tokens] == ["ab" * 10_000]
