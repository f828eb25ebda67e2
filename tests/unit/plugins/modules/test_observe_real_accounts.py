# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts as they are: names in another letter case, principals that are gone, roles that others manage."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.call_fence import declared_calls
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import NEVER_OPEN, RULES
from ansible_collections.leastpriv.iam.plugins.modules import observe as module_under_test
from stack.furnishing import TRUST

ACCOUNT = "payments"
OPEN = sorted(set(RULES) - set(NEVER_OPEN))
DENY = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}'
ALLOW = DENY.replace("Deny", "Allow")
PERMISSION_SET = "AWSReservedSSO_Data_Admin_0123456789abcdef"


@pytest.fixture(scope="module")
def account(running_stack):
    """An account that all tests of this file share: observing changes nothing in it."""
    running_stack.reset()
    iam = running_stack.client("iam", ACCOUNT)
    for name in ("allows", "unused"):
        iam.create_policy(PolicyName=name, PolicyDocument=ALLOW)
    iam.create_policy(PolicyName="denies", PolicyDocument=DENY)
    allows = f"arn:aws:iam::{running_stack.account_id(ACCOUNT)}:policy/allows"
    iam.create_user(UserName="ann")
    iam.create_group(GroupName="Staff")
    iam.create_role(RoleName="Ci", AssumeRolePolicyDocument=TRUST)
    for kind, name in (("user", "ann"), ("group", "Staff"), ("role", "Ci")):
        named = {f"{kind.capitalize()}Name": name}
        getattr(iam, f"attach_{kind}_policy")(**named, PolicyArn=allows)
        getattr(iam, f"put_{kind}_policy")(**named, PolicyName="Inline", PolicyDocument=ALLOW)
    iam.add_user_to_group(GroupName="Staff", UserName="ann")
    iam.create_login_profile(UserName="ann", Password="emulated-Passw0rd")
    iam.create_open_id_connect_provider(Url="https://token.example.com/Tools", ClientIDList=["a", "b"])
    iam.create_saml_provider(Name="Corp", SAMLMetadataDocument="<m>" + "x" * 1000 + "</m>")
    for name in ("Spare", "Worn"):
        iam.create_virtual_mfa_device(VirtualMFADeviceName=name)
    worn = f"arn:aws:iam::{running_stack.account_id(ACCOUNT)}:mfa/Worn"
    iam.enable_mfa_device(UserName="ann", SerialNumber=worn, AuthenticationCode1="123456", AuthenticationCode2="654321")
    iam.create_instance_profile(InstanceProfileName="Box")
    iam.add_role_to_instance_profile(InstanceProfileName="Box", RoleName="Ci")
    path = "/aws-reserved/sso.amazonaws.com/eu-west-1/"
    iam.create_role(RoleName=PERMISSION_SET, AssumeRolePolicyDocument=TRUST, Path=path)
    iam.create_service_linked_role(AWSServiceName="elasticbeanstalk.amazonaws.com", Description="runs")
    return running_stack


@pytest.fixture(params=[1, 1000], ids=["the whole account read at once", "principals read one by one"])
def however_read(request, monkeypatch):
    monkeypatch.setattr(module_under_test, "PRELOAD_FROM", request.param)


def observe(stack, *scripts, on_quota="fail"):
    """The alerts I-1, I-2, … of scripts as one run observes them."""
    account_id = stack.account_id(ACCOUNT)
    alerts = []
    for number, script in enumerate(scripts, 1):
        marks = {"@DENY@": DENY, "@TRUST@": TRUST, "@ACCOUNT@": f"arn:aws:iam::{account_id}"}
        for mark, text in {**marks, "@ARN@": f"arn:aws:iam::{account_id}:policy"}.items():
            script = script.replace(mark, text)
        translated = filter_loader.get("leastpriv.iam.steps").j2_function(script, account_id, OPEN)
        assert translated["disposition"] is None, translated["reason"]
        alerts.append({"message_id": f"m-{number}", "alert_id": f"I-{number}", "steps": translated["steps"]})
    parameters = {"account_id": account_id, "allow": OPEN, "protected_principals": []}
    module = SimpleNamespace(
        params={**parameters, "max_changes": None, "on_quota": on_quota, "undo": False},
        client=lambda service: stack.client(service, ACCOUNT),
    )
    caller = f"arn:aws:sts::{account_id}:assumed-role/runner/remediate"
    return module_under_test.observe_alerts(module, alerts, caller)


# --- letter case (B10) ---

# A script in another letter case than IAM has, and the one in IAM's.
IN_ANOTHER_CASE = [
    ("detach-user-policy --user-name Ann --policy-arn @ARN@/allows", {"Ann": "ann"}),
    ("detach-user-policy --user-name ann --policy-arn @ARN@/Allows", {"Allows": "allows"}),
    ("detach-group-policy --group-name STAFF --policy-arn @ARN@/ALLOWS", {"STAFF": "Staff", "ALLOWS": "allows"}),
    ("detach-role-policy --role-name ci --policy-arn @ARN@/allows", {"ci": "Ci"}),
    ("attach-user-policy --user-name ANN --policy-arn @ARN@/DENIES", {"ANN": "ann", "DENIES": "denies"}),
    ("remove-user-from-group --user-name Ann --group-name staff", {"Ann": "ann", "staff": "Staff"}),
    ("delete-user-policy --user-name Ann --policy-name inline", {"Ann": "ann", "inline": "Inline"}),
    ("delete-group-policy --group-name staff --policy-name INLINE", {"staff": "Staff", "INLINE": "Inline"}),
    (
        "put-role-policy --role-name CI --policy-name inline --policy-document '@DENY@'",
        {"CI": "Ci", "inline": "Inline"},
    ),
    ("delete-login-profile --user-name ANN", {"ANN": "ann"}),
    ("tag-user --user-name Ann --tags Key=a,Value=b", {"Ann": "ann"}),
    ("tag-policy --policy-arn @ARN@/Unused --tags Key=a,Value=b", {"Unused": "unused"}),
    ("delete-policy --policy-arn @ARN@/UNUSED", {"UNUSED": "unused"}),
    (
        "put-role-permissions-boundary --role-name CI --permissions-boundary @ARN@/Denies",
        {"CI": "Ci", "Denies": "denies"},
    ),
    (
        "remove-client-id-from-open-id-connect-provider --client-id a --open-id-connect-provider-arn "
        "@ACCOUNT@:oidc-provider/Token.example.com/tools",
        {"Token.example.com/tools": "token.example.com/Tools"},
    ),
    (
        "delete-open-id-connect-provider "
        "--open-id-connect-provider-arn @ACCOUNT@:oidc-provider/TOKEN.example.com/Tools",
        {"TOKEN.example.com/Tools": "token.example.com/Tools"},
    ),
    ("delete-saml-provider --saml-provider-arn @ACCOUNT@:saml-provider/corp", {"corp": "Corp"}),
    ("delete-virtual-mfa-device --serial-number @ACCOUNT@:mfa/SPARE", {"SPARE": "Spare"}),
    ("deactivate-mfa-device --user-name Ann --serial-number @ACCOUNT@:mfa/worn", {"Ann": "ann", "worn": "Worn"}),
    (
        "remove-role-from-instance-profile --instance-profile-name box --role-name ci",
        {"box": "Box", "ci": "Ci"},
    ),
]


@pytest.mark.parametrize(("script", "cases"), IN_ANOTHER_CASE, ids=[script for script, _cases in IN_ANOTHER_CASE])
def test_a_name_in_another_letter_case_is_the_one_that_iam_has(account, however_read, script, cases):
    exact = script
    for written, stored in cases.items():
        exact = exact.replace(f"/{written}", f"/{stored}").replace(f" {written}", f" {stored}")
    (seen,), (wanted,) = observe(account, f"aws iam {script}"), observe(account, f"aws iam {exact}")
    assert (seen["disposition"], wanted["disposition"]) == (None, None), seen["reason"]
    for mine, other in zip(seen["steps"], wanted["steps"], strict=True):
        assert mine["status"] == "needed"
        assert {key: mine[key] for key in ("parameters", "args", "before", "after", "fingerprint", "observed")} == {
            key: other[key] for key in ("parameters", "args", "before", "after", "fingerprint", "observed")
        }
        assert declared_calls(mine) == declared_calls(other)
    assert len(seen["notes"]) - len(wanted["notes"]) == len(cases)


def test_a_script_that_names_one_user_in_two_letter_cases_is_about_one(account, however_read):
    script = (
        "aws iam create-user --user-name New && aws iam attach-user-policy --user-name new --policy-arn @ARN@/denies"
    )
    (seen,) = observe(account, script)
    assert seen["disposition"] is None, seen["reason"]
    assert [step["parameters"]["UserName"] for step in seen["steps"]] == ["New", "New"]


def test_a_name_that_is_taken_in_another_letter_case_is_no_free_name(account, however_read):
    (seen,) = observe(account, "aws iam create-user --user-name ANN --path /other/")
    assert seen["disposition"] == "failed"


# --- principals that are gone (C3) ---

ATTACH = "aws iam attach-{0}-policy --{0}-name gone --policy-arn @ARN@/denies"
CREATE = "aws iam create-policy --policy-name limits --policy-document '@DENY@'"
OF_NOBODY = [
    *(
        command.format(kind)
        for kind in ("user", "role", "group")
        for command in (
            ATTACH,
            "aws iam detach-{0}-policy --{0}-name gone --policy-arn @ARN@/allows",
            "aws iam put-{0}-policy --{0}-name gone --policy-name p --policy-document '@DENY@'",
            "aws iam delete-{0}-policy --{0}-name gone --policy-name p",
            "aws iam delete-{0} --{0}-name gone",
        )
    ),
    "aws iam tag-user --user-name gone --tags Key=a,Value=b",
    "aws iam untag-role --role-name gone --tag-keys a",
    "aws iam put-user-permissions-boundary --user-name gone --permissions-boundary @ARN@/denies",
    "aws iam delete-role-permissions-boundary --role-name gone",
    "aws iam update-access-key --user-name gone --access-key-id AKIAIOSFODNN7EXAMPLE --status Inactive",
    "aws iam delete-access-key --user-name gone --access-key-id AKIAIOSFODNN7EXAMPLE",
    "aws iam delete-login-profile --user-name gone",
    "aws iam remove-user-from-group --user-name gone --group-name Staff",
    "aws iam remove-user-from-group --user-name ann --group-name gone",
    "aws iam add-user-to-group --user-name gone --group-name Staff",
    "aws iam update-role --role-name gone --description x",
    "aws iam update-assume-role-policy --role-name gone --policy-document '@TRUST@'",
    "aws iam update-user --user-name gone --new-user-name late",
    f"{CREATE} && {ATTACH.format('user').replace('denies', 'limits')}",
    "aws iam detach-user-policy --user-name gone --policy-arn @ARN@/unused && aws iam delete-policy --policy-arn "
    "@ARN@/unused",
]


@pytest.mark.parametrize("script", OF_NOBODY)
def test_a_script_for_nobody_ends_without_a_change(account, however_read, script):
    (seen,) = observe(account, script)
    gone = seen["reason"].split()[0]
    assert seen["disposition"] == "already_remediated", seen["reason"]
    assert seen["reason"] == f"{gone} gone does not exist any more: there is nothing to restrict"
    assert f"{gone}-name gone" in script
    assert {step["status"] for step in seen["steps"]} == {"not_run"}


GONE_AND_THERE = [
    ("an attachment", f"{ATTACH.format('user')} && {ATTACH.format('user').replace('gone', 'ann')}", "failed"),
    (
        "a removal",
        f"aws iam delete-login-profile --user-name gone && {ATTACH.format('group').replace('gone', 'Staff')}",
        None,
    ),
    ("an account-wide setting", f"{ATTACH.format('user')} && aws iam update-account-password-policy", "failed"),
    ("a created user", f"aws iam create-user --user-name gone && {ATTACH.format('user')}", None),
    ("a missing policy", ATTACH.format("user").replace("gone", "ann").replace("denies", "missing"), "failed"),
    ("a missing group that would restrict", "aws iam add-user-to-group --user-name ann --group-name gone", "failed"),
]


@pytest.mark.parametrize(("what", "script", "disposition"), GONE_AND_THERE, ids=[one[0] for one in GONE_AND_THERE])
def test_what_is_left_to_restrict_is_not_called_done(account, however_read, what, script, disposition):
    (seen,) = observe(account, script)
    assert seen["disposition"] == disposition, (what, seen["reason"])


# --- roles that others manage (C1) ---

SERVICE_ROLE = "AWSServiceRoleForElasticBeanstalk"
REFUSED_BY_IAM = [
    "attach-role-policy --role-name {} --policy-arn @ARN@/denies",
    "detach-role-policy --role-name {} --policy-arn @ARN@/allows",
    "put-role-policy --role-name {} --policy-name p --policy-document '@DENY@'",
    "delete-role-policy --role-name {} --policy-name p",
    "put-role-permissions-boundary --role-name {} --permissions-boundary @ARN@/denies",
    "delete-role-permissions-boundary --role-name {}",
    "update-assume-role-policy --role-name {} --policy-document '@TRUST@'",
    "update-role --role-name {} --max-session-duration 3600",
    "delete-role --role-name {}",
]


@pytest.mark.parametrize("command", REFUSED_BY_IAM)
@pytest.mark.parametrize(
    ("name", "owner"),
    [
        (PERMISSION_SET, "managed by IAM Identity Center: change permission set Data_Admin;"),
        (PERMISSION_SET.upper(), "managed by IAM Identity Center: change permission set "),
        (
            SERVICE_ROLE,
            "managed by the service elasticbeanstalk.amazonaws.com, which it is linked to: change it there;",
        ),
    ],
)
def test_a_role_that_another_manages_is_refused_before_anything_is_made(account, however_read, command, name, owner):
    script = f"{CREATE} && aws iam {command.format(name)}"
    (seen,) = observe(account, script)
    assert seen["disposition"] == "refused", seen["reason"]
    assert "guardrail managed_role: " in seen["reason"]
    assert owner in seen["reason"]
    assert "No setting opens this guardrail." in seen["reason"]
    assert "by hand:" not in seen["reason"]
    assert [step["status"] for step in seen["steps"]] == ["not_run", "failed"]


def test_what_iam_allows_for_a_service_linked_role_stays_possible(account, however_read):
    for command in (
        "update-role-description --role-name {} --description x",
        "delete-service-linked-role --role-name {}",
    ):
        (seen,) = observe(account, f"aws iam {command.format(SERVICE_ROLE)}")
        assert seen["disposition"] is None, seen["reason"]


# --- quotas (C5) ---


def attaching(numbers, user="ann"):
    name = "aws iam create-policy --policy-name p{0} --policy-document '@DENY@'"
    attach = "aws iam attach-user-policy --user-name {1} --policy-arn @ARN@/p{0}"
    return " && ".join(f"{name} && {attach}".format(number, user) for number in numbers)


@pytest.mark.parametrize(
    ("counts", "dispositions"), [([9], [None]), ([10], ["failed"]), ([5, 4, 1], [None, None, "failed"])]
)
def test_what_a_script_attaches_is_counted_once(account, however_read, counts, dispositions):
    starts = [sum(counts[:index]) for index in range(len(counts))]
    scripts = [attaching(range(start, start + count)) for start, count in zip(starts, counts, strict=True)]
    seen = observe(account, *scripts)
    assert [one["disposition"] for one in seen] == dispositions, [one["reason"] for one in seen]


def test_what_two_alerts_attach_both_is_counted_once(account):
    seen = observe(account, attaching(range(9)), attaching(range(9)))
    assert [one["disposition"] for one in seen] == [None, None], seen[1]["reason"]


# --- a Deny in the place of a Deny (C6), as IAM reads it (C7) ---


@pytest.mark.parametrize(
    ("new", "disposition"),
    [
        ('{"Sid":"Own","Effect":"Deny","Action":"sqs:*","Resource":"*"}', None),
        ('{"Effect":"Deny","Action":"*:*","Resource":"*"}', None),
        ('{"Effect":"Deny","Action":"SQS:*","Resource":["*"]}', "already_remediated"),
        ('{"Effect":"Deny","Action":"sqs:Send*","Resource":"*"}', "refused"),
    ],
)
def test_a_deny_is_replaced_by_one_that_denies_as_much(running_stack, new, disposition):
    account_id = running_stack.account_id("sandbox")
    iam = running_stack.client("iam", "sandbox")
    old = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sqs:*","Resource":"*"}]}'
    if not iam.list_users()["Users"]:
        iam.create_user(UserName="ann")
        iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=old)
    document = f'{{"Version":"2012-10-17","Statement":[{new}]}}'
    script = f"aws iam put-user-policy --user-name ann --policy-name p --policy-document '{document}'"
    translated = filter_loader.get("leastpriv.iam.steps").j2_function(script, account_id)
    params = {"account_id": account_id, "allow": [], "protected_principals": [], "max_changes": None}
    module = SimpleNamespace(
        params={**params, "on_quota": "fail", "undo": False},
        client=lambda service: running_stack.client(service, "sandbox"),
    )
    alert = {"message_id": "m", "alert_id": "I-1", "steps": translated["steps"]}
    (seen,) = module_under_test.observe_alerts(module, [alert], f"arn:aws:sts::{account_id}:assumed-role/runner/x")
    assert seen["disposition"] == disposition, seen["reason"]


# --- a password policy with one field in the script (C17) ---

IN_FORCE = {
    "MinimumPasswordLength": 14,
    "RequireSymbols": True,
    "RequireNumbers": True,
    "MaxPasswordAge": 90,
    "AllowUsersToChangePassword": True,
}
FULL = "aws iam update-account-password-policy --minimum-password-length"


def reviewed_by_default(stack, host, script):
    account_id = stack.account_id(host)
    translated = filter_loader.get("leastpriv.iam.steps").j2_function(script, account_id)
    params = {"account_id": account_id, "allow": [], "protected_principals": [], "max_changes": None}
    client = stack.client("iam", host)
    module = SimpleNamespace(params={**params, "on_quota": "fail", "undo": False}, client=lambda service: client)
    alert = {"message_id": "m", "alert_id": "I-1", "steps": translated["steps"]}
    (seen,) = module_under_test.observe_alerts(module, [alert], f"arn:aws:sts::{account_id}:assumed-role/runner/x")
    return seen


@pytest.mark.parametrize(
    ("in_force", "named", "resets", "full"),
    [
        (
            IN_FORCE,
            "--password-reuse-prevention 24",
            "MinimumPasswordLength, RequireSymbols, RequireNumbers, MaxPasswordAge",
            f"{FULL} 14 --require-symbols --require-numbers --allow-users-to-change-password --max-password-age 90 "
            "--password-reuse-prevention 24",
        ),
        (
            None,
            "--max-password-age 90",
            "MinimumPasswordLength",
            f"{FULL} 8 --require-numbers --require-uppercase-characters --require-lowercase-characters "
            "--max-password-age 90",
        ),
    ],
)
def test_a_password_policy_that_names_one_field_is_given_in_full(running_stack, in_force, named, resets, full):
    iam = running_stack.client("iam", "analytics")
    if in_force:
        iam.update_account_password_policy(**in_force)
    else:
        with contextlib.suppress(iam.exceptions.NoSuchEntityException):
            iam.delete_account_password_policy()
    seen = reviewed_by_default(running_stack, "analytics", f"aws iam update-account-password-policy {named}")
    assert seen["disposition"] == "refused"
    assert f"IAM resets what the command does not name ({resets}). The full command is `{full}`" in seen["reason"]
    again = reviewed_by_default(running_stack, "analytics", full)
    assert again["disposition"] is None, again["reason"]


def test_a_password_policy_that_weakens_by_name_says_nothing_of_a_reset(running_stack):
    running_stack.client("iam", "analytics").update_account_password_policy(MinimumPasswordLength=14)
    seen = reviewed_by_default(
        running_stack, "analytics", "aws iam update-account-password-policy --minimum-password-length 8"
    )
    assert "it weakens MinimumPasswordLength; no field" in seen["reason"]


def test_the_boundary_of_a_new_principal_is_not_read(account):
    """No permission to read policies is asked for where a user or a role is created."""
    client = account.client("iam", ACCOUNT)
    seen = []
    client.meta.events.register("before-call.iam", lambda model, **_more: seen.append(model.name), "seen")
    script = "aws iam create-user --user-name fresh --permissions-boundary @ARN@/denies"
    (review,) = observe(account, script)
    client.meta.events.unregister("before-call.iam", unique_id="seen")
    assert review["disposition"] is None, review["reason"]
    assert set(seen) <= {"GetUser", "ListUsers"}
