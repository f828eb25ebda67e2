# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What GetAccountAuthorizationDetails leaves out, in one answer: `snapshot.py` would need fifty calls for it.

Runs in the server's process only.
"""

from __future__ import annotations

from typing import Any

from moto.iam.models import IAMBackend, User

from .iam_additions import service_specific_credentials


def details(iam: IAMBackend) -> dict[str, Any]:
    """Gives {users: {name: what it can sign in with}, roles: {name: settings}, policies: {ARN: tags}} and the rest.

    The rest is by name or ARN: instance profiles, server certificates, identity providers, virtual MFA devices; and the
    settings of the account.
    """
    own = {arn: policy for arn, policy in iam.managed_policies.items() if f":{iam.account_id}:" in arn}
    return {
        "users": {user.name: _sign_in(user) for user in iam.users.values()},
        "roles": {
            role.name: {"Description": role.description, "MaxSessionDuration": str(role.max_session_duration)}
            for role in iam.roles.values()
        },
        "policies": {arn: {"Tags": policy.get_tags(), "PolicyArn": arn} for arn, policy in own.items()},
        "instance_profiles": {
            one.name: {"Path": one.path, "Roles": [role.name for role in one.roles], "Tags": list(one.tags)}
            for one in iam.instance_profiles.values()
        },
        "server_certificates": {
            one.cert_name: {"Path": one.path, "Tags": list(one.tags)} for one in iam.certificates.values()
        },
        "providers": _providers(iam),
        "virtual_mfa_devices": {serial: list(device.tags) for serial, device in iam.virtual_mfa_devices.items()},
        "settings": _settings(iam),
    }


def _providers(iam: IAMBackend) -> dict[str, dict[str, Any]]:
    connect = {
        one.arn: {
            "Url": one.url,
            "ClientIDList": list(one.client_id_list),
            "ThumbprintList": list(one.thumbprint_list),
            "Tags": one.tag_list_type,
        }
        for one in iam.open_id_providers.values()
    }
    saml = {
        one.arn: {"SAMLMetadataDocument": one.saml_metadata_document, "Tags": list(one.tags)}
        for one in iam.saml_providers.values()
    }
    return {**connect, **saml}


def _settings(iam: IAMBackend) -> dict[str, Any]:
    policy = iam.account_password_policy
    return {
        "password_policy": policy and {name: value for name, value in vars(policy).items() if name != "_errors"},
        "aliases": list(iam.account_aliases),
        "token_version": iam.account_summary.summary_map["GlobalEndpointTokenVersion"],
        "outbound_federation": iam.outbound_federation,
    }


def _sign_in(user: User) -> dict[str, Any]:
    """By status where the id is random."""
    is_reset = {"PasswordResetRequired": bool(user.password_reset_required)}
    return {
        "LoginProfile": is_reset if user.password else None,
        "AccessKeys": [key.status for key in user.access_keys],
        "SSHPublicKeys": [key.status for key in user.ssh_public_keys],
        "Certificates": [one.status for one in user.signing_certificates.values()],
        "MFADevices": [device.serial_number for device in user.mfa_devices.values()],
        "ServiceSpecificCredentials": [one["Status"] for one in service_specific_credentials(user).values()],
    }
