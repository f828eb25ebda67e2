# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The call fence around real botocore clients; what they would send to AWS is kept and not sent."""

from __future__ import annotations

import dataclasses
import json
from urllib.parse import parse_qs, quote

import boto3.session
import botocore.handlers
import botocore.session
import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls import call_fence
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

DENY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}'
SAME = '{"Statement": {"Resource": ["*"], "Action": ["s3:*"], "Effect": "Deny"}, "Version": "2012-10-17"}'
ARN = "arn:aws:iam::123456789012:policy/p"
ATTACH = ("AttachUserPolicy", {"UserName": "ann", "PolicyArn": ARN})
CREATE = ("CreatePolicy", {"PolicyName": "p", "PolicyDocument": DENY})
PUT = ("PutUserPolicy", {"UserName": "ann", "PolicyName": "p", "PolicyDocument": DENY})
NO_POLICY = "<PolicyNames/><IsTruncated>false</IsTruncated>"


@pytest.fixture
def fenced(monkeypatch):
    """Function of declared steps: gives an IAM client inside their fence, the list of what it sends, and the fence.

    With `ends` the module ends with the last declared call. IAM answers all with the status `code`, and the actions of
    `exists` with EntityAlreadyExists.
    """
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", list(botocore.handlers.BUILTIN_HANDLERS))
    call_fence.install()

    def fenced(*steps, service="iam", answers=None, ends=False, code=200, exists=()):
        sent = []

        def send(request, **_more):
            action = parse_qs(request.body.decode() if isinstance(request.body, bytes) else request.body)["Action"][0]
            sent.append((action, request.body))
            body = f"<R><{action}Result>{(answers or {}).get(action, '')}</{action}Result></R>"
            if action in exists:
                body = "<ErrorResponse><Error><Code>EntityAlreadyExists</Code></Error></ErrorResponse>"
            return AWSResponse(request.url, 409 if action in exists else code, {}, _Raw(body.encode()))

        session = boto3.session.Session("AKIA", "secret", region_name="us-east-1")
        session.events.register("before-send", send)
        declared = [call for step in steps for call in call_fence.declared_calls(as_step(*step))]
        fence = call_fence.enclose(json.dumps(call_fence.declaration(declared, ends=ends)))
        return session.client(service), sent, fence

    yield fenced
    call_fence.leave()


class _Raw:
    def __init__(self, body):
        self._body = body

    def stream(self, *_args, **_more):
        yield self._body


def as_step(operation, parameters, observed=None):
    return {"operation": operation, "parameters": parameters, "observed": observed}


def actions(sent):
    return [action for action, _body in sent]


def stopped(call, **parameters):
    """The text of the error that stops a call."""
    with pytest.raises(ClientError) as error:
        call(**parameters)
    assert error.value.response["Error"]["Code"] == call_fence.NOT_IN_SCRIPT
    return error.value.response["Error"]["Message"]


def test_reads_and_the_declared_call_pass(fenced):
    client, sent, fence = fenced(ATTACH)
    client.get_user(UserName="ann")
    client.list_attached_user_policies(UserName="ann")
    client.attach_user_policy(**ATTACH[1])
    assert actions(sent) == ["GetUser", "ListAttachedUserPolicies", "AttachUserPolicy"]
    assert fence.violation is None


@pytest.mark.parametrize(
    ("call", "parameters", "says"),
    [
        ("create_user", {"UserName": "ann"}, "User ann does not exist any more."),
        ("create_role", {"RoleName": "app", "AssumeRolePolicyDocument": DENY}, "Role app does not exist any more."),
        (
            "update_assume_role_policy",
            {"RoleName": "app", "PolicyDocument": DENY},
            "Role app was changed since it was observed: its trust policy differs.",
        ),
        (
            "create_policy_version",
            {"PolicyArn": ARN, "PolicyDocument": DENY, "SetAsDefault": True},
            "a policy of this name exists, and its document differs.",
        ),
        ("tag_user", {"UserName": "ann", "Tags": [{"Key": "a", "Value": "b"}]}, "its tags differ."),
        ("delete_account_password_policy", {}, "The account was changed"),
        ("attach_user_policy", {"UserName": "bob", "PolicyArn": ARN}, "UserName would be another one."),
    ],
)
def test_every_other_call_is_stopped_before_it_is_sent_and_says_what_that_means(fenced, call, parameters, says):
    client, sent, fence = fenced(ATTACH)
    message = stopped(getattr(client, call), **parameters)
    assert says in message
    assert "which is not what the script says" in message
    assert "Nothing was sent" in message
    assert (sent, fence.violation) == ([], message)


def test_calls_of_other_services_are_stopped_but_for_logging_in(fenced):
    client, sent, _fence = fenced(ATTACH, service="sqs")
    stopped(client.delete_queue, QueueUrl="https://sqs.us-east-1.amazonaws.com/1/alerts")
    assert sent == []
    client, sent, _fence = fenced(ATTACH, service="sts")
    client.get_caller_identity()
    client.assume_role(RoleArn="arn:aws:iam::123456789012:role/leastpriv", RoleSessionName="run")
    assert actions(sent) == ["GetCallerIdentity", "AssumeRole"]


def test_a_module_ends_with_the_answer_to_the_last_declared_call_and_says_that_it_changed_something(fenced, capsys):
    client, sent, _fence = fenced(CREATE, ATTACH, ends=True)
    client.create_policy(**CREATE[1])
    client.get_policy(PolicyArn=ARN)
    assert capsys.readouterr().out == ""
    with pytest.raises(SystemExit) as end:
        client.attach_user_policy(**ATTACH[1])
    assert (end.value.code, json.loads(capsys.readouterr().out)["changed"]) == (0, True)
    assert actions(sent) == ["CreatePolicy", "GetPolicy", "AttachUserPolicy"]


def test_a_refused_call_does_not_end_a_module(fenced, capsys):
    client, _sent, _fence = fenced(ATTACH, ends=True, code=403)
    with pytest.raises(ClientError):
        client.attach_user_policy(**ATTACH[1])
    assert capsys.readouterr().out == ""


def test_a_read_is_not_sent_where_the_only_call_of_the_step_shows_the_same(fenced):
    client, sent, _fence = fenced(CREATE)
    assert client.get_paginator("list_policies").paginate().build_full_result() == {"Policies": []}
    client.list_users()
    client.create_policy(**CREATE[1])
    assert actions(sent) == ["ListUsers", "CreatePolicy"]


@pytest.mark.parametrize("steps", [[], [ATTACH], [CREATE, ATTACH]])
def test_every_other_step_sends_it(fenced, steps):
    client, sent, _fence = fenced(*steps)
    client.list_policies()
    assert actions(sent) == ["ListPolicies"]


def existing(path, document):
    """The answers of an account that has CREATE's policy."""
    arn = f"arn:aws:iam::123456789012:policy{path}{CREATE[1]['PolicyName']}"
    member = f"<PolicyName>{CREATE[1]['PolicyName']}</PolicyName><Arn>{arn}</Arn><Path>{path}</Path>"
    return {
        "ListPolicies": f"<Policies><member>{member}</member></Policies><IsTruncated>false</IsTruncated>",
        "GetPolicy": f"<Policy>{member}<DefaultVersionId>v1</DefaultVersionId></Policy>",
        "GetPolicyVersion": f"<PolicyVersion><Document>{quote(document)}</Document></PolicyVersion>",
    }


def test_what_exists_by_then_and_is_equal_leaves_nothing_to_do(fenced, capsys):
    client, sent, fence = fenced(CREATE, exists=["CreatePolicy"], answers=existing("/", CREATE[1]["PolicyDocument"]))
    client.list_policies()
    with pytest.raises(SystemExit) as end:
        client.create_policy(**CREATE[1])
    assert (end.value.code, json.loads(capsys.readouterr().out)["changed"], fence.violation) == (0, False, None)
    assert actions(sent)[:2] == ["CreatePolicy", "ListPolicies"]


@pytest.mark.parametrize(("path", "effect"), [("/", "Allow"), ("/other/", "Deny")])
def test_what_exists_by_then_and_differs_is_not_overwritten(fenced, path, effect):
    document = CREATE[1]["PolicyDocument"].replace("Deny", effect)
    client, sent, fence = fenced(CREATE, exists=["CreatePolicy"], answers=existing(path, document))
    reason = stopped(client.create_policy, **CREATE[1])
    assert reason == fence.violation
    assert reason.startswith(
        f"Policy {CREATE[1]['PolicyName']} was created since it was observed, and differs. Nothing"
    )
    assert set(actions(sent)[1:]) <= {"ListPolicies", "GetPolicy", "GetPolicyVersion"}


def test_what_exists_by_then_and_cannot_be_read_fails_with_the_reason(fenced):
    client, _sent, fence = fenced(CREATE, exists=["CreatePolicy"], answers=existing("/", "[1]"))
    reason = stopped(client.create_policy, **CREATE[1])
    assert reason == fence.violation
    assert " was created since it was observed, and could not be read: " in reason


def test_another_refusal_is_the_module_s_to_report(fenced):
    client, _sent, fence = fenced(CREATE, code=403)
    with pytest.raises(ClientError):
        client.create_policy(**CREATE[1])
    assert fence.violation is None


def test_only_modules_that_would_read_back_end_early():
    ends = {name for name, row in OPERATIONS.items() if row.ends}
    assert {"AttachUserPolicy", "CreatePolicy", "PutRolePolicy"} <= ends
    # These wait: until IAM shows a new principal, or has deleted a role.
    assert not ends & {"CreateGroup", "CreateInstanceProfile", "CreateRole", "CreateUser", "DeleteServiceLinkedRole"}


def test_a_step_that_declares_nothing_may_only_read(fenced):
    client, sent, _fence = fenced()
    client.get_user(UserName="ann")
    stopped(client.attach_user_policy, **ATTACH[1])
    assert actions(sent) == ["GetUser"]


def test_a_row_that_declares_nothing_lets_its_module_change_nothing(fenced, monkeypatch):
    row = dataclasses.replace(call_fence.OPERATIONS["AttachUserPolicy"], calls=lambda _step: ())
    monkeypatch.setitem(call_fence.OPERATIONS, "AttachUserPolicy", row)
    client, sent, _fence = fenced(ATTACH)
    assert "User ann was changed since it was observed" in stopped(client.attach_user_policy, **ATTACH[1])
    assert sent == []


def test_a_row_declares_further_calls_where_its_module_needs_them(fenced, monkeypatch):
    calls = [("DetachUserPolicy", ATTACH[1]), ATTACH]
    row = dataclasses.replace(call_fence.OPERATIONS["AttachUserPolicy"], calls=lambda _step: calls)
    monkeypatch.setitem(call_fence.OPERATIONS, "AttachUserPolicy", row)
    client, sent, _fence = fenced(ATTACH)
    client.detach_user_policy(**ATTACH[1])
    client.attach_user_policy(**ATTACH[1])
    assert actions(sent) == ["DetachUserPolicy", "AttachUserPolicy"]


@pytest.mark.parametrize(
    ("operation", "name"),
    [("TagUser", "UserName"), ("TagRole", "RoleName"), ("TagInstanceProfile", "InstanceProfileName")],
)
def test_only_the_tags_that_differ_are_declared(operation, name):
    tags = [{"Key": "same", "Value": "1"}, {"Key": "other", "Value": "2"}, {"Key": "Same", "Value": "1"}]
    before = {"tags": {"same": "1", "other": "1"}}
    step = {"operation": operation, "parameters": {name: "x", "Tags": tags}, "before": before}
    [call] = call_fence.declared_calls(step)
    assert call["parameters"] == {name: "x", "Tags": tags[1:]}


def test_after_a_stopped_call_not_even_the_declared_one_passes(fenced):
    client, sent, fence = fenced(ATTACH)
    first = stopped(client.create_user, UserName="ann")
    assert stopped(client.attach_user_policy, **ATTACH[1]) == first
    assert (sent, fence.violation) == ([], first)


def test_what_was_sent_before_is_named(fenced):
    client, _sent, _fence = fenced(ATTACH)
    client.attach_user_policy(**ATTACH[1])
    assert "AttachUserPolicy had been sent before" in stopped(client.tag_user, UserName="ann", Tags=[])


def test_a_retry_may_repeat_the_declared_call_and_not_change_it(fenced):
    client, sent, _fence = fenced(CREATE)
    client.create_policy(**CREATE[1])
    client.create_policy(**CREATE[1])
    assert "PolicyName would be another one" in stopped(client.create_policy, **{**CREATE[1], "PolicyName": "q"})
    assert actions(sent) == ["CreatePolicy", "CreatePolicy"]


@pytest.mark.parametrize(
    ("declared", "sent"),
    [
        (CREATE[1], {**CREATE[1], "PolicyDocument": SAME}),
        (CREATE[1], {**CREATE[1], "Path": "/", "Description": "", "Tags": []}),
        ({**CREATE[1], "Path": "/"}, CREATE[1]),
        (
            {**CREATE[1], "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]},
            {**CREATE[1], "Tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}]},
        ),
    ],
    ids=["another spelling of the document", "defaults sent", "defaults left out", "tags in another order"],
)
def test_what_iam_takes_alike_is_the_same_call(fenced, declared, sent):
    client, calls, _fence = fenced(("CreatePolicy", declared))
    client.create_policy(**sent)
    assert actions(calls) == ["CreatePolicy"]


@pytest.mark.parametrize(
    "more",
    [
        {"Path": "/other/"},
        {"Description": "x"},
        {"Tags": [{"Key": "a", "Value": "1"}]},
        {"PolicyDocument": DENY.replace("Deny", "Allow")},
        {"PolicyDocument": DENY.replace("s3", "S3")},
    ],
)
def test_what_iam_takes_for_something_else_is_stopped(fenced, more):
    client, sent, _fence = fenced(CREATE)
    assert f"{next(iter(more))} would be another one" in stopped(client.create_policy, **{**CREATE[1], **more})
    assert sent == []


def test_a_parameter_of_the_script_that_the_module_leaves_out_is_missed(fenced):
    client, sent, _fence = fenced(("CreatePolicy", {**CREATE[1], "Description": "why"}))
    assert "Description would be another one" in stopped(client.create_policy, **CREATE[1])
    assert sent == []


def test_a_resource_and_a_paginator_pass_the_fence_as_well(fenced):
    client, sent, _fence = fenced(ATTACH)
    list(client.get_paginator("list_policies").paginate())
    session = boto3.session.Session("AKIA", "secret", region_name="us-east-1")
    session.events.register("before-send", lambda request, **_more: pytest.fail(str(request)))
    stopped(session.resource("iam").AccountPasswordPolicy().update, MinimumPasswordLength=6)
    assert actions(sent) == ["ListPolicies"]


def test_lists_are_asked_for_in_the_largest_pages(fenced):
    client, sent, _fence = fenced()
    client.list_policies()
    client.get_account_authorization_details()
    client.list_users(MaxItems=5)
    client.get_account_summary()
    assert [parse_qs(body).get("MaxItems") for _action, body in sent] == [["1000"], ["1000"], ["5"], None]


def test_policies_are_listed_among_the_account_s_own_unless_another_scope_is_asked_for(fenced):
    client, sent, _fence = fenced()
    client.list_policies()
    client.list_policies(Scope="AWS")
    assert [parse_qs(body)["Scope"] for _action, body in sent] == [["Local"], ["AWS"]]


def state(document):
    facts = {
        ("inline_names", "user", "ann"): ["p"] if document else [],
        ("inline", "user", "ann", "p"): document and json.loads(document),
    }
    return call_fence.state_named("inline").digest(lambda *key: facts[key], PUT[1])


def test_what_iam_overwrites_without_a_condition_is_read_again_right_before(fenced):
    answers = {"ListUserPolicies": NO_POLICY}
    client, sent, _fence = fenced((*PUT, {"inline": state(None)}), answers=answers)
    client.put_user_policy(**PUT[1])
    assert actions(sent) == ["ListUserPolicies", "PutUserPolicy"]


def test_a_fence_that_is_installed_again_looks_once(fenced):
    call_fence.install()
    client, sent, _fence = fenced((*PUT, {"inline": state(None)}), answers={"ListUserPolicies": NO_POLICY})
    client.put_user_policy(**PUT[1])
    assert actions(sent) == ["ListUserPolicies", "PutUserPolicy"]


def test_what_is_not_as_it_was_observed_is_not_overwritten(fenced):
    answers = {"ListUserPolicies": NO_POLICY}
    client, sent, _fence = fenced((*PUT, {"inline": state(SAME)}), answers=answers)
    message = stopped(client.put_user_policy, **PUT[1])
    assert "User ann was changed since it was observed: its inline policy differs." in message
    assert "not what the script says" not in message
    assert actions(sent) == ["ListUserPolicies"]


def test_where_a_client_does_not_read_again_first_its_call_is_stopped(fenced, monkeypatch):
    others = [one for one in botocore.handlers.BUILTIN_HANDLERS if one[0] != call_fence.CLASS_EVENT]
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", others)
    client, sent, _fence = fenced((*PUT, {"inline": state(None)}))
    assert "could not be read again" in stopped(client.put_user_policy, **PUT[1])
    assert sent == []


def test_methods_look_like_botocore_s_own(fenced):
    client, _sent, _fence = fenced()
    assert client.put_user_policy.__name__ == "put_user_policy"
    # amazon.aws 11 unwraps what a method wraps, and binds its arguments to that.
    assert not hasattr(client.put_user_policy, "__wrapped__")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1e999",
        '{"calls": 1, "required": true, "ends": false}',
        '{"calls": [{}], "required": true, "ends": false}',
        '{"calls": [], "required": true}',
    ],
)
def test_a_declaration_that_cannot_be_read_raises_no_fence(text):
    with pytest.raises(ValueError, match="the declared calls cannot be read"):
        call_fence.enclose(text)


def test_the_fence_tells_whether_it_stands(fenced):
    client, sent, _fence = fenced()
    assert call_fence.stands(client)
    call_fence.leave()
    assert not call_fence.stands(client)
    assert call_fence.stops_calls()
    assert sent == []


def test_a_broken_file_of_the_user_does_not_take_the_fence_down(fenced, tmp_path, monkeypatch):
    fenced()
    call_fence.leave()
    (tmp_path / "config").write_text("[profile\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert call_fence.stops_calls()


def test_a_botocore_without_the_event_is_found_out(monkeypatch):
    monkeypatch.setattr(call_fence, "CALL_EVENT", "an-event-of-another-botocore")
    handlers = []
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)
    call_fence.install()
    monkeypatch.setattr(botocore.session.Session, "_register_builtin_handlers", lambda *_args: None)
    assert not call_fence.stops_calls()


def test_the_event_history_of_cloudtrail_is_a_read():
    fence = call_fence.Fence([])
    fence.check("cloudtrail", "LookupEvents", {})
    for operation in ("DeleteTrail", "StopLogging"):
        with pytest.raises(ClientError):
            fence.check("cloudtrail", operation, {})
