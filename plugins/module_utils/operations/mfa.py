# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MFA devices."""

from __future__ import annotations

from ..account.iam_account import ROOT
from ..account.overlay import AccountOverlay, Observation, compared, delete_conflict
from ..shapes import Step
from .credentials import delete_credential
from .row import DESTRUCTIVE, WIDEN, Operation
from .targets import MFA_DEVICE, USER
from .undo import Irreversible


def delete_virtual_mfa_device(overlay: AccountOverlay, step: Step) -> Observation:
    serial = step["parameters"]["SerialNumber"]
    devices = overlay.fact("virtual_mfa_devices")
    key = ("virtual_mfa_devices", serial)
    if serial not in devices:
        return compared({}, {}, key)
    user = devices[serial]
    if user == ROOT or (user and serial in (overlay.fact("mfa_devices", user) or {})):
        raise delete_conflict("MFA VirtualDevice in use. Must deactivate first.")
    overlay.will_be({other: holder for other, holder in devices.items() if other != serial}, "virtual_mfa_devices")
    return compared({serial: "unassigned"}, {}, key)


ROWS = (
    Operation(
        name="DeactivateMFADevice",
        module="leastpriv.iam.credential",
        args={"kind": "mfa_device", "user": "$UserName", "id": "$SerialNumber", "state": "absent"},
        observe=delete_credential,
        already_true="the user has no such credential",
        effect=WIDEN,
        undo=Irreversible("only who holds the device can enable it again"),
        guards=("keep_mfa",),
        target=USER,
        reads=("GetUser", "ListMFADevices"),
        requires=("UserName",),
    ),
    Operation(
        name="DeleteVirtualMFADevice",
        module="leastpriv.iam.credential",
        args={"kind": "virtual_mfa_device", "id": "$SerialNumber", "state": "absent"},
        observe=delete_virtual_mfa_device,
        already_true="there is no such device",
        effect=DESTRUCTIVE,
        undo=Irreversible("its seed is gone: a new device has to be made and enabled by its user"),
        guards=("keep_mfa",),
        target=MFA_DEVICE,
        reads=("ListMFADevices", "ListVirtualMFADevices"),
    ),
)
