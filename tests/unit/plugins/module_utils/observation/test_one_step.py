# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observers against the emulator: every kind of step as needed, already true, in conflict, and refused."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import IamAccount
from ansible_collections.leastpriv.iam.plugins.module_utils.account.overlay import AccountOverlay, Conflict
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import Refusal
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.one_step import observe, touched
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.reviewed import fingerprint
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import STEPS
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import PolicyDocumentError, pretty
from stack.furnishing import SAML_METADATA, THUMBPRINT, as_copy, furnish_credentials, furnish_providers

ACCOUNT = "payments"
DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]})
DENY_MORE = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]})
ALLOW_LESS = DENY_MORE.replace("Deny", "Allow")
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
TRUST_WITH_ID = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
            }
        ],
    }
)
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


@pytest.fixture
def iam(stack):
    """An account with a bit of everything, for a test that writes."""
    return furnished(stack)


@pytest.fixture(scope="module")
def read_only(running_stack):
    """The same for the tests that only read, which stand first in this file: made once."""
    running_stack.reset()
    return furnished(running_stack)


def furnished(stack):
    client = stack.client("iam", ACCOUNT)
    as_copy(client, stack.account_id(ACCOUNT), "one step", lambda: furnish_account(stack, client) or {})
    return client


def furnish_account(stack, client):
    client.create_user(UserName="bob", Tags=[{"Key": "team", "Value": "red"}])
    client.create_group(GroupName="staff")
    client.create_group(GroupName="idle")
    client.create_user(UserName="idler")
    client.create_role(RoleName="spare", AssumeRolePolicyDocument=TRUST)
    client.create_service_linked_role(AWSServiceName="elasticbeanstalk.amazonaws.com", Description="runs")
    client.create_instance_profile(InstanceProfileName="empty")
    client.create_role(RoleName="ci", AssumeRolePolicyDocument=TRUST, Description="builds", MaxSessionDuration=7200)
    for name, document in (("denies", DENY), ("allows", ALLOW), ("unused", ALLOW), ("unused-deny", DENY)):
        client.create_policy(PolicyName=name, PolicyDocument=document)
    for name, document in (("allows", DENY_MORE), ("denies", ALLOW), ("unused", ALLOW_LESS)):
        client.create_policy_version(PolicyArn=arn(stack, name), PolicyDocument=document)
    client.add_user_to_group(GroupName="staff", UserName="bob")
    client.attach_user_policy(UserName="bob", PolicyArn=arn(stack, "allows"))
    client.attach_role_policy(RoleName="ci", PolicyArn=arn(stack, "denies"))
    client.put_user_policy(UserName="bob", PolicyName="kept", PolicyDocument=DENY)
    client.put_role_policy(RoleName="ci", PolicyName="open", PolicyDocument=ALLOW)
    client.create_login_profile(UserName="bob", Password="emulated-Passw0rd")
    client.create_instance_profile(InstanceProfileName="box")
    client.add_role_to_instance_profile(InstanceProfileName="box", RoleName="ci")
    client.put_role_permissions_boundary(RoleName="ci", PermissionsBoundary=arn(stack, "allows"))
    client.create_account_alias(AccountAlias="first-alias")
    furnish_providers(client)


@pytest.fixture
def credentials(stack, iam):
    """One of each credential for bob, and an unassigned MFA device; returns the ids that IAM chose."""
    return furnish_credentials(iam, stack.account_id(ACCOUNT))


def arn(stack, name):
    return f"arn:aws:iam::{stack.account_id(ACCOUNT)}:policy/{name}"


def a_script(stack, iam, allow=(), pending=None):
    return AccountOverlay(IamAccount(iam), stack.account_id(ACCOUNT), "aws", allow, {} if pending is None else pending)


def a_step(stack, operation, parameters):
    filled = {
        name: value.replace("{arn}", arn(stack, "").rstrip("/")).replace("{id}", stack.account_id(ACCOUNT))
        if isinstance(value, str)
        else value
        for name, value in parameters.items()
    }
    return {"operation": operation, "parameters": filled, "module": "the module"}


BOB, CI, STAFF, BOX = {"UserName": "bob"}, {"RoleName": "ci"}, {"GroupName": "staff"}, {"InstanceProfileName": "box"}
NOBODY = {"UserName": "nobody"}
POLICY = {"PolicyName": "denies", "PolicyDocument": DENY}
SPARE, IDLER, EMPTY = {"RoleName": "spare"}, {"UserName": "idler"}, {"InstanceProfileName": "empty"}
OIDC = {"OpenIDConnectProviderArn": "arn:aws:iam::{id}:oidc-provider/token.example.com"}
NO_OIDC = {"OpenIDConnectProviderArn": "arn:aws:iam::{id}:oidc-provider/other.example.com"}
SAML = {"SAMLProviderArn": "arn:aws:iam::{id}:saml-provider/idp"}
NO_SAML = {"SAMLProviderArn": "arn:aws:iam::{id}:saml-provider/other"}
SERVICE = {"AWSServiceName": "elasticbeanstalk.amazonaws.com"}
SERVICE_ROLE = {"RoleName": "AWSServiceRoleForElasticBeanstalk"}
RED = {"Tags": [{"Key": "team", "Value": "red"}]}
ALLOWS, DENIES, MISSING = ({"PolicyArn": f"{{arn}}/{name}"} for name in ("allows", "denies", "missing"))
UNUSED, UNUSED_DENY = {"PolicyArn": "{arn}/unused"}, {"PolicyArn": "{arn}/unused-deny"}
AWS_MANAGED = {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
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
    ("UpdateAssumeRolePolicy", {**CI, "PolicyDocument": TRUST_WITH_ID}),
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
    ("CreatePolicyVersion", {**ALLOWS, "PolicyDocument": DENY}),
    ("CreatePolicyVersion", {**ALLOWS, "PolicyDocument": DENY, "SetAsDefault": True}),
    # There already, but not in force: the CLI would make another one too.
    ("CreatePolicyVersion", {**ALLOWS, "PolicyDocument": DENY_MORE, "SetAsDefault": True}),
    ("SetDefaultPolicyVersion", {**ALLOWS, "VersionId": "v2"}),
    ("DeletePolicyVersion", {**ALLOWS, "VersionId": "v2"}),
    ("DeleteUser", IDLER),
    ("DeleteGroup", {"GroupName": "idle"}),
    ("DeleteRole", SPARE),
    ("DeleteInstanceProfile", EMPTY),
    ("UpdateUser", {**IDLER, "NewUserName": "late"}),
    ("UpdateUser", {**IDLER, "NewPath": "/former/"}),
    ("UpdateGroup", {"GroupName": "idle", "NewGroupName": "Idle", "NewPath": "/former/"}),
    ("CreateServiceLinkedRole", {"AWSServiceName": "autoscaling.amazonaws.com"}),
    ("CreateServiceLinkedRole", {**SERVICE, "CustomSuffix": "blue"}),
    ("DeleteServiceLinkedRole", SERVICE_ROLE),
    ("TagPolicy", {**ALLOWS, **RED}),
    ("TagOpenIDConnectProvider", {**OIDC, "Tags": [{"Key": "team", "Value": "blue"}]}),
    ("TagSAMLProvider", {**SAML, "Tags": [{"Key": "team", "Value": "blue"}]}),
    ("UntagUser", {**BOB, "TagKeys": ["Team"]}),
    ("UntagSAMLProvider", {**SAML, "TagKeys": ["team", "other"]}),
    ("CreateOpenIDConnectProvider", {"Url": "https://new.example.com/path", "ClientIDList": ["b", "a"]}),
    ("AddClientIDToOpenIDConnectProvider", {**OIDC, "ClientID": "build"}),
    ("RemoveClientIDFromOpenIDConnectProvider", {**OIDC, "ClientID": "sts.amazonaws.com"}),
    ("UpdateOpenIDConnectProviderThumbprint", {**OIDC, "ThumbprintList": ["b" * 40]}),
    ("DeleteOpenIDConnectProvider", OIDC),
    ("CreateSAMLProvider", {"Name": "new", "SAMLMetadataDocument": SAML_METADATA}),
    ("UpdateSAMLProvider", {**SAML, "SAMLMetadataDocument": f"{SAML_METADATA} "}),
    ("DeleteSAMLProvider", SAML),
    ("CreateAccountAlias", {"AccountAlias": "second-alias"}),
    ("DeleteAccountAlias", {"AccountAlias": "first-alias"}),
    ("SetSecurityTokenServicePreferences", {"GlobalEndpointTokenVersion": "v2Token"}),
    ("EnableOutboundWebIdentityFederation", {}),
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
    ("CreatePolicyVersion", {**ALLOWS, "PolicyDocument": DENY_MORE}),
    ("CreatePolicyVersion", {**DENIES, "PolicyDocument": DENY, "SetAsDefault": True}),
    ("SetDefaultPolicyVersion", {**DENIES, "VersionId": "v1"}),
    ("DeletePolicyVersion", {**ALLOWS, "VersionId": "v9"}),
    ("DeletePolicyVersion", {**MISSING, "VersionId": "v1"}),
    ("DeletePolicy", MISSING),
    ("DeleteUser", NOBODY),
    ("DeleteGroup", {"GroupName": "nobody"}),
    ("DeleteRole", {"RoleName": "nobody"}),
    ("DeleteInstanceProfile", {"InstanceProfileName": "none"}),
    ("DeleteServerCertificate", {"ServerCertificateName": "none"}),
    ("UpdateUser", {**IDLER, "NewUserName": "idler"}),
    # Renamed by an earlier run already.
    ("UpdateUser", {**NOBODY, "NewUserName": "idler", "NewPath": "/"}),
    ("CreateServiceLinkedRole", {**SERVICE, "Description": "runs"}),
    ("DeleteServiceLinkedRole", {"RoleName": "AWSServiceRoleForNothing"}),
    ("TagOpenIDConnectProvider", {**OIDC, **RED}),
    ("UntagRole", {**CI, "TagKeys": ["team"]}),
    ("UntagPolicy", {**MISSING, "TagKeys": ["team"]}),
    (
        "CreateOpenIDConnectProvider",
        {"Url": "https://token.example.com", "ClientIDList": ["tools", "sts.amazonaws.com"], **RED},
    ),
    ("AddClientIDToOpenIDConnectProvider", {**OIDC, "ClientID": "sts.amazonaws.com"}),
    ("RemoveClientIDFromOpenIDConnectProvider", {**OIDC, "ClientID": "other"}),
    ("RemoveClientIDFromOpenIDConnectProvider", {**NO_OIDC, "ClientID": "other"}),
    ("UpdateOpenIDConnectProviderThumbprint", {**OIDC, "ThumbprintList": [THUMBPRINT]}),
    ("DeleteOpenIDConnectProvider", NO_OIDC),
    ("CreateSAMLProvider", {"Name": "idp", "SAMLMetadataDocument": SAML_METADATA, **RED}),
    ("UpdateSAMLProvider", {**SAML, "SAMLMetadataDocument": SAML_METADATA}),
    ("DeleteSAMLProvider", NO_SAML),
    ("CreateAccountAlias", {"AccountAlias": "first-alias"}),
    ("DeleteAccountAlias", {"AccountAlias": "other-alias"}),
    ("SetSecurityTokenServicePreferences", {"GlobalEndpointTokenVersion": "v1Token"}),
    ("DisableOutboundWebIdentityFederation", {}),
    ("DeactivateMFADevice", {**BOB, "SerialNumber": "arn:aws:iam::{id}:mfa/none"}),
    ("DeleteVirtualMFADevice", {"SerialNumber": "arn:aws:iam::{id}:mfa/none"}),
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
    ("CreatePolicyVersion", {**MISSING, "PolicyDocument": DENY}, "NoSuchEntity"),
    ("CreatePolicyVersion", {**AWS_MANAGED, "PolicyDocument": DENY}, "managed by AWS"),
    ("CreatePolicyVersion", {**ALLOWS, "PolicyDocument": DENY.replace("s3:*", "s3:" + "a" * 6144)}, "6144"),
    ("SetDefaultPolicyVersion", {**ALLOWS, "VersionId": "v9"}, "version v9 does not exist"),
    ("DeletePolicyVersion", {**ALLOWS, "VersionId": "v1"}, "Cannot delete the default version of a policy"),
    ("DeletePolicyVersion", {**AWS_MANAGED, "VersionId": "v1"}, "managed by AWS"),
    ("DeletePolicy", ALLOWS, "Cannot delete a policy attached to entities"),
    ("DeletePolicy", UNUSED, "more than one version"),
    ("DeletePolicy", AWS_MANAGED, "managed by AWS"),
    ("DeleteUser", BOB, "must delete login profile first"),
    ("DeleteGroup", STAFF, "must remove users from group first"),
    ("DeleteRole", CI, "must remove roles from instance profile first"),
    ("DeleteRole", SERVICE_ROLE, "UnmodifiableEntity"),
    ("DeleteInstanceProfile", BOX, "must remove roles from instance profile first"),
    ("UpdateUser", {**NOBODY, "NewUserName": "other"}, "The user with name nobody cannot be found"),
    ("UpdateUser", {**BOB, "NewUserName": "idler"}, "User with name idler already exists"),
    ("UpdateGroup", {"GroupName": "nobody", "NewPath": "/x/"}, "The group with name nobody cannot be found"),
    (
        "UpdateServerCertificate",
        {"ServerCertificateName": "none", "NewPath": "/x/"},
        "Certificate with name none",
    ),
    ("CreateServiceLinkedRole", {**SERVICE, "Description": "another"}, "has been taken"),
    ("DeleteServiceLinkedRole", CI, "not a service-linked role"),
    ("TagPolicy", {**MISSING, **RED}, "NoSuchEntity"),
    ("TagMFADevice", {"SerialNumber": "arn:aws:iam::{id}:mfa/none", **RED}, "NoSuchEntity"),
    ("CreateOpenIDConnectProvider", {"Url": "https://token.example.com"}, "EntityAlreadyExists"),
    ("AddClientIDToOpenIDConnectProvider", {**NO_OIDC, "ClientID": "x"}, "NoSuchEntity"),
    ("UpdateOpenIDConnectProviderThumbprint", {**NO_OIDC, "ThumbprintList": [THUMBPRINT]}, "NoSuchEntity"),
    ("CreateSAMLProvider", {"Name": "idp", "SAMLMetadataDocument": "<x/>"}, "EntityAlreadyExists"),
    ("UpdateSAMLProvider", {**NO_SAML, "SAMLMetadataDocument": SAML_METADATA}, "NoSuchEntity"),
    (
        "UpdateSSHPublicKey",
        {**BOB, "SSHPublicKeyId": "APKAGONE000000000000", "Status": "Inactive"},
        "The Public Key with id",
    ),
]
REFUSED = [
    ("AttachGroupPolicy", {**STAFF, "PolicyArn": "{arn}/allows"}, "attach_deny_only"),
    ("DetachRolePolicy", {**CI, "PolicyArn": "{arn}/denies"}, "keep_deny"),
    ("PutUserPolicy", {**BOB, "PolicyName": "kept", "PolicyDocument": DENY_MORE}, "keep_deny"),
    ("DeleteUserPolicy", {**BOB, "PolicyName": "kept"}, "keep_deny"),
    ("PutRolePermissionsBoundary", {**CI, "PermissionsBoundary": "{arn}/denies"}, "keep_boundary"),
    ("UpdateRole", {**CI, "MaxSessionDuration": 43200}, "session_duration"),
    ("UpdateAccountPasswordPolicy", {"MinimumPasswordLength": 6}, "password_policy"),
    ("CreatePolicyVersion", {**DENIES, "PolicyDocument": DENY_MORE, "SetAsDefault": True}, "keep_deny"),
    ("DeletePolicy", UNUSED_DENY, "keep_deny"),
]


@pytest.mark.parametrize(("operation", "parameters"), NEEDED)
def test_a_needed_step_shows_what_it_changes_and_is_true_afterwards(running_stack, read_only, operation, parameters):
    script = a_script(running_stack, read_only)
    seen = observe(script, a_step(running_stack, operation, parameters))
    assert seen.status == "needed"
    assert seen.before != seen.after
    again = observe(script, a_step(running_stack, operation, parameters))
    assert again.status == "unchanged", "the overlay must hold what the step will have made"


@pytest.mark.parametrize(("operation", "parameters"), UNCHANGED)
def test_a_true_step_is_unchanged(running_stack, read_only, operation, parameters):
    seen = observe(a_script(running_stack, read_only), a_step(running_stack, operation, parameters))
    assert (seen.status, seen.before) == ("unchanged", seen.after)


@pytest.mark.parametrize(("operation", "parameters", "says"), CONFLICT)
def test_what_aws_would_refuse_is_a_conflict_in_its_own_words(running_stack, read_only, operation, parameters, says):
    with pytest.raises(Conflict, match=says):
        observe(a_script(running_stack, read_only), a_step(running_stack, operation, parameters))


@pytest.mark.parametrize(("operation", "parameters", "rule"), REFUSED)
def test_live_guardrails_refuse_unless_they_are_opened(running_stack, read_only, operation, parameters, rule):
    step = a_step(running_stack, operation, parameters)
    with pytest.raises(Refusal) as refusal:
        observe(a_script(running_stack, read_only), step)
    assert refusal.value.rule == rule
    assert observe(a_script(running_stack, read_only, allow=[rule]), step).status == "needed"


CREDENTIALS = [
    ("access_key", "AccessKey", "AccessKeyId"),
    ("signing_certificate", "SigningCertificate", "CertificateId"),
    ("service_specific_credential", "ServiceSpecificCredential", "ServiceSpecificCredentialId"),
    ("ssh_public_key", "SSHPublicKey", "SSHPublicKeyId"),
]


@pytest.mark.parametrize(("kind", "noun", "parameter"), CREDENTIALS)
def test_a_credential_is_deactivated_and_deleted_once(stack, iam, credentials, kind, noun, parameter):
    one = credentials[kind]
    named = {**BOB, parameter: one}
    script = a_script(stack, iam)
    assert observe(script, a_step(stack, f"Update{noun}", {**named, "Status": "Inactive"})).status == "needed"
    assert observe(script, a_step(stack, f"Update{noun}", {**named, "Status": "Inactive"})).status == "unchanged"
    assert observe(script, a_step(stack, f"Delete{noun}", named)).before == {one: "Inactive"}
    assert observe(script, a_step(stack, f"Delete{noun}", named)).status == "unchanged"


def test_a_virtual_mfa_device_is_deleted_once_nobody_has_it(stack, iam, credentials):
    script = a_script(stack, iam)
    device = {"SerialNumber": "arn:aws:iam::{id}:mfa/bob-phone"}
    with pytest.raises(Conflict, match="Must deactivate first"):
        observe(script, a_step(stack, "DeleteVirtualMFADevice", device))
    assert observe(script, a_step(stack, "DeactivateMFADevice", {**BOB, **device})).status == "needed"
    assert observe(script, a_step(stack, "DeleteVirtualMFADevice", device)).status == "needed"
    assert observe(script, a_step(stack, "DeleteVirtualMFADevice", device)).status == "unchanged"


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("TagServerCertificate", {"Tags": [{"Key": "team", "Value": "blue"}]}),
        ("UpdateServerCertificate", {"NewServerCertificateName": "web-2"}),
        ("DeleteServerCertificate", {}),
    ],
)
def test_a_server_certificate_is_changed_once(stack, iam, credentials, operation, parameters):
    script = a_script(stack, iam)
    step = a_step(stack, operation, {"ServerCertificateName": "web", **parameters})
    assert observe(script, step).status == "needed"
    assert observe(script, step).status == "unchanged"


def test_outbound_federation_is_disabled_once(stack, iam):
    iam.enable_outbound_web_identity_federation()
    script = a_script(stack, iam)
    assert observe(script, a_step(stack, "DisableOutboundWebIdentityFederation", {})).status == "needed"
    assert observe(script, a_step(stack, "DisableOutboundWebIdentityFederation", {})).status == "unchanged"


def test_a_default_version_that_allows_is_refused_unless_opened(stack, iam):
    # A version that allows takes away the Deny in force as well: both rules have to be opened.
    step = a_step(stack, "SetDefaultPolicyVersion", {**DENIES, "VersionId": "v2"})
    for allow, rule in (([], "no_widening"), (["default_deny_only"], "keep_deny"), (["no_widening"], "keep_deny")):
        with pytest.raises(Refusal) as refusal:
            observe(a_script(stack, iam, allow=allow), step)
        assert refusal.value.rule == rule
    assert observe(a_script(stack, iam, allow=["set-default-policy-version"]), step).status == "needed"


def test_the_last_client_id_of_a_provider_is_kept_as_the_provider_is(stack, iam):
    script = a_script(stack, iam)
    first, last = (
        a_step(stack, "RemoveClientIDFromOpenIDConnectProvider", {**OIDC, "ClientID": one})
        for one in ("tools", "sts.amazonaws.com")
    )
    assert observe(script, first).status == "needed"
    with pytest.raises(Refusal, match="guardrail no_deletion: it removes the last client id"):
        observe(script, last)
    opened = a_script(stack, iam, allow=["no_deletion"])
    assert [observe(opened, step).status for step in (first, last)] == ["needed", "needed"]


LONG = {"MinimumPasswordLength": 14}
MIXED = {"RequireNumbers": True, "RequireSymbols": True, "RequireUppercaseCharacters": True}
# The account's password policy (None: AWS's own), the script's, and what is said of it: a rule, or a note.
PASSWORD_POLICIES = [
    ("hard expiry is turned on", LONG, {**LONG, "HardExpiry": True}, "account_lockout: it turns on hard expiry"),
    ("hard expiry comes with the first policy", None, {**LONG, "HardExpiry": True}, "account_lockout"),
    (
        "an age comes under hard expiry",
        {**LONG, "HardExpiry": True},
        {**LONG, "HardExpiry": True, "MaxPasswordAge": 90},
        "account_lockout: hard expiry is on",
    ),
    (
        "an age gets shorter under hard expiry",
        {**LONG, "HardExpiry": True, "MaxPasswordAge": 90},
        {**LONG, "HardExpiry": True, "MaxPasswordAge": 89},
        "account_lockout: hard expiry is on",
    ),
    ("a day", LONG, {**LONG, "MaxPasswordAge": 1}, "account_lockout: it ends every password after 1 days"),
    ("a day with hard expiry", LONG, {**LONG, "MaxPasswordAge": 1, "HardExpiry": True}, "account_lockout"),
    ("four weeks", None, {**LONG, "MaxPasswordAge": 29}, "account_lockout"),
    ("a day, in place of 90", {**LONG, "MaxPasswordAge": 90}, {**LONG, "MaxPasswordAge": 1}, "account_lockout"),
    ("30 days", None, {**LONG, "MaxPasswordAge": 30}, "older than 30 days expire at once"),
    (
        "a short age stays",
        {**LONG, "MaxPasswordAge": 7, "HardExpiry": True},
        {**LONG, "MaxPasswordAge": 7, "HardExpiry": True, **MIXED},
        None,
    ),
    ("no mix", None, {"MinimumPasswordLength": 8}, "password_policy: it weakens the mix of characters"),
    ("a mix of two", None, {**MIXED, "MinimumPasswordLength": 11, "RequireNumbers": False}, "password_policy"),
    ("a mix of three", None, {"MinimumPasswordLength": 8, **MIXED}, None),
    ("no mix, but long", None, LONG, "This one requires 0, but 14 characters"),
    ("a policy in place of one without a mix", LONG, {**LONG, "MinimumPasswordLength": 15}, None),
    ("users may change theirs", LONG, {**LONG, "AllowUsersToChangePassword": True}, "Grants: every IAM user"),
    ("users may change theirs for the first time", None, {**LONG, "AllowUsersToChangePassword": True}, "Grants: every"),
    ("users may no longer", {**LONG, "AllowUsersToChangePassword": True}, {**LONG, **MIXED}, "Takes away: IAM users"),
]  # fmt: skip


@pytest.mark.parametrize(("live", "wanted", "says"), [pytest.param(*one[1:], id=one[0]) for one in PASSWORD_POLICIES])
def test_a_password_policy_locks_nobody_out_and_says_what_it_grants(stack, iam, live, wanted, says):
    if live:
        iam.update_account_password_policy(**live)
    script, step = a_script(stack, iam), a_step(stack, "UpdateAccountPasswordPolicy", wanted)
    if says and says.startswith(("account_lockout", "password_policy")):
        with pytest.raises(Refusal, match=f"guardrail {says}") as refusal:
            observe(script, step)
        script = a_script(stack, iam, allow=[refusal.value.rule])
        says = ""
    assert observe(script, step).status == "needed"
    assert (says is None and script.notes == []) or says in " ".join(script.notes), script.notes


def test_the_review_says_what_comes_after_the_password_policy(stack, iam):
    iam.update_account_password_policy(MinimumPasswordLength=14)
    script = a_script(stack, iam)
    assert observe(script, a_step(stack, "DeleteAccountPasswordPolicy", {})).status == "needed"
    assert script.notes == [
        "Removes the account's password policy: AWS's own takes its place, without an age or a history."
    ]


ACCOUNT_WIDE = [
    ("SetSecurityTokenServicePreferences", {"GlobalEndpointTokenVersion": "v1Token"}),
    ("DisableOutboundWebIdentityFederation", {}),
]


@pytest.mark.parametrize(("operation", "parameters"), ACCOUNT_WIDE)
def test_a_restriction_of_everybody_spares_protected_principals(stack, iam, operation, parameters):
    iam.set_security_token_service_preferences(GlobalEndpointTokenVersion="v2Token")
    iam.enable_outbound_web_identity_federation()
    step = a_step(stack, operation, parameters)
    place = IamAccount(iam), stack.account_id(ACCOUNT), "aws"
    with pytest.raises(Refusal, match="guardrail account_lockout: it reaches protected principals too"):
        observe(AccountOverlay(*place, [], {}, protects=True), step)
    assert observe(AccountOverlay(*place, ["account_lockout"], {}, protects=True), step).status == "needed"
    script = a_script(stack, iam)
    assert observe(script, step).status == "needed"
    assert script.notes[0].startswith("Changes the whole account: ")


OVER_TLS = {"Bool": {"aws:SecureTransport": "true"}}
BOUNDARIES = [
    (DENY, "allows nothing: user bob loses every permission, even as an administrator"),
    (ALLOW, "limits user bob, even as an administrator, to what it allows"),
    (ALLOW.replace("s3:*", "*"), "allows everything: it does not restrict user bob"),
    (ALLOW.replace("s3:*", "*").replace("}]", f', "Condition": {json.dumps(OVER_TLS)}}}]'), "limits user bob"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "says"), BOUNDARIES)
def test_the_review_says_what_a_new_boundary_does(stack, iam, document, says):
    iam.create_policy(PolicyName="bounds", PolicyDocument=document)
    script = a_script(stack, iam)
    observe(script, a_step(stack, "PutUserPermissionsBoundary", {**BOB, "PermissionsBoundary": "{arn}/bounds"}))
    (note,) = script.notes
    assert says in note


def test_the_sixth_version_is_refused_and_the_oldest_is_kept(stack, iam):
    script = a_script(stack, iam)
    for number in range(3):
        document = DENY.replace("s3:*", f"s3:Get{number}")
        observe(script, a_step(stack, "CreatePolicyVersion", {**ALLOWS, "PolicyDocument": document}))
    step = a_step(stack, "CreatePolicyVersion", {**ALLOWS, "PolicyDocument": DENY})
    with pytest.raises(Conflict, match="A managed policy can have up to 5 versions"):
        observe(script, step)
    observe(script, a_step(stack, "DeletePolicyVersion", {**ALLOWS, "VersionId": "v2"}))
    assert observe(script, step).status == "needed"


def test_what_a_script_clears_away_first_it_may_delete(stack, iam):
    script = a_script(stack, iam, allow=["keep_deny", "attach_deny_only", "keep_boundary"])
    for operation, parameters in (
        ("RemoveRoleFromInstanceProfile", {**BOX, **CI}),
        ("DetachRolePolicy", {**CI, **DENIES}),
        ("DeleteRolePolicy", {**CI, "PolicyName": "open"}),
        ("DeleteRole", CI),
        ("RemoveUserFromGroup", {**BOB, **STAFF}),
        ("DeleteGroup", STAFF),
        ("DetachUserPolicy", {**BOB, **ALLOWS}),
        ("DeleteUserPolicy", {**BOB, "PolicyName": "kept"}),
        ("DeleteLoginProfile", BOB),
        ("DeleteUser", BOB),
        ("DeletePolicyVersion", {**ALLOWS, "VersionId": "v2"}),
        ("DeletePolicy", ALLOWS),
        ("CreatePolicy", {"PolicyName": "allows", "PolicyDocument": DENY}),
    ):
        assert observe(script, a_step(stack, operation, parameters)).status == "needed", operation


def test_a_policy_that_bounds_a_role_cannot_be_deleted(stack, iam):
    script = a_script(stack, iam)
    observe(script, a_step(stack, "DetachUserPolicy", {**BOB, **ALLOWS}))
    observe(script, a_step(stack, "DeletePolicyVersion", {**ALLOWS, "VersionId": "v2"}))
    with pytest.raises(Conflict, match="attached to entities"):
        observe(script, a_step(stack, "DeletePolicy", ALLOWS))


def test_a_renamed_user_keeps_what_it_has(stack, iam):
    script = a_script(stack, iam)
    observe(script, a_step(stack, "UpdateUser", {**BOB, "NewUserName": "rob", "NewPath": "/x/"}))
    assert observe(script, a_step(stack, "AttachUserPolicy", {"UserName": "rob", **ALLOWS})).status == "unchanged"
    assert observe(script, a_step(stack, "DetachUserPolicy", {"UserName": "rob", **ALLOWS})).status == "needed"
    with pytest.raises(Conflict, match="bob cannot be found"):
        observe(script, a_step(stack, "AttachUserPolicy", {**BOB, **DENIES}))


TOUCHED = [
    ("SetDefaultPolicyVersion", {**ALLOWS, "VersionId": "v2"}, ["role/ci", "user/bob"]),
    ("AttachGroupPolicy", {**STAFF, **DENIES}, ["group/staff", "user/bob"]),
    ("DetachGroupPolicy", {**STAFF, **DENIES}, ["group/staff", "user/bob"]),
    ("RemoveUserFromGroup", {**BOB, **STAFF}, ["user/bob", "group/staff"]),
    ("DeleteUser", BOB, ["user/bob"]),
    ("DeletePolicy", ALLOWS, []),
]


@pytest.mark.parametrize(("operation", "parameters", "names"), TOUCHED)
def test_whose_access_a_step_changes_is_reported_before_it_does(stack, iam, operation, parameters, names):
    found = touched(a_script(stack, iam), a_step(stack, operation, parameters))
    assert [f"{kind}/{name}" for kind, name, _arn in found] == names
    assert [arn.split(":")[-1] for _kind, _name, arn in found] == names


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


BROKEN = '{"Statement": [{"Effect": "Deny", "Condition": {"NumericEquals": {"s3:max-keys": 1e999}}}]}'


class BrokenIam:
    """IAM in which some stored documents cannot be read, as botocore gives them."""

    def __init__(self, iam, document):
        self._iam, self._document = iam, document

    def __getattr__(self, name):
        return getattr(self._iam, name)

    def get_user_policy(self, **named):
        return {**self._iam.get_user_policy(**named), "PolicyDocument": self._document}

    def get_role(self, **named):
        answer = self._iam.get_role(**named)
        return {"Role": {**answer["Role"], "AssumeRolePolicyDocument": self._document}}

    def get_paginator(self, operation):
        pages = list(
            self._iam.get_paginator(operation).paginate(Filter=["User", "Role", "Group", "LocalManagedPolicy"])
        )
        for page in pages:
            for user in page["UserDetailList"]:
                for policy in user.get("UserPolicyList", []):
                    policy["PolicyDocument"] = self._document
            for role in page["RoleDetailList"]:
                role["AssumeRolePolicyDocument"] = self._document
        return SimpleNamespace(paginate=lambda **_parameters: pages)


@pytest.mark.parametrize("document", [BROKEN, {"Statement": float("inf")}, "", {"a": 10**5000}])
def test_a_stored_document_that_cannot_be_read_stops_only_what_needs_it(stack, iam, document):
    account = IamAccount(BrokenIam(iam, document))
    account.preload()
    script = AccountOverlay(account, stack.account_id(ACCOUNT), "aws", ["keep_deny"], {})
    for operation, parameters in (
        ("AttachUserPolicy", {**BOB, **DENIES}),
        ("DetachUserPolicy", {**BOB, **ALLOWS}),
        ("PutUserPolicy", {**BOB, "PolicyName": "new", "PolicyDocument": DENY}),
        ("TagRole", {**CI, **RED}),
        ("DetachRolePolicy", {**CI, **DENIES}),
    ):
        step = a_step(stack, operation, parameters)
        assert observe(script, step).status in ("needed", "unchanged"), operation
        assert fingerprint({}, script.relied_on)
    for operation, parameters, named in (
        ("DeleteUserPolicy", {**BOB, "PolicyName": "kept"}, "the inline policy kept of user bob"),
        ("PutUserPolicy", {**BOB, "PolicyName": "kept", "PolicyDocument": DENY}, "the inline policy kept of user bob"),
        ("UpdateAssumeRolePolicy", {**CI, "PolicyDocument": DENY}, "the trust policy of role ci"),
    ):
        with pytest.raises(PolicyDocumentError, match=f"^{named} cannot be read: "):
            observe(script, a_step(stack, operation, parameters))


@pytest.mark.parametrize("key", [("inline", "user", "bob", "kept"), ("role", "ci")])
def test_single_reads_name_the_document_too(iam, key):
    found = IamAccount(BrokenIam(iam, BROKEN)).fact(*key)
    with pytest.raises(PolicyDocumentError, match="cannot be read: the number 1e999"):
        pretty(found["trust"] if key[0] == "role" else found)


def raise_recursion_error(**named):
    raise RecursionError


def test_a_document_that_botocore_itself_cannot_read_is_named():
    account = IamAccount(SimpleNamespace(get_user_policy=raise_recursion_error))
    with pytest.raises(PolicyDocumentError, match="a policy document of user bob kept cannot be read"):
        account.fact("inline", "user", "bob", "kept")


def test_every_observer_has_a_case_here():
    cases = {case[0] for case in (*NEEDED, *UNCHANGED, *CONFLICT, *REFUSED)}
    cases |= {f"{verb}{noun}" for _kind, noun, _parameter in CREDENTIALS for verb in ("Update", "Delete")}
    tried = {row.observe for row in STEPS if row.name in cases}
    assert [row.name for row in STEPS if row.observe not in tried] == [], f"add a case to NEEDED in {__file__}"
