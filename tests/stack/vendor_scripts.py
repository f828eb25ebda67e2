# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any number of scripts as the vendor writes them: all that varies, varied; the same ones at every call."""

from __future__ import annotations

import json
import random
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

KINDS = ("user", "role", "group")
JOINERS = (" && ", "; ", "\n", " and ", " && \\\n  ")
NAMES = ("alice", "bob.o+b=x,y", "svc_build@corp-1", "CI", "A", "0", "_", "x" * 40, "-dash", "a.b.c")
PATHS = ("/", "/people/", "/a/b-c/d_e/", "/service-role/")
ACTIONS = (
    *("s3:DeleteBucket", "s3:Get*", "s3:*", "iam:*Key", "iam:CreateAccessKey", "iam:Update*Policy", "sts:AssumeRole"),
    *(
        "ec2:RunInstances",
        "ec2:Describe*Instances?",
        "dynamodb:PartiQLSelect",
        "execute-api:Invoke",
        "aws-portal:View*",
    ),
    *("aws-portal:View*", "sqs:DeleteQueue", "kms:Decrypt", "lambda:InvokeFunction", "es:ESHttp*", "a4b:Search*", "*"),
)
RESOURCES = (
    *(
        "*",
        "arn:aws:s3:::bucket",
        "arn:aws:s3:::bucket/${aws:username}/*",
        "arn:aws:iam::{0}:user/x",
        "arn:aws:*:*:*:*",
    ),
    *("arn:aws:*:*:*:*", "arn:aws:iam::*:role/*", "arn:aws:sqs:us-east-1:{0}:queue", "arn:*:s3:::b*"),
    *("arn:aws:ec2:eu-west-1:{0}:instance/i-0", "arn:aws:kms:*:{0}:key/1-2", "arn:aws:dynamodb:*:{0}:table/t/index/*"),
    *(
        "arn:aws:apigateway:us-east-1::/restapis/*",
        "arn:aws:logs:*:{0}:log-group:/aws/*:*",
        "arn:aws:route53:::hostedzone/Z",
    ),
    *("arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::{0}:role/aws-service-role/x.amazonaws.com/Y"),
)
CONDITIONS: tuple[dict[str, Any], ...] = (
    {"StringNotEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-central-1"]}},
    {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
    {"Bool": {"aws:SecureTransport": False}},
    {"NumericGreaterThan": {"s3:max-keys": 10}},
    {"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}},
    {
        "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::{0}:role/*"},
        "IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::1/128"]},
    },
    {"ForAnyValue:StringLike": {"aws:TagKeys": ["cost-*", 'it\'s "quoted"', "${aws:PrincipalTag/team}", "ü"]}},
)


@dataclass(frozen=True)
class VendorScript:
    """A script, and the principal that it is about."""

    kind: str
    name: str
    text: str


def vendor_scripts(account_id: str, count: int) -> list[VendorScript]:
    chance = random.Random(20261126)
    return [_script(chance, account_id, number) for number in range(count)]


def _script(chance: random.Random, account_id: str, number: int) -> VendorScript:
    kind = KINDS[number % len(KINDS)]
    # Numbered, so that no two are of one principal.
    name = f"{chance.choice(NAMES)}{number}"
    path = chance.choice(PATHS)
    commands = [
        command
        for chunk in range(1, chance.randint(1, 3) + 1)
        for command in _pair(chance, account_id, kind, name, path, f"{name}-prisma-restrictions-I-{number}-{chunk}")
    ]
    text = JOINERS[number % len(JOINERS)].join(commands) + chance.choice(["", "\n", ";"])
    return VendorScript(kind, name, text)


def _pair(chance: random.Random, account_id: str, kind: str, name: str, path: str, policy: str) -> Iterator[str]:
    document = json.dumps(
        _document(chance, account_id),
        separators=chance.choice([(",", ":"), (", ", ": ")]),
        indent=chance.choice([None, None, 2]),
        ensure_ascii=chance.random() < 0.5,
    )
    quoted = chance.choice(
        [shlex.quote, lambda text: text if "'" not in text and text.isalnum() else shlex.quote(text)]
    )
    where = "" if path == "/" else f" --path {quoted(path)}"
    yield f"aws iam create-policy --policy-name={quoted(policy)}{where} --policy-document {shlex.quote(document)}"
    # A name may begin with a hyphen, which the CLI takes for an option unless it is written so.
    yield f"aws iam attach-{kind}-policy --{kind}-name={quoted(name)} " + (
        f"--policy-arn {quoted(f'arn:aws:iam::{account_id}:policy{path}{policy}')}"
    )


def _document(chance: random.Random, account_id: str) -> dict[str, Any]:
    found = [_statement(chance, account_id, number) for number in range(chance.randint(1, 3))]
    one = found[0] if len(found) == 1 and chance.random() < 0.3 else found
    return {"Version": "2012-10-17", **({"Id": "restrict"} if chance.random() < 0.1 else {}), "Statement": one}


def _statement(chance: random.Random, account_id: str, number: int) -> dict[str, Any]:
    actions = chance.sample(ACTIONS, chance.randint(1, 6))
    resources = [one.replace("{0}", account_id) for one in chance.sample(RESOURCES, chance.randint(1, 4))]
    statement: dict[str, Any] = {
        "Effect": "Deny",
        chance.choice(["Action", "Action", "Action", "NotAction"]): actions[0] if len(actions) == 1 else actions,
        chance.choice(["Resource", "Resource", "NotResource"]): resources[0] if len(resources) == 1 else resources,
    }
    if chance.random() < 0.5:
        statement["Sid"] = f"Restrict{number}"
    if chance.random() < 0.4:
        statement["Condition"] = json.loads(json.dumps(chance.choice(CONDITIONS)).replace("{0}", account_id))
    return statement
