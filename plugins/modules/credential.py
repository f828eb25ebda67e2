#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: credential
version_added: 1.0.0
short_description: Deactivate or delete one credential of an IAM user
description:
  - Makes exactly one call, as C(aws iam update-ssh-public-key), C(delete-signing-certificate),
    C(deactivate-mfa-device) and their like do. Credentials are never created.
  - amazon.aws knows of these credentials only as something to delete on the way to deleting a user.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  kind:
    description:
      - What the credential is. V(mfa_device) is the assignment of a device to O(user), V(virtual_mfa_device) the
        device itself, which no user may hold any more.
    type: str
    required: true
    choices: [mfa_device, virtual_mfa_device, ssh_public_key, signing_certificate, service_specific_credential]
  user:
    description:
      - The name of the user. Needed but for O(kind=virtual_mfa_device).
    type: str
  id:
    description:
      - The id of the credential; for MFA devices the serial number.
    type: str
    required: true
  status:
    description:
      - The status to set, for O(state=present). MFA devices have none.
    type: str
    choices: [Active, Inactive]
  state:
    description:
      - V(present) sets O(status), V(absent) deletes the credential or takes the MFA device from its user.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: amazon.aws.iam_access_key
extends_documentation_fragment:
  - leastpriv.iam.one_change
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Deactivate an SSH key for CodeCommit
  leastpriv.iam.credential:
    kind: ssh_public_key
    user: alice
    id: APKAEXAMPLE000000000
    status: Inactive

- name: Delete a signing certificate
  leastpriv.iam.credential:
    kind: signing_certificate
    user: alice
    id: TA7SMP42TDN5Z26OBPJE7EXAMPLE
    state: absent
"""

RETURN = r"""
status:
  description: The status afterwards; V(assigned) or V(unassigned) for MFA devices, null for a missing one.
  returned: success
  type: str
response_metadata:
  description: C(request_id), the id of the call at AWS, for CloudTrail and AWS support.
  returned: when something was changed
  type: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import ROOT
from ansible_collections.leastpriv.iam.plugins.module_utils.one_change import Change, given, make_change

# kind -> (the API parameter that names it, the facts that hold it)
KINDS = {
    "mfa_device": ("SerialNumber", "mfa_devices"),
    "virtual_mfa_device": ("SerialNumber", "virtual_mfa_devices"),
    "ssh_public_key": ("SSHPublicKeyId", "ssh_public_keys"),
    "signing_certificate": ("CertificateId", "signing_certificates"),
    "service_specific_credential": ("ServiceSpecificCredentialId", "service_specific_credentials"),
}
WITHOUT_STATUS = ("mfa_device", "virtual_mfa_device")


def change(params, account):
    """The one call that sets the credential's status or deletes it."""
    kind, absent = params["kind"], params["state"] == "absent"
    parameter, _family = KINDS[kind]
    verb = "deactivate" if kind == "mfa_device" else "delete"
    named = {"UserName": None if kind == "virtual_mfa_device" else params["user"], parameter: params["id"]}
    return Change(
        act=f"{verb if absent else 'update'} {kind.replace('_', ' ')} {params['id']}",
        call=f"{verb if absent else 'update'}_{kind}",
        parameters=given(**named, Status=None if absent else params["status"]),
        before={"status": _status(params, account)},
        after={"status": None if absent else params["status"]},
        removes=absent,
    )


def _status(params, account):
    _parameter, family = KINDS[params["kind"]]
    if params["kind"] != "virtual_mfa_device":
        return (account.fact(family, params["user"]) or {}).get(params["id"])
    holder = account.fact(family).get(params["id"], ROOT + "?")
    return {ROOT + "?": None, None: "unassigned"}.get(holder, "assigned")


def main():
    module = AnsibleAWSModule(
        argument_spec={
            "kind": {"type": "str", "required": True, "choices": list(KINDS)},
            "user": {"type": "str"},
            "id": {"type": "str", "required": True},
            "status": {"type": "str", "choices": ["Active", "Inactive"]},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[
            ("state", "present", ("status",)),
            *[("kind", kind, ("user",)) for kind in KINDS if kind != "virtual_mfa_device"],
        ],
        supports_check_mode=True,
    )
    if module.params["state"] == "present" and module.params["kind"] in WITHOUT_STATUS:
        module.fail_json(msg="MFA devices have no status that could be set: only state=absent works for them")
    make_change(module, change)


if __name__ == "__main__":
    main()
