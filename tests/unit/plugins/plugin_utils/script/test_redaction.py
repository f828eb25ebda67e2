# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is masked in a script, whatever the script is."""

from __future__ import annotations

from itertools import pairwise

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import is_secret_name, redact, secret_spans
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.service import iam

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
