# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`furnish`: an account with one of everything that the golden scripts of tests/fixtures/steps are about."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# Ids that IAM makes up: as the golden scripts write them.
WRITTEN = {
    "access_key": "AKIAEXAMPLE000000000",
    "signing_certificate": "CERTEXAMPLE0000000000000",
    "service_specific_credential": "ACCAEXAMPLE000000000",
    "ssh_public_key": "APKAEXAMPLE000000000",
}
TAGS = [{"Key": "team", "Value": "red"}]
THUMBPRINT = "a" * 40
HTTP = urllib3.PoolManager(timeout=30, retries=False)


def a_document(effect: str, action: str, **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, **more}]})


TRUST = a_document("Allow", "sts:AssumeRole", Principal={"Service": "ec2.amazonaws.com"})
SAML_METADATA = f"<EntityDescriptor entityID='https://idp.example.com/'>{'<!-- -->' * 150}</EntityDescriptor>"


def furnish(iam: Any, account_id: str, operation: str | None = None) -> dict[str, str]:
    """Make it all; from the second time on as a copy, so the ids that IAM gives are the same in each account.

    :param operation: the one that is to change something, where the account cannot have both.
    :returns: the id that IAM gave for each of `WRITTEN`.
    """
    is_federated = operation == "DisableOutboundWebIdentityFederation"
    name = "furnished and federated" if is_federated else "furnished"
    return as_copy(iam, account_id, name, lambda: _furnish(iam, account_id, is_federated))


def as_copy(iam: Any, account_id: str, name: str, make: Callable[[], Any]) -> Any:
    """What `make` makes in an empty account, and what it returns (not None); from the second time on as a copy."""
    named = {"name": name, "account": account_id}
    made = _control(iam, "give", named)
    if made is None:
        made = make()
        _control(iam, "keep", {**named, "remark": made})
    return made


def _control(iam: Any, command: str, sent: dict[str, Any]) -> Any:
    answer = HTTP.request("POST", f"{iam.meta.endpoint_url}/_stack/{command}", body=json.dumps(sent))
    assert answer.status == 200, answer.status
    return json.loads(answer.data)


def _furnish(iam: Any, account_id: str, is_federated: bool) -> dict[str, str]:
    _policies(iam)
    _principals(iam, f"arn:aws:iam::{account_id}:policy/")
    _instance_profiles(iam)
    furnish_providers(iam)
    iam.update_account_password_policy(MinimumPasswordLength=10, MaxPasswordAge=365)
    iam.create_account_alias(AccountAlias="first-alias")
    iam.create_login_profile(UserName="bob", Password="emulated-Passw0rd")
    if is_federated:
        iam.enable_outbound_web_identity_federation()
    return furnish_credentials(iam, account_id)


def _policies(iam: Any) -> None:
    for name, effect in (("allows", "Allow"), ("denies", "Deny"), ("denies-more", "Deny"), ("unused", "Allow")):
        document = a_document(effect, "s3:*", Resource="*")
        made = iam.create_policy(PolicyName=name, PolicyDocument=document, Tags=TAGS)["Policy"]
        if name == "allows":
            iam.create_policy_version(PolicyArn=made["Arn"], PolicyDocument=a_document("Deny", "sqs:*", Resource="*"))


def _principals(iam: Any, arn: str) -> None:
    iam.create_user(UserName="bob", Tags=TAGS)
    iam.create_user(UserName="idler")
    iam.create_user(UserName="bound", PermissionsBoundary=f"{arn}allows")
    described = {"Description": "builds", "MaxSessionDuration": 7200, "Tags": TAGS}
    iam.create_role(RoleName="ci", AssumeRolePolicyDocument=TRUST, **described)
    iam.create_role(RoleName="spare", AssumeRolePolicyDocument=TRUST)
    iam.create_role(RoleName="bound", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=f"{arn}allows")
    iam.create_service_linked_role(AWSServiceName="elasticbeanstalk.amazonaws.com")
    for group in ("staff", "idle"):
        iam.create_group(GroupName=group)
    for kind, name in (("user", "bob"), ("role", "ci"), ("group", "staff")):
        named = {f"{kind.capitalize()}Name": name}
        getattr(iam, f"attach_{kind}_policy")(**named, PolicyArn=f"{arn}allows")
        document = a_document("Allow", "s3:*", Resource="*")
        getattr(iam, f"put_{kind}_policy")(**named, PolicyName="open", PolicyDocument=document)
    iam.add_user_to_group(GroupName="staff", UserName="bob")


def _instance_profiles(iam: Any) -> None:
    for profile in ("box", "empty"):
        iam.create_instance_profile(InstanceProfileName=profile, Tags=TAGS)
    iam.add_role_to_instance_profile(InstanceProfileName="box", RoleName="ci")


def furnish_providers(iam: Any) -> None:
    iam.create_open_id_connect_provider(
        Url="https://token.example.com",
        ClientIDList=["sts.amazonaws.com", "tools"],
        ThumbprintList=[THUMBPRINT],
        Tags=TAGS,
    )
    iam.create_saml_provider(Name="idp", SAMLMetadataDocument=SAML_METADATA, Tags=TAGS)


def furnish_credentials(iam: Any, account_id: str) -> dict[str, str]:
    """Give bob one of each credential, and make an unassigned MFA device; the ids for `WRITTEN`."""
    certificate, public_key = _key_material()
    iam.upload_server_certificate(ServerCertificateName="web", CertificateBody=certificate, PrivateKey="emulated")
    iam.tag_server_certificate(ServerCertificateName="web", Tags=TAGS)
    for device in ("bob-phone", "spare-phone"):
        serial = iam.create_virtual_mfa_device(VirtualMFADeviceName=device)["VirtualMFADevice"]["SerialNumber"]
        iam.tag_mfa_device(SerialNumber=serial, Tags=TAGS)
    iam.enable_mfa_device(
        UserName="bob",
        SerialNumber=f"arn:aws:iam::{account_id}:mfa/bob-phone",
        AuthenticationCode1="123456",
        AuthenticationCode2="234567",
    )
    signing = iam.upload_signing_certificate(UserName="bob", CertificateBody=certificate)["Certificate"]
    git = iam.create_service_specific_credential(UserName="bob", ServiceName="codecommit.amazonaws.com")
    ssh = iam.upload_ssh_public_key(UserName="bob", SSHPublicKeyBody=public_key)["SSHPublicKey"]
    return {
        "access_key": iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"],
        "signing_certificate": signing["CertificateId"],
        "service_specific_credential": git["ServiceSpecificCredential"]["ServiceSpecificCredentialId"],
        "ssh_public_key": ssh["SSHPublicKeyId"],
    }


@functools.cache
def _key_material() -> tuple[str, str]:
    """A self-signed certificate (PEM) and its public key (OpenSSH)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "leastpriv.example")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    openssh = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return pem, key.public_key().public_bytes(*openssh).decode()
