# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credentials of users, and server certificates."""

from __future__ import annotations

from typing import Any

from ..account.overlay import AccountOverlay, Observation, aws_error, compared, existing, removed_fact
from ..shapes import Step
from .principals import entity_row, module_row, renaming
from .row import DESTRUCTIVE, RESTRICT, Choice, Operation
from .targets import SERVER_CERTIFICATE, USER
from .undo import Calls, Irreversible, Operations, Parameters, undone_by

SECRET_GONE = Irreversible("its secret is gone: a new one has to be made and handed out")
KEY_GONE = Irreversible("its key material has to be uploaded again by who has it")
# The parameter that names a credential -> the facts that hold it (id -> status), IAM's words for a missing one.
CREDENTIALS = {
    "AccessKeyId": ("access_keys", "The Access Key with id {} cannot be found."),
    "CertificateId": ("signing_certificates", "The Certificate with id {} cannot be found."),
    "SSHPublicKeyId": ("ssh_public_keys", "The Public Key with id {} cannot be found."),
    "SerialNumber": ("mfa_devices", "MFA Device with serial number {} cannot be found."),
    "ServiceSpecificCredentialId": ("service_specific_credentials", "Service specific credential {} cannot be found."),
}


def delete_login_profile(overlay: AccountOverlay, step: Step) -> Observation:
    user = step["parameters"]["UserName"]
    before = {"login_profile": bool(overlay.fact("login_profile", user))}
    overlay.will_be(None, "login_profile", user)
    return compared(before, {"login_profile": False}, ("login_profile", user))


def update_credential(overlay: AccountOverlay, step: Step) -> Observation:
    user, status = step["parameters"]["UserName"], step["parameters"]["Status"]
    existing(overlay, step, "user", user)
    family, one, words = _credential(step)
    held = overlay.fact(family, user) or {}
    if one not in held:
        raise aws_error("NoSuchEntity", words.format(one))
    if held[one] != status:
        overlay.will_be({**held, one: status}, family, user)
    return compared({one: held[one]}, {one: status}, (family, user, one))


def delete_credential(overlay: AccountOverlay, step: Step) -> Observation:
    user = step["parameters"]["UserName"]
    family, one, _words = _credential(step)
    held = overlay.fact(family, user) or {}
    if one not in held:
        return compared({}, {}, (family, user, one))
    overlay.will_be({other: status for other, status in held.items() if other != one}, family, user)
    return compared({one: held[one]}, {}, (family, user, one))


def _credential(step: Step) -> tuple[str, str, str]:
    """The family of facts, the id, and IAM's words for a missing one."""
    parameter = next(name for name in CREDENTIALS if name in step["parameters"])
    family, words = CREDENTIALS[parameter]
    return family, step["parameters"][parameter], words


def delete_server_certificate(overlay: AccountOverlay, step: Step) -> Observation:
    name = step["parameters"]["ServerCertificateName"]
    return removed_fact(overlay, "server_certificate", name)


def former_status(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    (status,) = before.values()
    return [(operations[0], {**parameters, "Status": status})]


# What follows Update and Delete, the module's kind, the parameter of its id, and the read action.
KINDS = (
    ("SSHPublicKey", "ssh_public_key", "SSHPublicKeyId", "ListSSHPublicKeys"),
    (
        "ServiceSpecificCredential",
        "service_specific_credential",
        "ServiceSpecificCredentialId",
        "ListServiceSpecificCredentials",
    ),
    ("SigningCertificate", "signing_certificate", "CertificateId", "ListSigningCertificates"),
)

ROWS = (
    Operation(
        name="DeleteAccessKey",
        module="amazon.aws.iam_access_key",
        args={"user_name": "$UserName", "id": "$AccessKeyId", "state": "absent"},
        observe=delete_credential,
        already_true="the user has no such credential",
        effect=RESTRICT,
        undo=SECRET_GONE,
        target=USER,
        reads=("GetUser", "ListAccessKeys"),
        requires=("UserName",),
        phrase="delete access key {AccessKeyId} of user {UserName}",
    ),
    module_row(
        USER,
        name="DeleteLoginProfile",
        args={"remove_password": True},
        observe=delete_login_profile,
        already_true="the user has no login profile",
        effect=RESTRICT,
        undo=SECRET_GONE,
        reads=("GetLoginProfile",),
        requires=("UserName",),
    ),
    # DeleteSSHPublicKey, DeleteServiceSpecificCredential, DeleteSigningCertificate
    *(
        Operation(
            name=f"Delete{noun}",
            module="leastpriv.iam.credential",
            args={"kind": kind, "user": "$UserName", "id": f"${identifier}", "state": "absent"},
            observe=delete_credential,
            already_true="the user has no such credential",
            effect=RESTRICT,
            undo=SECRET_GONE if noun == "ServiceSpecificCredential" else KEY_GONE,
            target=USER,
            reads=("GetUser", read),
            requires=("UserName",),
        )
        for noun, kind, identifier, read in KINDS
    ),
    entity_row(
        SERVER_CERTIFICATE,
        name="DeleteServerCertificate",
        args={"state": "absent"},
        observe=delete_server_certificate,
        already_true="there is no such certificate",
        effect=DESTRUCTIVE,
        undo=KEY_GONE,
    ),
    Operation(
        name="UpdateAccessKey",
        module="amazon.aws.iam_access_key",
        args={
            "user_name": "$UserName",
            "id": "$AccessKeyId",
            "active": Choice("Status", {"Active": True, "Inactive": False}),
        },
        observe=update_credential,
        already_true="it has this status",
        effect=RESTRICT,
        undo=undone_by("UpdateAccessKey", calls=former_status),
        guards=("no_activation",),
        target=USER,
        reads=("GetUser", "ListAccessKeys"),
        requires=("UserName",),
        phrase="set access key {AccessKeyId} of user {UserName} to {Status}",
    ),
    # UpdateSSHPublicKey, UpdateServiceSpecificCredential, UpdateSigningCertificate
    *(
        Operation(
            name=f"Update{noun}",
            module="leastpriv.iam.credential",
            args={
                "kind": kind,
                "user": "$UserName",
                "id": f"${identifier}",
                "status": Choice("Status", {"Active": "Active", "Inactive": "Inactive"}),
                "state": "present",
            },
            observe=update_credential,
            already_true="it has this status",
            effect=RESTRICT,
            undo=undone_by(f"Update{noun}", calls=former_status),
            guards=("no_activation",),
            target=USER,
            reads=("GetUser", read),
            requires=("UserName",),
        )
        for noun, kind, identifier, read in KINDS
    ),
    renaming(SERVER_CERTIFICATE),
)
