# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a command becomes the API call that the AWS CLI would make. tests/unit/oracle asks the CLI itself."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.parser import parse
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.problem import describe
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.resolver import MAX_WORDS, resolve
from scale import scaled

COLLECTED = Path(__file__).parents[4] / "fixtures" / "scripts" / "collected.jsonl"
DOCUMENT = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"${aws:username}"}]}'
FUZZ = int(os.environ.get("LEASTPRIV_FUZZ", scaled(2_000, 50_000)))

ACCEPTED = {
    f"aws iam create-policy --policy-name p --policy-document '{DOCUMENT}'": (
        "CreatePolicy",
        {"PolicyName": "p", "PolicyDocument": DOCUMENT},
    ),
    "aws iam update-account-password-policy --minimum-password-length 14 --require-symbols --no-hard-expiry": (
        "UpdateAccountPasswordPolicy",
        {"MinimumPasswordLength": 14, "RequireSymbols": True, "HardExpiry": False},
    ),
    "aws --region us-west-2 iam delete-access-key --access-key-id AKIAIOSFODNN7EXAMPLE --user-name=bob": (
        "DeleteAccessKey",
        {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "UserName": "bob"},
    ),
    "aws iam tag-user --user-name bob --tags Key=a,Value='b c' Key=d,Value=": (
        "TagUser",
        {"UserName": "bob", "Tags": [{"Key": "a", "Value": "b c"}, {"Key": "d", "Value": ""}]},
    ),
    "aws iam untag-user --user-name bob --tag-keys a b": ("UntagUser", {"UserName": "bob", "TagKeys": ["a", "b"]}),
    "aws iam put-account-properties --properties a=b,c=d": (
        "PutAccountProperties",
        {"Properties": {"a": "b", "c": "d"}},
    ),
    "aws iam delete-account-password-policy": ("DeleteAccountPasswordPolicy", {}),
    "aws iam create-user --user-name bob --user-name alice": ("CreateUser", {"UserName": "alice"}),
}

# A command, its only problem's kind, a part of its message, and the text it is about.
REJECTED = {
    "aws": ("unsupported", "service is missing", "aws"),
    "aws iam": ("unsupported", "operation is missing", "iam"),
    "aws help": ("unsupported", "help prints", "help"),
    "aws iam help": ("unsupported", "help prints", "help"),
    "aws iam create-user help": ("unsupported", "help prints", "help"),
    "aws ec2 revoke-security-group-ingress --group-id x": (
        "unsupported",
        "`aws ec2 revoke-security-group-ingress` is not supported",
        "ec2",
    ),
    "aws --region eu-west-1 s3api put-bucket-acl --bucket x": (
        "unsupported",
        "`aws s3api put-bucket-acl` is not supported",
        "s3api",
    ),
    "aws iam creat-user --user-name bob": ("unsupported", "has no operation `creat-user`", "creat-user"),
    "aws iam create-user": ("unsupported", "create-user lacks --user-name", "aws iam create-user"),
    "aws iam attach-user-policy": (
        "unsupported",
        "lacks --user-name and --policy-arn",
        "aws iam attach-user-policy",
    ),
    "aws iam create-user --user-name bob --pth /x/": ("unsupported", "no option --pth", "--pth"),
    "aws iam create-user --user-name bob smith jr": ("unsupported", "belongs to no option", "smith"),
    "aws iam create-user --user-name bob \\ \n": ("unsupported", "belongs to no option", "\\ "),
    "aws iam create-user --user-name 'bob smith'": ("unsupported", "--user-name must match", "'bob smith'"),
    "aws iam create-user --user-name=b/c": ("unsupported", "--user-name must match", "b/c"),
    "aws iam create-user --user-name '<name>'": ("unsupported", "placeholder", "'<name>'"),
    "aws iam create-user --user-name '${x}'": ("unsupported", "placeholder", "'${x}'"),
    'aws iam create-user --user-name "bob\n"': ("unsupported", "--user-name must match", '"bob\n"'),
    "aws iam tag-user --user-name bob --tags Key=a,Value=b Key=c,Value=d%": (
        "unsupported",
        "--tags, item 2, Value, must match",
        "Key=c,Value=d%",
    ),
    "aws iam tag-user --user-name bob --tags Key=a": ("unsupported", "--tags, item 1, must have Value", "Key=a"),
    "aws iam tag-user --user-name bob --tags Key=a,Value=b,X=c": (
        "unsupported",
        "a key that is none of",
        "Key=a,Value=b,X=c",
    ),
    "aws iam tag-user --user-name bob --tags a": ("unsupported", "neither JSON nor shorthand: `=`", "a"),
    "aws iam update-access-key --access-key-id AKIAIOSFODNN7EXAMPLE --status inactive": (
        "unsupported",
        "--status must be one of Active, Inactive",
        "inactive",
    ),
    "aws iam update-role --role-name r --max-session-duration 60": ("unsupported", "must be at least 3600", "60"),
    "aws iam update-role --role-name r --max-session-duration x": ("unsupported", "must be a whole number", "x"),
    "aws iam create-user --user-name bob --profile p": ("refused", "--profile redirects", "--profile"),
    "aws --endpoint-url=http://x iam create-user --user-name bob": (
        "refused",
        "--endpoint-url redirects",
        "--endpoint-url=http://x",
    ),
    "aws --no-verify-ssl iam create-user --user-name bob": ("refused", "--no-verify-ssl redirects", "--no-verify-ssl"),
    "aws iam --no-sign-request create-user --user-name bob": (
        "refused",
        "--no-sign-request redirects",
        "--no-sign-request",
    ),
    "aws iam create-user --user-name bob --ca-bundle f": ("refused", "--ca-bundle redirects", "--ca-bundle"),
    "aws iam create-user --cli-input-json '{}'": ("unsupported", "all parameters from one text", "--cli-input-json"),
    "aws iam create-user --cli-input-yaml x": ("unsupported", "all parameters from one text", "--cli-input-yaml"),
    "aws iam create-user --generate-cli-skeleton": ("unsupported", "prints a form", "--generate-cli-skeleton"),
    "aws iam create-user --generate-cli-skeleton output": ("unsupported", "prints a form", "--generate-cli-skeleton"),
    "aws --version iam create-user --user-name bob": ("unsupported", "does not run", "--version"),
    "aws --cli-auto-prompt iam create-user --user-name bob": ("unsupported", "does not run", "--cli-auto-prompt"),
    "aws iam create-policy --policy-name p --policy-document file://p.json": (
        "unsupported",
        "--policy-document reads its value from a file",
        "file://p.json",
    ),
    "aws iam create-policy --policy-name p --policy-document=https://x/y": (
        "unsupported",
        "from a file or an address",
        "https://x/y",
    ),
    "aws iam tag-user --user-name bob --tags fileb://x": ("unsupported", "from a file", "fileb://x"),
    "aws iam create-user -- --user-name bob": ("unsupported", "a lone `--`", "--"),
    "aws iam wait user-gone": ("unsupported", "has no operation `user-gone`", "user-gone"),
    "aws --output xml iam create-user --user-name bob": ("unsupported", "--output must be one of", "xml"),
    "aws --query '[' iam create-user --user-name bob": ("unsupported", "--query must be", "'['"),
    "aws --cli-read-timeout x iam create-user --user-name bob": ("unsupported", "must be a whole number", "x"),
    "aws iam create-user --user-name ${x} --zzz": ("unsupported", "`${x}` is a placeholder", "${x}"),
}


def resolved(text):
    script = parse(text)
    assert script.problems == ()
    return [resolve(command) for command in script.commands]


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted(text):
    (call,) = resolved(text)
    assert (call.operation, call.parameters) == ACCEPTED[text]
    assert (call.service, call.problems, call.read_only, call.secrets) == ("iam", (), False, ())
    assert (call.text, call.offset, call.length) == (text, 0, len(text))


@pytest.mark.parametrize("text", REJECTED)
def test_rejected(text):
    (call,) = resolved(text)
    kind, message, about = REJECTED[text]
    assert [(problem.kind, message in problem.message) for problem in call.problems] == [(kind, True)], call.problems
    assert text[call.problems[0].offset : call.problems[0].offset + call.problems[0].length] == about
    assert about.split("\n")[0].rstrip() in describe(text, call.problems)


def test_all_problems_are_reported_at_once():
    text = (
        "aws --profile x iam create-policy --policy-nam 'a b' --polic y --path x --zzz 1 --description "
        "&& aws iam creat-user; aws ec2 x and aws iam delete-user --user-name <x>"
    )
    shown = [problem.message for call in resolved(text) for problem in call.problems]
    assert [" ".join(message.split()[:4]) for message in shown] == [
        "create-policy lacks --policy-document",
        "--profile redirects the change",
        "--policy-name must match [\\w+=,.@-]+",
        "this abbreviation could be",
        "this word belongs to",
        "--path must match ((/[A-Za-z0-9\\.,\\+@=_-]+)*)/",
        "the command has no",
        "--description needs a value",
        "`aws iam` has no",
        "`aws ec2 x` is",
        "`<x>` is a placeholder",
    ]


def test_hints_suggest_what_may_have_been_meant():
    calls = resolved("aws iam creat-user; aws iam create-user --user-name x --pathh y")
    hints = [problem.hint for call in calls for problem in call.problems]
    assert hints == ["Did you mean create-user or get-user?", "Did you mean --path?"]


def test_values_know_their_place():
    text = (
        "aws iam create-user --user-name bob --path=/x/ --tags Key=a,Value=b "
        "--permissions-boundary 'arn:aws:iam::1:policy/x'"
    )
    (call,) = resolved(text)
    assert {name: text[offset:].split()[0] for name, offset in call.offsets.items()} == {
        "UserName": "bob",
        "Path": "/x/",
        "Tags": "Key=a,Value=b",
        "PermissionsBoundary": "'arn:aws:iam::1:policy/x'",
    }


def test_global_options_are_noted_and_without_effect():
    plain, decorated = resolved(
        "aws iam delete-user --user-name bob && aws --region x --output json iam --debug --no-paginate delete-user "
        "--query a --user-name bob --color off --no-cli-pager --cli-binary-format base64 --no-cli-auto-prompt "
        "--cli-read-timeout 0 --cli-connect-timeout 1"
    )
    assert (decorated.operation, decorated.parameters) == (plain.operation, plain.parameters)
    assert decorated.problems == ()
    assert len(decorated.notes) == 11
    assert all("no effect on a change" in note for note in decorated.notes)


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("aws iam list-users --max-items 5", "ListUsers"),
        ("aws iam get-account-summary", "GetAccountSummary"),
        ("aws iam generate-credential-report", "GenerateCredentialReport"),
        ("aws iam wait user-exists --user-name bob", "GetUser"),
    ],
)
def test_reading_commands_are_marked_and_noted(text, operation):
    (call,) = resolved(text)
    assert (call.operation, call.read_only, call.problems) == (operation, True, ())
    assert call.notes == (f"`{text}` only reads and was left out",)


def test_secrets_are_named_and_never_shown():
    text = (
        "aws iam create-login-profile --user-name bob --password 'hunter2 ł'; aws iam change-password --old-password a"
        " --new-password ''"
    )
    calls = resolved(text)
    assert [call.secrets for call in calls] == [("Password",), ("OldPassword", "NewPassword")]
    assert calls[0].parameters["Password"] == "hunter2 ł"
    problems = [problem for call in calls for problem in call.problems]
    assert [problem.message[:24] for problem in problems] == ["--password must match [\\", "--new-password must be a"]
    assert "hunter2" not in repr(calls) + describe(text, problems)


def test_a_value_that_could_be_a_joiner_is_no_guess():
    listed = resolved("aws iam untag-user --user-name bob --tag-keys a and aws iam delete-user --user-name bob")
    assert [problem.message for problem in listed[0].problems] == [
        "the following `and` could be another value of --tag-keys"
    ]
    assert resolved("aws iam untag-user --tag-keys a --user-name bob and aws iam get-user")[0].problems == ()
    assert resolved("aws iam untag-user --user-name bob --tag-keys a && aws iam get-user")[0].problems == ()
    assert resolved("aws iam untag-user --user-name bob --tag-keys a\nand aws iam get-user")[0].problems == ()
    flag = resolved("aws iam update-account-password-policy --require-symbols and aws iam get-user")
    assert [call.problems for call in flag] == [(), ()]
    scalar = resolved("aws iam create-user --user-name bob --path and aws iam get-user")
    assert [problem.message for problem in scalar[0].problems] == ["--path needs a value"]
    value = resolved("aws iam update-role --role-name r --description and")
    assert value[0].parameters["Description"] == "and"


def test_too_many_words_are_one_problem():
    (call,) = resolved("aws iam create-user " + "--user-name x " * MAX_WORDS)
    assert [problem.message for problem in call.problems] == [f"the command has more than {MAX_WORDS} words"]


@pytest.mark.parametrize("value", ["[" * 100_000, "[" * 900, '{"a":' * 5_000, "Key=" + "[" * 100_000, "1" * 5_000])
def test_deep_values_are_problems(value):
    (call,) = resolved(f"aws iam tag-user --user-name bob --tags '{value}'")
    assert len(call.problems) == 1


def test_collected_scripts_for_other_services_are_unsupported_by_name():
    for line in COLLECTED.read_text().splitlines():
        text = json.loads(line)["script"]
        script = parse(text)
        problems = [problem for command in script.commands for problem in resolve(command).problems]
        if text.startswith("aws ") and not text.startswith("aws iam "):
            services = [
                word for word in text.split() if word in ("acm", "cloudtrail", "ec2", "ecs", "eks", "elb", "kms")
            ]
            named = [problem.message for problem in problems if "is not supported" in problem.message]
            assert named, text
            assert not services or f"`aws {services[0]} " in named[0]
        elif not text.startswith("aws "):
            assert script.problems, text
            assert {problem.kind for problem in script.problems} <= {"not_aws", "unsupported"}


def test_a_thousand_vendor_scripts_take_less_than_two_seconds(at_most):
    text = (
        "aws iam create-policy --policy-name 'bob-prisma-restrictions-I-1-1' --policy-document "
        f"'{DOCUMENT}' and aws iam attach-user-policy --user-name 'bob' "
        "--policy-arn 'arn:aws:iam::123456789012:policy/bob-prisma-restrictions-I-1-1'"
    )
    resolved(text)
    with at_most(2):
        for _ in range(1000):
            resolved(text)


def test_the_users_own_models_and_environment_are_not_read(tmp_path):
    """A model in ~/.aws/models could change what a script means."""
    models = tmp_path / ".aws" / "models" / "iam" / "2010-05-08"
    models.mkdir(parents=True)
    (models / "service-2.json").write_text("not even JSON")
    root = Path(__file__).parents[5]
    program = (
        "import sys; from ansible.plugins.loader import init_plugin_loader as init; init([sys.argv[1]]);"
        "from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.resolver import resolve;"
        "from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.parser import parse;"
        "print(resolve(parse('aws iam get-user').commands[0]).operation)"
    )
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "AWS_DATA_PATH": str(tmp_path / ".aws" / "models"),
        "AWS_PROFILE": "no",
    }
    command = [sys.executable, "-c", program, str(root / "collections")]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert output.stdout.strip() == "GetUser"


# Fuzz: LEASTPRIV_FUZZ=200000 for a long run

PIECES = [
    *" \t\n\r'\"\\$`!#&;|<>(){}[]*?~=,:@%^+-./_0a\0\x1b\u00e9\u00a0\u202e\ud800\U0001f600",
    *("aws ", "iam ", "and ", " && ", "create-user ", "tag-user ", "list-users ", "wait user-exists ", "help "),
    *("--user-name ", "--tags ", "Key=a,Value=b ", "--password ", "--", "--region ", "--query ", "--max-items "),
    *("file://", "gcloud ", "\\\n", "${x}", "<y>", "$(", "for ", "&>", "<<", "'{}' ", '"Password":"', "Key=[{"),
    *('[{"Key":"a"}] ', "--cli-input-json "),
]


def fuzzed(chance, seeds):
    if chance.random() < 0.4:
        return "aws iam " * (chance.random() < 0.5) + "".join(
            chance.choice(PIECES) for _ in range(chance.randint(0, 40))
        )
    text = chance.choice(seeds)
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(text))
        text = text[:at] + chance.choice([*PIECES, ""]) + text[at + chance.choice([0, 0, 1, 1, 5]) :]
    return text


def test_no_text_is_an_error():
    chance = random.Random(20261124)
    seeds = [*ACCEPTED, *REJECTED, *(json.loads(line)["script"] for line in COLLECTED.read_text().splitlines())]
    for _ in range(FUZZ):
        text = fuzzed(chance, seeds)
        script = parse(text)
        calls = [resolve(command) for command in script.commands]
        problems = [*script.problems, *(problem for call in calls for problem in call.problems)]
        shown = describe(text, problems)
        assert bool(shown) == bool(problems)
        assert all(0 <= problem.offset <= len(text) and problem.length > 0 for problem in problems)
        assert all(problem.kind in ("unsupported", "refused", "not_aws") for problem in problems)
        assert all(line.isprintable() for line in shown.split("\n")), shown
