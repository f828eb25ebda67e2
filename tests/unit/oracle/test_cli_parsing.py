# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a script is taken for is what a shell and the real AWS CLI take it for."""

from __future__ import annotations

import json
import random
import re
import shlex
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.lexer import Word, lex
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.parser import parse
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.resolver import resolve
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.service import FLAG, MANY, Operation, Option, iam
from hypothesis import given, settings
from hypothesis import strategies as st
from scale import scaled

COLLECTED = Path(__file__).parents[2] / "fixtures" / "scripts" / "collected.jsonl"
PLACEHOLDER = re.compile(r"<[A-Za-z_]+>|\$\{[A-Za-z]+\}")
ACCOUNT = "123456789012"

# Commands that are refused here although the AWS CLI would send them, and why. STRICTER: both read the same parameters.
STRICTER = {
    r"--[a-z0-9-]+.* (must be at most|must match|must be one of) ": "AWS refuses it by its own model",
    r"--[a-z0-9-]+.* contains a placeholder": "it was never filled in",
    r"--[a-z-]+ redirects the change": "only the inventory names the account",
    r"--region must be the name of a region": "the CLI refuses it too, but only when it makes its client",
    r"this word belongs to no option": "an empty operand, which the CLI ignores",
    r"the following `and` could be another value": "the vendor's joiner or a value: it is ambiguous",
}
NOT_READ = {
    r"--[a-z-]+ reads its value from a file": "the content of a file or an address is unknown",
    r"--(cli-auto-prompt|version) does not run": "nothing would be changed",
    r"--(cli-input-json|cli-input-yaml|generate-cli-skeleton) ": "all parameters in one, or no change",
    r"--[a-z-]+ is neither JSON nor shorthand: (`@=`|it is nested)": "files, and more depth than IAM has",
    r"--[a-z0-9-]+ and --[a-z0-9-]+ are two names of one option": "which one wins depends on the CLI",
    r"AWS CLI versions read a lone `--`": "argparse's meaning of it changed with Python 3.12 and 3.13",
}


def ours(text: str) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    script = parse(text)
    calls = [resolve(command) for command in script.commands]
    problems = [*script.problems, *(problem for call in calls for problem in call.problems)]
    return [(call.operation, dict(call.parameters)) for call in calls], [problem.message for problem in problems]


def shown(kinds: dict[str, str], messages: list[str]) -> list[str]:
    return [message for message in messages if any(re.match(pattern, message) for pattern in kinds)]


def check(aws_cli: Any, text: str, words: list[str]) -> str:
    """Compare one command; returns the outcome."""
    expected = aws_cli.ask(words[1:])
    calls, messages = ours(text)
    if expected is None:
        assert messages, text
        return "refused by both"
    if not shown(NOT_READ, messages):
        assert calls == [expected], text
    assert shown(STRICTER | NOT_READ, messages) == messages, f"{text}\nthe AWS CLI sends {expected}"
    return "stricter" if messages else "equal"


def collected_iam_scripts() -> list[str]:
    scripts = [json.loads(line)["script"] for line in COLLECTED.read_text().splitlines()]
    return [script for script in scripts if script.startswith("aws iam")]


@pytest.mark.parametrize("script", collected_iam_scripts())
def test_collected_scripts_mean_what_the_cli_sends(aws_cli: Any, script: str) -> None:
    values = {"policy_arn": f"arn:aws:iam::{ACCOUNT}:policy/x", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}
    text = PLACEHOLDER.sub(lambda match: values["policy_arn"] if "ARN" in match.group() else "A" * 20, script)
    commands = re.split(r"(?<=') and | *\n(?:and )?", text)
    expected = [aws_cli.ask(shlex.split(command)[1:]) for command in commands]
    calls, messages = ours(text)
    if None in expected:
        assert messages
    else:
        assert (calls, messages) == (expected, [])


@pytest.mark.parametrize("script", [script for script in collected_iam_scripts() if PLACEHOLDER.search(script)])
def test_a_placeholder_is_reported(script: str) -> None:
    _calls, messages = ours(script)
    assert [message for message in messages if "placeholder" in message]


LOGIN = "aws iam create-login-profile --user-name bob"
TAG = "aws iam tag-user --user-name bob --tags"
POLICY = "aws iam create-policy --policy-name p --policy-document"
PASSWORDS = "aws iam update-account-password-policy"
OIDC = "aws iam create-open-id-connect-provider"
ROOT = "aws iam create-user"
ROLE = "aws iam update-role --role-name r"

EQUAL = [
    # beginnings of names, in all three parsers
    "aws iam create-user --user bob",
    "aws iam create-user --u bob",
    "aws iam create-user --user-name=bob --pat=/x/",
    "aws --reg eu-west-1 iam create-user --user-name bob",
    "aws iam create-user --user-name bob --outp json --d --no-pag",
    f"{POLICY} '{{}}' --desc 'a b'",
    f"{ROLE} --desc x --max-sess 3600",
    # global options anywhere, also twice, also between the words of the operation
    "aws --region us-west-2 --output text iam create-user --user-name bob",
    "aws iam --region us-west-2 create-user --user-name bob",
    "aws iam create-user --region us-west-2 --user-name bob --region eu-west-1",
    "aws --debug iam --color off create-user --query 'User.Arn' --user-name bob --cli-read-timeout 5",
    "aws --cli-connect-timeout=0 iam create-user --user-name=bob --v2-debug",
    # parameters before the operation and before the service
    "aws iam --user-name=bob create-user",
    "aws --user-name=bob iam create-user",
    "aws iam --no-password-reset-required create-login-profile --user-name bob --password Secret1",
    # values that look like something else
    f"{ROLE} --description=",
    f"{ROLE} --description ''",
    f"{ROLE} --description '-x y'",
    f"{ROLE} --description '--max x'",
    f"{ROLE} --description -1",
    f"{ROLE} --description -.5",
    f"{ROLE} --description -",
    f"{ROLE} --description=-x",
    f"{ROLE} --description=--help",
    f"{ROLE} --description and",
    f"{ROLE} --description 'and aws iam'",
    f"{ROLE} --description=a=b",
    f"{ROLE} --description help",
    # repeated options
    "aws iam create-user --user-name alice --user-name bob",
    f"{PASSWORDS} --require-symbols --no-require-symbols",
    f"{PASSWORDS} --no-require-symbols --require-symbols",
    f"{TAG} Key=a,Value=b --tags Key=c,Value=d",
    # numbers
    f"{PASSWORDS} --max-password-age ' 90 '",
    f"{PASSWORDS} --max-password-age +90",
    f"{PASSWORDS} --max-password-age 9_0",
    f"{PASSWORDS} --minimum-password-length=14 --password-reuse-prevention 24",
    # lists, JSON and shorthand
    f"{TAG}",
    f"{TAG} Key=a,Value=b Key=c,Value=",
    f"{TAG} 'Key=a,Value=b c' 'Key = d , Value = e '",
    f'{TAG} \'Key="a",Value="b"\'',
    f"{TAG} \"Key='a',Value='b'\"",
    f"{TAG} 'Key=a,Value=x=y'",
    f'{TAG} \'[{{"Key":"a","Value":"b"}}]\'',
    f"{TAG} ' [ ] '",
    f'{TAG} \'{{"Key":"a","Value":"b"}}\' \'{{"Key":"c","Value":""}}\'',
    f"{TAG}=Key=a,Value=b",
    f'{TAG} \'[{{"Key":"a","Key":"b","Value":"c"}}]\'',
    "aws iam untag-user --user-name bob --tag-keys a b 'c d' --region us-east-1",
    'aws iam untag-user --user-name bob --tag-keys \'["a","b"]\'',
    "aws iam untag-user --user-name bob --tag-keys --region us-east-1",
    "aws iam untag-user --tag-keys a --user-name bob",
    f"{OIDC} --url https://example.com/x --thumbprint-list {'a' * 40}",
    f"{OIDC} --url https://example.com --client-id-list https://a.example https://b.example",
    "aws iam put-account-properties --properties a=b,c=d",
    'aws iam put-account-properties --properties \'{"a":"b"}\'',
    # policy documents, byte for byte
    f'{POLICY} \'{{"Resource":"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"}}\'',
    f'{POLICY} "{{\\"Version\\":\\"2012-10-17\\"}}"',
    f"{POLICY}='{{}}' --tags Key=a,Value=b",
    f"{POLICY} 'é \t ÿ'",
    # a secret is only marked
    f"{LOGIN} --password 'a b' --no-password-reset-required",
    f"{LOGIN} --password-reset-required",
    "aws iam update-login-profile --user-name bob --no-password-r",
    "aws iam enable-mfa-device --user-name bob --serial-number arn:aws:iam::123456789012:mfa/b "
    "--authentication-code1 123456 --authentication-code-2 654321",
    # operations without parameters
    "aws iam delete-account-password-policy",
    "aws iam create-user --user-name bob --path / --permissions-boundary arn:aws:iam::aws:policy/ReadOnlyAccess",
]

ONLY_REFUSED_HERE = [
    "aws iam create-user --user-name 'a b'",
    "aws iam create-user --user-name é",
    f"aws iam create-user --user-name {'x' * 65}",
    "aws iam create-user --user-name bob --path x/",
    "aws iam create-user --user-name bob --path '/x/\n'",
    f"{PASSWORDS} --max-password-age 1096",
    f"{POLICY} 'ł'",
    f"{POLICY} '${{resourceId}}'",
    f"{ROLE} --description '<value>'",
    f"{TAG} Key=a,Value=b%",
    f"{TAG} {' '.join(f'Key=k{number},Value=v' for number in range(51))}",
    "aws iam update-access-key --access-key-id AKIAIOSFODNN7EXAMPLE --status inactive",
    "aws --profile x iam create-user --user-name bob",
    "aws iam create-user --user-name bob --endpoint-url https://example.com",
    "aws iam create-user --no-verify-ssl --user-name bob",
    "aws iam --no-sign-request create-user --user-name bob",
    "aws iam create-user --user-name bob --ca-b x",
    "aws iam create-user --user-name bob --prof x",
    "aws --region '' iam create-user --user-name bob",
    "aws --region a/b iam create-user --user-name bob",
    "aws iam create-user --user-name bob ''",
    f"{POLICY} file://{COLLECTED}",
    "aws iam resync-mfa-device --user-name bob --serial-number 123456789 --authentication-code1 123456 "
    "--authentication-code-1 654321 --authentication-code2 123456",
    f"{POLICY}=file://{COLLECTED}",
    f"{TAG} Key@=a,Value=b",
    'aws iam create-user --cli-input-json \'{"UserName":"bob"}\'',
    "aws iam create-user --user-name bob -- ",
]

READ_ONLY = [
    "aws iam list-users",
    "aws iam list-users --max-items 5 --page-size 3",
    "aws iam list-users --max-items=9 --no-paginate",
    "aws iam list-users --marker x --max-items 7",
    "aws iam list-users --starting-token x --query 'Users[].Arn'",
    "aws iam get-user",
    "aws iam wait user-exists --user-name bob",
    "aws iam wait policy-exists --policy-arn arn:aws:iam::aws:policy/x",
    "aws iam generate-credential-report",
    "aws iam simulate-custom-policy --policy-input-list '{}' --action-names s3:Get --context-entries "
    "ContextKeyName=aws:x,ContextKeyValues=a,b,ContextKeyType=string",
    "aws iam simulate-custom-policy --policy-input-list '{}' --action-names s3:Get --context-entries "
    "'ContextKeyName=aws:x,ContextKeyValues=[a, \"b,c\"],ContextKeyType=string'",
    "aws iam simulate-principal-policy --policy-source-arn arn:aws:iam::123456789012:user/x --action-names a:b "
    "--policy-input-list '[\"{}\"]'",
]

REFUSED = [
    "aws",
    "aws iam",
    "aws iam creat-user",
    "aws IAM create-user --user-name bob",
    "aws iam CreateUser --user-name bob",
    "aws iam create-user",
    "aws iam create-user --user-name",
    "aws iam create-user --user-name --path /x/",
    "aws iam create-user --user-name bob --zzz",
    "aws iam create-user --user-name bob --zzz=1",
    "aws iam create-user --user-name bob stray",
    "aws iam create-user bob",
    "aws iam --user-name bob create-user",
    "aws --user-name bob iam create-user",
    "aws iam create-user --user-name bob -x",
    "aws iam create-user -user-name bob",
    "aws iam create-user --UserName bob",
    "aws iam create-user --user_name bob",
    "aws iam create-user --p /x/ --user-name bob",
    "aws iam create-user --=bob",
    "aws iam create-user help",
    "aws iam help",
    "aws help",
    "aws --output xml iam create-user --user-name bob",
    "aws --color maybe iam create-user --user-name bob",
    "aws --cli-read-timeout x iam create-user --user-name bob",
    "aws --query 'a[' iam create-user --user-name bob",
    "aws --region iam create-user --user-name bob",
    f"{ROLE} --d x",
    "aws --no-paginate=x iam create-user --user-name bob",
    f"{PASSWORDS} --require-symbols=true",
    f"{PASSWORDS} --require-symbols true",
    f"{PASSWORDS} --max-password-age ninety",
    f"{PASSWORDS} --max-password-age 90.0",
    f"{PASSWORDS} --max-password-age ''",
    f"{PASSWORDS} --max-password-age 0",
    f"{PASSWORDS} --minimum-password-length 5",
    f"{PASSWORDS} --minimum-password-l",
    f"{LOGIN} --pass x",
    f"{POLICY} ''",
    f"{TAG} Key=a",
    f"{TAG} Key=a,Value=b,Key=c,Value=d",
    f"{TAG} Key=a,Value=b Key",
    f"{TAG} Key=a,Value=b,",
    f"{TAG} Key=a,Value=b,Other=c",
    f"{TAG} Key=a,Value=b,c",
    f"{TAG} 'Key=a,Value=[b,c]'",
    f"{TAG} 'Key=a,Value={{b=c}}'",
    f"{TAG} ''",
    f"{TAG} 'Key=\"a,Value=b'",
    f'{TAG} \'[{{"Key":"a","Value":1}}]\'',
    f'{TAG} \'[{{"Key":"a","Value":null}}]\'',
    f'{TAG} \'[{{"Key":"a"\'',
    f"{TAG} '[\"a\"]'",
    f'{TAG} \'{{"Key":"a","Value":"b"}}\' Key=c,Value=d',
    f'{TAG} \'[{{"Key":"a","Value":"b"}}]\' \'[]\'',
    "aws iam untag-user --user-name bob --tag-keys '[1]'",
    "aws iam untag-user --user-name bob --tag-keys ''",
    "aws iam untag-user --user-name bob",
    "aws iam list-users --no-paginate --page-size 3",
    "aws iam list-users --marker x --starting-token y",
    "aws iam list-users --max-items many",
    "aws iam list-users --max-items=-1 --no-paginate",
    "aws iam list-users --page-size=0",
    "aws iam wait",
    "aws iam wait user-gone --user-name bob",
    "aws iam wait user-exists --zzz",
    "aws iam create-virtual-mfa-device --virtual-mfa-device-name x",
    "aws iam create-virtual-mfa-device --virtual-mfa-device-name x --outfile /tmp/x --bootstrap-method Paper",
    "aws iam put-account-properties --properties a",
    "aws iam put-account-properties --properties '[]'",
]


@pytest.mark.parametrize("text", EQUAL)
def test_nasty_commands_are_equal(aws_cli: Any, text: str) -> None:
    assert check(aws_cli, text, shlex.split(text)) == "equal"


@pytest.mark.parametrize("text", ONLY_REFUSED_HERE)
def test_what_is_refused_beyond_the_cli_is_of_a_known_kind(aws_cli: Any, text: str) -> None:
    assert check(aws_cli, text, shlex.split(text)) == "stricter"


def test_an_address_is_not_fetched() -> None:
    """Not asked of the CLI: version 1 would fetch it, version 2 would send it as it is."""
    assert shown(NOT_READ, ours(f"{POLICY} https://example.com/policy.json")[1])


@pytest.mark.parametrize("text", READ_ONLY)
def test_reading_commands_are_known_and_left_out(aws_cli: Any, text: str) -> None:
    expected = aws_cli.ask(shlex.split(text)[1:])
    command = parse(text).commands[0]
    call = resolve(command)
    assert expected is not None
    assert (call.operation, call.read_only, call.problems) == (expected[0], True, ())
    assert any("only reads" in note for note in call.notes)


@pytest.mark.parametrize("text", REFUSED)
def test_what_the_cli_refuses_is_refused(aws_cli: Any, text: str) -> None:
    assert check(aws_cli, text, shlex.split(text)) == "refused by both"


# Generated commands


class Writer:
    """Writes random commands of the model, and random ways to write them down."""

    BARE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
    PLAIN = "abcXYZ019"
    ODD = (*" \t\n'\"\\$`!#&;|<>(){}[]*?~=,:@%^+-./_é\xff", "and ", "aws ", " && ", '\\"', "Key=", "--user")

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.shapes = iam().shapes

    def command(self) -> list[str]:
        operation = self.chance.choice([each for each in iam().commands.values() if not each.read_only])
        options = [option for option in operation.options.values() if self._wanted(option, operation)]
        self.chance.shuffle(options)
        words = ["aws", "iam", operation.command]
        for option in options:
            words += self._option(option, operation)
        return self._spoilt(self._with_globals(words))

    def _wanted(self, option: Option, operation: Operation) -> bool:
        if option.member is None:
            return option.required
        structure = self.shapes[operation.input_shape]
        return self.chance.random() < (0.98 if option.member in structure.get("required", ()) else 0.3)

    def _option(self, option: Option, operation: Operation) -> list[str]:
        name = f"--{option.name}"
        if self.chance.random() < 0.15:
            name = name[: self.chance.randint(3, len(name))]
        if option.takes == FLAG:
            return [name]
        values = [option.choices[0] if option.choices else "x"] if option.member is None else self._values(option)
        if len(values) == 1 and self.chance.random() < 0.25:
            return [f"{name}={values[0]}"]
        return [name, *values]

    def _values(self, option: Option) -> list[str]:
        shape = self.shapes[option.shape]
        if option.takes != MANY:
            return [self._written(option.shape)]
        member = shape["member"]["shape"]
        if self.chance.random() < 0.3:
            return [json.dumps([self._value(member) for _ in range(self.chance.randint(0, 3))])]
        return [self._written(member) for _ in range(self.chance.randint(0, 3))]

    def _written(self, shape: str) -> str:
        value = self._value(shape)
        if isinstance(value, str):
            return value
        if isinstance(value, dict) and self.chance.random() < 0.7:
            return self._shorthand(value)
        return json.dumps(value)

    def _shorthand(self, value: Any, depth: int = 0) -> str:
        if isinstance(value, dict):
            blank = self.chance.choice(["", "", "", " "])
            inner = f",{blank}".join(f"{key}={self._shorthand(each, depth + 1)}" for key, each in value.items())
            return inner if depth == 0 else f"{{{inner}}}"
        if isinstance(value, list):
            items = ",".join(self._shorthand(each, depth + 1) for each in value)
            return items if depth == 1 and len(value) > 1 and self.chance.random() < 0.5 else f"[{items}]"
        text = str(value)
        if self.chance.random() < 0.3:
            return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return text.replace(",", "\\,") if self.chance.random() < 0.5 else text

    def _value(self, shape: str) -> Any:
        described = self.shapes[shape]
        kind = described["type"]
        if kind == "structure":
            required = described.get("required", ())
            members = described["members"].items()
            chosen = [(name, each) for name, each in members if name in required or self.chance.random() < 0.4]
            return {name: self._value(each["shape"]) for name, each in chosen}
        if kind == "list":
            return [self._value(described["member"]["shape"]) for _ in range(self.chance.randint(1, 3))]
        if kind == "map":
            keys = [self._text(self.shapes[described["key"]["shape"]]) for _ in range(self.chance.randint(0, 2))]
            return {key: self._value(described["value"]["shape"]) for key in keys}
        if kind == "boolean":
            return self.chance.random() < 0.5
        return self._text(described) if kind == "string" else str(self._number(described))

    def _number(self, described: dict[str, Any]) -> int:
        least = described.get("min", 0)
        return self.chance.randint(least - (self.chance.random() < 0.05), described.get("max", least + 9))

    def _text(self, described: dict[str, Any]) -> str:
        if "enum" in described and self.chance.random() < 0.95:
            return self.chance.choice(described["enum"])
        least = described.get("min", 0)
        length = self.chance.randint(least, max(least, min(described.get("max", 12), least + 12)))
        if described.get("pattern", "").startswith(("(\\u002F", "((/", "\\u002F")):
            return "/" + self.chance.choice(["", "x/"])
        odd = self.chance.random() < (0.1 if "pattern" in described and "w" in described["pattern"] else 0.5)
        pieces = self.ODD if odd else self.PLAIN
        return "".join(self.chance.choice(pieces if self.chance.random() < 0.4 else self.PLAIN) for _ in range(length))

    def _with_globals(self, words: list[str]) -> list[str]:
        offered = [["--region", "eu-west-1"], ["--output=json"], ["--debug"], ["--no-paginate"], ["--query", "a.b"]]
        for given_ in self.chance.sample(offered, self.chance.choice([0, 0, 0, 1, 2])):
            place = self.chance.choice([1, 2, 3, len(words)])
            words = words[:place] + given_ + words[place:]
        return words

    def _spoilt(self, words: list[str]) -> list[str]:
        if self.chance.random() < 0.85:
            return words
        place = self.chance.randint(1, len(words))
        spoilt = [words[:place] + words[place + 1 :], [*words[:place], "stray", *words[place:]]]
        spoilt += [[*words[:place], *words[place : place + 2] * 2, *words[place + 2 :]], [*words, "--unknown=1"]]
        return self.chance.choice(spoilt)

    def shell(self, words: list[str]) -> str:
        text = words[0]
        for word in words[1:]:
            text += self.chance.choice([" "] * 8 + ["  ", "\t", " \\\n ", "\\\n  "]) + self._quoted(word)
        return text

    def _quoted(self, word: str) -> str:
        if self.BARE.fullmatch(word) and word != "and" and self.chance.random() < 0.6:
            return word
        cut = self.chance.choice([0, self.chance.randint(0, len(word))])
        parts = [part for part in (word[:cut], word[cut:]) if part] or [""]
        return "".join(
            self.chance.choice([self._single, self._double, self._double, self._escaped])(part) for part in parts
        )

    @staticmethod
    def _single(text: str) -> str:
        return "'" + text.replace("'", "'\\''") + "'"

    def _double(self, text: str) -> str:
        special = '["\\\\$`]' if self.chance.random() < 0.9 else '["$`]|\\\\(?=[\\\\"$`\n]|\\Z)'
        return '"' + re.sub(special, lambda match: "\\" + match.group(), text) + '"'

    def _escaped(self, text: str) -> str:
        return (
            re.sub(r"[^A-Za-z0-9]", lambda match: "\\" + match.group(), text)
            if text and "\n" not in text
            else self._single(text)
        )


SEEDS = st.integers(0, 2**64 - 1)
GENERATED = settings(max_examples=scaled(200, 5000), deadline=None, derandomize=True, database=None)


def test_generated_commands_mean_what_the_cli_sends(aws_cli: Any) -> None:
    outcomes: Counter[str] = Counter()

    @GENERATED
    @given(SEEDS)
    def compare(seed: int) -> None:
        writer = Writer(random.Random(seed))
        words = writer.command()
        outcomes[check(aws_cli, writer.shell(words), words)] += 1

    compare()
    print(outcomes)
    assert outcomes["equal"] > 0.4 * outcomes.total(), outcomes
    assert outcomes["refused by both"] > 0.05 * outcomes.total(), outcomes
    assert outcomes["stricter"] < 0.4 * outcomes.total(), outcomes


JOINERS = [" && ", "&&", ";", " ; ", "\n", "\r\n", " and ", " \nand ", "\n\n", " && \n", " # why\n", " \\\n&& "]


@settings(GENERATED, max_examples=scaled(150, 1000))
@given(SEEDS)
def test_joined_commands_are_each_what_they_are_alone(seed: int) -> None:
    chance = random.Random(seed)
    writer = Writer(chance)
    texts = [writer.shell(writer.command()) for _ in range(chance.randint(2, 4))]
    alone = [ours(text) for text in texts]
    calls, messages = ours(
        "".join(text + chance.choice(JOINERS) for text in texts[:-1]) + texts[-1] + chance.choice([";", "", "\n"])
    )
    assert calls == [call for found, _ in alone for call in found]
    ambiguous = [message for message in messages if "following `and`" in message]
    assert sorted(messages) == sorted([*(message for _, found in alone for message in found), *ambiguous])


SHELL_WORDS = [
    'a$ "$" "a$ b" $/x $',
    '"\\a" "\\\\" "\\$" "\\`" "\\"" "\\\n"',
    "'\\' '\"' \"'\"",
    "a\\ b \\\\ \\' \\a",
    "a''b '' \"\"",
    "a#b 'a'#b # c",
    "a~ x~= ]} %^@:,.+-_= !",
    "a\\\nb c \\\n d",
    "é 名 '\U0001f600'",
    "'$x `y` ${aws:username}'",
]


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize("text", SHELL_WORDS)
def test_words_are_split_as_by_a_shell(shell: str, text: str) -> None:
    command = [shell, "-c", f"printf '%s\\0' {text}"]
    output = subprocess.run(command, check=True, capture_output=True, timeout=10, env={"PATH": "/usr/bin:/bin"})
    lexed = lex(text)
    assert lexed.problems == ()
    assert [word.value for word in lexed.tokens] == output.stdout.decode("utf-8").split("\0")[:-1]


def test_generated_words_are_split_as_by_a_shell(tmp_path: Path) -> None:
    """The shells see only words that were made here: no expansion, no operator is left unquoted."""
    lines = []
    for seed in range(scaled(500, 3000)):
        writer = Writer(random.Random(seed))
        lines.append(writer.shell(writer.command()))
    expected = [tuple(word.value for word in lex(line).tokens if isinstance(word, Word)) for line in lines]
    script = tmp_path / "words.sh"
    script.write_text("".join(f"printf '%s\\0' {line}\nprintf '\\1\\0'\n" for line in lines), encoding="utf-8")
    for shell in ("bash", "sh"):
        output = subprocess.run(
            [shell, str(script)], check=True, capture_output=True, timeout=60, env={"PATH": "/usr/bin:/bin"}
        )
        commands = output.stdout.decode("utf-8").split("\1\0")[:-1]
        assert [tuple(command.split("\0")[:-1]) for command in commands] == expected
