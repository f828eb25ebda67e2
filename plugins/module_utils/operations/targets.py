# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of resources that operations change."""

from __future__ import annotations

from .row import Target

USER = Target(noun="User", parameter="UserName", kind="user", resource="user{path}*", read="GetUser")
GROUP = Target(noun="Group", parameter="GroupName", kind="group", resource="group{path}*", read="GetGroup")
ROLE = Target(noun="Role", parameter="RoleName", kind="role", resource="role{path}*", read="GetRole")
PRINCIPALS = (GROUP, ROLE, USER)
POLICY = Target(noun="Policy", parameter="PolicyArn", kind="policy", resource="policy/{policy}", read="GetPolicy")
INSTANCE_PROFILE = Target(
    noun="InstanceProfile",
    parameter="InstanceProfileName",
    kind="instance_profile",
    resource="instance-profile/*",
    read="GetInstanceProfile",
)
MFA_DEVICE = Target(
    noun="MFADevice", parameter="SerialNumber", kind="mfa_device", resource="mfa/*", read="ListMFADeviceTags"
)
OIDC = Target(
    noun="OpenIDConnectProvider",
    parameter="OpenIDConnectProviderArn",
    kind="openid_connect_provider",
    resource="oidc-provider/*",
    read="GetOpenIDConnectProvider",
)
SAML = Target(
    noun="SAMLProvider",
    parameter="SAMLProviderArn",
    kind="saml_provider",
    resource="saml-provider/*",
    read="GetSAMLProvider",
)
SERVER_CERTIFICATE = Target(
    noun="ServerCertificate",
    parameter="ServerCertificateName",
    kind="server_certificate",
    resource="server-certificate/*",
    read="GetServerCertificate",
)
TAGGED = (INSTANCE_PROFILE, MFA_DEVICE, OIDC, POLICY, ROLE, SAML, SERVER_CERTIFICATE, USER)
