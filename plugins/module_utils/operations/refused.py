# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that never run, with the reason why no setting opens them."""

from __future__ import annotations

from .row import DESTRUCTIVE, NEUTRAL, SECRET, WIDEN, Operation

MINTS = "it mints or needs a secret, which no alert may do"
DELEGATES = "it delegates access, which no alert may do"
NEEDS_CODES = "it needs the codes of somebody's MFA device"
KEY_MATERIAL = "it brings key material of a sender we do not know"
ORGANISATION = "it changes the whole organization, not the one account that the alert is about"
FEATURES = 'it changes features of the whole account that have no "more" or "less" of access we could judge'
PROPAGATES = "it binds an identity provider to other services, which no alert may do"

# name -> (effect, reason)
REASONS = {
    "AcceptDelegationRequest": (WIDEN, DELEGATES),
    "AcquireRole": (WIDEN, "it creates roles from a template of somebody else's"),
    "AssociateDelegationRequest": (WIDEN, DELEGATES),
    "ChangePassword": (SECRET, "it changes the password of the identity that runs this"),
    "CreateAccessKey": (SECRET, MINTS),
    "CreateDelegationRequest": (WIDEN, DELEGATES),
    "CreateLoginProfile": (SECRET, MINTS),
    "CreateServiceSpecificCredential": (SECRET, MINTS),
    "CreateVirtualMFADevice": (SECRET, MINTS),
    "DisableOrganizationsRootCredentialsManagement": (DESTRUCTIVE, ORGANISATION),
    "DisableOrganizationsRootSessions": (DESTRUCTIVE, ORGANISATION),
    "EnableMFADevice": (SECRET, NEEDS_CODES),
    "EnableOrganizationsRootCredentialsManagement": (WIDEN, ORGANISATION),
    "EnableOrganizationsRootSessions": (WIDEN, ORGANISATION),
    "PutAccountProperties": (WIDEN, FEATURES),
    "RejectDelegationRequest": (NEUTRAL, DELEGATES),
    "ResetServiceSpecificCredential": (SECRET, MINTS),
    "ResyncMFADevice": (SECRET, NEEDS_CODES),
    "SendDelegationToken": (WIDEN, DELEGATES),
    "UpdateDelegationRequest": (WIDEN, DELEGATES),
    "UpdateLoginProfile": (SECRET, MINTS),
    "UpdateOpenIDConnectProvider": (WIDEN, PROPAGATES),
    "UploadSSHPublicKey": (SECRET, KEY_MATERIAL),
    "UploadServerCertificate": (SECRET, KEY_MATERIAL),
    "UploadSigningCertificate": (SECRET, KEY_MATERIAL),
}

ROWS = tuple(Operation(name=name, effect=effect, refused=reason) for name, (effect, reason) in REASONS.items())
