# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access in use: what IAM's last-accessed data says of what a step takes away, and what it does not say."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.module_utils.observation import usage as usage_file
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.taken_access import TakenAccess, _replace
from ansible_collections.leastpriv.iam.plugins.modules.observe import differences, observe_alerts

ACCOUNT = "payments"
YESTERDAY = f"{datetime.now(timezone.utc) - timedelta(days=1):%Y-%m-%d}"
GENERATE, GET = "GenerateServiceLastAccessedDetails", "GetServiceLastAccessedDetails"


def document(effect, *actions, **more):
    statement = {"Effect": effect, "Action": list(actions), "Resource": "*", **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def put(name, *actions, kind="user"):
    text = json.dumps(document("Deny", *actions))
    return f"aws iam put-{kind}-policy --{kind}-name {name} --policy-name p --policy-document '{text}'"


@pytest.fixture
def observe(stack):
    """Observes scripts, each an alert of its own; gives what is seen and the calls. The users ann and bob exist."""
    iam = stack.client("iam", ACCOUNT)
    for name in ("ann", "bob"):
        iam.create_user(UserName=name)

    def observe(*scripts, mode="hold", days=90, denied="", allow=()):
        calls = []

        def note(model, **ignored):
            calls.append(model.name)
            if model.name == denied:
                raise iam.exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, denied)

        client, account_id = stack.client("iam", ACCOUNT), stack.account_id(ACCOUNT)
        translate = filter_loader.get("leastpriv.iam.steps").j2_function
        alerts = [
            {"message_id": f"{number}", "alert_id": f"I-{number}", "steps": translate(script, account_id)["steps"]}
            for number, script in enumerate(scripts)
        ]
        assert all(alert["steps"] for alert in alerts)
        params = {
            "account_id": account_id,
            "allow": list(allow),
            "max_changes": None,
            "on_quota": "fail",
            "undo": False,
            "prove": "local",
        }
        module = SimpleNamespace(
            params={**params, "protected_principals": [], "usage": mode, "usage_days": days},
            client=lambda service: client,
            warn=print,
        )
        client.meta.events.register("before-parameter-build.iam", note, unique_id="note")
        try:
            caller = f"arn:aws:sts::{account_id}:assumed-role/Fixer/remediate"
            return observe_alerts(module, alerts, caller), Counter(calls)
        finally:
            client.meta.events.unregister("before-parameter-build.iam", note, unique_id="note")

    return observe


def arn(stack, resource):
    return f"arn:aws:iam::{stack.account_id(ACCOUNT)}:{resource}"


def test_access_that_was_used_yesterday_is_not_taken_away(stack, observe):
    stack.set_last_accessed(arn(stack, "user/ann"), "s3:DeleteBucket", "ec2:RunInstances", "iam:CreateUser")
    (seen,), calls = observe(put("ann", "s3:Delete*"))
    assert (seen["disposition"], seen["rule"]) == ("refused", "in_use")
    wanted = f"guardrail in_use: user ann used within 90 days what it loses: s3:DeleteBucket on {YESTERDAY}; access"
    assert wanted in seen["reason"]
    assert "remediate_allow: [in_use]" in seen["reason"]
    assert (calls[GENERATE], calls[GET]) == (1, 3), "one job, a poll, and two pages"


def test_what_was_used_long_ago_or_never_is_said_and_taken(stack, observe):
    stack.set_last_accessed(arn(stack, "user/ann"), "s3:DeleteBucket", days=100)
    (seen,), _calls = observe(put("ann", "s3:*"))
    assert seen["disposition"] is None
    (note,) = seen["notes"]
    assert note.startswith("User ann last used what it loses: s3:DeleteBucket on 20")
    (step,) = seen["steps"]
    assert [(use["action"], use["level"]) for use in step["usage"]] == [("s3:DeleteBucket", "action")]
    assert "takes away what was last used: s3:DeleteBucket 20" in differences([seen])[0]["after_header"]
    stack.set_last_accessed(arn(stack, "user/ann"), "s3:DeleteBucket", days=0)
    (seen,), _calls = observe(put("ann", "s3:*"))
    assert seen["notes"] == ["User ann has not used what it loses in IAM's tracking period."]


@pytest.mark.parametrize(
    ("actions", "is_held"),
    [
        (["s3:GetObject"], True),
        (["s3:Get*"], True),
        (["*"], True),
        (["s3:DeleteBucket"], False),
        (["ec2:*"], False),
    ],
)
def test_of_actions_that_iam_does_not_track_the_service_s_date_counts_and_is_said(stack, observe, actions, is_held):
    stack.set_last_accessed(arn(stack, "user/ann"), "s3:DeleteBucket", service="s3", days=1)
    used = {"ActionName": "DeleteBucket"}
    now = datetime.now(timezone.utc).isoformat()
    service = {"ServiceName": "S3", "ServiceNamespace": "s3", "LastAuthenticated": now}
    services = [{**service, "TrackedActionsLastAccessed": [used]}]
    stack._control(stack.url, "last_accessed", {arn(stack, "user/ann"): {"services": services}})
    (seen,), _calls = observe(put("ann", *actions))
    assert (seen["disposition"] == "refused") is is_held
    assert ("the date of the service: IAM does not track all" in str(seen["reason"])) is is_held


def test_a_detached_policy_takes_what_it_allows(stack, observe):
    iam = stack.client("iam", ACCOUNT)
    power = iam.create_policy(PolicyName="power", PolicyDocument=json.dumps(document("Allow", "ec2:*", "sqs:*")))
    iam.attach_user_policy(UserName="ann", PolicyArn=power["Policy"]["Arn"])
    detach = f"aws iam detach-user-policy --user-name ann --policy-arn {power['Policy']['Arn']}"
    for used, outcome in (("ec2:RunInstances", "refused"), ("iam:CreateUser", None)):
        stack.set_last_accessed(arn(stack, "user/ann"), used)
        (seen,), _calls = observe(detach)
        assert seen["disposition"] == outcome, used


def test_a_deny_for_a_group_reaches_its_members_and_each_is_asked_about_once(stack, observe):
    iam = stack.client("iam", ACCOUNT)
    iam.create_group(GroupName="all")
    for name in ("ann", "bob"):
        iam.add_user_to_group(GroupName="all", UserName=name)
    stack.set_last_accessed(arn(stack, "user/bob"), "s3:DeleteBucket")
    (group, ann), calls = observe(put("all", "s3:*", kind="group"), put("ann", "ec2:*"))
    assert "user bob used within 90 days what it loses: s3:DeleteBucket" in group["reason"]
    assert ann["disposition"] is None
    assert calls[GENERATE] == 2


def test_off_asks_nothing(stack, observe):
    stack.set_last_accessed(arn(stack, "user/ann"), "s3:DeleteBucket")
    (seen,), without = observe(put("ann", "s3:*"), mode="off")
    assert (seen["disposition"], seen["notes"]) == (None, [])
    assert not {GENERATE, GET} & set(without)
    _seen, having = observe(put("ann", "s3:*"))
    assert Counter({name: count for name, count in having.items() if name not in (GENERATE, GET)}) == without


def test_an_alert_that_is_refused_anyhow_asks_nothing_either(observe):
    (seen,), calls = observe(put("nobody", "s3:*"))
    assert seen["disposition"] == "already_remediated", "there is no such user"
    assert calls[GENERATE] == 0


@pytest.mark.parametrize(
    ("status", "denied", "says"),
    [
        ("FAILED", "", "IAM's last-accessed report failed: it could not be made (ServiceFailure)"),
        ("IN_PROGRESS", "", "IAM did not finish the last-accessed report within 0 seconds"),
        ("COMPLETED", GENERATE, "not you"),
        ("COMPLETED", GET, "not you"),
    ],
)
def test_what_cannot_be_found_out_is_no_pass(stack, observe, monkeypatch, status, denied, says):
    if status == "IN_PROGRESS":
        monkeypatch.setattr(usage_file, "DEADLINE_SECONDS", 0.1)
    stack.set_last_accessed(arn(stack, "user/ann"), "ec2:RunInstances", status=status)
    (seen,), _calls = observe(put("ann", "s3:*"), denied=denied)
    assert seen["disposition"] == "refused"
    assert "guardrail in_use: whether user ann uses what it loses is not known: " in seen["reason"]
    assert says in seen["reason"]
    (seen,), _calls = observe(put("ann", "s3:*"), denied=denied, mode="show")
    assert seen["disposition"] is None
    assert says in " ".join(seen["notes"])


def test_showing_and_opening_the_rule_apply_what_is_in_use_and_say_it(stack, observe):
    stack.set_last_accessed(arn(stack, "user/ann"), "s3:DeleteBucket")
    for more in ({"mode": "show"}, {"allow": ["in_use"]}):
        (seen,), _calls = observe(put("ann", "s3:*"), **more)
        assert seen["disposition"] is None
        assert seen["notes"] == [f"User ann used within 90 days what it loses: s3:DeleteBucket on {YESTERDAY}."]


def test_one_that_is_held_is_in_the_way_of_nobody(stack, observe):
    stack.set_last_accessed(arn(stack, "user/ann"), "s3:DeleteBucket")
    (held, other), _calls = observe(put("ann", "s3:*"), put("ann", "ec2:*"))
    assert held["disposition"] == "refused"
    assert other["disposition"] is None, "the same inline policy, which the first one does not write after all"


@pytest.mark.parametrize(
    ("gone", "new", "taken", "kept"),
    [
        ([document("Allow", "s3:*")], [document("Allow", "s3:Get*")], "s3:putobject", "s3:getobject"),
        ([document("Allow", "s3:*", "ec2:*")], [], "ec2:runinstances", "sqs:sendmessage"),
        ([], [document("Deny", "s3:Put*")], "s3:putobject", "s3:getobject"),
        ([document("Deny", "s3:*")], [document("Deny", "s3:*")], None, "s3:putobject"),
        (
            [document("Allow", "s3:Get*")],
            [document("Allow", "s3:Get*", Resource="arn:aws:s3:::a")],
            "s3:getobject",
            None,
        ),
    ],
)
def test_what_documents_take_away(gone, new, taken, kept):
    found = TakenAccess()
    _replace(found, gone, new)
    assert taken is None or found.takes(taken)
    assert kept is None or not found.takes(kept)


def test_a_deny_of_all_but_some_takes_the_others():
    found = TakenAccess()
    statement = {"Effect": "Deny", "NotAction": ["iam:*", "s3:Get*"], "Resource": "*"}
    _replace(found, [], [{"Version": "2012-10-17", "Statement": [statement]}])
    assert (found.takes("ec2:x"), found.takes("iam:x"), found.takes("s3:getobject")) == (True, False, False)
    assert (found.takes_others("iam", ()), found.takes_others("s3", ()), found.takes_others("ec2", ())) == (
        False,
        True,
        True,
    )
