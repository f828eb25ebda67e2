# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message_shapes import Unreadable
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.recommendation import to_script, why_none
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.parser import parse
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.resolver import resolve

ACCOUNT = "012345678901"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/a/b/reports"
MANAGED = "arn:aws:iam::aws:policy/service-role/Big"
DOCUMENT = '{"Version": "2012-10-17", "Statement": []}'


def a_step(action="DETACH_POLICY", existing=MANAGED, document=None):
    fields = {"recommendedAction": action, "existingPolicyId": existing, "recommendedPolicy": document}
    return {"unusedPermissionsRecommendedStep": fields}


def an_answer(*steps, **changed):
    return {"status": "SUCCEEDED", "resourceArn": ROLE, "recommendedSteps": [*steps], **changed}


def calls(*steps, **changed):
    script = to_script(an_answer(*steps, **changed), ACCOUNT, "f-1")
    resolved = [resolve(command) for command in parse(script).commands]
    assert not [call.problems for call in resolved if call.problems], script
    return [(call.operation, call.parameters) for call in resolved]


def test_everything_new_is_before_everything_that_is_taken_away():
    made = calls(a_step(), a_step("CREATE_POLICY", document=DOCUMENT), a_step("CREATE_POLICY", "own", DOCUMENT))
    assert [operation for operation, _parameters in made] == [
        "CreatePolicy",
        "AttachRolePolicy",
        "PutRolePolicy",
        "DetachRolePolicy",
    ]
    name = made[0][1]["PolicyName"]
    assert made[1][1] == {"RoleName": "reports", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/{name}"}
    assert name.startswith("Big-leastpriv-")


def test_an_inline_policy_is_replaced_under_its_own_name():
    [(operation, parameters)] = calls(a_step("CREATE_POLICY", "own", DOCUMENT), a_step(existing="own"))
    assert (operation, parameters["PolicyName"], parameters["PolicyDocument"]) == ("PutRolePolicy", "own", DOCUMENT)


def test_an_inline_policy_without_replacement_is_deleted():
    assert calls(a_step(existing="own")) == [("DeleteRolePolicy", {"RoleName": "reports", "PolicyName": "own"})]


def test_a_user_of_another_partition():
    arn = f"arn:aws-us-gov:iam::{ACCOUNT}:user/dora"
    made = calls(a_step("CREATE_POLICY", "arn:aws-us-gov:iam::aws:policy/Big", DOCUMENT), resourceArn=arn)
    assert made[1][1]["UserName"] == "dora"
    assert made[1][1]["PolicyArn"].startswith(f"arn:aws-us-gov:iam::{ACCOUNT}:policy/Big-")


def test_the_name_of_a_policy_depends_on_the_finding_the_principal_and_the_document():
    names = {
        to_script(an_answer(a_step("CREATE_POLICY", MANAGED, document), resourceArn=arn), ACCOUNT, finding).split()[4]
        for document in (DOCUMENT, DOCUMENT + " ")
        for arn in (ROLE, f"{ROLE}2")
        for finding in ("f-1", "f-2")
    }
    assert len(names) == 8
    longest = to_script(an_answer(a_step("CREATE_POLICY", f"{MANAGED}{'g' * 125}", DOCUMENT)), ACCOUNT, "f-1")
    assert len(longest.split()[4]) == 128


@pytest.mark.parametrize("text", ["it's", 'a "quoted" text', "a; aws iam delete-user\n$(id) `id` \\", "ü"])
def test_a_document_stays_one_word(text):
    document = json.dumps({"Sid": text}, ensure_ascii=False)
    [(_operation, parameters)] = calls(a_step("CREATE_POLICY", "own", document))
    assert parameters["PolicyDocument"] == document


def test_a_path_of_a_policy_stays_one_word():
    arn = f"arn:aws:iam::{ACCOUNT}:policy/a;aws$iam'x/Big"
    script = to_script(an_answer(a_step(existing=arn)), ACCOUNT, "f-1")
    assert len(parse(script).commands) == 1


def test_capital_letters_and_the_names_of_security_hub():
    step = {"UnusedPermissions": {"RecommendedAction": "DETACH_POLICY", "ExistingPolicyId": "own"}}
    answer = {"Status": "SUCCEEDED", "ResourceArn": ROLE, "RecommendationSteps": [step], "Error": None}
    assert "delete-role-policy" in to_script(answer, ACCOUNT, "f-1", ROLE)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (an_answer(status="FAILED", error={"code": "X"}), "AWS has no recommendation for it (X)"),
        (an_answer(status="FAILED", error={"code": []}), "AWS has no recommendation for it (no reason)"),
        (an_answer(status="FAILED", error={"code": "X\nby hand: aws"}), "AWS has no recommendation for it (no reason)"),
        (an_answer(), "AWS recommends no change of a policy"),
        (an_answer(recommendedSteps=None), "AWS recommends no change of a policy"),
    ],
)
def test_nothing_recommended(answer, why):
    assert to_script(answer, ACCOUNT, "f-1") == ""
    assert why_none(answer) == why


BAD = {
    "a text": ("x", "its recommendation is not an object"),
    "no status": ({"resourceArn": ROLE}, "not complete (status 'None')"),
    "a status twice": (an_answer(Status="FAILED"), "has a key twice, with a small and with a capital letter"),
    "in progress": (an_answer(status="IN_PROGRESS"), "not complete (status 'IN_PROGRESS')"),
    "another page": (an_answer(a_step(), nextToken="t"), "not complete"),
    "another account": (an_answer(resourceArn=ROLE.replace(ACCOUNT, "999999999999")), "about account 999999999999"),
    "a group": (an_answer(resourceArn=ROLE.replace("role", "group")), "not about a user or a role"),
    "no resource": (an_answer(resourceArn=None), "not about a user or a role"),
    "a resource in a list": (an_answer(resourceArn=[ROLE]), "not about a user or a role"),
    "steps as object": (an_answer(recommendedSteps={}), "are not a list"),
    "a step as text": (an_answer("x"), "step 1 of its recommendation is not an object"),
    "an unknown step": (an_answer(a_step(), {"other": {}}), "step 2 of its recommendation is not an object"),
    "an unknown action": (an_answer(a_step("DELETE")), "recommends 'DELETE', which is neither"),
    "an action in a list": (an_answer(a_step(["DETACH_POLICY"])), "which is neither"),
    "no existing policy": (an_answer(a_step(existing=None)), "does not name an existing policy"),
    "an odd name": (an_answer(a_step(existing="a b; aws")), "does not name an existing policy"),
    "a line end": (an_answer(a_step(existing="own\n")), "does not name an existing policy"),
    "a document too many": (an_answer(a_step(document=DOCUMENT)), "is DETACH_POLICY, with a policy document"),
    "no document": (an_answer(a_step("CREATE_POLICY")), "is CREATE_POLICY, without a policy document"),
    "a document as object": (an_answer(a_step("CREATE_POLICY", document={})), "without a policy document"),
    "two documents": (
        an_answer(a_step("CREATE_POLICY", "own", DOCUMENT), a_step("CREATE_POLICY", "own", DOCUMENT)),
        "several documents for one inline policy",
    ),
}


@pytest.mark.parametrize(("answer", "why"), BAD.values(), ids=BAD.keys())
def test_what_aws_does_not_document_is_unreadable(answer, why):
    with pytest.raises(Unreadable) as error:
        to_script(answer, ACCOUNT, "f-1")
    assert why in str(error.value)


def test_the_message_and_its_recommendation_are_about_one_resource():
    with pytest.raises(Unreadable):
        to_script(an_answer(a_step()), ACCOUNT, "f-1", f"{ROLE}2")
