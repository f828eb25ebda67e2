# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of a step as IAM has them.

IAM keeps names unique whatever their letter case, and finds them in any. A list, or a whole account
read at once, has them in one letter case only. So a step is observed and applied with that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..account.overlay import AccountOverlay, principal
from ..operations import OPERATIONS
from ..shapes import Step

# The parameter of a name -> the family of facts that it names.
NAMES = {
    "GroupName": "group",
    "InstanceProfileName": "instance_profile",
    "RoleName": "role",
    "ServerCertificateName": "server_certificate",
    "UserName": "user",
}
POLICY_ARNS = ("PermissionsBoundary", "PolicyArn")
PROVIDER_ARNS = {"OpenIDConnectProviderArn": "openid_connect_provider", "SAMLProviderArn": "saml_provider"}


def as_stored(overlay: AccountOverlay, step: Step) -> Step:
    """The step with its names in the letter case that IAM has them in.

    :param overlay: the `AccountOverlay` as the steps before it leave the account.
    :param step: `operation`, `parameters`, `args` and `target`.
    """
    parameters = dict(step["parameters"])
    for parameter, kind in NAMES.items():
        if parameter in parameters:
            parameters[parameter] = overlay.stored_name(kind, parameters[parameter])
    for parameter in POLICY_ARNS:
        # The boundary of a new principal is not looked at.
        if parameter in parameters and step["operation"] not in ("CreateRole", "CreateUser"):
            parameters[parameter] = _stored_arn(overlay, {**step, "parameters": parameters}, parameters[parameter])
    for parameter, kind in PROVIDER_ARNS.items():
        if parameter in parameters:
            parameters[parameter] = _stored_provider(overlay, kind, parameters[parameter])
    if "SerialNumber" in parameters:
        parameters["SerialNumber"] = _stored_serial(overlay, step["operation"], parameters)
    if "PolicyName" in parameters and principal({"parameters": parameters}):
        parameters["PolicyName"] = _stored_inline_name(overlay, parameters)
    return step if parameters == step["parameters"] else _renamed(step, parameters)


def _renamed(step: Step, parameters: dict[str, Any]) -> Step:
    row = OPERATIONS[step["operation"]]
    before, after = row.module_args(step["parameters"]), row.module_args(parameters)
    changed = {option: value for option, value in after.items() if value != before.get(option)}
    names = {old: parameters[name] for name, old in step["parameters"].items() if isinstance(old, str)}
    target = step.get("target", "")
    return {
        **step,
        "parameters": parameters,
        "args": {**step.get("args", {}), **changed},
        "target": names.get(target, target),
    }


def renamed_values(before: Step, after: Step) -> list[tuple[Any, Any]]:
    """What was written in another letter case than IAM has it in, as (written, stored) pairs."""
    return [
        (written, after["parameters"][name])
        for name, written in before["parameters"].items()
        if name in (*NAMES, *POLICY_ARNS, *PROVIDER_ARNS, "PolicyName", "SerialNumber")
        and written != after["parameters"][name]
    ]


def _stored_arn(overlay: AccountOverlay, step: Step, arn: str) -> str:
    operation, key = step["operation"], principal(step)
    held: list[str] = []
    if key and step["parameters"].get("PolicyArn") == arn:
        held = overlay.fact("attached", *key) or []
    elif key:
        held = [(overlay.fact(*key) or {}).get("boundary") or ""]
    same = [one for one in held if one.lower() == arn.lower()]
    if same or operation.startswith("Detach") or not overlay.is_local(arn):
        return arn if arn in same or not same else same[0]
    if overlay.fact(_family(operation), arn) is not None:
        return arn
    named = overlay.fact("policy_names").get(arn.rsplit("/", 1)[-1].lower(), [])
    return next((one for one in named if one.lower() == arn.lower()), arn)


def _stored_provider(overlay: AccountOverlay, kind: str, arn: str) -> Any:
    if (arn,) in overlay.overlaid(kind) or overlay.fact(kind, arn) is not None:
        return arn
    return overlay.fact("provider_arns", kind).get(arn.lower(), arn)


def _stored_serial(overlay: AccountOverlay, operation: str, parameters: Mapping[str, Any]) -> Any:
    serial = parameters["SerialNumber"]
    if operation == "DeleteVirtualMFADevice":
        known = overlay.fact("virtual_mfa_devices")
    elif "UserName" in parameters:
        known = overlay.fact("mfa_devices", parameters["UserName"]) or {}
    else:
        return serial
    return serial if serial in known else next((one for one in known if one.lower() == serial.lower()), serial)


def _family(operation: str) -> str:
    """The family of facts that an operation's observer reads of a policy anyway."""
    if operation in ("TagPolicy", "UntagPolicy"):
        return "policy"
    return "policy_versions" if "Version" in operation or operation == "DeletePolicy" else "policy_document"


def _stored_inline_name(overlay: AccountOverlay, parameters: Mapping[str, Any]) -> Any:
    kind, name = principal({"parameters": parameters})
    wanted = parameters["PolicyName"]
    names = overlay.fact("inline_names", kind, name) or []
    return next((one for one in sorted(names, key=wanted.__ne__) if one.lower() == wanted.lower()), wanted)
