# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that make one call: which call, none in check mode, none when it is true already, and its errors."""

from __future__ import annotations

import copy
import functools
import importlib
from types import SimpleNamespace

import boto3
import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.one_change import make_change
from botocore.stub import Stubber

MODULES = "ansible_collections.leastpriv.iam.plugins.modules."
ARN = "arn:aws:iam::123456789012:"
POLICY, DEVICE = f"{ARN}policy/p", f"{ARN}mfa/phone"
OIDC, SAML = f"{ARN}oidc-provider/t.example.com", f"{ARN}saml-provider/idp"
DENY = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}'
WHEN = "2026-01-01T00:00:00Z"
USER = {"UserName": "bob", "Path": "/", "UserId": "A" * 16, "Arn": f"{ARN}user/bob", "CreateDate": WHEN}
ROLE = {
    "RoleName": "AWSServiceRoleForX",
    "Path": "/aws-service-role/x.amazonaws.com/",
    "RoleId": "A" * 16,
    "Arn": f"{ARN}role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
    "CreateDate": WHEN,
    "AssumeRolePolicyDocument": "{}",
}
VERSIONS = (
    "list_policy_versions",
    {"Versions": [{"VersionId": "v1", "IsDefaultVersion": True}, {"VersionId": "v2", "IsDefaultVersion": False}]},
)
DOCUMENT = ("get_policy_version", {"PolicyVersion": {"Document": DENY.replace("s3", "sqs")}})
KEYS = (
    "list_ssh_public_keys",
    {"SSHPublicKeys": [{"UserName": "bob", "SSHPublicKeyId": "A" * 20, "Status": "Active", "UploadDate": WHEN}]},
)
DEVICES = ("list_mfa_devices", {"MFADevices": [{"UserName": "bob", "SerialNumber": DEVICE, "EnableDate": WHEN}]})
SPARE = ("list_virtual_mfa_devices", {"VirtualMFADevices": [{"SerialNumber": DEVICE}]})
PROVIDER = (
    "get_open_id_connect_provider",
    {"Url": "t.example.com", "ClientIDList": ["a"], "ThumbprintList": ["a" * 40]},
)
METADATA = ("get_saml_provider", {"SAMLMetadataDocument": "x" * 1000})
ALIASES = ("list_account_aliases", {"AccountAliases": ["first"], "IsTruncated": False})
SUMMARY = ("get_account_summary", {"SummaryMap": {"GlobalEndpointTokenVersion": 1}})
FEDERATION = ("get_outbound_web_identity_federation_info", {"JwtVendingEnabled": True})
TAGGED = ("get_user", {"User": {**USER, "Tags": [{"Key": "team", "Value": "red"}]}})

# module, options, the answers to what it reads, the one call, its parameters
CHANGES = [
    (
        "policy_attachment",
        {"kind": "role", "name": "ci", "policy_arn": POLICY},
        [("list_attached_role_policies", {"AttachedPolicies": [{"PolicyArn": POLICY}]})],
        "detach_role_policy",
        {"RoleName": "ci", "PolicyArn": POLICY},
    ),
    (
        "group_membership",
        {"group": "g", "user": "bob"},
        [
            (
                "list_groups_for_user",
                {
                    "Groups": [
                        {"GroupName": "g", "Path": "/", "GroupId": "A" * 16, "Arn": f"{ARN}group/g", "CreateDate": WHEN}
                    ]
                },
            )
        ],
        "remove_user_from_group",
        {"GroupName": "g", "UserName": "bob"},
    ),
    (
        "policy_version",
        {"policy_arn": POLICY, "policy": DENY, "default": True},
        [VERSIONS, DOCUMENT, DOCUMENT],
        "create_policy_version",
        {"PolicyArn": POLICY, "PolicyDocument": DENY, "SetAsDefault": True},
    ),
    (
        "policy_version",
        {"policy_arn": POLICY, "version_id": "v2", "default": True},
        [VERSIONS],
        "set_default_policy_version",
        {"PolicyArn": POLICY, "VersionId": "v2"},
    ),
    (
        "policy_version",
        {"policy_arn": POLICY, "version_id": "v2", "state": "absent"},
        [VERSIONS],
        "delete_policy_version",
        {"PolicyArn": POLICY, "VersionId": "v2"},
    ),
    (
        "entity",
        {"kind": "user", "name": "bob", "state": "absent"},
        [("get_user", {"User": USER})],
        "delete_user",
        {"UserName": "bob"},
    ),
    (
        "entity",
        {"kind": "user", "name": "bob", "new_path": "/x/", "state": "present"},
        [("get_user", {"User": USER})],
        "update_user",
        {"UserName": "bob", "NewPath": "/x/"},
    ),
    (
        "tags",
        {"kind": "user", "name": "bob", "tags": {"team": "blue"}},
        [TAGGED],
        "tag_user",
        {"UserName": "bob", "Tags": [{"Key": "team", "Value": "blue"}]},
    ),
    (
        "tags",
        {"kind": "user", "name": "bob", "tag_keys": ["team"], "state": "absent"},
        [TAGGED],
        "untag_user",
        {"UserName": "bob", "TagKeys": ["team"]},
    ),
    (
        "credential",
        {"kind": "ssh_public_key", "user": "bob", "id": "A" * 20, "status": "Inactive"},
        [KEYS],
        "update_ssh_public_key",
        {"UserName": "bob", "SSHPublicKeyId": "A" * 20, "Status": "Inactive"},
    ),
    (
        "credential",
        {"kind": "mfa_device", "user": "bob", "id": DEVICE, "state": "absent"},
        [DEVICES],
        "deactivate_mfa_device",
        {"UserName": "bob", "SerialNumber": DEVICE},
    ),
    (
        "credential",
        {"kind": "virtual_mfa_device", "id": DEVICE, "state": "absent"},
        [SPARE],
        "delete_virtual_mfa_device",
        {"SerialNumber": DEVICE},
    ),
    (
        "identity_provider",
        {"kind": "openid_connect_provider", "url": "https://t.example.com", "client_ids": ["a"]},
        [],
        "create_open_id_connect_provider",
        {"Url": "https://t.example.com", "ClientIDList": ["a"]},
    ),
    (
        "identity_provider",
        {"kind": "openid_connect_provider", "arn": OIDC, "client_id": "b"},
        [PROVIDER],
        "add_client_id_to_open_id_connect_provider",
        {"OpenIDConnectProviderArn": OIDC, "ClientID": "b"},
    ),
    (
        "identity_provider",
        {"kind": "openid_connect_provider", "arn": OIDC, "client_id": "a", "state": "absent"},
        [PROVIDER],
        "remove_client_id_from_open_id_connect_provider",
        {"OpenIDConnectProviderArn": OIDC, "ClientID": "a"},
    ),
    (
        "identity_provider",
        {"kind": "saml_provider", "arn": SAML, "metadata": "y" * 1000},
        [METADATA],
        "update_saml_provider",
        {"SAMLProviderArn": SAML, "SAMLMetadataDocument": "y" * 1000},
    ),
    (
        "identity_provider",
        {"kind": "saml_provider", "arn": SAML, "state": "absent"},
        [METADATA],
        "delete_saml_provider",
        {"SAMLProviderArn": SAML},
    ),
    (
        "service_linked_role",
        {"name": "AWSServiceRoleForX", "state": "absent"},
        [("get_role", {"Role": ROLE})],
        "delete_service_linked_role",
        {"RoleName": "AWSServiceRoleForX"},
    ),
    (
        "service_linked_role",
        {"service": "x.amazonaws.com", "suffix": "blue"},
        [("list_roles", {"Roles": [ROLE]})],
        "create_service_linked_role",
        {"AWSServiceName": "x.amazonaws.com", "CustomSuffix": "blue"},
    ),
    ("account_setting", {"alias": "second"}, [ALIASES], "create_account_alias", {"AccountAlias": "second"}),
    (
        "account_setting",
        {"alias": "first", "state": "absent"},
        [ALIASES],
        "delete_account_alias",
        {"AccountAlias": "first"},
    ),
    (
        "account_setting",
        {"sts_token_version": "v2Token"},
        [SUMMARY],
        "set_security_token_service_preferences",
        {"GlobalEndpointTokenVersion": "v2Token"},
    ),
    (
        "account_setting",
        {"outbound_web_identity_federation": False},
        [FEDERATION],
        "disable_outbound_web_identity_federation",
        {},
    ),
]
TRUE_ALREADY = [
    ("policy_version", {"policy_arn": POLICY, "version_id": "v1", "default": True}, [VERSIONS]),
    ("policy_version", {"policy_arn": POLICY, "version_id": "v9", "state": "absent"}, [VERSIONS]),
    ("tags", {"kind": "user", "name": "bob", "tags": {"team": "red"}}, [TAGGED]),
    ("tags", {"kind": "user", "name": "bob", "tag_keys": ["other"], "state": "absent"}, [TAGGED]),
    ("credential", {"kind": "ssh_public_key", "user": "bob", "id": "A" * 20, "status": "Active"}, [KEYS]),
    ("credential", {"kind": "mfa_device", "user": "bob", "id": "none", "state": "absent"}, [DEVICES]),
    ("credential", {"kind": "virtual_mfa_device", "id": "none", "state": "absent"}, [SPARE]),
    ("identity_provider", {"kind": "openid_connect_provider", "arn": OIDC, "client_id": "a"}, [PROVIDER]),
    (
        "identity_provider",
        {"kind": "openid_connect_provider", "arn": OIDC, "thumbprints": ["a" * 40]},
        [PROVIDER],
    ),
    ("service_linked_role", {"service": "x.amazonaws.com"}, [("list_roles", {"Roles": [ROLE]})]),
    ("account_setting", {"alias": "first"}, [ALIASES]),
    ("account_setting", {"outbound_web_identity_federation": True}, [FEDERATION]),
]


class Ended(Exception):
    """A module's exit_json or fail_json; its options are in `result`."""

    def __init__(self, result):
        super().__init__(result.get("msg"))
        self.result = result


class AModule:
    """What a module's functions see of an AnsibleAWSModule."""

    def __init__(self, client, options, check_mode):
        self._client = client
        self.params = options
        self.check_mode = check_mode

    def client(self, _service):
        return self._client

    def exit_json(self, **result):
        raise Ended({"failed": False, **result})

    def fail_json(self, **result):
        raise Ended({"failed": True, **result})

    def fail_json_aws(self, error, msg):
        self.fail_json(msg=f"{msg}: {error}")


@functools.cache
def iam_client():
    return boto3.client("iam", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


def declared(name, monkeypatch):
    """The argument_spec that a module's main() declares."""
    module = importlib.import_module(MODULES + name)

    def declare(**declaration):
        raise Ended(declaration)

    monkeypatch.setattr(module, "AnsibleAWSModule", declare)
    with pytest.raises(Ended) as ended:
        module.main()
    return module, ended.value.result["argument_spec"]


def run(monkeypatch, name, options, answers, change=None, check_mode=False):
    """Run a module; `change` is (call, parameters, answer or error code)."""
    module, spec = declared(name, monkeypatch)
    client = iam_client()
    filled = {option: options.get(option, about.get("default")) for option, about in spec.items()}
    with Stubber(client) as stub:
        for call, answer in answers:
            # boto3 decodes documents inside of the answer that it is given.
            stub.add_response(call, copy.deepcopy(answer))
        if change and isinstance(change[2], str):
            stub.add_client_error(change[0], change[2], "AWS said so", expected_params=change[1])
        elif change:
            stub.add_response(change[0], change[2], change[1])
        with pytest.raises(Ended) as ended:
            make_change(AModule(client, filled, check_mode), module.change)
        stub.assert_no_pending_responses()
    return SimpleNamespace(**ended.value.result)


ANSWERS = {
    "create_open_id_connect_provider": {"OpenIDConnectProviderArn": OIDC},
    "delete_service_linked_role": {"DeletionTaskId": "task/1"},
}


@pytest.mark.parametrize(("name", "options", "answers", "call", "parameters"), CHANGES)
def test_the_one_call_is_made(monkeypatch, name, options, answers, call, parameters):
    change = (call, parameters, {**ANSWERS.get(call, {}), "ResponseMetadata": {"RequestId": "r-1"}})
    result = run(monkeypatch, name, options, answers, change)
    assert result.changed
    assert result.response_metadata == {"request_id": "r-1"}
    assert result.diff["before"] != result.diff["after"]


@pytest.mark.parametrize(("name", "options", "answers", "call", "parameters"), CHANGES)
def test_check_mode_tells_the_same_and_makes_no_call(monkeypatch, name, options, answers, call, parameters):
    assert run(monkeypatch, name, options, answers, check_mode=True).changed


@pytest.mark.parametrize(("name", "options", "answers"), TRUE_ALREADY)
def test_what_is_true_already_is_left_alone(monkeypatch, name, options, answers):
    result = run(monkeypatch, name, options, answers)
    assert (result.failed, result.changed) == (False, False)


@pytest.mark.parametrize(("name", "options", "answers", "call", "parameters"), CHANGES)
def test_an_error_of_aws_is_reported_with_what_was_tried(monkeypatch, name, options, answers, call, parameters):
    result = run(monkeypatch, name, options, answers, (call, parameters, "DeleteConflict"))
    assert result.failed
    assert result.msg.startswith("Failed to ")
    assert "DeleteConflict" in result.msg


@pytest.mark.parametrize(("name", "options", "answers", "call", "parameters"), CHANGES)
def test_finding_it_gone_is_what_a_removal_wanted(monkeypatch, name, options, answers, call, parameters):
    result = run(monkeypatch, name, options, answers, (call, parameters, "NoSuchEntity"))
    removes = call.startswith(("delete", "detach", "remove", "untag", "deactivate"))
    assert result.failed is not removes


@pytest.mark.parametrize(
    ("deletion", "said"),
    [
        ({"Status": "SUCCEEDED"}, None),
        ({"Status": "FAILED", "Reason": {"Reason": "still used"}}, "still used"),
        ({"Status": "IN_PROGRESS"}, "still deleting"),
    ],
)
def test_the_deletion_of_a_service_linked_role_is_awaited(monkeypatch, deletion, said):
    module = importlib.import_module(MODULES + "service_linked_role")
    client = SimpleNamespace(get_service_linked_role_deletion_status=lambda DeletionTaskId: deletion)
    asked = AModule(client, {"name": "AWSServiceRoleForX", "wait_timeout": -1}, False)
    if said is None:
        assert module.await_deletion(asked, client, {"DeletionTaskId": "task/1"}) is None
    else:
        with pytest.raises(Ended, match=said):
            module.await_deletion(asked, client, {"DeletionTaskId": "task/1"})
