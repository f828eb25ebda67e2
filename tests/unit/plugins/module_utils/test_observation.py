# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observers against the emulator: every kind of step as needed, already true, in conflict, and refused."""

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails import Refusal
from ansible_collections.leastpriv.iam.plugins.module_utils.iam_account import IamAccount
from ansible_collections.leastpriv.iam.plugins.module_utils.observation import OBSERVERS, Conflict, Script, observe
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import STEPS

ACCOUNT = "payments"
DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]})
DENY_MORE = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]})
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


@pytest.fixture
def iam(stack):
    """An account with a bit of everything."""
    client = stack.client("iam", ACCOUNT)
    client.create_user(UserName="bob", Tags=[{"Key": "team", "Value": "red"}])
    client.create_group(GroupName="staff")
    client.create_group(GroupName="idle")
    client.create_role(RoleName="ci", AssumeRolePolicyDocument=TRUST, Description="builds", MaxSessionDuration=7200)
    for name, document in (("denies", DENY), ("allows", ALLOW)):
        client.create_policy(PolicyName=name, PolicyDocument=document)
    client.add_user_to_group(GroupName="staff", UserName="bob")
    client.attach_user_policy(UserName="bob", PolicyArn=arn(stack, "allows"))
    client.attach_role_policy(RoleName="ci", PolicyArn=arn(stack, "denies"))
    client.put_user_policy(UserName="bob", PolicyName="kept", PolicyDocument=DENY)
    client.put_role_policy(RoleName="ci", PolicyName="open", PolicyDocument=ALLOW)
    client.create_login_profile(UserName="bob", Password="emulated-Passw0rd")
    client.create_instance_profile(InstanceProfileName="box")
    client.add_role_to_instance_profile(InstanceProfileName="box", RoleName="ci")
    client.put_role_permissions_boundary(RoleName="ci", PermissionsBoundary=arn(stack, "allows"))
    return client


def arn(stack, name):
    return f"arn:aws:iam::{stack.account_id(ACCOUNT)}:policy/{name}"


def a_script(stack, iam, allow=(), pending=None):
    return Script(IamAccount(iam), stack.account_id(ACCOUNT), "aws", allow, {} if pending is None else pending)


def a_step(stack, operation, parameters):
    filled = {
        name: value.format(arn=arn(stack, "").rstrip("/")) if isinstance(value, str) and "{arn}" in value else value
        for name, value in parameters.items()
    }
    return {"operation": operation, "parameters": filled, "module": "the module"}


BOB, CI, STAFF, BOX = {"UserName": "bob"}, {"RoleName": "ci"}, {"GroupName": "staff"}, {"InstanceProfileName": "box"}
NOBODY = {"UserName": "nobody"}
POLICY = {"PolicyName": "denies", "PolicyDocument": DENY}
PASSWORDS = {"MinimumPasswordLength": 14, "RequireSymbols": True, "MaxPasswordAge": 90}

NEEDED = [
    ("CreatePolicy", {"PolicyName": "new", "PolicyDocument": DENY}),
    ("AttachUserPolicy", {**BOB, "PolicyArn": "{arn}/denies"}),
    ("AttachGroupPolicy", {**STAFF, "PolicyArn": "{arn}/denies"}),
    ("DetachUserPolicy", {**BOB, "PolicyArn": "{arn}/allows"}),
    ("PutUserPolicy", {**BOB, "PolicyName": "new", "PolicyDocument": DENY}),
    ("PutRolePolicy", {**CI, "PolicyName": "open", "PolicyDocument": DENY}),
    ("DeleteRolePolicy", {**CI, "PolicyName": "open"}),
    ("PutUserPermissionsBoundary", {**BOB, "PermissionsBoundary": "{arn}/denies"}),
    ("DeleteRolePermissionsBoundary", CI),
    ("TagUser", {**BOB, "Tags": [{"Key": "team", "Value": "blue"}]}),
    ("UpdateAssumeRolePolicy", {**CI, "PolicyDocument": DENY}),
    ("UpdateRole", {**CI, "MaxSessionDuration": 3600}),
    ("UpdateRoleDescription", {**CI, "Description": "builds and tests"}),
    ("CreateUser", {"UserName": "new"}),
    ("CreateGroup", {"GroupName": "new"}),
    ("CreateRole", {"RoleName": "new", "AssumeRolePolicyDocument": TRUST}),
    ("AddUserToGroup", {**BOB, "GroupName": "idle"}),
    ("RemoveUserFromGroup", {**BOB, **STAFF}),
    ("DeleteLoginProfile", BOB),
    ("CreateInstanceProfile", {"InstanceProfileName": "new"}),
    ("RemoveRoleFromInstanceProfile", {**BOX, **CI}),
    ("TagInstanceProfile", {**BOX, "Tags": [{"Key": "a", "Value": "b"}]}),
    ("UpdateAccountPasswordPolicy", PASSWORDS),
]
UNCHANGED = [
    ("CreatePolicy", POLICY),
    ("AttachUserPolicy", {**BOB, "PolicyArn": "{arn}/allows"}),
    ("DetachUserPolicy", {**BOB, "PolicyArn": "{arn}/denies"}),
    ("DetachUserPolicy", {**NOBODY, "PolicyArn": "{arn}/denies"}),
    ("PutUserPolicy", {**BOB, "PolicyName": "kept", "PolicyDocument": DENY}),
    ("DeleteUserPolicy", {**BOB, "PolicyName": "gone"}),
    ("DeleteGroupPolicy", {"GroupName": "nobody", "PolicyName": "gone"}),
    ("PutRolePermissionsBoundary", {**CI, "PermissionsBoundary": "{arn}/allows"}),
    ("DeleteUserPermissionsBoundary", BOB),
    ("DeleteUserPermissionsBoundary", NOBODY),
    ("TagUser", {**BOB, "Tags": [{"Key": "team", "Value": "red"}]}),
    ("UpdateAssumeRolePolicy", {**CI, "PolicyDocument": TRUST}),
    ("UpdateRole", {**CI, "MaxSessionDuration": 7200, "Description": "builds"}),
    ("CreateUser", {**BOB, "Tags": [{"Key": "team", "Value": "red"}]}),
    ("CreateGroup", STAFF),
    ("AddUserToGroup", {**BOB, **STAFF}),
    ("RemoveUserFromGroup", {**BOB, "GroupName": "idle"}),
    ("RemoveUserFromGroup", {**NOBODY, **STAFF}),
    ("DeleteLoginProfile", NOBODY),
    ("DeleteAccessKey", {**BOB, "AccessKeyId": "AKIAGONE000000000000"}),
    ("AddRoleToInstanceProfile", {**BOX, **CI}),
    ("RemoveRoleFromInstanceProfile", {**BOX, "RoleName": "other"}),
    ("DeleteAccountPasswordPolicy", {}),
]
CONFLICT = [
    ("CreatePolicy", {"PolicyName": "allows", "PolicyDocument": DENY}, "EntityAlreadyExists"),
    ("CreatePolicy", {"PolicyName": "DENIES", "PolicyDocument": DENY}, "is taken by"),
    ("CreatePolicy", {**POLICY, "Path": "/elsewhere/"}, "is taken by"),
    ("CreatePolicy", {**POLICY, "Description": "another"}, "other description"),
    ("CreatePolicy", {"PolicyName": "big", "PolicyDocument": DENY.replace("s3:*", "s3:" + "a" * 6144)}, "6144"),
    ("AttachUserPolicy", {**NOBODY, "PolicyArn": "{arn}/denies"}, "The user with name nobody cannot be found"),
    ("AttachUserPolicy", {**BOB, "PolicyArn": "{arn}/missing"}, "does not exist or is not attachable"),
    ("PutUserPolicy", {**NOBODY, "PolicyName": "x", "PolicyDocument": DENY}, "NoSuchEntity"),
    ("PutUserPolicy", {**BOB, "PolicyName": "x", "PolicyDocument": DENY.replace("s3:*", "s3:" + "a" * 2000)}, "2048"),
    ("PutUserPermissionsBoundary", {**BOB, "PermissionsBoundary": "{arn}/missing"}, "NoSuchEntity"),
    ("TagUser", {**NOBODY, "Tags": []}, "NoSuchEntity"),
    ("UpdateRole", {"RoleName": "nobody", "Description": "x"}, "The role with name nobody cannot be found"),
    ("CreateUser", BOB, "EntityAlreadyExists"),
    ("CreateRole", {**CI, "AssumeRolePolicyDocument": TRUST}, "EntityAlreadyExists"),
    ("AddUserToGroup", {**BOB, "GroupName": "nobody"}, "The group with name nobody cannot be found"),
    ("UpdateAccessKey", {**BOB, "AccessKeyId": "AKIAGONE000000000000", "Status": "Inactive"}, "Access Key with id"),
    ("AddRoleToInstanceProfile", {"InstanceProfileName": "none", **CI}, "Instance Profile none cannot be found"),
]
REFUSED = [
    ("AttachGroupPolicy", {**STAFF, "PolicyArn": "{arn}/allows"}, "attach_deny_only"),
    ("DetachRolePolicy", {**CI, "PolicyArn": "{arn}/denies"}, "keep_deny"),
    ("PutUserPolicy", {**BOB, "PolicyName": "kept", "PolicyDocument": DENY_MORE}, "keep_deny"),
    ("DeleteUserPolicy", {**BOB, "PolicyName": "kept"}, "keep_deny"),
    ("PutRolePermissionsBoundary", {**CI, "PermissionsBoundary": "{arn}/denies"}, "keep_boundary"),
    ("UpdateRole", {**CI, "MaxSessionDuration": 43200}, "session_duration"),
    ("UpdateAccountPasswordPolicy", {"MinimumPasswordLength": 6}, "password_policy"),
]


@pytest.mark.parametrize(("operation", "parameters"), NEEDED)
def test_a_needed_step_shows_what_it_changes_and_is_true_afterwards(stack, iam, operation, parameters):
    script = a_script(stack, iam)
    seen = observe(script, a_step(stack, operation, parameters))
    assert seen.status == "needed"
    assert seen.before != seen.after
    again = observe(script, a_step(stack, operation, parameters))
    assert again.status == "unchanged", "the overlay must hold what the step will have made"


@pytest.mark.parametrize(("operation", "parameters"), UNCHANGED)
def test_a_true_step_is_unchanged(stack, iam, operation, parameters):
    seen = observe(a_script(stack, iam), a_step(stack, operation, parameters))
    assert (seen.status, seen.before) == ("unchanged", seen.after)


@pytest.mark.parametrize(("operation", "parameters", "says"), CONFLICT)
def test_what_aws_would_refuse_is_a_conflict_in_its_own_words(stack, iam, operation, parameters, says):
    with pytest.raises(Conflict, match=says):
        observe(a_script(stack, iam), a_step(stack, operation, parameters))


@pytest.mark.parametrize(("operation", "parameters", "rule"), REFUSED)
def test_live_guardrails_refuse_unless_they_are_opened(stack, iam, operation, parameters, rule):
    step = a_step(stack, operation, parameters)
    with pytest.raises(Refusal) as refusal:
        observe(a_script(stack, iam), step)
    assert refusal.value.rule == rule
    assert observe(a_script(stack, iam, allow=[rule]), step).status == "needed"


def test_an_access_key_is_deactivated_and_deleted_once(stack, iam):
    key = iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]
    named = {**BOB, "AccessKeyId": key}
    script = a_script(stack, iam)
    assert observe(script, a_step(stack, "UpdateAccessKey", {**named, "Status": "Inactive"})).status == "needed"
    assert observe(script, a_step(stack, "UpdateAccessKey", {**named, "Status": "Inactive"})).status == "unchanged"
    assert observe(script, a_step(stack, "DeleteAccessKey", named)).before == {key: "Inactive"}


def test_a_user_is_kept_in_a_group_that_denies(stack, iam):
    iam.attach_group_policy(GroupName="staff", PolicyArn=arn(stack, "denies"))
    with pytest.raises(Refusal, match="keep_deny"):
        observe(a_script(stack, iam), a_step(stack, "RemoveUserFromGroup", {**BOB, **STAFF}))


def test_a_policy_that_the_script_creates_can_be_attached_by_it(stack, iam):
    script = a_script(stack, iam)
    observe(script, a_step(stack, "CreatePolicy", {"PolicyName": "new", "PolicyDocument": DENY}))
    seen = observe(script, a_step(stack, "AttachUserPolicy", {**BOB, "PolicyArn": "{arn}/new"}))
    assert seen.status == "needed"


def test_the_eleventh_policy_is_refused_before_anything_is_written(stack, iam):
    for number in range(9):
        iam.create_policy(PolicyName=f"p{number}", PolicyDocument=DENY)
        iam.attach_user_policy(UserName="bob", PolicyArn=arn(stack, f"p{number}"))
    with pytest.raises(Conflict, match="Cannot exceed quota for PoliciesPerUser: 10"):
        observe(a_script(stack, iam), a_step(stack, "AttachUserPolicy", {**BOB, "PolicyArn": "{arn}/denies"}))


def test_alerts_of_one_run_share_the_attachment_quota(stack, iam):
    for number in range(8):
        iam.create_policy(PolicyName=f"p{number}", PolicyDocument=DENY)
        iam.attach_user_policy(UserName="bob", PolicyArn=arn(stack, f"p{number}"))
    pending = {}
    for name in ("first", "second"):
        script = a_script(stack, iam, pending=pending)
        observe(script, a_step(stack, "CreatePolicy", {"PolicyName": name, "PolicyDocument": DENY}))
        step = a_step(stack, "AttachUserPolicy", {**BOB, "PolicyArn": f"{{arn}}/{name}"})
        if name == "first":
            observe(script, step)
        else:
            with pytest.raises(Conflict, match="PoliciesPerUser"):
                observe(script, step)


@pytest.mark.parametrize("kind", ["user", "role", "group"])
def test_preloading_gives_the_facts_that_single_reads_give(stack, iam, kind):
    name = {"user": "bob", "role": "ci", "group": "staff"}[kind]
    keys = [(kind, name), ("attached", kind, name), ("inline_names", kind, name), (kind, "nobody")]
    keys += [("inline", "user", "bob", "kept"), ("groups_of", "bob"), ("policy_document", arn(stack, "denies"))]
    preloaded = IamAccount(iam)
    preloaded.preload()
    assert [preloaded.fact(*key) for key in keys] == [IamAccount(iam).fact(*key) for key in keys]


def test_every_step_of_the_table_has_an_observer_and_a_case_here():
    assert {row.observe for row in STEPS} == set(OBSERVERS)
    cases = {case[0] for case in (*NEEDED, *UNCHANGED, *CONFLICT, *REFUSED)} | {"UpdateAccessKey", "DeleteAccessKey"}
    observers = {row.observe for row in STEPS if row.name in cases}
    assert observers == set(OBSERVERS)
