# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.step_words import sentence


def step(operation, target="", **parameters):
    return {"operation": operation, "target": target, "parameters": parameters}


CREATE = step("CreatePolicy", "P", PolicyName="P", PolicyDocument="{}")
ATTACH = step("AttachUserPolicy", "ann", UserName="ann", PolicyArn="arn:aws:iam::123456789012:policy/path/P")


@pytest.mark.parametrize(
    ("steps", "planned", "done"),
    [
        (
            [CREATE, ATTACH],
            "Will create policy P and attach it to user ann.",
            "Created policy P and attached it to user ann.",
        ),
        ([ATTACH], "Will attach policy P to user ann.", "Attached policy P to user ann."),
        (
            [step("PutRolePolicy", "r", RoleName="r", PolicyName="{x}")] * 3,
            f"Will {', '.join(['put inline policy {x} on role r'] * 2)} and put inline policy {{x}} on role r.",
            f"Put inline policy {{x}} on role r, {' and '.join(['put inline policy {x} on role r'] * 2)}.",
        ),
        ([step("UntagUser", "bob", UserName="bob")], "Will untag user bob.", "Untagged user bob."),
        (
            [step("UpdateAccountPasswordPolicy")],
            "Will update the account's password policy.",
            "Updated the account's password policy.",
        ),
        (
            [step("DetachGroupPolicy", "g", GroupName="g", PolicyArn="arn:aws:iam::aws:policy/Admin")],
            "Will detach policy Admin from group g.",
            "Detached policy Admin from group g.",
        ),
        ([{"operation": "AttachRolePolicy", "target": "r"}], "Will attach role policy r.", "Attached role policy r."),
        ([step("DeactivateMFADevice", "ann")], "Will deactivate MFA device ann.", "Deactivated MFA device ann."),
    ],
)
def test_steps_as_a_sentence(steps, planned, done):
    assert (sentence(steps, is_done=False), sentence(steps, is_done=True)) == (planned, done)
