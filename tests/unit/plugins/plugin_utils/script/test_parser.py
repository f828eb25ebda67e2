# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How words and joiners become commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.parser import MAX_COMMANDS, parse
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.problem import describe
from scale import scaled

COLLECTED = Path(__file__).parents[4] / "fixtures" / "scripts" / "collected.jsonl"

A = "aws iam create-policy --policy-name 'p' --policy-document '{}'"
B = "aws iam attach-user-policy --user-name 'u'"

JOINED = {
    f"{A} && {B}": "&&",
    f"{A}&&{B}": "&&",
    f"{A} ; {B};": ";",
    f"{A};{B} ; \n": ";",
    f"{A}\n{B}\n": "newline",
    f"{A}\r\n\r\n{B}\r\n": "newline",
    f"\n\n  {A}  \n\n\n  {B}  \n\n": "newline",
    f"{A} and {B}": "and",
    f"{A} \nand {B}": "newline",
    f"{A}\n\n and {B}": "newline",
    f"{A} \\\n and \\\n {B}": "and",
    f"{A} \\\n && {B}": "&&",
    f"{A} && \n\n {B}": "&&",
    f"{A} \n && {B}": "newline",
    f"{A} && # why\n{B} # and why": "&&",
    f"# first\n{A} # and {B}\n{B}": "newline",
}

# A text, the first words of its commands, and parts of its problems.
ODD = {
    "": ([], []),
    " \n\t\n": ([], []),
    "# nothing": ([], []),
    "&& aws a": (["a"], ["`&&` has no command before"]),
    "aws a &&": (["a"], ["`&&` has no command after"]),
    "aws a && \n": (["a"], ["`&&` has no command after"]),
    "aws a && && aws b": (["a", "b"], ["`&&` has no command before"]),
    "; aws a": (["a"], ["`;` has no command before"]),
    "aws a ; ; aws b": (["a", "b"], ["`;` has no command before"]),
    "aws a && ; aws b": (["a", "b"], ["`;` has no command before"]),
    "aws a ; && aws b": (["a", "b"], ["`&&` has no command before"]),
    "and aws a": ([], ["`and` is not between two commands"]),
    "aws a && and aws b": (["a"], ["`and` is not between"]),
    "aws a ; and aws b": (["a"], ["`and` is not between"]),
    "aws a and": (["a"], []),
    "aws a and\naws b": (["a", "b"], []),
    "aws a 'and' aws b": (["a"], []),
    "aws a \\and aws b": (["a"], []),
    "aws a and 'aws' b": (["a"], []),
    "aws a AND aws b": (["a"], []),
    "aws a and ls": (["a"], []),
    "aws a --x and and aws b": (["a", "b"], []),
    "aws a and gcloud b": (["a"], ["`gcloud` is a Google Cloud command"]),
    "X=1 aws a": ([], ["assignment `X=…`"]),
    "X='a b' aws a; Y+=1": ([], ["assignment `X=…`", "assignment `Y+=…`"]),
    "'X=1' aws a": ([], ["`'X=1'` is not supported"]),
    "sudo aws a": ([], ["`sudo` is not supported"]),
    "/usr/local/bin/aws a && ./aws b": ([], ["`/usr/local/bin/aws` may be", "`./aws` may be"]),
    "'aws' a": (["a"], []),
    "AWS a": ([], ["`AWS` is not supported"]),
    "kubectl a": ([], ["`kubectl` is not supported"]),
    "'ls\n-l' a": ([], ["`'ls\n-l'` is not supported"]),
    "aws a | grep b && aws c": (["a", "c"], ["pipe"]),
    "aws a || true; aws b": (["a", "b"], ["only when one fails"]),
    "aws a > /dev/null && aws b": (["a", "b"], []),
    "aws a > /dev/full && aws b": (["a", "b"], ["redirection"]),
    "aws a & aws b": (["a", "b"], ["background"]),
    "(aws a; aws b)": (["a", "b"], ["subshell"]),
    "for u in a b; do aws a --x $u; done; aws b": ([], ["`for` is part of a compound command"]),
    "aws a $x; if true; then aws b | c; fi": (["a"], ["`if` is part"]),
    "while read x\ndo aws a\ndone < f": ([], ["`while` is part"]),
    "{ aws a; }": ([], ["`{` is part"]),
    "! aws a": ([], ["`!` is part"]),
    "[[ -f x ]] && aws a": ([], ["`[[` is part"]),
    "[ -f x ] && aws a": (["a"], ["file name pattern"]),
    "'for' x": ([], ["`'for'` is not supported"]),
    "$CMD a && aws b": (["b"], ["variable `$CMD`"]),
    "$(which aws) iam": ([], ["another command"]),
}


@pytest.mark.parametrize("text", JOINED)
def test_all_joiners_separate(text):
    script = parse(text)
    assert script.problems == ()
    assert [command.text for command in script.commands] == [A, B]
    assert script.commands[0].joiner == JOINED[text]


@pytest.mark.parametrize("text", JOINED)
def test_a_command_knows_its_place(text):
    assert [text[command.offset : command.end] for command in parse(text).commands] == [A, B]


@pytest.mark.parametrize("text", ODD)
def test_odd_scripts(text):
    script = parse(text)
    names, messages = ODD[text]
    assert [command.words[1].value for command in script.commands] == names
    shown = [problem.message for problem in script.problems]
    assert len(shown) == len(messages), shown
    assert all(part in message for part, message in zip(messages, shown, strict=True)), shown


def test_problems_inside_a_command_belong_to_it():
    script = parse("aws a ${x} && aws b > f --y <z> | cat")
    assert [[problem.message[:12] for problem in command.problems] for command in script.commands] == [
        ["`${x}` is a p"[:12]],
        ["the redirect", "`<z>` is a p"],
    ]
    assert [problem.message[:8] for problem in script.problems] == ["the pipe"]


@pytest.mark.parametrize("name", ["gcloud", "gsutil", "az", "bq"])
def test_another_cloud_is_one_problem_and_nothing_else(name):
    text = f"{name} -q x --project=${{account}} $(y) | z; {name} <value> * > f;"
    kinds = [problem.kind for problem in parse(text).problems]
    assert kinds.count("not_aws") == 2
    assert [problem.message for problem in parse(f"{name} x ${{a}}").problems if problem.kind != "not_aws"] == []


def test_too_many_commands_are_one_problem():
    script = parse("aws iam get-user;" * 10_000)
    assert len(script.commands) == MAX_COMMANDS
    assert [problem.message for problem in script.problems] == [f"the script has more than {MAX_COMMANDS} commands"]
    assert script.problems[0].offset == MAX_COMMANDS * len("aws iam get-user;")


@pytest.mark.parametrize(
    "piece", ["&& ", "; ", "and aws ", "aws and ", "a ", "aws a;", "${a} ", "gcloud a;", "'a", "\n;"]
)
def test_time_is_bounded(piece, at_most):
    text = "aws " + piece * (scaled(60_000, 250_000) // len(piece))
    with at_most(scaled(1, 4)):
        describe(text, parse(text).problems)


def test_the_vendors_printed_sample_is_two_commands():
    scripts = [json.loads(line)["script"] for line in COLLECTED.read_text().splitlines()]
    printed = [script for script in scripts if "prisma-restrictions" in script]
    assert len(printed) == 2
    for script in printed:
        assert [command.words[2].value for command in parse(script).commands] == ["create-policy", "attach-user-policy"]
        assert parse(script).problems == ()


def test_secrets_are_masked_in_the_text_of_commands():
    command = parse("aws iam get-user && aws iam create-login-profile --password hunter2").commands[1]
    assert command.text == "aws iam create-login-profile --password *******"
    assert "hunter2" not in parse("--password hunter2; 'hunter2' x").problems[0].message
