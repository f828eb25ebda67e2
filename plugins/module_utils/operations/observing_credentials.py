# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observers of what users sign in with."""

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import ROOT
from ansible_collections.leastpriv.iam.plugins.module_utils.account.overlay import (
    aws_error,
    compared,
    delete_conflict,
    existing,
)

# The parameter that names a credential -> the facts that hold it (id -> status), IAM's words for a missing one.
CREDENTIALS = {
    "AccessKeyId": ("access_keys", "The Access Key with id {} cannot be found."),
    "CertificateId": ("signing_certificates", "The Certificate with id {} cannot be found."),
    "SSHPublicKeyId": ("ssh_public_keys", "The Public Key with id {} cannot be found."),
    "SerialNumber": ("mfa_devices", "MFA Device with serial number {} cannot be found."),
    "ServiceSpecificCredentialId": ("service_specific_credentials", "Service specific credential {} cannot be found."),
}


def delete_login_profile(script, step):
    user = step["parameters"]["UserName"]
    before = {"login_profile": bool(script.fact("login_profile", user))}
    script.will_be(None, "login_profile", user)
    return compared(before, {"login_profile": False}, ("login_profile", user))


def update_credential(script, step):
    user, status = step["parameters"]["UserName"], step["parameters"]["Status"]
    existing(script, step, "user", user)
    family, one, words = _credential(step)
    held = script.fact(family, user) or {}
    if one not in held:
        raise aws_error(step, "NoSuchEntity", words.format(one))
    if held[one] != status:
        script.will_be({**held, one: status}, family, user)
    return compared({one: held[one]}, {one: status}, (family, user, one))


def delete_credential(script, step):
    user = step["parameters"]["UserName"]
    family, one, _words = _credential(step)
    held = script.fact(family, user) or {}
    if one not in held:
        return compared({}, {}, (family, user, one))
    script.will_be({other: status for other, status in held.items() if other != one}, family, user)
    return compared({one: held[one]}, {}, (family, user, one))


def _credential(step):
    """The family of facts, the id, and IAM's words for a missing one."""
    parameter = next(name for name in CREDENTIALS if name in step["parameters"])
    family, words = CREDENTIALS[parameter]
    return family, step["parameters"][parameter], words


def delete_virtual_mfa_device(script, step):
    serial = step["parameters"]["SerialNumber"]
    devices = script.fact("virtual_mfa_devices")
    key = ("virtual_mfa_devices", serial)
    if serial not in devices:
        return compared({}, {}, key)
    user = devices[serial]
    if user == ROOT or (user and serial in (script.fact("mfa_devices", user) or {})):
        raise delete_conflict(step, "MFA VirtualDevice in use. Must deactivate first.")
    script.will_be({other: holder for other, holder in devices.items() if other != serial}, "virtual_mfa_devices")
    return compared({serial: "unassigned"}, {}, key)
