# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What GetAccountAuthorizationDetails leaves out, in one answer: `snapshot.py` would need thirty calls for it.

Runs in the server's process only.
"""

from __future__ import annotations

from typing import Any

from moto.iam.models import IAMBackend, User

from .iam_additions import service_specific_credentials


def details(iam: IAMBackend) -> dict[str, dict[str, Any]]:
    """Gives {users: {name: what it can sign in with}, roles: {name: settings}, policies: {ARN: tags}}."""
    own = {arn: policy for arn, policy in iam.managed_policies.items() if f":{iam.account_id}:" in arn}
    return {
        "users": {user.name: _sign_in(user) for user in iam.users.values()},
        "roles": {
            role.name: {"Description": role.description, "MaxSessionDuration": str(role.max_session_duration)}
            for role in iam.roles.values()
        },
        "policies": {arn: {"Tags": policy.get_tags(), "PolicyArn": arn} for arn, policy in own.items()},
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
