# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is masked in a script, whatever the script is."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import (
    is_secret_name,
    redact,
    redact_all,
    secret_spans,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.service import iam
from scale import scaled, takes_less
from stack.vendor_scripts import vendor_scripts

FIXTURES = Path(__file__).parents[4] / "fixtures"
# Made up, in the shape of the real ones; written in pieces, so that no scanner of repositories takes them for such.
AWS_SECRET = "wJalrXUtnFEMI" + "/K7MDENG/bPxRfiCYEXAMPLEKEY"
ODD_SECRET = "aB3dE6gH9jK2mN5p" + "Q8sT1vW4yZ7bC0eF3hI6kL9o"
PLAIN_SECRET = "abcdefghijklmnopqrst" + "ABCDEFGHIJKLMNOPQRST"
KEY_ID = "AKIA" + "IOSFODNN7EXAMPLE"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dGhlLXNpZ25hdHVyZQ"
GITHUB = "ghp" + "_0123456789abcdefABCDEF0123456789abcd"
SLACK = "xoxb" + "-123456789012-abcdefGHIJKL"
SESSION = "IQoJb3JpZ2lu" + "X2VjEAAaCXVzLWVhc3QtMSJHMEUCIQ/abc+def=="
PEM = "MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7"

MASKED = [
    "aws iam create-login-profile --user-name bob --password [hunter2]",
    "aws iam create-login-profile --password=[hunter2] --user-name bob",
    "aws iam create-login-profile --password '[hunter 2]' --user-name bob",
    'aws iam create-login-profile --password "[hun\\"ter 2]" --user-name bob',
    "aws iam create-login-profile --password [hunter] [2] --user-name bob",
    "aws iam create-login-profile --password \\\n [hunter2] --user-name bob",
    "aws iam create-login-profile '--password' [hunter2]",
    "aws iam create-login-profile --pass\\word [hunter2]",
    'aws iam create-login-profile --pass"word" [hunter2]',
    "aws iam create-login-profile --passw [hunter2]",
    "aws iam create-login-profile --pasword-x --passwrd [hunter2]",
    "aws iam create-login-profile --password [hunter2;] aws iam get-user --user-name bob",
    "aws iam create-login-profile --password [hunter2] && aws iam get-user --user-name bob",
    "aws iam create-login-profile --password [hunter2]\naws iam get-user --user-name bob",
    "aws iam create-login-profile --password [hun&ter|2>x] --user-name bob",
    "aws iam create-login-profile --password '[never closed",
    'aws iam create-login-profile --password "[never closed',
    "aws iam change-password --old-password [a] --new-password [b]",
    "aws iam change-password --ol [a] --new [b]",
    "aws iam upload-server-certificate --private-key '[-----BEGIN\nx]' --path /x/",
    "aws iam update-saml-provider --add-private-key [x]",
    "aws iam enable-mfa-device --authentication-code1 [123456] --authentication-code-2 [654321]",
    "aws rds modify-db-instance --master-user-password [x] --apply-immediately",
    "aws secretsmanager put-secret-value --secret-string [x]",
    "AWS_SECRET_ACCESS_KEY=[x/y+z] AWS_SESSION_TOKEN=[t] aws iam get-user",
    'aws iam create-login-profile --cli-input-json \'{"UserName":"bob","Password":"[hunter2]"}\'',
    'aws iam create-login-profile --cli-input-json "{\\"Password\\" : \\"[hun\\\\\\"ter2]\\", \\"UserName\\":\\"b\\"}"',
    "aws x --config UserName=bob,Password=[hunter2],Other=1",
    "aws x --config 'Password=\"[hunter 2]\",Other=1'",
    'not a script: "password": "[x]" \'unclosed',
]

SHOWN = [
    "create-access-key: it makes a secret",
    "Step 1 of 2, update-access-key: The user with name x cannot be found.",
    "aws iam update-account-password-policy --minimum-password-length 14 --max-password-age 90",
    "aws iam update-account-password-policy --allow-users-to-change-password --password-reuse-prevention 24",
    "aws iam create-login-profile --no-password-reset-required --user-name bob",
    "aws iam update-account-password-policy --no-allow-users-to-change-password --hard-expiry",
    "aws iam create-user --user-name password",
    "aws iam create-user --path /secret/ --user-name bob",
    'aws iam put-user-policy --policy-document \'{"Condition":{"Null":{"aws:TokenIssueTime":"true"}}}\'',
    'aws iam put-user-policy --policy-document \'{"Action":["iam:UpdateLoginProfile","secretsmanager:GetSecret"]}\'',
    'aws iam put-user-policy --policy-document \'{"StringEquals":{"aws:ResourceTag/secret":"x"}}\'',
    "aws iam set-security-token-service-preferences --global-endpoint-token-version v2Token",
    "aws iam tag-user --tags Key=password,Value=x",
    "",
    "'",
    '"',
    "\\",
]


# Known by what stands around them, or by what they look like.
SHAPED = [
    "aws configure set aws_secret_access_key [hunter2]",
    "aws configure set aws_session_token [hunter2] --profile other",
    "aws configure set --profile other aws_secret_access_key [hunter2]",
    "aws configure set profile.other.aws_secret_access_key [hunter2]",
    "aws configure set \\\n aws_secret_access_key \\\n [hunter2]",
    "npm config set //registry.example/:_authToken [hunter2]",
    "export GITHUB_TOKEN=[hunter2]",
    "export GITHUB_TOKEN=['hunter 2';] aws iam get-user",
    "DB_PASS=[hunter2] PGPASSWORD=[a,b] psql",
    "API_KEY=[hunter2] ./run && export CLIENT_SECRET=[x]",
    "echo ${GITHUB_TOKEN:-[hunter2]}",
    "$env:GITHUB_TOKEN = ['hunter2']",
    "setx GITHUB_TOKEN [hunter2]",
    "curl -H 'Authorization: [Bearer hunter2]' https://api.example/x",
    'curl -H "Authorization: [Basic aHVudGVyMg==]" https://api.example/x',
    "Authorization: [Digest username=ann, response=6629fae49393a05397450978507c4ef1]\nAccept: text/plain",
    "proxy-authorization: [Negotiate x]",
    '{"headers": {"Authorization": "[Bearer hunter2]", "Accept": "x"}}',
    "{'Authorization': '[Bearer hunter2]'}",
    '"{\\"x-redlock-auth\\": \\"[hunter2]\\"}"',
    "curl -H x-redlock-auth:[hunter2]",
    "curl -H 'x-redlock-auth: [hunter2]' https://api.example/x",
    "X-Amz-Security-Token: [hunter2]",
    "Set-Cookie: [session=1; Path=/]",
    "PRIVATE-TOKEN: [hunter2]",
    "git clone https://ann:[hunter2]@git.example/x",
    "git clone https://ann:[hun/ter@2]@git.example/x",
    "git clone https://[hunter2hunter2]@git.example/x",
    "postgres://ann:[hunter2]@db.example:5432/x",
    "curl -u ann:[hunter2] https://api.example",
    "curl -sSu 'ann:[hunter 2]' https://api.example",
    "curl --user ann:[hunter2] https://api.example",
    "curl --user=ann:[hunter2] --proxy-user bob:[hunter3] https://api.example",
    "curl --oauth2-bearer [hunter2] --location https://api.example",
    "curl -d 'grant_type=password&client_secret=[hunter2]' https://api.example",
    "sshpass -p [hunter2] ssh host",
    "docker login registry.example -u ann -p [hunter2]",
    "mysql -u root -p[hunter2] db",
    "redis-cli -h host -a [hunter2] ping",
    "openssl rsa -passin pass:[hunter2]",
    "machine host login ann password [hunter2]",
    "tool --token [hunter2] --api-key=[hunter3]",
    "password: [hunter 2]",
    "password: [|]\n  [hunter 2]\n  [hunter 3]\nuser: ann",
    "<password>[hunter2]</password><user>ann</user>",
    "{'password': u'[hunter2]'}",
    '"password" => "[hunter2]"',
    "password%3D[hunter2]",
    "java -token [hunter2]",
    "it was sent as Bearer [hunter2hunter2hunter2]",
    "echo ann:[hunter2] | chpasswd".replace("ann:[", "[ann:").replace("] |", " ]|"),
    "aws ssm put-parameter --name x --type SecureString --value [hunter2]",
    "vault login [hunter2]",
    f"-----BEGIN RSA PRIVATE\\nKEY[-----\\n{PEM}\\n]-----END RSA PRIVATE KEY-----",
    "  - password: [hunter 2]\n    user: ann",
    "the call with password=[hunter2,] user=ann failed",
    "login failed (password: [hunter2)] for ann",
    '{"password": [12345], "user": "ann"}',
    '{"clientSecret": "[hunter2]", "apiKey":"[x]", "auth": "[y]"}',
    f"the secret is [{AWS_SECRET}].",
    f"the secret is '[{ODD_SECRET}]'",
    f"{KEY_ID} [{PLAIN_SECRET}]",
    f"Access key ID,Secret access key\n{KEY_ID},[{PLAIN_SECRET}]",
    f"aws configure set aws_access_key_id {KEY_ID} && aws configure set aws_secret_access_key [x]",
    f"echo [{SESSION}]",
    f"token [{JWT}] was refused",
    f"echo [{GITHUB}] | docker login --password-stdin",
    f"echo [{SLACK}]",
    "echo [glpat" + "-0123456789abcdefghij]",
    "https://hooks.slack.com/services/[T000/B000/hunter2]",
    "https://b.s3.amazonaws.com/k?X-Amz-Credential=[AKIA/1/s3]&X-Amz-Date=1&X-Amz-Signature=[0a1b]&X-Amz-SignedHeaders=host",
    "https://b.s3.amazonaws.com/k?X-Amz-Security-Token=[a%2Fb]&x=1",
    "https://b.blob.core.windows.net/k?sv=1&sig=[a%2Fb]&x=1",
    f"-----BEGIN RSA PRIVATE KEY[-----\n{PEM}\n{PEM}\n]-----END RSA PRIVATE KEY-----\naws iam get-user",
    f"'-----BEGIN PRIVATE KEY[-----\\n{PEM}\\n]-----END PRIVATE KEY-----\\n'",
    f"-----BEGIN OPENSSH PRIVATE KEY[-----{PEM}\\\n{PEM}]-----END OPENSSH PRIVATE KEY-----",
    f"-----BEGIN ENCRYPTED PRIVATE KEY[----- {PEM} and never an end]",
    f"-----BEGIN PGP PRIVATE KEY BLOCK[-----\n{PEM}\n]-----END PGP PRIVATE KEY BLOCK-----",
]

SHAPED += [
    "SSHPASS=[hunter2] sshpass -e ssh host",
    "it was sent as Basic [YWRtaW46aHVudGVyMg==]",
    "aws sts assume-role-with-saml --saml-assertion [PHNhbWxwOlJlc3BvbnNl]",
    "curl -d SAMLResponse=[PHNhbWxwOlJlc3BvbnNl] https://idp.example",
    "https -a ann:[hunter2] https://api.example/x",
    "curl -s -b 'session=[hunter2]' https://api.example/x".replace("]'", "']"),
    "curl --cookie session=[hunter2] https://api.example/x",
    "mongosh -u ann -p [hunter2] --port 1",
    "useradd -p [hunter2] bob",
    "unzip -P [hunter2] a.zip",
    "sqlcmd -S host -U sa -P [hunter2] -Q x",
    "7z x -p[hunter2] a.7z",
    "ssh-keygen -t ed25519 -N ['hunter2'] -f key",
    "openssl enc -aes-256-cbc -k [hunter2] -in x",
    "snmpwalk -v2c -c [hunter2] host",
    "smbclient -U ann%[hunter2] //host/share",
    'chpasswd <<< ["bob:hunter2"]',
    'ConvertTo-SecureString ["hunter2"] -AsPlainText -Force',
    "kubectl create secret generic x --from-literal=db=[hunter2]",
    "//registry.example/:_authToken=[hunter2]",
    "the password for bob is [hunter2]",
    "https://hooks.zapier.com/hooks/[catch/1/hunter2]",
    "https://outlook.office.com/webhook/[hunter2/y]",
    "https://api.telegram.org/[bot1:hunter2/sendMessage]",
    "echo [GOCSPX" + "-0123456789abcdefghijklmnop]",
    "echo [1//0" + "gABCDEFGHIJKLMNOPQRSTUVWXYZ]",
    "echo [AGE-SECRET" + "-KEY-1" + "Q" * 58 + "]",
    "echo [abc8Q" + "~0123456789abcdefghijklmnopqrstuvwx]",
]

# What vendors, AWS and reports are full of.
NO_SECRETS = [
    "aws iam attach-user-policy --user-name x --policy-arn arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser",
    "arn:aws:iam::123456789012:user/EngineeringTeam01/JohnDoeJohnDoe12x",
    "arn:aws:iam::123456789012:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_DynamoDBTable",
    "An error occurred (ExpiredToken) when calling the ListUsers operation: The security token included is expired",
    "ExpiredToken: The security token included in the request is expired",
    "An error occurred (AccessDenied): User: arn:aws:iam::1:user/x is not authorized to perform: iam:CreateUser",
    "request id 6c5b1a7e-3f4d-4b7e-9d0c-1a2b3c4d5e6f, host id a=",
    "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "--thumbprint-list 990F4193972F2BECF12DDEDA5237F9C952F20D9E",
    "commit 3a5f94b1c0ffee3a5f94b1c0ffee3a5f94b1c0ff",
    "aws iam delete-access-key --user-name bob --access-key-id AKIAIOSFODNN7EXAMPLE",
    "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
    "secret: AKIAIOSFODNN7EXAMPLE",
    "-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn\n-----END PUBLIC KEY-----",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDZ3VS5JJcds3xfnygWyF8PbnGy0AHB7 ann@host",
    "https://api.example:8443/path@x and https://user.example/a:b@c",
    "aws iam list-users --starting-token abc --max-items 5",
    "docker run --user-name x; chown ann:staff file",
    '{"Version":"2012-10-17","Statement":[{"Sid":"DenyTokens","Effect":"Deny","Action":"sts:*","Resource":"*"}]}',
    '{"Condition":{"StringEquals":{"s3:x-amz-server-side-encryption":"aws:kms"},"Null":{"sts:ExternalId":"true"}}}',
    "guardrail keep_deny: it removes one; see docs/guardrails.md",
    "glue-service-role-in-production and sk-prod-some-policy-name-that-is-long-enough",
    "PWD=/home/ann make",
    "remove_password: true",
    "Basic permissions, basic authentication and the basic policy",
    "the password is required, and the secret is gone: a new one has to be made",
    "the password of bob was changed on Monday",
    "https://example.com/x -p 5 and zip -r a.zip folder",
]


@pytest.mark.parametrize("marked", SHAPED)
def test_secrets_are_masked_by_what_they_look_like(marked):
    assert redact(plain(marked)) == masked_by_marks(marked)


@pytest.mark.parametrize("text", NO_SECRETS)
def test_what_only_resembles_a_secret_is_shown(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    "word", ["gh'p_'" + GITHUB[4:], 'g"hp"_' + GITHUB[4:], "ghp\\_" + GITHUB[4:], "$'ghp_'" + GITHUB[4:]]
)
def test_a_secret_that_quotes_cut_in_pieces_is_masked(word):
    assert redact(f"echo {word} done") == f"echo {'*' * len(word)} done"


@pytest.mark.parametrize(
    "text", [plain_text for plain_text in map(lambda m: m.replace("[", "").replace("]", ""), SHAPED)]
)
def test_masking_twice_changes_nothing(text):
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("text", [m.replace("[", "").replace("]", "") for m in (*MASKED, *SHAPED)])
def test_a_masked_script_still_counts_as_one_with_a_secret(text):
    """Scripts are masked where they are received, and refused where they are translated."""
    assert secret_spans(redact(text))


def test_nothing_of_the_vendors_scripts_is_masked():
    scripts = [script.text for script in vendor_scripts("123456789012", scaled(300, 1000))]
    assert [text for text in scripts if secret_spans(text)] == []


def test_nothing_of_the_golden_steps_and_the_collected_scripts_is_masked():
    with open(FIXTURES / "scripts" / "collected.jsonl") as collected:
        texts = [json.loads(line)["script"] for line in collected]
    texts += [path.read_text() for path in (FIXTURES / "steps").glob("*.yml")]
    assert len(texts) > 100
    assert [text for text in texts if secret_spans(text)] == []


# What a pattern could be made to begin at each place again, or to take back character by character.
HOSTILE = (
    *(
        "-----BEGIN PRIVATE KEY",
        "-----BEGIN ",
        "eyJ",
        "eyJ-",
        "eyJaaaaaaa.",
        "sk-",
        "sk-A1",
        "://a:",
        "://",
        "https://",
    ),
    *(
        "authorization:",
        "x-",
        "x-auth: ",
        "-u a:",
        "-u ",
        "--user 'a:",
        "sshpass ",
        "echo ",
        "echo a|",
        "<a>",
        "<a ",
        "docker login ",
        "curl a -",
        "https ",
        "snmpwalk ",
        "chpasswd <<<",
        "Basic a",
        "password for ",
        "secret is a",
        "mysql -",
        "set ",
    ),
    *(
        "set -a ",
        "set --a b ",
        "password=",
        "password: ",
        "'password':",
        "\\'",
        "'",
        '"',
        "\\",
        "a",
        "a.b-",
        "login a ",
    ),
    *("pass:", "AKIA", "/", "?token=", "--", "--password ", "$env:", " ", "\n", "{'", ":", "a=", "ldapa ", "ghp_"),
    *(KEY_ID + " ", PLAIN_SECRET + " ", AWS_SECRET + " ", "aws_secret_access_key ", "X-Amz-Signature=", "token: \n"),
)


@pytest.mark.parametrize("fragment", HOSTILE)
def test_the_time_grows_with_the_length_and_no_faster(fragment):
    """Half a second of processor time for 64 KiB is many times what is needed; a square of it would be minutes."""
    text = fragment * (65_536 // len(fragment))
    assert takes_less(2, lambda: redact(text))


def test_texts_are_masked_at_any_depth_and_by_the_name_of_their_key():
    given = {"a": ["--password x", {"password": "x y", "n": 1}], "MaxPasswordAge": 90, "ok": (None, "shown")}
    assert redact_all(given) == {
        "a": ["--password *", {"password": "* *", "n": 1}],
        "MaxPasswordAge": 90,
        "ok": [None, "shown"],
    }


def masked_by_marks(marked: str) -> str:
    pieces = marked.replace("[", "]").split("]")
    return "".join(
        "".join(char if char.isspace() else "*" for char in piece) if number % 2 else piece
        for number, piece in enumerate(pieces)
    )


def plain(marked: str) -> str:
    return marked.replace("[", "").replace("]", "")


@pytest.mark.parametrize("marked", MASKED)
def test_secret_values_are_masked(marked):
    pieces = marked.replace("[", "]").split("]")
    secrets = "".join(pieces[1::2])
    masked = redact(plain(marked))
    assert len(masked) == len(plain(marked))
    assert masked.count("\n") == marked.count("\n")
    kept = [piece for piece in pieces[0::2] if piece.strip("'\" \\")]
    assert [piece.strip("'\"") in masked for piece in kept] == [True] * len(kept)
    at = 0
    for number, piece in enumerate(pieces):
        if number % 2:
            assert set(masked[at : at + len(piece)]) <= set("* \n\t"), masked
        at += len(piece)
    assert secrets


@pytest.mark.parametrize("text", [text for text in SHOWN])
def test_what_is_no_secret_is_shown(text):
    assert secret_spans(text) == []
    assert redact(text) == text


def test_spans_are_in_order_and_apart():
    text = '--password \'a\' {"Password":"b"} --secret-key Password=c && x --old-password=d'
    spans = secret_spans(text)
    assert spans == sorted(spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_everything_that_the_model_marks_as_sensitive_is_known():
    """By the name of the option, and by the name of the member."""
    service = iam()
    sensitive = {
        (option.name, option.member)
        for operation in service.commands.values()
        for option in operation.options.values()
        if option.shape and service.shapes[option.shape].get("sensitive")
    }
    assert len(sensitive) >= 5
    assert [names for names in sensitive if not (is_secret_name(f"--{names[0]}") and is_secret_name(names[1]))] == []


def test_no_other_option_of_iam_is_taken_for_a_secret():
    service = iam()
    taken = {
        option.name
        for operation in service.commands.values()
        for option in operation.options.values()
        if option.shape and not service.shapes[option.shape].get("sensitive") and is_secret_name(f"--{option.name}")
    }
    assert taken == {
        "authentication-code1",
        "authentication-code2",
        "authentication-code-1",
        "authentication-code-2",
    }
