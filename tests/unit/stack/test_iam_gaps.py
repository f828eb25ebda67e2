# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator does what AWS documents, where moto alone does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from stack import Stack, cli, iam_state, seed
from stack.alerts import deny_document, deny_script

DENY = json.dumps(deny_document())
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@pytest.fixture
def iam(stack: Stack) -> Any:
    seed(stack, "payments", users=["alice", "bob"], roles=["app"], groups=["devs"])
    return stack.client("iam", "payments")


def fails_with(code: str, call: Any, **parameters: Any) -> None:
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    assert raised.value.response["Error"]["Code"] == code


def make_policy(iam: Any, name: str, document: str = DENY, **options: Any) -> str:
    return iam.create_policy(PolicyName=name, PolicyDocument=document, **options)["Policy"]["Arn"]


def test_user_boundary_is_put_shown_and_deleted(iam):
    iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=READ_ONLY)
    assert iam.get_user(UserName="alice")["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == READ_ONLY
    assert "PermissionsBoundary" not in iam.get_user(UserName="bob")["User"]
    assert not [user for user in iam.list_users()["Users"] if "PermissionsBoundary" in user]
    iam.delete_user_permissions_boundary(UserName="alice")
    assert "PermissionsBoundary" not in iam.get_user(UserName="alice")["User"]


def test_user_is_created_with_its_boundary(iam):
    created = iam.create_user(UserName="carol", PermissionsBoundary=READ_ONLY)["User"]
    assert created["PermissionsBoundary"]["PermissionsBoundaryArn"] == READ_ONLY


@pytest.mark.parametrize(("kind", "name"), [("user", "alice"), ("role", "app")])
def test_boundary_must_be_an_existing_policy(iam, kind, name):
    put = getattr(iam, f"put_{kind}_permissions_boundary")
    fails_with("NoSuchEntity", put, **{f"{kind.title()}Name": name}, PermissionsBoundary=f"{READ_ONLY}-not")


def test_policy_name_is_unique_over_paths_and_cases(iam):
    make_policy(iam, "Least", Path="/one/")
    fails_with("EntityAlreadyExists", iam.create_policy, PolicyName="least", PolicyDocument=DENY, Path="/two/")


def test_name_of_an_aws_managed_policy_is_free(iam):
    assert make_policy(iam, "ReadOnlyAccess").startswith("arn:aws:iam::111122223333:")


def test_user_names_differ_in_more_than_case(iam):
    fails_with("EntityAlreadyExists", iam.create_user, UserName="ALICE")


@pytest.mark.parametrize(("kind", "name"), [("user", "alice"), ("role", "app"), ("group", "devs")])
def test_eleventh_managed_policy_is_refused(iam, kind, name):
    attach = getattr(iam, f"attach_{kind}_policy")
    principal = {f"{kind.title()}Name": name}
    for number in range(10):
        attach(**principal, PolicyArn=make_policy(iam, f"p{number}"))
    eleventh = make_policy(iam, "p10")
    fails_with("LimitExceeded", attach, **principal, PolicyArn=eleventh)
    attach(**principal, PolicyArn=eleventh.replace("p10", "p0"))
    assert iam.get_policy(PolicyArn=eleventh.replace("p10", "p0"))["Policy"]["AttachmentCount"] == 1


def test_sizes_are_limited_without_white_space(iam):
    wide = json.dumps(deny_document([f"s3:Action{number:04}" for number in range(200)]), indent=40)
    assert len(wide) > 6144
    make_policy(iam, "wide", wide)
    large = json.dumps(deny_document([f"s3:Action{number:04}" for number in range(500)]))
    fails_with("LimitExceeded", iam.create_policy, PolicyName="large", PolicyDocument=large)
    fails_with("LimitExceeded", iam.put_user_policy, UserName="alice", PolicyName="wide", PolicyDocument=wide)
    iam.put_role_policy(RoleName="app", PolicyName="wide", PolicyDocument=wide)


def test_sixth_version_is_refused(iam):
    arn = make_policy(iam, "versions")
    for _again in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=DENY)
    fails_with("LimitExceeded", iam.create_policy_version, PolicyArn=arn, PolicyDocument=DENY)


BELONGINGS = {
    "login profile": lambda iam: iam.create_login_profile(UserName="alice", Password="correct horse battery"),
    "access key": lambda iam: iam.create_access_key(UserName="alice"),
    "membership": lambda iam: iam.add_user_to_group(UserName="alice", GroupName="devs"),
    "inline policy": lambda iam: iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=DENY),
    "attached policy": lambda iam: iam.attach_user_policy(UserName="alice", PolicyArn=READ_ONLY),
}


@pytest.mark.parametrize("belonging", BELONGINGS)
def test_user_with_a_belonging_is_not_deleted(iam, belonging):
    BELONGINGS[belonging](iam)
    fails_with("DeleteConflict", iam.delete_user, UserName="alice")


def test_group_with_a_member_is_not_deleted(iam):
    iam.add_user_to_group(UserName="alice", GroupName="devs")
    fails_with("DeleteConflict", iam.delete_group, GroupName="devs")
    iam.remove_user_from_group(UserName="alice", GroupName="devs")
    iam.delete_group(GroupName="devs")


def test_role_in_an_instance_profile_is_not_deleted(iam):
    iam.create_instance_profile(InstanceProfileName="app")
    iam.add_role_to_instance_profile(InstanceProfileName="app", RoleName="app")
    fails_with("DeleteConflict", iam.delete_role, RoleName="app")
    fails_with("DeleteConflict", iam.delete_instance_profile, InstanceProfileName="app")


def test_policy_in_use_is_not_deleted(iam):
    arn = make_policy(iam, "used")
    iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    fails_with("DeleteConflict", iam.delete_policy, PolicyArn=arn)
    iam.detach_user_policy(UserName="alice", PolicyArn=arn)
    iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=arn)
    fails_with("DeleteConflict", iam.delete_policy, PolicyArn=arn)
    iam.delete_user_permissions_boundary(UserName="alice")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=DENY)
    fails_with("DeleteConflict", iam.delete_policy, PolicyArn=arn)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy(PolicyArn=arn)


def test_whole_account_is_read_in_pages(iam):
    iam.put_group_policy(GroupName="devs", PolicyName="inline", PolicyDocument=DENY)
    iam.add_user_to_group(UserName="alice", GroupName="devs")
    iam.tag_user(UserName="alice", Tags=[{"Key": "team", "Value": "one"}])
    iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=READ_ONLY)
    arn = make_policy(iam, "own", DENY.replace('"*"', '"arn:aws:s3:::100%25/${aws:username}/ü"'))
    iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    wanted = ["User", "Role", "Group", "LocalManagedPolicy"]
    pages, marker = [], {}
    while not pages or pages[-1]["IsTruncated"]:
        pages.append(iam.get_account_authorization_details(Filter=wanted, MaxItems=2, **marker))
        marker = {"Marker": pages[-1].get("Marker", "")}
    assert [sum(len(page[kind]) for page in pages) for kind in ("UserDetailList", "GroupDetailList")] == [2, 1]
    assert len(pages) == 3
    alice = pages[0]["UserDetailList"][0]
    assert alice["GroupList"] == ["devs"]
    assert alice["Tags"] == [{"Key": "team", "Value": "one"}]
    assert alice["PermissionsBoundary"]["PermissionsBoundaryArn"] == READ_ONLY
    assert alice["AttachedManagedPolicies"] == [{"PolicyName": "own", "PolicyArn": arn}]
    [policy] = pages[-1]["Policies"]
    assert policy["PolicyName"] == "own"
    [version] = policy["PolicyVersionList"]
    assert version["Document"]["Statement"][0]["Resource"] == "arn:aws:s3:::100%25/${aws:username}/ü"
    assert version["Document"] == iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]


def test_filter_chooses_what_is_read(iam):
    found = iam.get_account_authorization_details(Filter=["Role"])
    assert [role["RoleName"] for role in found["RoleDetailList"]] == ["app"]
    assert not found["UserDetailList"]
    assert not found["Policies"]


def test_summary_tells_the_quotas(iam):
    summary = iam.get_account_summary()["SummaryMap"]
    assert (summary["Users"], summary["Policies"], summary["AttachedPoliciesPerUserQuota"]) == (2, 0, 10)


def test_cli_leaves_the_same_state_in_two_accounts(stack, iam):
    seed(stack, "twin", users=["alice", "bob"], roles=["app"], groups=["devs"])
    assert iam_state(stack, "payments") == iam_state(stack, "twin")
    run = cli(stack, "twin", deny_script("user", "alice", stack.twin, "I-1"))
    assert run.returncode == 0, run.stderr
    assert iam_state(stack, "payments") != iam_state(stack, "twin")
    assert cli(stack, "payments", deny_script("user", "alice", "111122223333", "I-1")).returncode == 0
    assert iam_state(stack, "payments") == iam_state(stack, "twin")
