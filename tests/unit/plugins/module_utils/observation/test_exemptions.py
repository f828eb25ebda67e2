# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Principals that are protected by their tag or path, as the account has them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.modules import observe as module_file
from ansible_collections.leastpriv.iam.plugins.modules.observe import observe_alerts
from stack import iam_state
from stack.furnishing import TRUST

ACCOUNT = "payments"
DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]})
KEEP = [{"Key": "protect", "Value": "yes"}]
BY_TAG = {"tag": {"key": "protect", "value": "yes"}, "owner": "sre", "reason": "emergency"}
BY_PATH = {"path": "/break-glass/", "owner": "sre", "reason": "emergency"}
PUT = "aws iam put-{kind}-policy --{kind}-name {name} --policy-name p --policy-document"


@pytest.fixture
def observe(stack):
    """Observes a script for each (kind, name) with entries of protected principals; gives what is seen by name."""
    iam = stack.client("iam", ACCOUNT)
    for name, more in (("ann", {"Tags": KEEP}), ("bob", {}), ("cid", {"Path": "/break-glass/eu/"}), ("dan", {})):
        iam.create_user(UserName=name, **more)
    iam.create_role(RoleName="tagged", AssumeRolePolicyDocument=TRUST, Tags=KEEP)
    iam.create_role(RoleName="plain", AssumeRolePolicyDocument=TRUST)
    for group, member in (("admins", "ann"), ("others", "bob")):
        iam.create_group(GroupName=group)
        iam.add_user_to_group(GroupName=group, UserName=member)

    def observe(*principals, entries, calls=None, denied=""):
        def note(model, **ignored):
            (calls if calls is not None else []).append(model.name)
            if model.name == denied:
                raise iam.exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, denied)

        # Boto3 shares what is registered with a session among its clients.
        client = stack.client("iam", ACCOUNT)
        client.meta.events.register("before-parameter-build.iam", note, unique_id="note")
        account_id = stack.account_id(ACCOUNT)
        translate = filter_loader.get("leastpriv.iam.steps").j2_function
        alerts = [
            {
                "message_id": name,
                "alert_id": name,
                "steps": translate(f"{PUT.format(kind=kind, name=name)} '{DENY}'", account_id)["steps"],
            }
            for kind, name in principals
        ]
        params = {
            "account_id": account_id,
            "allow": [],
            "max_changes": None,
            "on_quota": "fail",
            "undo": False,
            "prove": "local",
        }
        module = SimpleNamespace(
            params={**params, "protected_principals": entries},
            client=lambda service: client,
            warn=print,
        )
        caller = f"arn:aws:sts::{account_id}:assumed-role/Fixer/remediate"
        try:
            return {seen["message_id"]: seen for seen in observe_alerts(module, alerts, caller)}
        finally:
            client.meta.events.unregister("before-parameter-build.iam", note, unique_id="note")

    return observe


@pytest.mark.parametrize("preload_from", [1, 100], ids=["read at once", "one by one"])
def test_a_principal_with_the_tag_or_the_path_is_not_touched(stack, observe, monkeypatch, preload_from):
    monkeypatch.setattr(module_file, "PRELOAD_FROM", preload_from)
    before = iam_state(stack, ACCOUNT)
    principals = [("user", name) for name in ("ann", "bob", "cid")]
    principals += [("role", "tagged"), ("role", "plain"), ("group", "admins"), ("group", "others")]
    seen = observe(*principals, entries=[BY_TAG, BY_PATH])
    refused = {name: one["reason"] for name, one in seen.items() if one["disposition"] == "refused"}
    assert set(refused) == {"ann", "cid", "tagged", "admins"}
    assert all("guardrail protected_principal: arn:aws:iam::" in reason for reason in refused.values())
    assert "user/ann is protected by tag protect=yes by sre (emergency)" in refused["admins"], "through its member"
    assert "user/break-glass/eu/cid is protected by path /break-glass/ by sre" in refused["cid"]
    assert not any("by hand" in reason for reason in refused.values())
    assert iam_state(stack, ACCOUNT) == before


def test_the_letter_case_of_a_tags_key_does_not_count_and_that_of_its_value_does(observe):
    entries = [{**BY_TAG, "tag": {"key": "Protect", "value": "yes"}}]
    assert observe(("user", "ann"), entries=entries)["ann"]["disposition"] == "refused"
    entries = [{**BY_TAG, "tag": {"key": "protect", "value": "Yes"}}]
    assert observe(("user", "ann"), entries=entries)["ann"]["disposition"] is None


def test_tags_cost_a_call_for_a_member_of_a_group_alone(observe):
    without, having, members = [], [], []
    observe(("user", "bob"), ("role", "plain"), ("group", "others"), entries=[BY_PATH], calls=without)
    observe(("user", "bob"), ("role", "plain"), ("group", "others"), entries=[BY_TAG], calls=having)
    assert having == without, "bob is read once, as a principal and as a member"
    assert "GetUser" in having
    observe(("group", "others"), entries=[BY_TAG], calls=members)
    assert members.count("GetUser") == 1


def test_a_member_whose_tags_cannot_be_read_is_no_pass(observe):
    (seen,) = observe(("group", "others"), entries=[BY_TAG], denied="GetUser").values()
    assert seen["disposition"] == "refused"
    assert "an entry protects by tag, and the tags of user bob cannot be read: " in seen["reason"]
    assert "not you" in seen["reason"]
    (seen,) = observe(("group", "others"), entries=[BY_PATH], denied="GetUser").values()
    assert seen["disposition"] is None
