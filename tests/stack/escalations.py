# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The escalation attempts of tests/fixtures/guardrails/, and an account in which they would be worth while."""

from __future__ import annotations

import functools
import json
from typing import Any

import yaml

from .furnishing import furnish_providers
from .process import ROOT, Stack
from .seed import TRUST_DOCUMENT, seed

ATTEMPTS = ROOT / "tests" / "fixtures" / "guardrails" / "escalations.yml"
OTHER_ACCOUNT = "210987654321"
AWS_MANAGED = "arn:aws:iam::aws:policy/"
PROTECTED = [
    {"arn": "arn:aws:iam::*:user/break-glass-*", "owner": "sre", "reason": "emergency access"},
    {"arn": "arn:aws:iam::*:user/ROOT-admin", "owner": "sre", "reason": "emergency access"},
    {"arn": "arn:aws:iam::*:role/build/*", "owner": "build team", "reason": "deploys everything"},
    {"arn": "arn:aws:iam::*:group/seniors", "owner": "hr", "reason": "they repair the rest"},
]
# What a run depends on: two identities of the account itself, and one of another account that must not count here.
RUNNERS = ("arn:aws:iam::{0}:user/base", "arn:aws:iam::{0}:role/path/hub", f"arn:aws:iam::{OTHER_ACCOUNT}:user/alice")
STRICT_PASSWORDS = {
    "MinimumPasswordLength": 14,
    "RequireSymbols": True,
    "RequireNumbers": True,
    "RequireUppercaseCharacters": True,
    "RequireLowercaseCharacters": True,
    "MaxPasswordAge": 90,
    "PasswordReusePrevention": 24,
    "HardExpiry": True,
}


def document(effect: str, action: str = "sqs:*", resource: str = "*") -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


DENY, ALLOW, GUARD = (
    document("Deny"),
    document("Allow"),
    document("Deny", "s3:*", "arn:aws:s3:::home/${aws:username}/*"),
)
MIXED = json.dumps({**json.loads(DENY), "Statement": [json.loads(one)["Statement"][0] for one in (DENY, ALLOW)]})


def attempts(account_id: str) -> list[dict[str, Any]]:
    """The attempts with their scripts as they are sent to an account."""
    meant = {
        "@ACCOUNT@": account_id,
        "@OTHER@": OTHER_ACCOUNT,
        "@DENY@": DENY,
        "@ALLOW@": ALLOW,
        "@HUGE@": "1" * 5000,
        "@LONG@": "a" * 5000,
    }
    return [{**one, "script": _filled(one["script"], meant)} for one in _attempts()]


@functools.cache
def _attempts() -> list[dict[str, Any]]:
    return yaml.safe_load(ATTEMPTS.read_text())


def _filled(script: str, meant: dict[str, str]) -> str:
    for mark, text in meant.items():
        script = script.replace(mark, text)
    return script


def furnish(stack: Stack, account: str) -> None:
    """Make what the attempts are after."""
    iam = stack.client("iam", account)
    seed(
        stack,
        account,
        users=["alice", "bob", "break-glass-1", "Root-Admin", "deployer", "base"],
        groups=["admins", "restricted", "quarantine", "idle", "deployers", "seniors", "bases"],
        roles=["ci", "runner", "hub"],
    )
    kept = [{"Effect": effect, "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"} for effect in ("Allow", "Deny")]
    iam.create_role(RoleName="kept", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": kept}))
    iam.create_role(RoleName="deploys", Path="/build/", AssumeRolePolicyDocument=json.dumps(TRUST_DOCUMENT))
    policies = {"denies": DENY, "guards": GUARD, "allows": ALLOW, "mixed": MIXED, "versions": ALLOW}
    arns = {
        name: iam.create_policy(PolicyName=name, PolicyDocument=text)["Policy"]["Arn"]
        for name, text in policies.items()
    }
    iam.create_policy_version(PolicyArn=arns["versions"], PolicyDocument=DENY, SetAsDefault=True)
    _allow_the_protected(iam)
    _fill_groups(iam, arns)
    _fill_principals(iam, arns)
    for profile, role in (("box", "deploys"), ("empty", None)):
        iam.create_instance_profile(InstanceProfileName=profile)
        if role:
            iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=role)
    iam.update_account_password_policy(**STRICT_PASSWORDS)
    iam.set_security_token_service_preferences(GlobalEndpointTokenVersion="v2Token")
    iam.enable_outbound_web_identity_federation()
    furnish_providers(iam)


def _allow_the_protected(iam: Any) -> None:
    """Three policies that allow, by a user, a group and a boundary; an older version of each denies."""
    arns = {}
    for name in ("crew", "shared", "bounds"):
        arns[name] = iam.create_policy(PolicyName=name, PolicyDocument=DENY)["Policy"]["Arn"]
        iam.create_policy_version(PolicyArn=arns[name], PolicyDocument=ALLOW, SetAsDefault=True)
    iam.attach_user_policy(UserName="Root-Admin", PolicyArn=arns["crew"])
    iam.attach_group_policy(GroupName="admins", PolicyArn=arns["shared"])
    iam.put_role_permissions_boundary(RoleName="deploys", PermissionsBoundary=arns["bounds"])


def _fill_groups(iam: Any, arns: dict[str, str]) -> None:
    for group, user in (
        ("admins", "break-glass-1"),
        ("restricted", "alice"),
        ("quarantine", "alice"),
        ("deployers", "deployer"),
        ("seniors", "alice"),
        ("bases", "base"),
    ):
        iam.add_user_to_group(GroupName=group, UserName=user)
    iam.attach_group_policy(GroupName="restricted", PolicyArn=arns["denies"])
    iam.attach_group_policy(GroupName="admins", PolicyArn=f"{AWS_MANAGED}AdministratorAccess")
    iam.attach_group_policy(GroupName="deployers", PolicyArn=f"{AWS_MANAGED}IAMFullAccess")
    iam.put_group_policy(GroupName="quarantine", PolicyName="guard", PolicyDocument=GUARD)
    iam.put_group_policy(GroupName="admins", PolicyName="opens", PolicyDocument=ALLOW)


def _fill_principals(iam: Any, arns: dict[str, str]) -> None:
    iam.attach_user_policy(UserName="bob", PolicyArn=arns["denies"])
    iam.attach_user_policy(UserName="bob", PolicyArn=arns["versions"])
    iam.attach_user_policy(UserName="bob", PolicyArn=f"{AWS_MANAGED}AWSCompromisedKeyQuarantineV2")
    iam.attach_user_policy(UserName="break-glass-1", PolicyArn=f"{AWS_MANAGED}AdministratorAccess")
    iam.attach_role_policy(RoleName="ci", PolicyArn=arns["mixed"])
    iam.put_user_policy(UserName="bob", PolicyName="guard", PolicyDocument=GUARD)
    iam.put_role_policy(RoleName="ci", PolicyName="guard", PolicyDocument=GUARD)
    iam.put_user_permissions_boundary(UserName="bob", PermissionsBoundary=arns["guards"])
    iam.put_role_permissions_boundary(RoleName="ci", PermissionsBoundary=arns["guards"])
    for user in ("bob", "break-glass-1"):
        iam.create_login_profile(UserName=user, Password="emulated-Passw0rd")
    iam.tag_user(UserName="bob", Tags=[{"Key": "team", "Value": "red"}])
