# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import difflib
import json
import math
from types import SimpleNamespace

import pytest
from ansible_collections.leastpriv.iam.plugins.modules.observe import differences, observe_alerts
from botocore.exceptions import ClientError

DOCUMENT = '{"Version": "2012-10-17", "Statement": []}'


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ({}, ""),
        ({"arn": "a", "document": DOCUMENT}, '{\n  "Statement": [],\n  "Version": "2012-10-17"\n}\n'),
        ({"trust": '{"b": "é", "a": 1}'}, '{\n  "a": 1,\n  "b": "\\u00e9"\n}\n'),
        ({"path": "/", "trust": "{}"}, '{\n  "path": "/",\n  "trust": {}\n}\n'),
        ({"attached_policies": ["a"]}, '{\n  "attached_policies": [\n    "a"\n  ]\n}\n'),
    ],
)
def test_each_side_of_a_difference_is_text_that_compares_line_by_line(part, shown):
    needed = {"label": "I-1 do", "status": "needed", "before": {}, "after": part}
    (output,) = differences([{"steps": [needed, {"status": "unchanged"}]}])
    assert output == {"before_header": "I-1 do", "after_header": "I-1 do", "before": "", "after": shown}


def added(before, after):
    """The lines that are taken away, and those that come, as diff mode shows a step."""
    needed = {"label": "I-1 do", "status": "needed", "before": before, "after": after}
    (output,) = differences([{"steps": [needed]}])
    lines = list(difflib.ndiff(output["before"].splitlines(), output["after"].splitlines()))
    return tuple([line[2:].strip() for line in lines if line.startswith(sign)] for sign in ("- ", "+ "))


def test_what_comes_to_a_list_changes_no_entry_that_is_there():
    assert added({"attached_policies": ["a"]}, {"attached_policies": ["a", "b"]}) == ([], ['"b"'])
    deny, other = ({"Effect": "Deny", "Action": [name], "Resource": "*"} for name in ("s3:*", "sqs:*"))
    documents = [{"document": json.dumps({"Statement": list(each)})} for each in ([deny], [deny, other])]
    gone, come = added(*documents)
    assert gone == []
    assert '"sqs:*"' in come
    assert added({"a": ["x,", "]", "{"]}, {"a": ["x,", "]", "{", "y"]}) == ([], ['"y"'])


def test_differences_that_cannot_be_shown_cost_one_alert_alone():
    odd = {"label": "I-1 do", "status": "needed", "before": {}, "after": {"document": "no document"}}
    fine = {"label": "I-2 do", "status": "needed", "before": {}, "after": {"trust": "{}"}}
    assert [output["after_header"] for output in differences([{"steps": [odd]}, {"steps": [fine]}])] == ["I-2 do"]


POLICY = "arn:aws:iam::123456789012:policy/p"


class Iam:
    """Nothing but users, each with a list of attached policies that is a little odd."""

    def get_user(self, UserName):
        arn = f"arn:aws:iam::123456789012:user/{UserName}"
        return {"User": {"Arn": arn, "Path": "/", "UserName": UserName}}

    def get_role(self, RoleName):
        arn = "arn:aws:iam::123456789012:role/Runner"
        return {"Role": {"Arn": arn, "Path": "/", "RoleName": "Runner", "AssumeRolePolicyDocument": {"Statement": []}}}

    def get_policy(self, PolicyArn):
        return {"Policy": {"DefaultVersionId": "v1"}}

    def get_policy_version(self, PolicyArn, VersionId):
        return {"PolicyVersion": {"Document": {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}}}

    def get_paginator(self, operation):
        return SimpleNamespace(paginate=lambda **_named: [{"AttachedPolicies": []}])


def attaching(alert_id, user, **changes):
    parameters = {"UserName": user, "PolicyArn": POLICY}
    step = {"operation": "AttachUserPolicy", "parameters": parameters, "module": "m", "args": {}, "target": user}
    return {"message_id": alert_id, "alert_id": alert_id, "steps": [{**step, "index": 1, "command": "c", **changes}]}


@pytest.mark.parametrize(
    "odd",
    [
        attaching("I-ODD", "ann", operation="NoSuchOperation"),
        attaching("I-ODD", ["ann"]),
        attaching("I-ODD", "ann", parameters=None),
        attaching("I-ODD", "ann", args={"x": math.inf}),
        attaching("I-ODD", "ann", args={"x": object()}),
        {"message_id": "I-ODD", "alert_id": "I-ODD", "steps": 5},
        {"message_id": "I-ODD", "alert_id": "I-ODD"},
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_alert_that_cannot_be_observed_costs_nothing_but_itself(odd, place):
    others = [attaching("I-1", "ann"), attaching("I-2", "bob")]
    params = {"account_id": "123456789012", "allow": [], "max_changes": None, "on_quota": "fail", "undo": False}
    module = SimpleNamespace(params={**params, "protected_principals": []}, client=lambda service: Iam())
    caller = "arn:aws:sts::123456789012:assumed-role/Runner/x"
    alone = observe_alerts(module, others, caller)
    assert [seen["disposition"] for seen in alone] == [None, None]
    batch = observe_alerts(module, [*others[:place], odd, *others[place:]], caller)
    lost = batch.pop(place)
    assert (lost["message_id"], lost["disposition"]) == ("I-ODD", "failed")
    assert lost["reason"].startswith("Unexpected error while observing the account: ")
    assert batch == alone


def test_what_a_lost_alert_was_about_to_write_stands_in_no_other_alerts_way():
    params = {"account_id": "123456789012", "allow": [], "max_changes": None, "on_quota": "fail", "undo": False}
    module = SimpleNamespace(params={**params, "protected_principals": []}, client=lambda service: Iam())
    caller = "arn:aws:sts::123456789012:assumed-role/Runner/x"
    (step,) = attaching("I-1", "ann")["steps"]
    detach = {**step, "operation": "DetachUserPolicy"}
    lost = {**attaching("I-1", "ann"), "steps": [step, {**step, "operation": "NoSuchOperation", "index": 2}]}
    other = {"message_id": "I-2", "alert_id": "I-2", "steps": [detach]}
    assert observe_alerts(module, [lost, other], caller)[1] == observe_alerts(module, [other], caller)[0]


def observed(*alerts, undo=False, max_changes=None, **protected):
    """What is seen of alerts, with these users protected (name=reason)."""
    entries = [
        {"arn": f"arn:aws:iam::*:user/{name}", "owner": "security", "reason": why} for name, why in protected.items()
    ]
    params = {"account_id": "123456789012", "allow": [], "max_changes": max_changes, "on_quota": "fail", "undo": undo}
    module = SimpleNamespace(params={**params, "protected_principals": entries}, client=lambda service: Iam())
    return observe_alerts(module, alerts, "arn:aws:sts::123456789012:assumed-role/Runner/x")


def of_both(first, second, operation="AttachUserPolicy"):
    """An alert of two steps, for one user each."""
    (one,) = attaching("I-1", first, command=f"aws iam {first}")["steps"]
    (other,) = attaching("I-1", second, index=2, command=f"aws iam {second}", operation=operation)["steps"]
    return {"message_id": "I-1", "alert_id": "I-1", "steps": [one, other]}


@pytest.mark.parametrize("place", [0, 1], ids=["before it is observed", "after the step that is refused"])
def test_no_command_about_a_protected_principal_is_listed_to_be_run_by_hand(place):
    users = ["ann", "ann"]
    users[place] = "root"
    (seen,) = observed(of_both(*users), root="break glass")
    assert seen["disposition"] == "refused"
    assert [step["by_hand"] for step in seen["steps"]] == [user == "ann" for user in users]
    output = seen["reason"].split("\n")[1:]
    assert output == ["1 of 2 commands shown; the rest must not be run manually either", "by hand: aws iam ann"]


def test_the_runner_itself_is_protected_from_what_is_reported_too():
    step = {**attaching("I-1", "x")["steps"][0], "parameters": {"RoleName": "runner", "PolicyArn": POLICY}}
    alert = {"message_id": "I-1", "alert_id": "I-1", "steps": [{**step, "operation": "AttachRolePolicy"}]}
    (seen,) = observed(alert)
    assert not seen["steps"][0]["by_hand"]
    assert "by hand" not in seen["reason"]


UNDONE = {
    "alert_id": "I-0",
    "operation": "DetachUserPolicy",
    "parameters": {"UserName": "root", "PolicyArn": POLICY},
    "before": {"attached_policies": [POLICY]},
    "after": {"attached_policies": ["something else"]},
}


def test_what_is_for_another_run_or_undoes_is_not_listed_to_be_run_by_hand():
    (seen,) = observed(attaching("I-1", "ann"), max_changes=0)
    assert (seen["disposition"], seen["steps"][0]["by_hand"]) == ("refused", False)
    undoing = attaching("I-1", "root", undoes=UNDONE, compares=True)
    (seen,) = observed(undoing, undo=True, root="break glass")
    assert (seen["disposition"], seen["steps"][0]["by_hand"]) == ("refused", False)


def test_what_is_applied_may_be_finished_by_hand():
    (seen,) = observed(of_both("ann", "bob"), root="break glass")
    assert (seen["disposition"], [step["by_hand"] for step in seen["steps"]]) == (None, [True, True])


class FullIam(Iam):
    """Users that can take no further policy, and whose inline policies may not be read."""

    def get_paginator(self, operation):
        full = [{"PolicyArn": f"{POLICY}{number}"} for number in range(10)]
        return SimpleNamespace(paginate=lambda **_named: [{"AttachedPolicies": full, "Policies": []}])

    def get_account_summary(self):
        return {"SummaryMap": {}}

    def get_user_policy(self, UserName, PolicyName):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": f"no reading of {UserName}"}}, "GetUserPolicy")


def test_what_aws_says_of_one_alert_is_its_reason():
    (attach,) = attaching("I-1", "ann")["steps"]
    document = '{"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}'
    create = {**attach, "operation": "CreatePolicy", "parameters": {"PolicyName": "p", "PolicyDocument": document}}
    full = {"message_id": "I-1", "alert_id": "I-1", "steps": [create, {**attach, "index": 2}]}
    gone = attaching("I-2", "bob", operation="DetachUserPolicy")
    params = {"account_id": "123456789012", "allow": [], "max_changes": None, "on_quota": "consolidate", "undo": False}
    module = SimpleNamespace(params={**params, "protected_principals": []}, client=lambda service: FullIam())
    lost, fine = observe_alerts(module, [full, gone], "arn:aws:sts::123456789012:assumed-role/Runner/x")
    assert (lost["disposition"], fine["disposition"]) == ("failed", "already_remediated")
    assert "AccessDenied" in lost["reason"]
    assert "no reading of ann" in lost["reason"]


def test_lost_access_is_a_block_of_its_own():
    lost = [{"principal": "user ann", "services": {"iam": ["PassRole"], "s3": ["*"]}}]
    step = {"status": "needed", "label": "I-1 put", "before": {"a": "1"}, "after": {"a": "2"}, "lost_access": lost}
    _change, block = differences([{"steps": [step]}])
    assert block["before_header"] == block["after_header"] == "I-1 put: access that user ann loses"
    assert '  "iam": [\n' in block["before"]
    assert block["after"] == ""
