# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reverted a step, by CloudTrail's events."""

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.reverted_by import MAX_PAGES, Trail
from botocore.exceptions import ClientError

DENY = "arn:aws:iam::123456789012:policy/deny"
MALLORY = "arn:aws:iam::123456789012:user/mallory"
ATTACHED = {
    "operation": "AttachUserPolicy",
    "parameters": {"UserName": "ann", "PolicyArn": DENY},
    "time": "2026-01-01T10:00:00.500Z",
    "run": "20260101T000000Z-0001",
    "request_id": None,
}
PUT = {
    **ATTACHED,
    "operation": "PutUserPolicy",
    "parameters": {"UserName": "ann", "PolicyName": "p", "PolicyDocument": "{}"},
}


def event(name="DetachUserPolicy", time="2026-01-02T00:00:00Z", arn=MALLORY, parameters=None, **more):
    given = parameters if parameters is not None else {"userName": "ann", "policyArn": DENY}
    described = {"eventSource": "iam.amazonaws.com", "eventName": name, "eventTime": time, "requestParameters": given}
    return {**described, "userIdentity": {"arn": arn}, **more}


class CloudTrail:
    """Answers LookupEvents by the name of the event, one event on a page."""

    def __init__(self, *events, error=None):
        self.events, self.error, self.asked = events, error, []

    def lookup_events(self, LookupAttributes, StartTime, MaxResults, NextToken="0"):
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "no"}}, "LookupEvents")
        (attribute,) = LookupAttributes
        self.asked.append((attribute["AttributeValue"], NextToken))
        named = [one for one in self.events if one["eventName"] == attribute["AttributeValue"]]
        page, rest = named[int(NextToken) :][:1], named[int(NextToken) + 1 :]
        found = {"Events": [{"CloudTrailEvent": json.dumps(one)} for one in page]}
        return {**found, "NextToken": str(int(NextToken) + 1)} if rest else found


def test_the_last_fitting_event_names_who():
    trail = CloudTrail(event(time="2026-01-02T00:00:00Z", arn="first"), event(time="2026-01-03T00:00:00Z"))
    assert Trail(trail).who_reverted(ATTACHED) == f"By {MALLORY} on 2026-01-03T00:00:00Z (DetachUserPolicy)."


@pytest.mark.parametrize(
    "other",
    [
        event(parameters={"userName": "bob", "policyArn": DENY}),
        event(parameters={"userName": "ann", "policyArn": f"{DENY}2"}),
        event(parameters={}),
        event(time="2026-01-01T09:59:59Z"),
        event(errorCode="AccessDenied"),
        event(eventSource="s3.amazonaws.com"),
        event(name="AttachUserPolicy"),
        event(requestParameters=None),
    ],
    ids=["user", "policy", "nothing named", "earlier", "refused", "service", "the step itself", "no parameters"],
)
def test_other_events_are_not_it(other):
    assert Trail(CloudTrail(other)).who_reverted(ATTACHED).startswith("CloudTrail has no event of it")


def test_the_call_of_the_run_itself_is_not_it():
    given = {"userName": "ann", "policyName": "p"}
    by_id = event("PutUserPolicy", parameters=given, requestID="r-1")
    by_session = event("PutUserPolicy", parameters=given, arn=f"arn:aws:sts::1:assumed-role/x/leastpriv-{PUT['run']}")
    assert Trail(CloudTrail(by_id)).who_reverted(PUT).startswith("By ")
    assert Trail(CloudTrail(by_id)).who_reverted({**PUT, "request_id": "r-1"}).startswith("CloudTrail has no")
    assert Trail(CloudTrail(by_session)).who_reverted(PUT).startswith("CloudTrail has no")


def test_a_created_policy_is_known_by_its_arn():
    created = {**ATTACHED, "operation": "CreatePolicy", "parameters": {"PolicyName": "deny"}, "made": {"arn": DENY}}
    trail = CloudTrail(event("CreatePolicyVersion", parameters={"policyArn": DENY.upper()}))
    assert "(CreatePolicyVersion)" in Trail(trail).who_reverted(created)


def test_a_history_that_cannot_be_read_is_said():
    text = Trail(CloudTrail(error="AccessDeniedException")).who_reverted(ATTACHED)
    assert text.startswith("CloudTrail could not be read: An error occurred (AccessDeniedException)")


def test_equal_look_ups_are_made_once_and_end():
    trail = CloudTrail(*(event(parameters={"userName": "bob"}) for _number in range(2 * MAX_PAGES)))
    who = Trail(trail)
    for _time in range(2):
        assert who.who_reverted(ATTACHED).startswith("Not among the 5 newest pages of CloudTrail's events DetachUser")
    assert trail.asked == [("DetachUserPolicy", str(page)) for page in range(MAX_PAGES)]
