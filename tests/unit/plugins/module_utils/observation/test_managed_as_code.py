# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, roles and policies that somebody's code manages, as the account has their tags."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.modules.observe import observe_alerts
from stack.furnishing import TRUST

ACCOUNT = "payments"
STACK = "aws:cloudformation:stack-name"
TAGS = [{"key": STACK}, {"key": "ManagedBy", "value": "terraform"}]
DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]})
PUT = (
    "aws iam put-{kind}-policy --{kind}-name {name} --policy-name p --policy-document '" + DENY.replace("{", "{{") + "'"
)
PUT = PUT.replace("}'", "}}'").replace("}]", "}}]")
SCRIPTS = {
    "stack": PUT.format(kind="role", name="stack"),
    "terraform": PUT.format(kind="user", name="terraform"),
    "hand": PUT.format(kind="user", name="hand"),
    "group": PUT.format(kind="group", name="group"),
    "policy": f"aws iam create-policy-version --policy-arn {{policy}} --set-as-default --policy-document '{DENY}'",
}


@pytest.fixture
def observe(stack):
    """Observes each of the scripts; gives what is seen by its name."""
    iam = stack.client("iam", ACCOUNT)
    iam.create_role(RoleName="stack", AssumeRolePolicyDocument=TRUST, Tags=[{"Key": STACK, "Value": "app"}])
    for name, value in (("terraform", "terraform"), ("hand", "Terraform")):
        iam.create_user(UserName=name, Tags=[{"Key": "ManagedBy", "Value": value}])
    iam.create_group(GroupName="group")
    tags = [{"Key": STACK, "Value": "base"}]
    arn = iam.create_policy(PolicyName="shared", PolicyDocument=DENY, Tags=tags)["Policy"]["Arn"]
    wider = DENY.replace('"s3:*"', '["s3:*", "ec2:*"]')

    def observe(mode, calls=None, denied="", allow=()):
        def note(model, **ignored):
            (calls if calls is not None else []).append(model.name)
            if model.name == denied:
                raise iam.exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, denied)

        client = stack.client("iam", ACCOUNT)
        account_id = stack.account_id(ACCOUNT)
        translate = filter_loader.get("leastpriv.iam.steps").j2_function
        scripts = {name: script.replace("{policy}", arn) for name, script in SCRIPTS.items()}
        scripts["policy"] = scripts["policy"].replace(DENY, wider)
        alerts = [
            {"message_id": name, "alert_id": name, "steps": translate(script, account_id)["steps"]}
            for name, script in scripts.items()
        ]
        params = {
            "account_id": account_id,
            "allow": list(allow),
            "max_changes": None,
            "on_quota": "fail",
            "undo": False,
            "prove": "local",
        }
        module = SimpleNamespace(
            params={**params, "protected_principals": [], "managed": mode, "managed_tags": TAGS},
            client=lambda service: client,
            warn=print,
        )
        client.meta.events.register("before-parameter-build.iam", note, unique_id="note")
        try:
            caller = f"arn:aws:sts::{account_id}:assumed-role/Fixer/remediate"
            return {seen["message_id"]: seen for seen in observe_alerts(module, alerts, caller)}
        finally:
            client.meta.events.unregister("before-parameter-build.iam", note, unique_id="note")

    return observe


def test_by_default_it_is_a_note_with_the_tag(observe):
    seen = observe("warn")
    assert {one["disposition"] for one in seen.values()} == {None}
    notes = {name: " ".join(one["notes"]) for name, one in seen.items()}
    assert f"Role stack is managed as code (tag {STACK}=app). Change its code, too" in notes["stack"]
    assert "User terraform is managed as code (tag ManagedBy=terraform)." in notes["terraform"]
    assert f"Policy arn:aws:iam::{'{}'}:policy/shared".split("{}")[0] in notes["policy"]
    assert f"(tag {STACK}=base)" in notes["policy"]
    assert "as code" not in notes["hand"] + notes["group"]


def test_nothing_is_looked_for_where_changes_are_applied_all_the_same(observe):
    seen = observe("apply")
    assert not any("as code" in note for one in seen.values() for note in one["notes"])


def test_refused_alerts_name_the_tag_and_have_nothing_to_do_by_hand(observe):
    seen = observe("refuse")
    assert {name for name, one in seen.items() if one["disposition"] == "refused"} == {"stack", "terraform", "policy"}
    held = seen["stack"]
    assert held["rule"] == "managed_as_code"
    assert held["reason"].startswith("put-role-policy (line 1, column 1): guardrail managed_as_code: role stack is")
    assert "remediate_allow: [managed_as_code]" in held["reason"]
    assert [(step["status"], step["by_hand"]) for step in held["steps"]] == [("not_run", False)]
    opened = observe("refuse", allow=["managed_as_code"])
    assert {one["disposition"] for one in opened.values()} == {None}
    assert "is managed as code" in " ".join(opened["stack"]["notes"])


def test_tags_cost_one_call_for_a_policy_and_none_for_principals(observe):
    calls = {mode: [] for mode in ("apply", "warn")}
    for mode, made in calls.items():
        observe(mode, calls=made)
    for call in calls["apply"]:
        calls["warn"].remove(call)
    assert calls["warn"] == ["GetPolicy"]


def test_tags_that_cannot_be_read_are_said_and_no_pass(observe):
    seen = {mode: observe(mode, denied="GetPolicy")["policy"] for mode in ("warn", "refuse")}
    assert {one["disposition"] for one in seen.values()} <= {"failed", "refused"}, "its document is not read either"
