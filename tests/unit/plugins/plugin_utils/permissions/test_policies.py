# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the generated policies let a stolen runner do, by IAM's rules and by our own guardrails."""

from __future__ import annotations

import json
import re

import pytest
from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS, REFUSED, STEPS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.row import RESTRICT
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import check_grammar
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.files import policy_files
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.needs import PolicyError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.permissions.settings import read_permissions
from stack.authorisation import Request, decide, reference

ACCOUNT = "111122223333"
RUNNER = "arn:aws:iam::123456789012:role/leastpriv"
OWN = f"arn:aws:iam::{ACCOUNT}:role/leastpriv-remediation"
OURS = f"arn:aws:iam::{ACCOUNT}:policy/bob-prisma-restrictions-I-1-1"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
SETTINGS = {"runner": RUNNER, "queue": "alerts", "region": "eu-west-1", "accounts": [[ACCOUNT, "", ""]]}
WRITES = sorted(
    f"iam:{name}" for name, one in reference()["iam"].items() if one["access_level"] not in ("Read", "List")
)


def made(file="account-role.json", **settings):
    return json.loads(policy_files(read_permissions({**SETTINGS, **settings}))[file])


def allowed(policy, action, resource, **context):
    keys = {"attached": "iam:PolicyARN", "boundary": "iam:PermissionsBoundary"}
    request = Request(action, resource, {keys[name]: value for name, value in context.items()})
    return decide([policy], request) == "allowed"


def writes_in(policy):
    """The changing actions that a policy allows somewhere."""
    granted = {action for one in policy["Statement"] if one["Effect"] == "Allow" for action in one["Action"]}
    return granted & set(WRITES)


@pytest.mark.parametrize("operations", ["vendor", "restrict", "all"])
@pytest.mark.parametrize("undo", [False, True])
def test_a_policy_is_one_that_iam_takes_whatever_is_chosen(operations, undo):
    for file in ("account-role.json", "runner-role.json"):
        check_grammar(made(file, operations=operations, undo=undo))


@pytest.mark.parametrize("operations", ["vendor", "restrict", "all"])
@pytest.mark.parametrize("file", ["account-role.json", "runner-role.json"])
@pytest.mark.parametrize("itself", [OWN, RUNNER])
def test_a_role_can_never_change_itself(operations, file, itself):
    policy = made(file, operations=operations, undo=True, policy_names=["*"])
    assert [action for action in WRITES if allowed(policy, action, itself, attached=OURS, boundary=OURS)] == []


def test_what_is_never_run_is_never_allowed():
    granted = writes_in(made(operations="all", undo=True))
    assert granted & {f"iam:{row.name}" for row in REFUSED} == set()
    assert granted == {f"iam:{row.name}" for row in STEPS} | {"iam:PassRole"}


@pytest.mark.parametrize("operations", ["vendor", "restrict"])
def test_the_guardrails_would_let_pass_what_the_ordinary_sets_allow(operations):
    """Only what takes access away: an operation that gives some, and needs a guardrail opened, is not among them."""
    granted = {action.removeprefix("iam:") for action in writes_in(made(operations=operations))}
    assert {OPERATIONS[name].effect for name in granted} == {RESTRICT}


def test_by_default_only_the_vendors_policies_are_made_and_attached():
    policy = made()
    user = f"arn:aws:iam::{ACCOUNT}:user/apps/bob"
    assert allowed(policy, "iam:CreatePolicy", OURS)
    assert not allowed(policy, "iam:CreatePolicy", f"arn:aws:iam::{ACCOUNT}:policy/mine")
    assert allowed(policy, "iam:AttachUserPolicy", user, attached=OURS)
    assert not allowed(policy, "iam:AttachUserPolicy", user, attached=ADMINISTRATOR)
    assert not allowed(policy, "iam:AttachUserPolicy", user), "IAM always tells the policy's ARN"
    assert writes_in(policy) == {
        "iam:AttachGroupPolicy", "iam:AttachRolePolicy", "iam:AttachUserPolicy", "iam:CreatePolicy",
    }  # fmt: skip


def test_only_an_undo_takes_a_restriction_away_and_nothing_else():
    user = f"arn:aws:iam::{ACCOUNT}:user/bob"
    script, undo = made(operations="detach-user-policy"), made(undo=True)
    asked = [(script, OURS), (script, ADMINISTRATOR), (undo, OURS), (undo, ADMINISTRATOR)]
    assert [allowed(policy, "iam:DetachUserPolicy", user, attached=arn) for policy, arn in asked] == [
        False, True, True, False,
    ]  # fmt: skip
    again = made(operations="detach-user-policy", undo=True)
    assert allowed(again, "iam:AttachUserPolicy", user, attached=ADMINISTRATOR), "the undo of a detachment"
    assert allowed(undo, "iam:DeletePolicy", OURS)
    assert not allowed(undo, "iam:DeletePolicy", f"arn:aws:iam::{ACCOUNT}:policy/mine")


def test_principals_may_be_limited_to_a_path_and_boundaries_to_some_policies():
    policy = made(operations="put-user-permissions-boundary", principal_path="/apps/", boundaries="floor,floor-*")
    inside, outside = (f"arn:aws:iam::{ACCOUNT}:user/{name}" for name in ("apps/bob", "bob"))
    floor, other = (f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in ("floor-1", "roof"))
    asked = [(inside, floor), (outside, floor), (inside, other)]
    action = "iam:PutUserPermissionsBoundary"
    assert [allowed(policy, action, user, boundary=arn) for user, arn in asked] == [True, False, False]


PROTECTED = [
    # the entry's arn, one that it protects, one that it does not
    ("arn:aws:iam::*:user/break-glass-*", "user/break-glass-1", "user/bob"),
    ("arn:aws:iam::111122223333:role/build/*", "role/build/deploys", "role/ci"),
    ("*break-glass*", "group/break-glass", "group/idle"),
    ("arn:aws:iam::*:*/admin", "user/admin", "user/bob"),
    ("arn:*:user/root-?", "user/root-1", "role/ci"),
]


@pytest.mark.parametrize(("pattern", "inside", "outside"), PROTECTED)
def test_a_protected_principal_can_not_be_changed(pattern, inside, outside):
    policy = made(operations="all", protected_principals=[{"arn": pattern, "owner": "sre", "reason": "emergency"}])
    inside, outside = (f"arn:aws:iam::{ACCOUNT}:{resource}" for resource in (inside, outside))
    assert [action for action in WRITES if allowed(policy, action, inside, attached=OURS)] == []
    assert [action for action in WRITES if allowed(policy, action, outside, attached=OURS)] != []
    kind = inside.split(":")[5].partition("/")[0].capitalize()
    assert allowed(policy, f"iam:Get{kind}", inside), "it can still be observed"


@pytest.mark.parametrize(
    ("named", "inside", "outside"),
    [
        ({"path": "/ops/"}, ("group/ops/x", "role/ops/eu/x", "user/ops/x"), ("group/idle", "user/bob", "user/x/ops/y")),
        ({"path": "/ops/", "arn": "arn:aws:iam::*:user/*"}, ("user/ops/x",), ("role/ci",)),
    ],
)
def test_a_path_can_not_be_changed_either(named, inside, outside):
    policy = made(operations="all", protected_principals=[{**named, "owner": "sre", "reason": "emergency"}])
    for resources, is_allowed in ((inside, False), (outside, True)):
        arns = [f"arn:aws:iam::{ACCOUNT}:{resource}" for resource in resources]
        assert [any(allowed(policy, one, arn, attached=OURS) for one in WRITES) for arn in arns] == [is_allowed] * len(
            arns
        )


def test_a_tag_is_denied_by_the_tag_of_the_resource():
    entry = {"tag": {"key": "protect", "value": "yes"}, "owner": "sre", "reason": "emergency"}
    policy = made(operations="all", protected_principals=[entry, {**entry, "expires": "2999-01-01"}])
    found = [one for one in policy["Statement"] if one["Sid"].startswith("NeverProtected")]
    assert [one["Condition"] for one in found] == [
        {"StringEquals": {"aws:ResourceTag/protect": "yes"}},
        {
            "DateLessThan": {"aws:CurrentTime": "2999-01-01T00:00:00Z"},
            "StringEquals": {"aws:ResourceTag/protect": "yes"},
        },
    ]
    assert {tuple(one["Resource"]) for one in found} == {("arn:aws:iam::*:role/*", "arn:aws:iam::*:user/*")}


@pytest.mark.parametrize("named", [{"path": "/x/"}, {"tag": {"key": "protect", "value": "yes"}}])
def test_the_tags_of_a_groups_members_may_be_read_if_an_entry_names_one(named):
    entry = {**named, "owner": "sre", "reason": "emergency"}
    policy = made(operations="attach-group-policy", protected_principals=[entry])
    assert allowed(policy, "iam:GetUser", f"arn:aws:iam::{ACCOUNT}:user/bob") == ("tag" in named)


@pytest.mark.parametrize(("usage", "is_allowed"), [("off", False), ("show", True), ("hold", True)])
def test_last_accessed_data_may_be_read_if_the_setting_is_on(usage, is_allowed):
    policy = made(operations="vendor", usage=usage)
    ann = f"arn:aws:iam::{ACCOUNT}:user/ann"
    for action in ("iam:GenerateServiceLastAccessedDetails", "iam:GetServiceLastAccessedDetails"):
        assert allowed(policy, action, ann) is is_allowed


def test_protection_ends_when_its_entry_expires():
    entry = {"arn": "arn:aws:iam::*:user/bob", "owner": "sre", "reason": "handover"}
    bob = f"arn:aws:iam::{ACCOUNT}:user/bob"
    for expires, is_allowed in (("2020-01-01", True), ("2999-01-01", False)):
        policy = made(operations="delete-user", protected_principals=[{**entry, "expires": expires}])
        assert allowed(policy, "iam:DeleteUser", bob) is is_allowed


def test_every_resource_and_condition_is_one_that_iam_knows_for_the_action():
    """By AWS's Service Authorization Reference; a condition key that an action does not know would never be met."""
    policy = made(operations="all", policy_names="*-x", boundaries="floor")
    for statement in policy["Statement"]:
        if statement["Effect"] == "Deny" or statement["Resource"] == ["*"]:
            continue
        offered = {arn.split(":")[5].partition("/")[0] for arn in statement["Resource"]}
        keys = {key for keys in statement.get("Condition", {}).values() for key in keys}
        for action in {*statement["Action"]} - {"iam:PassRole", "iam:SimulatePrincipalPolicy"}:
            types = reference()["iam"][action.removeprefix("iam:")]["resource_types"]
            assert offered & set(types), action
            assert keys <= {key for one in types.values() for key in one["condition_keys"]}, action


def test_an_account_setting_has_no_resource():
    everywhere = [
        one for one in made(operations="all")["Statement"] if one["Resource"] == ["*"] and one["Sid"] != "Observe"
    ]
    for action in everywhere[0]["Action"]:
        assert set(reference()["iam"][action.removeprefix("iam:")]["resource_types"]) == {""}, action


def test_access_analyzer_may_be_asked_only_where_the_setting_says_so():
    assert not allowed(made(), "access-analyzer:CheckNoNewAccess", "*")
    assert allowed(made(prove="access_analyzer"), "access-analyzer:CheckNoNewAccess", "*")
    assert not allowed(made(prove="access_analyzer"), "access-analyzer:CreateAnalyzer", "*")


def test_the_runner_reaches_its_queue_and_the_account_roles_alone():
    policy = made("runner-role.json", external_id="x1", journal="s3://logs/leastpriv", quarantine_queue="bad")
    queue, bad = (f"arn:aws:sqs:eu-west-1:123456789012:{name}" for name in ("alerts", "bad"))
    assert allowed(policy, "sqs:ReceiveMessage", queue)
    assert not allowed(policy, "sqs:ReceiveMessage", bad)
    assert allowed(policy, "sqs:SendMessage", bad)
    assert not allowed(policy, "sqs:SendMessage", queue)
    assert allowed(policy, "sts:AssumeRole", OWN)
    assert not allowed(policy, "sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin")
    assert allowed(policy, "s3:PutObject", "arn:aws:s3:::logs/leastpriv/run/journal.jsonl")
    assert not allowed(policy, "s3:PutObject", "arn:aws:s3:::logs/other")
    journal = "arn:aws:s3:::logs/leastpriv/run/journal.jsonl"
    assert not allowed(policy, "s3:DeleteObject", journal)
    cleaning = made("runner-role.json", journal="s3://logs/leastpriv", cleanup=True)
    assert allowed(cleaning, "s3:DeleteObject", journal)
    assert not allowed(cleaning, "s3:DeleteObject", "arn:aws:s3:::logs/other")
    assert allowed(made("runner-role.json", quarantine_queue="bad", redrive=True), "sqs:SendMessage", queue)
    assert allowed(made("runner-role.json", requeue=True), "sqs:SendMessage", queue)


def test_the_event_history_is_read_only_where_it_is_wanted():
    assert not allowed(made(), "cloudtrail:LookupEvents", "*")
    assert allowed(made(cloudtrail=True), "cloudtrail:LookupEvents", "*")


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"operations": ["create-access-key"]}, "never run, and needs no permission"),
        ({"operations": ["attach-usr-policy"]}, "did you mean attach-user-policy?"),
        ({"runner": ""}, "No principal is named"),
        ({"runner": "bob"}, "runner is 'bob'"),
        ({"queue": ""}, "SQS_QUEUE_NAME"),
        ({"account_role": 'x"\n}'}, "account_role is"),
        ({"external_id": "a b"}, "external_id is"),
        ({"principal_path": "apps"}, "principal_path is"),
        ({"accounts": [[ACCOUNT, "", "a1"], ["012345678901", "", "b2"]]}, "2 different values for external_id"),
        ({"accounts": [[f"{number:012d}", "", ""] for number in range(300)]}, "give organization"),
        ({"operatoins": "all"}, "There is no setting operatoins"),
    ],
)
def test_a_setting_that_means_nothing_is_reported(settings, shown):
    with pytest.raises(PolicyError, match=re.escape(shown)):
        made(**settings)


def test_hundreds_of_accounts_are_one_organization():
    accounts = [[f"{number:012d}", "", ""] for number in range(300)]
    policy = made("runner-role.json", accounts=accounts, organization="o-abcdefghij")
    request = Request("sts:AssumeRole", OWN, {"aws:ResourceOrgID": "o-abcdefghij"})
    assert decide([policy], request) == "allowed"
    assert decide([policy], request._replace(context={"aws:ResourceOrgID": "o-zzzzzzzzzz"})) != "allowed"


def test_the_inventory_says_role_and_external_id():
    accounts = [[ACCOUNT, f"arn:aws:iam::{ACCOUNT}:role/ops/fixer", "x1"]]
    trust = made("account-role-trust.json", accounts=accounts)["Statement"][0]
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "x1"}}
    fixer = f"arn:aws:iam::{ACCOUNT}:role/ops/fixer"
    assert allowed(made("runner-role.json", accounts=accounts), "sts:AssumeRole", fixer)
    assert not allowed(made(operations="all", accounts=accounts), "iam:UpdateRole", fixer)


@pytest.mark.parametrize(("file", "of_runner"), [("account-role.json", False), ("runner-role.json", True)])
def test_the_generated_policy_passes_every_question_of_the_doctor(file, of_runner):
    settings = {**SETTINGS, "operations": "all", "policy_names": "a-*", "boundaries": "floor", "key_arns": []}
    ask = filter_loader.get("leastpriv.iam.permission_checks").j2_function
    questions = ask(settings, ACCOUNT, of_runner=of_runner)
    policy = made(file, **settings)
    asked = [(action, one) for one in questions for action in one["actions"]]
    assert [
        action
        for action, one in asked
        if decide([policy], Request(action, one["resource"], one["context"])) != "allowed"
    ] == []
    assert len(asked) > 5
